//! `virtual_ipaddress` and `virtual_ipaddress_excluded`.

use std::net::{Ipv4Addr, Ipv6Addr};

use vocabulary::{Family, InterfaceName, VirtualAddress};

use crate::draft::{Got, Router, Table, Value};
use crate::report::Report;
use crate::source::{Mistake, Statement};

/// The addresses an advert lists.
pub(super) fn addresses(
    list: &Statement,
    block: &Statement,
    family: Family,
    router: &mut Router,
    report: &mut Report,
) {
    report.translated(list);
    for line in list.inner() {
        let parsed = VirtualAddress::try_from(line.name());
        if parsed.is_ok_and(|address| address.family() != family) {
            report.different(line, "keepalived leaves it out: the instance is of the other family");
            continue;
        }
        address(line, block, true, router, report);
    }
}

/// Addresses that come and go with the others, but are in no advert.
pub(super) fn excluded(
    list: &Statement,
    block: &Statement,
    router: &mut Router,
    report: &mut Report,
) {
    report.translated(list);
    for line in list.inner() {
        address(line, block, false, router, report);
    }
}

fn address(
    line: &Statement,
    block: &Statement,
    advertised: bool,
    router: &mut Router,
    report: &mut Report,
) {
    let text = line.name();
    let address = match VirtualAddress::try_from(text) {
        Ok(address) => address,
        Err(must) => {
            let title = format!("`virtual_ipaddress` has {text:?}, but each {must}");
            return report.mistake(Mistake::at(&line.words[0].place, title, ""));
        }
    };
    let again = |other: &str| VirtualAddress::try_from(other).is_ok_and(|o| o.ip() == address.ip());
    if router.every_address().any(again) {
        return report.ignored(line, "the address stands there already");
    }
    report.translated(line);
    let mut table = Table::new(line.place(), "vrrp.address");
    table.set("address", Value::Text(text.to_owned()));
    if !advertised {
        table.set("advertise", Value::Bool(false));
    }
    let plain = table.lines.len();
    options(line, block, address.family(), &mut table, report);
    if table.lines.len() > plain {
        router.tables.push(table);
    } else if advertised {
        router.addresses.push(Got::from(line.place(), text.to_owned()));
    } else {
        router.excluded.push(Got::from(line.place(), text.to_owned()));
    }
}

/// `dev`, `label` and the like: pairs of a word and its value.
fn options(
    line: &Statement,
    block: &Statement,
    family: Family,
    table: &mut Table,
    report: &mut Report,
) {
    let own = block.inner().iter().find(|other| other.name() == "interface");
    let own = own.map_or("", |own| own.text(1));
    let v4 = family == Family::Ipv4;
    let mut words = line.args().iter().map(|word| word.text.as_str());
    while let Some(word) = words.next() {
        match word {
            "dev" => match words.next().map(InterfaceName::try_from) {
                Some(Ok(device)) if device.as_str() == own => {}
                Some(Ok(device)) => table.set("interface", Value::Text(device.to_string())),
                _ => report.different(line, "it is on the adverts' interface"),
            },
            "label" => {
                let label = words.next().unwrap_or_default();
                table.set("label", Value::Text(label.to_owned()));
            }
            "brd" | "broadcast" => match words.next().map(str::parse::<Ipv4Addr>) {
                Some(Ok(broadcast)) if v4 => {
                    table.set("broadcast", Value::Text(broadcast.to_string()));
                }
                _ => report.different(line, "it has no broadcast address"),
            },
            "scope" => match words.next().and_then(super::routing::scope) {
                Some("global") => {}
                Some(scope) if v4 => table.set("scope", Value::Text(scope.to_owned())),
                _ => report.different(line, "its scope is the kernel's choice"),
            },
            "no_track" | "no-track" => report.ignored(line, "the address is always watched"),
            "-nodad" => report.different(line, "it is used without duplicate address detection"),
            "nodad" | "noprefixroute" => {}
            "home" | "mngtmpaddr" | "autojoin" | "track_group" | "preferred_lft" | "use_vmac"
            | "peer" => {
                report.unsupported(line, format!("an address has no `{word}`"));
            }
            // Their values, and what keepalived ignores with a word.
            other => report.different(line, format!("{other:?} is left out: it is not read")),
        }
    }
    fitting_label(line, own, v4, table, report);
}

/// A label that the interface cannot have is left out.
fn fitting_label(line: &Statement, own: &str, v4: bool, table: &mut Table, report: &mut Report) {
    let Some(Value::Text(label)) = table.get("label").cloned() else { return };
    let interface = match table.get("interface") {
        Some(Value::Text(interface)) => interface.clone(),
        _ => own.to_owned(),
    };
    let rest = label.strip_prefix(interface.as_str());
    let begins = rest.is_some_and(|r| r.is_empty() || (r.starts_with(':') && r.len() > 1));
    let clean = !label.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control());
    if !v4 || !begins || !clean || label.len() > 15 {
        table.remove("label");
        report.different(line, format!("it has no label: that is {interface} or {interface}:WORD"));
    }
}

/// RFC 9568 wants the virtual router's link-local address in front; keepalived does not.
pub(super) fn link_local_first(block: &Statement, router: &mut Router, report: &mut Report) {
    let parsed = |got: &Got<String>| VirtualAddress::try_from(got.value.as_str()).ok();
    let v6 = |got: &Got<String>| parsed(got).is_some_and(|found| found.family() == Family::Ipv6);
    let in_full = router.tables.iter().any(|table| {
        let v6 = matches!(table.get("address"), Some(Value::Text(text)) if text.contains(':'));
        v6 && !table.has("advertise")
    });
    // Those in full come after the list.
    let end = in_full.then_some(router.addresses.len());
    let Some(first) = router.addresses.iter().position(v6).or(end) else { return };
    let first_one = router.addresses.get(first).and_then(parsed);
    if first_one.is_some_and(VirtualAddress::is_link_local_v6) {
        return;
    }
    let local = |got: &Got<String>| parsed(got).is_some_and(VirtualAddress::is_link_local_v6);
    let Some(list) = block.inner().iter().find(|list| list.name() == "virtual_ipaddress") else {
        return;
    };
    if let Some(at) = router.addresses.iter().position(local) {
        let moved = router.addresses.remove(at);
        router.addresses.insert(first, moved);
        report.different(list, "the link-local address stands first, as RFC 9568 wants");
        return;
    }
    let vrid = router.vrid.as_ref().map_or(0, |vrid| vrid.value);
    let suffix = 0x0200 | u16::from(vrid);
    let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x200, 0x5eff, 0xfe00, suffix);
    let how = format!("RFC 9568 wants a link-local address first: {address} is added");
    report.different(list, how);
    router.addresses.insert(first, Got::added(address.to_string()));
}
