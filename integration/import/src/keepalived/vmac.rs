//! `use_vmac` and what belongs to it.

use vocabulary::{Family, InterfaceName, VirtualAddress};

use crate::Import;
use crate::draft::{Draft, Got, Router, VirtualMac};
use crate::report::Report;
use crate::source::{Mistake, Statement};

/// `use_vmac [INTERFACE] [MAC] [WORDS]`.
pub(super) fn use_vmac(
    statement: &Statement,
    block: &Statement,
    router: &mut Router,
    report: &mut Report,
) {
    report.translated(statement);
    let mut name = None;
    for word in statement.args() {
        if word.text.contains(':') {
            let why = "the MAC address is the one that RFC 9568 gives the virtual_router_id";
            report.unsupported(statement, why);
        } else if name.is_none() && !["netlink_notify_msg", "group"].contains(&word.text.as_str()) {
            match InterfaceName::try_from(word.text.as_str()) {
                Ok(_) => name = Some(Got::from(statement.place(), word.text.clone())),
                Err(error) => {
                    report.mistake(Mistake::value(statement, word, &error.to_string()));
                }
            }
        } else {
            report.different(statement, format!("{:?} is left out: it is not read", word.text));
        }
    }
    let has = |keyword| block.inner().iter().any(|other| other.name() == keyword);
    if has("unicast_peer") && !has("vmac_xmit_base") {
        let how = "adverts to a `unicast_peer` come from the interface's own MAC address";
        report.different(statement, how);
    }
    router.virtual_mac = Some(VirtualMac { wanted: Got::from(statement.place(), true), name });
}

/// `vmac_xmit_base`.
pub(super) fn xmit_base(statement: &Statement, block: &Statement, report: &mut Report) {
    if block.inner().iter().any(|other| other.name() == "unicast_peer") {
        let why = "adverts to a `unicast_peer` always come from the interface's own MAC address";
        report.ignored(statement, why);
    } else {
        let how =
            "adverts come from the interface, but with the virtual MAC address, as RFC 9568 wants";
        report.different(statement, how);
    }
}

/// What the rest of the instance makes of it.
pub(super) fn complete(block: &Statement, router: &mut Router, import: &mut Import) {
    let Some(statement) = block.inner().iter().find(|other| other.name() == "use_vmac") else {
        return;
    };
    if router.priority.as_ref().is_some_and(|priority| priority.value == 255) {
        router.virtual_mac = None;
        let how = "with priority 255 the addresses answer with the interface's own MAC address";
        return import.report.different(statement, how);
    }
    let Some(vrid) = router.vrid.as_ref().map(|vrid| vrid.value) else { return };
    let families = families(router);
    let Some(virtual_mac) = &mut router.virtual_mac else { return };
    let defaults: Vec<String> = families.iter().map(|family| default_name(*family, vrid)).collect();
    if defaults.len() > 1 {
        virtual_mac.name = None;
    }
    let taken: Vec<String> = import.draft.routers.iter().flat_map(names).collect();
    let wanted =
        virtual_mac.name.as_ref().map_or(defaults.clone(), |name| vec![name.value.clone()]);
    if let [wanted] = &wanted[..]
        && taken.contains(wanted)
    {
        let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
        virtual_mac.name = Some(Got::added(Draft::name(wanted, &taken)));
    }
    let named = virtual_mac.name.as_ref().map_or(defaults, |name| vec![name.value.clone()]);
    if statement.text(1) != named.join(" ") {
        let how = format!("the interface is called {}", named.join(" and "));
        import.report.different(statement, how);
    }
}

/// The interfaces that a router of the draft will have.
fn names(router: &Router) -> Vec<String> {
    let (Some(virtual_mac), Some(vrid)) = (&router.virtual_mac, &router.vrid) else {
        return Vec::new();
    };
    match &virtual_mac.name {
        Some(name) => vec![name.value.clone()],
        None => families(router).iter().map(|family| default_name(*family, vrid.value)).collect(),
    }
}

fn families(router: &Router) -> Vec<Family> {
    let mut families: Vec<Family> = router
        .addresses
        .iter()
        .filter_map(|got| Some(VirtualAddress::try_from(got.value.as_str()).ok()?.family()))
        .collect();
    families.sort_unstable();
    families.dedup();
    families
}

/// As `vrrpd` calls it.
fn default_name(family: Family, vrid: u8) -> String {
    match family {
        Family::Ipv4 => format!("vrrp4-{vrid}"),
        Family::Ipv6 => format!("vrrp6-{vrid}"),
    }
}
