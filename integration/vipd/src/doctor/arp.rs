//! Whether the kernel answers ARP for the virtual addresses.

use config::{AddressConfig, RouterConfig};
use ipnet::IpNet;
use vocabulary::{Family, InterfaceName};

use super::context::Context;
use super::report::Finding;
use super::sysctl;

const ITEM: &str = "arp";

/// Looks at the settings of each interface that has IPv4 virtual addresses. Those that are made for a
/// virtual MAC address get theirs from `vrrpd`.
pub(super) fn look(context: &Context) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for router in context.config.routers.iter().filter(|router| is_concerned(router)) {
        for address in router.managed.addresses.iter().filter(|a| a.address.ip().is_ipv4()) {
            let Some(finding) = one(address) else { continue };
            if !found.contains(&finding) {
                found.push(finding);
            }
        }
    }
    found
}

fn is_concerned(router: &RouterConfig) -> bool {
    router.id.family == Family::Ipv4 && router.virtual_mac.is_none()
}

fn one(address: &AddressConfig) -> Option<Finding> {
    let name = &address.interface;
    let ignore = sysctl::larger("ipv4", name.as_str(), "arp_ignore")?;
    let announce = sysctl::larger("ipv4", name.as_str(), "arp_announce")?;
    let net = IpNet::new(address.address.ip(), address.address.prefix_len()).ok()?;
    Some(judge(name, ignore, announce, net))
}

/// Linux, ip-sysctl: 2 answers only to whom the address's own prefix contains, 3 not for addresses of
/// host scope, 8 for none at all.
fn judge(name: &InterfaceName, ignore: i64, announce: i64, net: IpNet) -> Finding {
    let seen = format!("arp_ignore is {ignore}, arp_announce {announce}");
    let silent = match ignore {
        0 | 1 | 3 => None,
        2 if net.prefix_len() < 32 => None,
        2 => Some(format!(
            "with 2 nobody is answered who asks for {}, whose prefix is only itself",
            net.addr()
        )),
        _ => Some(format!("with {ignore} the kernel answers nobody who asks for {}", net.addr())),
    };
    match silent {
        None => Finding::ok(ITEM, name, seen),
        Some(why) => Finding::failure(ITEM, name, seen, why)
            .remedy(sysctl::command("ipv4", "all", "arp_ignore", 0))
            .remedy(sysctl::command("ipv4", name.as_str(), "arp_ignore", 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn some_settings_answer_nobody() {
        let eth0 = InterfaceName::try_from("eth0").unwrap();
        for (ignore, net, verdict) in [
            (0, "10.0.0.100/32", Verdict::Ok),
            (1, "10.0.0.100/32", Verdict::Ok),
            (2, "10.0.0.100/32", Verdict::Failure),
            (2, "10.0.0.100/24", Verdict::Ok),
            (3, "10.0.0.100/32", Verdict::Ok),
            (8, "10.0.0.100/24", Verdict::Failure),
        ] {
            assert_eq!(
                judge(&eth0, ignore, 0, net.parse().unwrap()).verdict,
                verdict,
                "{ignore} {net}"
            );
        }
    }
}
