//! Duplicate address detection, which a virtual address must not wait for.

use vocabulary::{Family, InterfaceName};

use super::context::Context;
use super::report::Finding;
use super::sysctl;

const ITEM: &str = "ipv6 dad";

/// Looks at each interface with an IPv6 router.
pub(super) fn look(context: &Context) -> Vec<Finding> {
    let has_ipv6 = |name: &&InterfaceName| {
        context.routers_on(name).any(|router| router.id.family == Family::Ipv6)
    };
    let one = |name: &InterfaceName| {
        Some(judge(name, sysctl::larger("ipv6", name.as_str(), "accept_dad")?))
    };
    context.interfaces().into_iter().filter(has_ipv6).filter_map(one).collect()
}

/// Linux, ip-sysctl: 0 off, 1 on, 2 disables IPv6 on the interface when its link-local address is taken.
fn judge(name: &InterfaceName, value: i64) -> Finding {
    if value >= 2 {
        let seen = format!("accept_dad is {value}");
        let why = "whoever claims this node's link-local address once disables IPv6 on the interface, and with it the router";
        return Finding::warning(ITEM, name, seen, why)
            .remedy(sysctl::command("ipv6", "all", "accept_dad", 1))
            .remedy(sysctl::command("ipv6", name.as_str(), "accept_dad", 1));
    }
    let seen = format!(
        "accept_dad is {value}; virtual addresses are added without detection, usable at once"
    );
    Finding::ok(ITEM, name, seen)
}
