//! `global_defs`.

use super::announce::Garp;
use crate::draft::{Draft, Got};
use crate::report::{Kind, Report};
use crate::source::Statement;

/// What instances take from it.
#[derive(Debug, Default)]
pub(super) struct Globals {
    /// `vrrp_version 3`.
    pub(super) version: Option<u8>,
    /// `script_user`.
    pub(super) script_user: Option<String>,
    /// `default_interface`.
    pub(super) interface: Option<String>,
    /// `vrrp_garp_…`.
    pub(super) garp: Garp,
    /// `vrrp_strict`.
    pub(super) strict: bool,
    /// There are services.
    pub(super) has_ipvs: bool,
    /// Something has `smtp_alert`, or is a service, whose servers keepalived writes of unasked.
    pub(super) mails: bool,
}

const ANNOUNCE: &str =
    "addresses are announced at once, after 0.1, 0.5, 2 and 5 s, and every minute";
const REAL_TIME: &str = "vipd runs in real time with its memory locked by itself";
const MAIL: &str = "no mail is sent";
const SCRIPTS: &str = "it is about scripts";
const STRICT: &str = "the RFC is kept without it, and the addresses still answer";
const FIREWALL: &str = "no firewall rules are needed";

/// Keywords that need no more than a word, by their beginning.
const KNOWN: [(&str, Kind, &str); 30] = [
    ("router_id", Kind::Ignored, "it is for mails and SNMP"),
    ("lvs_id", Kind::Ignored, "it is for mails and SNMP"),
    ("notification_email_from", Kind::Ignored, MAIL),
    ("smtp_alert", Kind::NotSupported, MAIL),
    ("smtp_", Kind::Ignored, MAIL),
    ("email_faults", Kind::Ignored, MAIL),
    ("enable_script_security", Kind::Ignored, "it is always done"),
    ("max_auto_priority", Kind::Ignored, REAL_TIME),
    ("min_auto_priority", Kind::Ignored, REAL_TIME),
    ("vrrp_priority", Kind::Ignored, REAL_TIME),
    ("vrrp_rt_priority", Kind::Ignored, REAL_TIME),
    ("vrrp_no_swap", Kind::Ignored, REAL_TIME),
    ("vrrp_rlimit", Kind::Ignored, REAL_TIME),
    ("vrrp_cpu_affinity", Kind::Ignored, REAL_TIME),
    ("checker_", Kind::Ignored, "there is no such process"),
    ("bfd_", Kind::Ignored, "there is no such process"),
    ("lvs_", Kind::Ignored, "there is no IPVS: proxies take its place"),
    ("vrrp_garp_", Kind::Different, ANNOUNCE),
    ("vrrp_skip_check_adv_addr", Kind::Ignored, "the addresses in adverts are never compared"),
    ("vrrp_check_unicast_src", Kind::Ignored, "adverts are taken from configured peers only"),
    ("vrrp_iptables", Kind::Ignored, FIREWALL),
    ("vrrp_ipsets", Kind::Ignored, FIREWALL),
    ("nftables", Kind::Ignored, FIREWALL),
    ("vrrp_higher_prio_send_advert", Kind::Ignored, "it is always done"),
    ("vrrp_lower_prio_no_advert", Kind::Ignored, "RFC 9568 has an Active router answer at once"),
    ("dynamic_interfaces", Kind::Ignored, "an interface may always come later"),
    ("process_name", Kind::Ignored, "names of processes are fixed"),
    ("vrrp_process_name", Kind::Ignored, "names of processes are fixed"),
    ("use_symlink_paths", Kind::Ignored, SCRIPTS),
    ("log_unknown_vrids", Kind::Ignored, "other virtual routers are counted in the status"),
];

/// Reads one `global_defs` block.
pub(super) fn read(
    block: &Statement,
    globals: &mut Globals,
    draft: &mut Draft,
    report: &mut Report,
) {
    report.translated(block);
    for statement in block.inner() {
        let name = statement.name();
        match name {
            _ if name
                .strip_prefix("vrrp_")
                .is_some_and(|n| globals.garp.read(n, statement, report)) => {}
            "vrrp_version" => {
                globals.version = report.number(statement, 2..=3).map(|got| got.value);
                report.translated(statement);
            }
            "default_interface" => {
                globals.interface = report.argument(statement).map(|word| word.text.clone());
                report.translated(statement);
            }
            "script_user" => {
                globals.script_user = report.argument(statement).map(|word| word.text.clone());
                report.translated(statement);
            }
            "vrrp_strict" => {
                globals.strict = !matches!(statement.text(1), "off" | "false" | "no");
                report.different(statement, STRICT);
            }
            "notify_fifo" | "vrrp_notify_fifo" => fifo(statement, draft, report),
            "vrrp_mcast_group4" if statement.text(1) == "224.0.0.18" => {
                report.translated(statement)
            }
            "vrrp_mcast_group6" if statement.text(1) == "ff02::12" => report.translated(statement),
            "notification_email" if statement.inner().is_empty() => {
                report.ignored(statement, "it is empty");
            }
            "notification_email" => mail(statement, globals.mails, report),
            name => match KNOWN.iter().find(|(known, ..)| name.starts_with(known)) {
                Some((_, kind, why)) => report.whole(statement, *kind, *why),
                None => report.whole(statement, Kind::NotSupported, super::UNKNOWN),
            },
        }
    }
}

/// Addresses to write to, which is done only where something asks for it.
fn mail(statement: &Statement, wanted: bool, report: &mut Report) {
    if wanted {
        return report.whole(statement, Kind::NotSupported, MAIL);
    }
    let why = "nothing has `smtp_alert`: keepalived sends no mail either";
    report.whole(statement, Kind::Ignored, why);
}

/// `notify_fifo PATH [USER [GROUP]]`.
fn fifo(line: &Statement, draft: &mut Draft, report: &mut Report) {
    let Some(path) = report.argument(line) else { return };
    if !path.text.starts_with('/') {
        return report.unsupported(line, "it must be an absolute path");
    }
    let user = line.args().get(1).map_or("root", |user| &user.text);
    draft.fifo = Some((Got::from(line.place(), path.text.clone()), user.to_owned()));
    report.translated(line);
}
