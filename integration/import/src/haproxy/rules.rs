//! `stick`, which becomes a balance, and `acl`, which shares the fate of the rules that name it.

use crate::draft::Got;
use crate::report::{Kind, Report};
use crate::source::Statement;

const STICKS: &str = "a client is kept with its server by its address, for as long as that server is usable: `balance = \"source\"`";

/// What a TLS session's number, read out of a handshake, begins with.
const PAYLOADS: [&str; 5] = ["payload", "req.payload", "res.payload", "rep.payload", "ssl_"];

/// What the `stick` lines of a section come to.
pub(super) fn stick(header: &Statement, report: &mut Report) -> Option<Got<&'static str>> {
    let named = |name: &'static str| header.inner().iter().filter(move |l| l.name() == name);
    let mut balance = None;
    let mut lost = false;
    for line in named("stick") {
        let key = line.text(2);
        if key == "src" || PAYLOADS.iter().any(|payload| key.starts_with(payload)) {
            balance = Some(Got::from(line.place(), "source"));
            report.different(line, STICKS);
        } else {
            lost = true;
            let why = format!("a client is kept with its server by its address, not by {key}");
            report.unsupported(line, why);
        }
    }
    for line in named("stick-table") {
        match (lost, &balance) {
            (true, _) => report.unsupported(line, "no table is kept"),
            (false, Some(_)) => {
                report.different(line, "no table is kept: every node chooses alike")
            }
            (false, None) => report.ignored(line, "no `stick` rule uses it"),
        }
    }
    balance
}

/// Says what becomes of the `acl` lines, after the rules were read.
pub(super) fn acls(header: &Statement, report: &mut Report) {
    for acl in header.inner().iter().filter(|line| line.name() == "acl") {
        let name = acl.text(1);
        let uses = |line: &&Statement| {
            let names = |word: &str| word.strip_prefix('!').unwrap_or(word) == name;
            line.name() != "acl" && line.args().iter().any(|word| names(&word.text))
        };
        let fate = header.inner().iter().filter(uses).filter_map(|line| report.kind(line)).max();
        match fate {
            Some(Kind::NotSupported) => report.unsupported(acl, "a rule that needs it is lost"),
            Some(Kind::Translated | Kind::Different) => report.translated(acl),
            Some(Kind::Ignored) | None => report.ignored(acl, "no rule that is imported needs it"),
        }
    }
}
