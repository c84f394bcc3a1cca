//! keepalived's FAULT state, and the priority of 1 that takes its place: where the two do not mean the
//! same, it is said.

use std::collections::BTreeMap;

use crate::draft::Router;
use crate::report::Report;
use crate::source::Statement;

const YIELDS: &str = "keepalived goes into FAULT state and has no address then; here the priority falls to 1: a peer that can serve takes the addresses, and if none can they stay";

/// Says of each of `lines`, by the names of their routers, what becomes of a router that cannot serve.
pub(super) fn look(
    lines: &BTreeMap<String, Vec<Statement>>,
    routers: &[Router],
    report: &mut Report,
) {
    for router in routers {
        for line in lines.get(&router.name).into_iter().flatten() {
            match lost(router) {
                Some(why) => report.unsupported(line, why),
                None => report.different(line, YIELDS),
            }
        }
    }
}

/// What keepalived's FAULT state does for this router, and a priority of 1 does not.
fn lost(router: &Router) -> Option<&'static str> {
    let priority = router.priority.as_ref().map(|priority| priority.value);
    let hook = |key: &str| router.hooks.iter().any(|(known, _)| *known == key);
    if router.preempt.as_ref().is_some_and(|preempt| !preempt.value) {
        return Some(
            "with `nopreempt` a peer takes over from keepalived's FAULT state, but not from a priority of 1: remove `nopreempt`, on both nodes",
        );
    }
    match priority {
        Some(255) => Some(
            "keepalived goes into FAULT state, but a priority of 255 is never lowered: write 254 at most",
        ),
        Some(1) => Some(
            "keepalived goes into FAULT state, but a priority of 1 cannot fall: write 2 at least, and more on the other node",
        ),
        _ if hook("notify_fault") => Some(
            "keepalived goes into FAULT state and runs `notify_fault`; here it runs when the interface or its address is gone, and not for this",
        ),
        _ => None,
    }
}
