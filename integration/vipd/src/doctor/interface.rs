//! The interfaces that adverts travel through: up, with carrier, and with multicast where that is needed.

use config::Audience;
use netlink_packet_route::link::LinkFlags;
use vocabulary::InterfaceName;

use super::context::Context;
use super::report::Finding;

const ITEM: &str = "interface";

const NO_PART: &str = "a router stays in Initialize while its interface does not run";

/// Looks at each of them.
pub(super) fn look(context: &Context) -> Vec<Finding> {
    context.interfaces().into_iter().map(|name| one(context, name)).collect()
}

fn one(context: &Context, name: &InterfaceName) -> Finding {
    let Some(flags) = context.network.flags(name) else {
        let seen = context.network.interfaces.absence(name).unwrap_or_default();
        return Finding::failure(ITEM, name, seen, NO_PART)
            .remedy("ip -brief address")
            .remedy(format!("sudoedit {}", context.path.display()));
    };
    let multicast = context.routers_on(name).any(|router| router.audience == Audience::Multicast);
    judge(name, flags, multicast)
}

fn judge(name: &InterfaceName, flags: LinkFlags, needs_multicast: bool) -> Finding {
    if !flags.contains(LinkFlags::Up) {
        let up = format!("sudo ip link set dev {name} up");
        return Finding::failure(ITEM, name, "it is down", NO_PART).remedy(up);
    }
    if !flags.contains(LinkFlags::LowerUp) {
        return Finding::failure(ITEM, name, "it has no carrier", NO_PART)
            .remedy("# look at the cable, the switch's port, or the virtual machine's network")
            .remedy(format!("ip -details link show dev {name}"));
    }
    if needs_multicast && !flags.contains(LinkFlags::Multicast) {
        let why = "adverts are sent to a multicast group; the kernel sends none without the flag";
        return Finding::failure(ITEM, name, "it has no multicast flag", why)
            .remedy(format!("sudo ip link set dev {name} multicast on"))
            .remedy("# where the network carries none, name the other node: peers = [\"…\"]");
    }
    let multicast = if needs_multicast { ", with multicast" } else { "" };
    Finding::ok(ITEM, name, format!("up, with carrier{multicast}"))
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn the_first_thing_that_is_missing_is_told() {
        let eth0 = InterfaceName::try_from("eth0").unwrap();
        let up = LinkFlags::Up | LinkFlags::LowerUp;
        let table = [
            (LinkFlags::Multicast, true, Verdict::Failure, "it is down"),
            (LinkFlags::Up, true, Verdict::Failure, "it has no carrier"),
            (up, true, Verdict::Failure, "it has no multicast flag"),
            (up, false, Verdict::Ok, "up, with carrier"),
            (up | LinkFlags::Multicast, true, Verdict::Ok, "up, with carrier, with multicast"),
        ];
        for (flags, needs_multicast, verdict, seen) in table {
            let found = judge(&eth0, flags, needs_multicast);
            assert_eq!((found.verdict, found.seen.as_str()), (verdict, seen));
        }
    }
}
