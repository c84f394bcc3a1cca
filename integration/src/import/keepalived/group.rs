//! `vrrp_sync_group`.

use std::collections::BTreeMap;

use super::GROUP_NOTIFY;
use crate::import::draft::{Draft, Got};
use crate::import::report::{Kind, Report};
use crate::import::source::Statement;

/// The group of each instance that is in one, by the instance's name.
pub(super) fn groups(
    statements: &[Statement],
    report: &mut Report,
) -> BTreeMap<String, Got<String>> {
    let mut groups = BTreeMap::new();
    for block in statements.iter().filter(|found| found.name() == "vrrp_sync_group") {
        let members: Vec<&str> = block
            .inner()
            .iter()
            .filter(|line| line.name() == "group")
            .flat_map(|list| list.inner().iter().flat_map(|line| &line.words))
            .map(|word| word.text.as_str())
            .collect();
        if members.len() > 1 {
            report.translated(block);
        } else {
            report.ignored(block, "a group of one needs no keeping together");
        }
        block.inner().iter().for_each(|line| keyword(line, report));
        let name = Draft::name(block.text(1), &[]);
        for member in members.iter().filter(|_| members.len() > 1) {
            groups.insert((*member).to_owned(), Got::from(block.place(), name.clone()));
        }
    }
    groups
}

fn keyword(line: &Statement, report: &mut Report) {
    match line.name() {
        "group" => {
            report.translated(line);
            line.inner().iter().for_each(|member| report.translated(member));
        }
        "global_tracking" | "sync_group_tracking_weight" => {
            report.ignored(line, "what one member tracks counts for all");
        }
        "smtp_alert" => report.unsupported(line, "no mail is sent"),
        name if name.starts_with("notify") => report.unsupported(line, GROUP_NOTIFY),
        name if name.starts_with("track_") => {
            report.whole(
                line,
                Kind::NotSupported,
                "let one of its members track it: it counts for all",
            );
        }
        _ => report.whole(line, Kind::NotSupported, super::UNKNOWN),
    }
}
