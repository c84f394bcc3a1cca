//! What the reconciler's tests share: a plan and a node's interfaces in a line, and a clock.

use std::time::{Duration, Instant};

use config::{AddressConfig, Announce, Lease, ManagedResources, Scope};
use ipnet::IpNet;
use vocabulary::{InterfaceName, VirtualAddress};

use super::super::{Plan, Schedule};
use crate::interfaces::{Configured, Interfaces, Link};

/// So many milliseconds after the start of all tests.
pub(in crate::reconciler) fn moment(millis: u64) -> Instant {
    thread_local! {
        #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
        static START: Instant = Instant::now();
    }
    START.with(|start| *start) + Duration::from_millis(millis)
}

pub(in crate::reconciler) fn name(text: &str) -> InterfaceName {
    InterfaceName::try_from(text).unwrap()
}

/// A plan of a router at `eth0` with these addresses, by interface, and no lease.
pub(in crate::reconciler) fn plan(addresses: &[(&str, &str)]) -> Plan {
    let address = |(interface, address): &(&str, &str)| AddressConfig {
        address: VirtualAddress::try_from(*address).unwrap(),
        interface: name(interface),
        label: None,
        scope: Scope::Global,
        broadcast: None,
    };
    let addresses = addresses.iter().map(address).collect();
    let (routes, rules) = (Vec::new(), Vec::new());
    let advert_interval = Duration::from_secs(1);
    Plan {
        interface: name("eth0"),
        macvlan: None,
        managed: ManagedResources { addresses, routes, rules, own_source: true },
        lease: Lease::Off,
        owner: false,
        schedule: Schedule { announce: Announce::default(), advert_interval },
    }
}

/// A node with `lo`, `eth0` and `eth1`, indices 1 to 3, and these addresses, by interface; those with a
/// star are ours.
pub(in crate::reconciler) fn node(addresses: &[(&str, &str)]) -> Interfaces {
    let mut interfaces = Interfaces::default();
    for (index, interface) in (1..).zip(["lo", "eth0", "eth1"]) {
        let loopback = interface == "lo";
        let link = Link {
            name: name(interface),
            running: true,
            loopback,
            mac: None,
            upon: None,
            mtu: Some(1_500),
        };
        interfaces.put(index, link);
        for (_, text) in addresses.iter().filter(|(at, _)| *at == interface) {
            let ours = text.ends_with('*');
            let address = address_of(text.trim_end_matches('*'));
            let address = Configured { ours, permanent: !ours, ..address };
            interfaces.put_address(index, address);
        }
    }
    interfaces
}

/// An address with its prefix, as somebody adds it by hand.
pub(in crate::reconciler) fn address_of(text: &str) -> Configured {
    let net: IpNet = text.parse().unwrap();
    Configured {
        ip: net.addr(),
        prefix_len: net.prefix_len(),
        ours: false,
        by_keepalived: false,
        permanent: true,
        tentative: false,
        secondary: false,
    }
}
