//! `virtual_ipaddress` and `virtual_ipaddress_excluded`.

use std::net::Ipv6Addr;

use shared::{Family, VirtualAddress};

use crate::import::draft::{Got, Router};
use crate::import::report::Report;
use crate::import::source::{Mistake, Statement};

/// The addresses an advert lists.
pub(super) fn addresses(
    list: &Statement,
    block: &Statement,
    router: &mut Router,
    report: &mut Report,
) {
    report.translated(list);
    for line in list.inner() {
        address(line, block, router, report);
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
        let v6 = line.name().contains(':');
        if v6 && router.version.value == 2 {
            report.unsupported(line, "version 2 has no IPv6; write a [[vrrp]] table of version 3");
            continue;
        }
        let others = router.addresses.iter().any(|got| got.value.contains(':') != v6);
        address(line, block, router, report);
        let how = if others && v6 {
            "addresses of the other family have an election of their own"
        } else {
            "it is announced in adverts as well"
        };
        report.different(line, how);
    }
}

fn address(line: &Statement, block: &Statement, router: &mut Router, report: &mut Report) {
    let text = line.name();
    let address = match VirtualAddress::try_from(text) {
        Ok(address) => address,
        Err(must) => {
            let title = format!("`virtual_ipaddress` has {text:?}, but each {must}");
            return report.mistake(Mistake::at(&line.words[0].place, title, ""));
        }
    };
    let again = |got: &Got<String>| {
        VirtualAddress::try_from(got.value.as_str()).is_ok_and(|other| other.ip() == address.ip())
    };
    if router.addresses.iter().any(again) {
        return report.ignored(line, "the address stands there already");
    }
    router.addresses.push(Got::from(line.place(), text.to_owned()));
    report.translated(line);
    options(line, block, report);
}

/// `dev`, `label` and the like: pairs of a word and its value.
fn options(line: &Statement, block: &Statement, report: &mut Report) {
    let own = block.inner().iter().find(|other| other.name() == "interface");
    let own = own.map_or("", |own| own.text(1));
    let mut words = line.args().iter().map(|word| word.text.as_str());
    while let Some(word) = words.next() {
        match word {
            "dev" => match words.next() {
                Some(device) if device == own => {}
                device => {
                    let device = device.unwrap_or_default();
                    let why = format!("addresses are on the adverts' interface, not on {device}");
                    report.unsupported(line, why);
                }
            },
            "label" => {
                words.next();
                report.ignored(line, "`ip address` shows the address without a label");
            }
            "brd" | "broadcast" => {
                words.next();
                report.ignored(line, "nobody broadcasts from a virtual address");
            }
            "scope" => match words.next() {
                Some("global" | "0") => {}
                _ => report.different(line, "its scope is global"),
            },
            "no_track" | "no-track" => report.ignored(line, "the address is always watched"),
            "home" | "-nodad" | "nodad" | "mngtmpaddr" | "noprefixroute" | "autojoin"
            | "track_group" | "preferred_lft" | "use_vmac" | "peer" => {
                report.unsupported(line, format!("an address has no `{word}`"));
            }
            // Their values, and what keepalived ignores with a word.
            other => report.different(line, format!("{other:?} is left out: it is not read")),
        }
    }
}

/// RFC 9568 wants the virtual router's link-local address in front; keepalived does not.
pub(super) fn link_local_first(block: &Statement, router: &mut Router, report: &mut Report) {
    let parsed = |got: &Got<String>| VirtualAddress::try_from(got.value.as_str()).ok();
    let v6 = |got: &Got<String>| parsed(got).is_some_and(|found| found.family() == Family::Ipv6);
    let Some(first) = router.addresses.iter().position(v6) else { return };
    if parsed(&router.addresses[first]).is_some_and(VirtualAddress::is_link_local_v6) {
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
