//! Whether the kernel drops packets whose way back would be another one.

use config::{Audience, RouterConfig};
use ipnet::IpNet;
use netlink_packet_route::address::AddressMessage;
use vocabulary::{Family, InterfaceName};
use vrrpd::io::address_message::address_of;

use super::context::Context;
use super::report::Finding;
use super::sysctl;

const ITEM: &str = "rp_filter";

/// Looks at each interface with an IPv4 router.
pub(super) fn look(context: &Context) -> Vec<Finding> {
    let mut found = Vec::new();
    for name in context.interfaces() {
        let routers: Vec<&RouterConfig> =
            context.routers_on(name).filter(|router| router.id.family == Family::Ipv4).collect();
        let value = sysctl::larger("ipv4", name.as_str(), "rp_filter");
        let (Some(value), false) = (value, routers.is_empty()) else { continue };
        found.push(judge(name, value, &routers, &subnets(context, name)));
    }
    found
}

/// The subnets that the interface is in by its own addresses.
fn subnets(context: &Context, name: &InterfaceName) -> Vec<IpNet> {
    let Some(interface) = context.network.interfaces.named(name) else { return Vec::new() };
    let here = |message: &&AddressMessage| message.header.index == interface.index;
    let net =
        |message: &AddressMessage| IpNet::new(address_of(message)?, message.header.prefix_len).ok();
    context.network.addresses.iter().filter(here).filter_map(net).collect()
}

/// 0 off, 1 strict (RFC 3704 §2.2), 2 loose. Strict is right where all is in the interface's subnets.
fn judge(
    name: &InterfaceName,
    value: i64,
    routers: &[&RouterConfig],
    subnets: &[IpNet],
) -> Finding {
    let word = match value {
        0 => "off",
        1 => "strict",
        _ => "loose",
    };
    let seen = format!("{value} ({word})");
    let outside = |ip: &std::net::IpAddr| !subnets.iter().any(|net| net.contains(ip));
    let peers = routers.iter().filter_map(|router| match &router.audience {
        Audience::Peers(peers) => Some(peers),
        Audience::Multicast => None,
    });
    let peer = peers.flatten().copied().find(outside);
    let mut addresses = routers.iter().flat_map(|router| &router.addresses).map(|a| a.ip());
    let concerned = peer.or_else(|| addresses.find(outside));
    match concerned.filter(|_| value == 1) {
        None => Finding::ok(ITEM, name, seen),
        Some(ip) => {
            let why = format!(
                "{ip} is in no subnet of {name}: what arrives may have its way back by another interface, and is dropped"
            );
            Finding::warning(ITEM, name, seen, why).remedy(sysctl::command(
                "ipv4",
                name.as_str(),
                "rp_filter",
                2,
            ))
        }
    }
}
