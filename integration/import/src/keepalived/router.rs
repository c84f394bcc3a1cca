//! `vrrp_instance`.

use vocabulary::Family;

use super::announce::Garp;
use super::globals::Globals;
use super::script::Scripts;
use super::{address, authentication, command, election, peers, routing, vmac};
use crate::Import;
use crate::draft::{Got, Router, Watched};
use crate::report::{Kind, Report};
use crate::source::{Mistake, Statement};

pub(super) const ANNOUNCE: &str =
    "addresses are announced at once, after 0.1, 0.5, 2 and 5 s, and every minute";

const NO_ADDRESS: &str = "keepalived runs it without an address in its adverts, which is not possible here: add `virtual_ipaddress`";

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
            "track_interface" => track_interface(statement, &mut router, scripts, import),
            name if name.starts_with("notify") => {
                let user = globals.script_user.as_deref();
                command::notify(statement, user, &mut router, &mut import.report);
            }
            _ => keyword(statement, block, globals, &mut router, &mut import.report),
        }
    }
    router.announce = garp.announce(&globals.garp);
    election::of_its_state(block, &mut router, &mut import.report);
    if !complete(block, globals, &mut router, &mut import.report) {
        return;
    }
    vmac::complete(block, &mut router, import);
    import.draft.routers.push(router);
}

/// The family of an instance, as keepalived finds it: by the first address in it. IPv4 where there is none.
fn family(block: &Statement) -> Family {
    let lists = ["virtual_ipaddress", "unicast_peer"];
    let single = ["unicast_src_ip", "mcast_src_ip"];
    let first = block.inner().iter().find_map(|line| match line.name() {
        name if lists.contains(&name) => line.inner().first().map(Statement::name),
        name if single.contains(&name) => Some(line.text(1)),
        "native_ipv6" => Some("::"),
        _ => None,
    });
    if first.is_some_and(|first| first.contains(':')) { Family::Ipv6 } else { Family::Ipv4 }
}

/// IPv6 is always version 3.
fn version(block: &Statement, globals: &Globals, report: &mut Report) -> Got<u8> {
    let find = |name: &str| block.inner().iter().rfind(|statement| statement.name() == name);
    let own = find("version").and_then(|statement| report.number(statement, 2..=3));
    match own {
        _ if family(block) == Family::Ipv6 => Got::added(3),
        Some(own) => own,
        None => Got::added(globals.version.unwrap_or(2)),
    }
}

fn keyword(
    statement: &Statement,
    block: &Statement,
    globals: &Globals,
    router: &mut Router,
    report: &mut Report,
) {
    let strict = is_strict(block, globals);
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
        "priority" => election::priority(statement, router, report),
        "advert_int" => election::advert_interval(statement, router, report),
        "virtual_ipaddress" => {
            address::addresses(statement, block, family(block), router, report);
        }
        "virtual_ipaddress_excluded" => address::excluded(statement, block, router, report),
        "use_vmac" => vmac::use_vmac(statement, block, router, report),
        "vmac_xmit_base" => vmac::xmit_base(statement, block, report),
        "virtual_routes" => routing::routes(statement, block, router, report),
        "virtual_rules" => routing::rules(statement, router, report),
        "authentication" => authentication::authentication(statement, strict, router, report),
        "nopreempt" | "preempt" | "preempt_delay" => {
            election::preempt(statement, block, strict, router, report);
        }
        "unicast_src_ip" | "mcast_src_ip" => {
            peers::source(statement, router, report);
            one_value(statement, report);
        }
        "unicast_peer" => peers::peers(statement, block, family(block), router, report),
        // The second spelling is in examples that keepalived shipped.
        "lvs_sync_daemon_interface" | "lvs_sync_daemon_inteface" if globals.has_ipvs => {
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

/// Whether keepalived keeps to RFC 3768 and RFC 5798 to the letter, which drops some of what the file says.
fn is_strict(block: &Statement, globals: &Globals) -> bool {
    let own = block.inner().iter().rfind(|line| line.name() == "strict_mode");
    own.map_or(globals.strict, |line| !matches!(line.text(1), "off" | "false" | "no"))
}

/// Says of a keyword that only its first value is read.
pub(super) fn one_value(statement: &Statement, report: &mut Report) {
    report.translated(statement);
    report.surplus(statement, 2);
}

/// `track_interface`.
pub(super) fn track_interface(
    statement: &Statement,
    router: &mut Router,
    scripts: &mut Scripts,
    import: &mut Import,
) {
    // Without braces keepalived takes the next block for a list of interfaces.
    if statement.block.is_none() && statement.words.len() > 1 {
        let how = "keepalived wants braces here and reads what follows as interfaces; it is taken as it was meant";
        import.report.different(statement, how);
        let line = Statement { words: statement.args().to_vec(), block: None, end: statement.end };
        return interface(&line, router, scripts, import);
    }
    import.report.translated(statement);
    for line in statement.inner() {
        interface(line, router, scripts, import);
    }
}

fn interface(line: &Statement, router: &mut Router, scripts: &mut Scripts, import: &mut Import) {
    let weight = match super::script::weight(line, line.args(), &mut import.report) {
        Ok(weight) => weight.filter(|weight| *weight != 0),
        Err(()) => return,
    };
    let own = router.interface.as_ref().is_some_and(|own| own.value == line.name());
    if own && weight.is_none() {
        return import.report.ignored(line, "a router's own interface is always watched");
    }
    let watched = Watched::Interface(line.name().to_owned());
    let name = super::script::tracker(line, watched, weight, &mut import.draft);
    router.track.push(Got::from(line.place(), name));
    import.report.translated(line);
    if weight.is_none() {
        scripts.faults.entry(router.name.clone()).or_default().push(line.clone());
    }
}

/// What every router needs, and what follows from all of it. False where it cannot be imported.
fn complete(
    block: &Statement,
    globals: &Globals,
    router: &mut Router,
    report: &mut Report,
) -> bool {
    // One that is there and wrong was reported already.
    let has = |keyword| block.inner().iter().any(|statement| statement.name() == keyword);
    let mut need = |keyword: &str| {
        let title = format!("vrrp_instance {} has no `{keyword}`", router.name);
        report.mistake(Mistake::at(block.place(), title, ""));
    };
    let unknown =
        [("interface", router.interface.is_none()), ("virtual_router_id", router.vrid.is_none())];
    for (keyword, _) in unknown.iter().filter(|(keyword, missing)| *missing && !has(*keyword)) {
        need(keyword);
    }
    if !router.advertises() && !has("virtual_ipaddress") {
        if router.version.value == 3 || is_strict(block, globals) {
            need("virtual_ipaddress");
        } else {
            report.whole(block, Kind::NotSupported, NO_ADDRESS);
            return false;
        }
    }
    address::link_local_first(block, router, report);
    router.track.dedup_by(|one, other| one.value == other.value);
    true
}
