//! `unicast_peer` and `unicast_src_ip`: whom adverts go to, and where they come from.

use vocabulary::Family;

use crate::draft::{Got, Router};
use crate::report::Report;
use crate::source::{Mistake, Statement};
use crate::values::ip;

const PREFIX: &str = "keepalived reads the address and leaves the prefix out, and so does this";

/// `unicast_src_ip` and `mcast_src_ip`.
pub(super) fn source(statement: &Statement, router: &mut Router, report: &mut Report) {
    router.source = report.parsed(statement, |text| ip(bare(text)));
    if bare(statement.text(1)) != statement.text(1) {
        report.different(statement, PREFIX);
    }
}

/// `unicast_peer`.
pub(super) fn peers(
    statement: &Statement,
    block: &Statement,
    family: Family,
    router: &mut Router,
    report: &mut Report,
) {
    report.translated(statement);
    let source = block.inner().iter().rfind(|line| line.name() == "unicast_src_ip");
    let own = source.and_then(|line| ip(bare(line.text(1))).ok());
    for line in statement.inner() {
        let text = bare(line.name());
        let Ok(peer) = ip(text) else {
            let title = format!("`unicast_peer` has {text:?}, but each must be an IP address");
            report.mistake(Mistake::at(line.place(), title, ""));
            continue;
        };
        if peer.is_ipv6() != (family == Family::Ipv6) {
            report.different(line, "keepalived leaves it out: the instance is of the other family");
            continue;
        }
        if own == Some(peer) {
            report.different(line, "it is this node's own address, which needs no adverts");
            continue;
        }
        router.peers.push(Got::from(line.place(), peer));
        report.translated(line);
        report.surplus(line, 1);
        if text != line.name() {
            report.different(line, PREFIX);
        }
    }
    if statement.inner().is_empty() {
        report.ignored(statement, "it names nobody");
    } else if router.peers.is_empty() {
        report.unsupported(statement, "it names no other node: adverts would go to everybody");
    }
}

/// The address without its prefix.
fn bare(text: &str) -> &str {
    match text.split_once('/') {
        Some((address, prefix)) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => address,
        _ => text,
    }
}
