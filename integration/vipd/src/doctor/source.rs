//! The address that each router speaks from.

use std::net::IpAddr;

use config::RouterConfig;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use vocabulary::Family;
use vrrpd::io::address_message::address_of;

use super::context::Context;
use super::report::Finding;
use super::sysctl;

const ITEM: &str = "source";

/// Looks for each router's, where its interface is there.
pub(super) fn look(context: &Context) -> Vec<Finding> {
    context.config.routers.iter().filter_map(|router| one(context, router)).collect()
}

fn one(context: &Context, router: &RouterConfig) -> Option<Finding> {
    let name = &router.interface;
    let interface = context.network.interfaces.named(name)?;
    if let Some(source) = interface.source_for(router) {
        return Some(Finding::ok(ITEM, &router.id, format!("it speaks from {source} on {name}")));
    }
    let duplicate = context.network.addresses.iter().find_map(|message| {
        let is_here = message.header.index == interface.index && is_duplicate(message);
        address_of(message).filter(|ip| is_here && Family::of(*ip) == router.id.family)
    });
    Some(missing(router, duplicate))
}

/// Another station has it: the kernel has found that by itself, and does not use it.
fn is_duplicate(message: &AddressMessage) -> bool {
    message.attributes.iter().any(|attribute| {
        matches!(attribute, AddressAttribute::Flags(flags) if flags.contains(AddressFlags::Dadfailed))
    })
}

fn missing(router: &RouterConfig, duplicate: Option<IpAddr>) -> Finding {
    let (name, family) = (&router.interface, router.id.family);
    let fail = |seen: String| {
        Finding::failure(
            ITEM,
            &router.id,
            seen,
            "without a source it sends no adverts, and is no part of the pair",
        )
    };
    if let Some(source) = router.source {
        return fail(format!("`source` is {source}, which {name} does not have"))
            .remedy(format!("ip address show dev {name}"));
    }
    if let Some(address) = duplicate {
        return fail(format!("{address} on {name} is another station's as well (DAD failed)"))
            .remedy("# give one of the two another address, then let the kernel try again:")
            .remedy(format!("sudo ip address del {address}/64 dev {name}"))
            .remedy(format!("sudo ip link set dev {name} addrgenmode random"));
    }
    match family {
        Family::Ipv4 => fail(format!("{name} has no IPv4 address of its own"))
            .remedy(format!("sudo ip address add NODE_ADDRESS/24 dev {name}")),
        Family::Ipv6 if is_disabled(name.as_str()) => fail(format!("IPv6 is disabled on {name}"))
            .remedy(sysctl::command("ipv6", name.as_str(), "disable_ipv6", 0)),
        Family::Ipv6 => fail(format!("{name} has no usable link-local address"))
            .remedy(format!("sudo ip link set dev {name} addrgenmode eui64"))
            .remedy(format!("ip -6 address show dev {name}")),
    }
}

fn is_disabled(interface: &str) -> bool {
    sysctl::number(&format!("net/ipv6/conf/{interface}/disable_ipv6")) == Some(1)
}
