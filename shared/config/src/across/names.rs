//! Names of tables, and VRIDs on one interface.

use crate::check::Check;
use crate::code::Code;
use crate::raw::{RawProxy, RawRouter};
use crate::spanned::Spanned;

/// What must differ between routers: names, and VRIDs on one interface (RFC 9568 §5.2.3).
pub(super) fn routers(routers: &[Spanned<RawRouter>], check: &mut Check<'_>) {
    for (position, router) in routers.iter().enumerate() {
        let (router, earlier) = (router.get_ref(), &routers[..position]);
        if let Some(name) = &router.name
            && earlier.iter().any(|other| same(&other.get_ref().name, name))
        {
            let title = format!("there is a [[vrrp]] {} already", name.get_ref());
            check.problems.tell(Code::NameTaken, name.span(), title, "");
        }
        let (Some(vrid), Some(interface)) = (&router.vrid, &router.interface) else {
            continue;
        };
        let clash = |other: &&Spanned<RawRouter>| {
            let other = other.get_ref();
            same(&other.vrid, vrid)
                && same(&other.interface, interface)
                && shares_family(other, router)
        };
        if earlier.iter().any(|other| clash(&other)) {
            let title = format!(
                "vrid {} is taken on {} by a table above",
                vrid.get_ref(),
                interface.get_ref()
            );
            let help = "one vrid is one virtual router; list all its addresses in one table, or use another vrid";
            check.problems.tell(Code::VridTaken, vrid.span(), title, help);
        }
    }
}

/// Names of proxies differ.
pub(super) fn proxies(proxies: &[Spanned<RawProxy>], check: &mut Check<'_>) {
    for (position, proxy) in proxies.iter().enumerate() {
        let Some(name) = &proxy.get_ref().name else { continue };
        if proxies[..position].iter().any(|other| same(&other.get_ref().name, name)) {
            let title = format!("there is a [[proxy]] {} already", name.get_ref());
            check.problems.tell(Code::NameTaken, name.span(), title, "");
        }
    }
}

fn same<T: PartialEq>(other: &Option<Spanned<T>>, value: &Spanned<T>) -> bool {
    other.as_ref().is_some_and(|other| other.get_ref() == value.get_ref())
}

fn shares_family(one: &RawRouter, other: &RawRouter) -> bool {
    let has = |router: &RawRouter, v6: bool| {
        let list = router.addresses.iter().flat_map(|list| list.get_ref());
        let tables = router.address.iter().map(Spanned::get_ref);
        let advertised =
            tables.filter(|table| table.advertise.as_ref().is_none_or(|a| *a.get_ref()));
        list.chain(advertised.filter_map(|table| table.address.as_ref()))
            .any(|address| address.get_ref().contains(':') == v6)
    };
    (has(one, false) && has(other, false)) || (has(one, true) && has(other, true))
}
