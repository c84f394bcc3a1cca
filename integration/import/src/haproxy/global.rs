//! `global`.

use crate::report::{Kind, Report};
use crate::source::Statement;

const PROCESS: &str = "vipd is started by systemd, and lbproxy runs as nobody";
const TLS: &str = "TLS is passed through";
const THREADS: &str = "one worker runs for each processor";

/// Keywords by their beginning.
const KNOWN: [(&str, Kind, &str); 42] = [
    ("daemon", Kind::Ignored, PROCESS),
    ("master-worker", Kind::Ignored, PROCESS),
    ("mworker", Kind::Ignored, PROCESS),
    ("user", Kind::Ignored, PROCESS),
    ("group", Kind::Ignored, PROCESS),
    ("uid", Kind::Ignored, PROCESS),
    ("gid", Kind::Ignored, PROCESS),
    ("chroot", Kind::Ignored, PROCESS),
    ("pidfile", Kind::Ignored, PROCESS),
    ("ulimit-n", Kind::Ignored, PROCESS),
    ("unix-bind", Kind::Ignored, PROCESS),
    ("setcap", Kind::Ignored, PROCESS),
    ("set-dumpable", Kind::Ignored, PROCESS),
    ("insecure-", Kind::Ignored, PROCESS),
    ("limited-quic", Kind::Ignored, PROCESS),
    (
        "log",
        Kind::Different,
        "messages go to standard error, and a line for each connection to standard output, for the journal",
    ),
    ("stats", Kind::Different, "`vipd status` shows the proxies and their servers"),
    ("maxconn", Kind::Different, "connections are limited by the number of open files only"),
    ("maxconnrate", Kind::NotSupported, "the rate of connections is not limited"),
    ("maxsessrate", Kind::NotSupported, "the rate of connections is not limited"),
    ("maxsslconn", Kind::Ignored, TLS),
    ("maxsslrate", Kind::Ignored, TLS),
    ("ca-base", Kind::Ignored, TLS),
    ("crt-base", Kind::Ignored, TLS),
    ("key-base", Kind::Ignored, TLS),
    ("ssl-", Kind::Ignored, TLS),
    ("issuers-chain-path", Kind::Ignored, TLS),
    ("tune.", Kind::Ignored, "buffers and the like have fixed sizes"),
    ("nbproc", Kind::Ignored, THREADS),
    ("nbthread", Kind::Ignored, THREADS),
    ("cpu-", Kind::Ignored, THREADS),
    ("thread-", Kind::Ignored, THREADS),
    ("noepoll", Kind::Ignored, THREADS),
    ("nosplice", Kind::Ignored, THREADS),
    ("spread-checks", Kind::Ignored, "checks of different servers begin at different times"),
    ("max-spread-checks", Kind::Ignored, "checks of different servers begin at different times"),
    ("external-check", Kind::Ignored, "no program is run to check a server"),
    ("server-state-", Kind::Ignored, "servers are checked at once"),
    ("hard-stop-after", Kind::Different, "at the end connections are waited for a fixed time"),
    ("lua-", Kind::NotSupported, "there are no scripts"),
    ("node", Kind::Ignored, "it is a comment"),
    ("description", Kind::Ignored, "it is a comment"),
];

/// Reads the section.
pub(super) fn read(section: &Statement, report: &mut Report) {
    report.translated(section);
    for line in section.inner() {
        match KNOWN.iter().find(|(known, ..)| line.name().starts_with(known)) {
            Some((_, kind, why)) => report.whole(line, *kind, *why),
            None if line.name() == "no"
                || line.name() == "quiet"
                || line.name() == "zero-warning" =>
            {
                report.ignored(line, PROCESS);
            }
            None => report.unsupported(line, "this keyword is not known to `vipd import`"),
        }
    }
}
