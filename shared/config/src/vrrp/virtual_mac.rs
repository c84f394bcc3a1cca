//! The interface that bears a router's virtual MAC address.

use super::RouterConfig;
use crate::check::Check;
use crate::code::Code;
use crate::raw::RawRouter;
use crate::spanned::Spanned;
use vocabulary::{Family, InterfaceName, Priority, Vrid};

const NAME_HELP: &str = "such as \"vrrp.51\"; it is made when vrrpd starts";

/// Checks what a table says of it.
pub(super) fn check(raw: &RawRouter, families: &[Family], check: &mut Check<'_>) {
    let wanted = raw.virtual_mac.as_ref().filter(|wanted| *wanted.get_ref());
    let owner =
        raw.priority.as_ref().is_some_and(|p| *p.get_ref() == i64::from(Priority::OWNER.get()));
    if let Some(wanted) = wanted.filter(|_| owner) {
        let title = "`virtual_mac` does not go with priority 255";
        let help = "the owner's addresses are its interface's own, and answer with its own MAC address; use a lower priority";
        check.problems.tell(Code::VirtualMac, wanted.span(), title, help);
    }
    let Some(given) = &raw.virtual_mac_interface else { return };
    let name = check.optional(
        "virtual_mac_interface",
        &raw.virtual_mac_interface,
        NAME_HELP,
        None,
        |text| InterfaceName::try_from(text.as_str()).map(Some),
    );
    let same = raw.interface.as_ref().is_some_and(|own| own.get_ref() == given.get_ref());
    if wanted.is_none() {
        let title = "`virtual_mac_interface` has no meaning without `virtual_mac = true`";
        check.problems.tell(Code::VirtualMac, given.span(), title, "add that, or remove this");
    } else if families.len() > 1 {
        let title =
            "`virtual_mac_interface` names one interface, but each address family needs its own";
        let help = "leave it out, or write one [[vrrp]] table for each family";
        check.problems.tell(Code::VirtualMac, given.span(), title, help);
    } else if name.is_some() && same {
        let title = "`virtual_mac_interface` is `interface` itself";
        check.problems.tell(Code::VirtualMac, given.span(), title, NAME_HELP);
    }
}

/// The interface's name, where a virtual MAC address is wanted.
pub(super) fn interface(raw: &RawRouter, family: Family, vrid: Vrid) -> Option<InterfaceName> {
    raw.virtual_mac.as_ref().filter(|wanted| *wanted.get_ref())?;
    let number = match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 6,
    };
    let default = format!("vrrp{number}-{vrid}");
    let given = raw.virtual_mac_interface.as_ref().map(|given| given.get_ref().as_str());
    InterfaceName::try_from(given.unwrap_or(&default)).ok()
}

/// Two routers cannot share one.
pub(crate) fn differ(
    tables: &[Spanned<RawRouter>],
    routers: &[RouterConfig],
    check: &mut Check<'_>,
) {
    for (position, router) in routers.iter().enumerate() {
        let Some(name) = &router.virtual_mac else { continue };
        let clashes = |earlier: &RouterConfig| {
            // Families of one table have been told already.
            earlier.virtual_mac.as_ref() == Some(name) && earlier.id.name != router.id.name
        };
        if !routers[..position].iter().any(clashes) {
            continue;
        }
        let is_its = |table: &&Spanned<RawRouter>| {
            let raw = table.get_ref().name.as_ref();
            raw.is_some_and(|raw| raw.get_ref() == router.id.name.as_str())
        };
        let Some(table) = tables.iter().find(is_its).map(Spanned::get_ref) else { continue };
        let given = table.virtual_mac_interface.as_ref().map(Spanned::span);
        let Some(place) = given.or_else(|| table.virtual_mac.as_ref().map(Spanned::span)) else {
            continue;
        };
        let title = format!("the interface {name} is that of a virtual MAC address above");
        let help = "name another one with `virtual_mac_interface`";
        check.problems.tell(Code::VirtualMac, place, title, help);
    }
}
