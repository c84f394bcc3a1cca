//! `vrrp_instance`.

use std::time::Duration;

use super::announce::Garp;
use super::globals::Globals;
use super::script::Scripts;
use super::{address, command, routing, vmac};
use crate::Import;
use crate::draft::{Got, Router, Watched};
use crate::report::{Kind, Report};
use crate::source::{Mistake, Statement};
use crate::values::{ip, seconds, spoken};

pub(super) const ANNOUNCE: &str =
    "addresses are announced at once, after 0.1, 0.5, 2 and 5 s, and every minute";

/// Of a password, as many bytes are sent.
const PASSWORD_BYTES: usize = 8;

/// Keywords that need no more than a word, by their beginning.
const KNOWN: [(&str, Kind, &str); 22] = [
    ("garp_group", Kind::Different, ANNOUNCE),
    ("garp_extra_if", Kind::NotSupported, "addresses are announced where they are"),
    ("smtp_alert", Kind::NotSupported, "no mail is sent"),
    ("track_bfd", Kind::NotSupported, "there is no BFD"),
    ("track_src_ip", Kind::Ignored, "it is always done"),
    ("dont_track_primary", Kind::Different, "without its interface this router never takes part"),
    ("use_vmac_addr", Kind::Ignored, "the addresses are on the adverts' interface"),
    ("native_ipv6", Kind::Ignored, "the addresses' family says it"),
    ("no_accept", Kind::NotSupported, "the addresses always answer"),
    ("accept", Kind::Ignored, "the addresses always answer"),
    ("strict_mode", Kind::Different, "the RFC is kept without it, and the addresses still answer"),
    ("promote_secondaries", Kind::Ignored, "only the own addresses are touched"),
    ("higher_prio_send_advert", Kind::Ignored, "it is always done"),
    ("lower_prio_no_advert", Kind::Ignored, "RFC 9568 has an Active router answer at once"),
    ("skip_check_adv_addr", Kind::Ignored, "the addresses in adverts are never compared"),
    ("check_unicast_src", Kind::Ignored, "adverts are taken from configured peers only"),
    ("thread_timer_expired", Kind::Ignored, "a late router always looks before it leads"),
    ("timer_expired_backup", Kind::Ignored, "a late router always looks before it leads"),
    ("linkbeat_", Kind::Ignored, "the kernel tells of every change of the link"),
    ("debug", Kind::Ignored, "what is logged is told on the command line"),
    ("kernel_rx_buf_size", Kind::Ignored, "the queue of adverts has a fixed size"),
    ("version_check", Kind::Ignored, "the version is always checked"),
];

/// Imports one instance.
pub(super) fn import(
    block: &Statement,
    globals: &Globals,
    has_ipvs: bool,
    scripts: &mut Scripts,
    import: &mut Import,
) {
    let Some(given) = import.report.argument(block) else { return };
    if !scripts.instances.insert(given.text.clone()) {
        let why = "keepalived skips a second vrrp_instance of the same name";
        return import.report.whole(block, Kind::Ignored, why);
    }
    let name = import.draft.router_name(&given.text);
    if name == given.text {
        import.report.translated(block);
    } else {
        import.report.different(block, format!("it is called {name}"));
    }
    let mut router = Router::new(block.place(), name);
    router.interface = globals.interface.clone().map(Got::added);
    router.version = version(block, globals, &mut import.report);
    let mut garp = Garp::default();
    for statement in block.inner() {
        match statement.name() {
            name if garp.read(name, statement, &mut import.report) => {}
            "track_script" => scripts.track(statement, &mut router, import),
            "track_process" => scripts.track(statement, &mut router, import),
            "track_file" => scripts.track(statement, &mut router, import),
            "track_interface" => track_interface(statement, &mut router, import),
            name if name.starts_with("notify") => {
                let user = globals.script_user.as_deref();
                command::notify(statement, user, &mut router, &mut import.report);
            }
            _ => keyword(statement, block, has_ipvs, &mut router, &mut import.report),
        }
    }
    router.announce = garp.announce(&globals.garp);
    complete(block, &mut router, &mut import.report);
    vmac::complete(block, &mut router, import);
    import.draft.routers.push(router);
}

/// IPv6 is always version 3.
fn version(block: &Statement, globals: &Globals, report: &mut Report) -> Got<u8> {
    let find = |name: &str| block.inner().iter().find(|statement| statement.name() == name);
    let own = find("version").and_then(|statement| report.number(statement, 2..=3));
    let v6 = find("virtual_ipaddress")
        .is_some_and(|list| list.inner().iter().any(|line| line.name().contains(':')));
    match own {
        _ if v6 => Got::added(3),
        Some(own) => own,
        None => Got::added(globals.version.unwrap_or(2)),
    }
}

fn keyword(
    statement: &Statement,
    block: &Statement,
    has_ipvs: bool,
    router: &mut Router,
    report: &mut Report,
) {
    match statement.name() {
        "version" => report.translated(statement),
        "state" => report.ignored(statement, "the priorities decide who leads"),
        "interface" => {
            router.interface =
                report.argument(statement).map(|word| Got::from(&word.place, word.text.clone()));
            one_value(statement, report);
        }
        "virtual_router_id" => {
            router.vrid = report.number(statement, 1..=255);
            one_value(statement, report);
        }
        "priority" => {
            router.priority = report.number(statement, 1..=255);
            one_value(statement, report);
        }
        "advert_int" => advert_interval(statement, router, report),
        "virtual_ipaddress" => address::addresses(statement, block, router, report),
        "virtual_ipaddress_excluded" => address::excluded(statement, block, router, report),
        "use_vmac" => vmac::use_vmac(statement, block, router, report),
        "vmac_xmit_base" => vmac::xmit_base(statement, block, report),
        "virtual_routes" => routing::routes(statement, block, router, report),
        "virtual_rules" => routing::rules(statement, router, report),
        "authentication" => authentication(statement, router, report),
        "nopreempt" | "preempt" | "preempt_delay" => preempt(statement, block, router, report),
        "unicast_src_ip" | "mcast_src_ip" => {
            router.source = report.ip(statement);
            one_value(statement, report);
        }
        "unicast_peer" => peers(statement, router, report),
        // The second spelling is in examples that keepalived shipped.
        "lvs_sync_daemon_interface" | "lvs_sync_daemon_inteface" if has_ipvs => {
            report.different(statement, "a proxy's connections do not move to the other node");
        }
        "lvs_sync_daemon_interface" | "lvs_sync_daemon_inteface" => {
            report.ignored(statement, "there is no IPVS");
        }
        name => match KNOWN.iter().find(|(known, ..)| name.starts_with(known)) {
            Some((_, kind, why)) => report.whole(statement, *kind, *why),
            None => report.whole(statement, Kind::NotSupported, super::UNKNOWN),
        },
    }
}

fn one_value(statement: &Statement, report: &mut Report) {
    report.translated(statement);
    report.surplus(statement, 2);
}

fn advert_interval(statement: &Statement, router: &mut Router, report: &mut Report) {
    let Some(interval) = report.parsed(statement, seconds) else { return };
    let whole = Duration::from_secs((interval.value + Duration::from_millis(500)).as_secs().max(1));
    let value = if router.version.value == 2 { whole } else { interval.value };
    if value > Duration::from_millis(40_950) {
        return report.unsupported(statement, "adverts are at most 40 s apart");
    }
    if value < Duration::from_millis(10) {
        let must = "must be at least 0.01";
        return report.mistake(Mistake::value(statement, &statement.words[1], must));
    }
    if value == interval.value {
        one_value(statement, report);
    } else {
        let words = format!("version 2 counts whole seconds: {}", spoken(value));
        report.different(statement, words);
    }
    router.advert_interval = Some(Got { value, from: interval.from });
}

fn preempt(statement: &Statement, block: &Statement, router: &mut Router, report: &mut Report) {
    let has = |name| block.inner().iter().any(|other| other.name() == name);
    let master =
        block.inner().iter().any(|other| other.name() == "state" && other.text(1) == "MASTER");
    match statement.name() {
        "preempt" => report.translated(statement),
        name if master => {
            let why = format!("keepalived itself clears `{name}` beside `state MASTER`");
            report.ignored(statement, why);
        }
        "nopreempt" => {
            router.preempt = Some(Got::from(statement.place(), false));
            report.translated(statement);
        }
        _ if has("nopreempt") => report.ignored(statement, "it has no meaning with `nopreempt`"),
        _ => {
            let limit = Duration::from_secs(3600);
            router.preempt_delay = report.parsed(statement, |text| match seconds(text)? {
                delay if delay <= limit => Ok(delay),
                _ => Err("must be at most 3600"),
            });
            one_value(statement, report);
        }
    }
}

fn peers(statement: &Statement, router: &mut Router, report: &mut Report) {
    report.translated(statement);
    for line in statement.inner() {
        match ip(line.name()) {
            Ok(peer) => {
                router.peers.push(Got::from(line.place(), peer));
                report.translated(line);
                report.surplus(line, 1);
            }
            Err(must) => {
                let title = format!("`unicast_peer` has {:?}, but each {must}", line.name());
                report.mistake(Mistake::at(line.place(), title, ""));
            }
        }
    }
    if statement.inner().is_empty() {
        report.ignored(statement, "it names nobody");
    }
}

fn authentication(statement: &Statement, router: &mut Router, report: &mut Report) {
    report.translated(statement);
    let kind = statement.inner().iter().find(|line| line.name() == "auth_type");
    let pass = kind.is_some_and(|kind| kind.text(1) == "PASS");
    for line in statement.inner() {
        match line.name() {
            _ if router.version.value == 3 => {
                report.ignored(line, "version 3 has no authentication");
            }
            "auth_type" if pass => report.translated(line),
            "auth_type" if line.text(1) == "AH" => {
                report.unsupported(
                    line,
                    "there is no IPsec authentication; the peer must do without",
                );
            }
            "auth_type" => {
                let how = format!(
                    "keepalived does not know {:?} and runs without a password",
                    line.text(1)
                );
                report.different(line, how);
            }
            "auth_pass" if !pass => report.ignored(line, "the type is not PASS"),
            "auth_pass" => password(line, router, report),
            _ => report.unsupported(line, super::UNKNOWN),
        }
    }
}

fn password(line: &Statement, router: &mut Router, report: &mut Report) {
    let Some(word) = report.argument(line) else { return };
    let mut end = PASSWORD_BYTES.min(word.text.len());
    while !word.text.is_char_boundary(end) {
        end -= 1;
    }
    report.translated(line);
    if end < word.text.len() {
        report.lint(format!("{}: only the first 8 bytes of the password count", line.place()));
    }
    let text = &word.place.source.text;
    if text[word.place.span.end..].starts_with(['#', '!']) {
        let lint =
            "the password ends before the `#` or `!`: keepalived takes the rest as a comment";
        report.lint(format!("{}: {lint}", line.place()));
    }
    router.auth_pass = Some(Got::from(line.place(), word.text[..end].to_owned()));
}

pub(super) fn track_interface(statement: &Statement, router: &mut Router, import: &mut Import) {
    let own = router.interface.as_ref().map_or_else(String::new, |own| own.value.clone());
    // Without braces keepalived takes the next block for a list of interfaces.
    if statement.block.is_none() && statement.words.len() > 1 {
        let how = "keepalived wants braces here and reads what follows as interfaces; it is taken as it was meant";
        import.report.different(statement, how);
        let line = Statement { words: statement.args().to_vec(), block: None, end: statement.end };
        return interface(&line, &own, router, import);
    }
    import.report.translated(statement);
    for line in statement.inner() {
        interface(line, &own, router, import);
    }
}

fn interface(line: &Statement, own: &str, router: &mut Router, import: &mut Import) {
    let weight = match super::script::weight(line, &mut import.report) {
        Ok(weight) => weight,
        Err(()) => return,
    };
    if line.name() == own && weight.is_none() {
        return import.report.ignored(line, "a router's own interface is always watched");
    }
    let watched = Watched::Interface(line.name().to_owned());
    let name = super::script::tracker(line, watched, weight, &mut import.draft);
    router.track.push(Got::from(line.place(), name));
    import.report.translated(line);
}

/// What every router needs, and what follows from all of it.
fn complete(block: &Statement, router: &mut Router, report: &mut Report) {
    let missing = [
        ("interface", router.interface.is_none()),
        ("virtual_router_id", router.vrid.is_none()),
        ("virtual_ipaddress", !router.advertises()),
    ];
    for (keyword, _) in missing.iter().filter(|(_, missing)| *missing) {
        // One that is there and wrong was reported already.
        if !block.inner().iter().any(|statement| statement.name() == *keyword) {
            let title = format!("vrrp_instance {} has no `{keyword}`", router.name);
            report.mistake(Mistake::at(block.place(), title, ""));
        }
    }
    address::link_local_first(block, router, report);
    router.track.dedup_by(|one, other| one.value == other.value);
}
