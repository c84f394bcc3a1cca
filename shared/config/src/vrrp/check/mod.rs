//! From a `[[vrrp]]` table to virtual routers.

mod addresses;
mod announce;
mod routing;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use self::addresses::Wanted;
use super::virtual_mac;
use super::{
    Announce, Audience, Auth, Checksum, Dialect, Lease, ManagedResources, Password, Preempt,
    RouteConfig, RouterConfig, RuleConfig, Scope,
};
use crate::check::{Check, duration, duration_in, word};
use crate::code::Code;
use crate::fault::Fault;
use crate::problem::Span;
use crate::raw::{Given, RawRouter};
use crate::spanned::Spanned;
use crate::track::Tracked;
use crate::track::check::Known;
use vocabulary::{
    AdvertInterval, Family, InterfaceName, Name, Priority, RouterId, VirtualAddress, Vrid,
};

const LEASE_HELP: &str =
    "the kernel deletes the addresses by itself that long after vrrpd stopped renewing them";

/// What both families of a table share.
struct Common {
    name: Name,
    interface: InterfaceName,
    vrid: Vrid,
    priority: Priority,
    dialect: Dialect,
    advert_interval: AdvertInterval,
    preempt: Preempt,
    lease: Lease,
    own_source: bool,
    announce: Announce,
}

/// Checks one table; gives a router for each address family, none where something is wrong.
pub(crate) fn routers(
    raw: &Spanned<RawRouter>,
    known: &Known,
    check: &mut Check<'_>,
) -> Vec<RouterConfig> {
    let (table, raw) = (raw.span(), raw.get_ref());
    let common = common(raw, &table, check);
    let wanted = addresses::wanted(raw, &table, check);
    let families = families(&wanted);
    let interface = common.as_ref().map(|common| &common.interface);
    let routing = routing(raw, interface, &families, check);
    let peers_help = "the other router's own address, not a virtual one";
    let peers = check.each("peers", &raw.peers, peers_help, host);
    let source = source(raw, check);
    let names = raw.track.iter().flat_map(|list| list.get_ref());
    let track: Vec<Tracked> = names.filter_map(|name| known.tracked(name.get_ref())).collect();

    let help = "another [[vrrp]] table has the same";
    let sync_group = check.optional("sync_group", &raw.sync_group, help, None, |text| {
        Name::try_from(text.as_str()).map(Some)
    });

    let mut routers = Vec::new();
    virtual_mac::check(raw, &families, check);
    for &family in &families {
        let of_family: Vec<_> = wanted
            .iter()
            .filter(|wanted| wanted.advertised && wanted.family() == family)
            .map(|wanted| &wanted.address)
            .collect();
        addresses::check_advertised(family, &of_family, raw, check);
        let audience = audience(family, &peers, source, raw, check);
        check_source(source, family, &raw.source, check);
        let Some(common) = &common else { continue };
        routers.push(RouterConfig {
            id: RouterId { name: common.name.clone(), family },
            interface: common.interface.clone(),
            follows_network: raw.interface.is_none(),
            vrid: common.vrid,
            priority: common.priority,
            addresses: of_family.iter().map(|address| *address.get_ref()).collect(),
            managed: managed(family, &families, &wanted, &routing, common),
            announce: common.announce.clone(),
            dialect: common.dialect,
            advert_interval: common.advert_interval,
            preempt: common.preempt,
            audience,
            source,
            lease: common.lease,
            virtual_mac: virtual_mac::interface(raw, family, common.vrid),
            decides_ties: true,
            sync_group: Some(sync_group.clone().flatten().unwrap_or_else(|| common.name.clone())),
            track: track.clone(),
        });
    }
    routers
}

fn common(raw: &RawRouter, table: &Span, check: &mut Check<'_>) -> Option<Common> {
    let help = "any word; logs and commands use it";
    let name = check.required(table, "name", &raw.name, help, |text| Name::try_from(text.as_str()));
    let help = "such as \"eth0\"; without it the one whose network has the address is followed";
    let unknown = InterfaceName::unknown();
    let interface = check.optional("interface", &raw.interface, help, unknown, |text| {
        InterfaceName::try_from(text.as_str())
    });
    let help = "peers of one virtual router share it";
    let vrid = check.required(table, "vrid", &raw.vrid, help, |n| Vrid::try_from(*n));
    let help = "the highest owns the addresses; 255 is for the node whose own addresses they are";
    let priority = check
        .optional("priority", &raw.priority, help, Priority::DEFAULT, |n| Priority::try_from(*n));
    let dialect = dialect(raw, check);
    let advert_interval = advert_interval(raw, dialect, check);
    let preempt = preempt(raw, check);
    let lease = lease(raw, advert_interval.unwrap_or_default(), check);
    let announce = announce::announce(&raw.announce, check);
    Some(Common {
        name: name?,
        interface: interface?,
        vrid: vrid?,
        priority: priority?,
        dialect: dialect?,
        advert_interval: advert_interval?,
        preempt: preempt?,
        lease: lease?,
        own_source: raw.own_source.as_ref().is_none_or(|given| *given.get_ref()),
        announce: announce?,
    })
}

fn source(raw: &RawRouter, check: &mut Check<'_>) -> Option<IpAddr> {
    let help = "this node's own address";
    check.optional("source", &raw.source, help, None, |text| host(text).map(Some)).flatten()
}

/// The address of another host's, or of this one's that others reach.
fn host(text: &str) -> Result<IpAddr, Fault> {
    match ip(text)? {
        ip if VirtualAddress::try_from(text).is_err() => {
            let words =
                if ip.is_loopback() { "no other host can reach it" } else { "no host has it" };
            Err(Fault::new(Code::Address, format!("must be the address of one host: {words}")))
        }
        ip => Ok(ip),
    }
}

fn ip(text: &str) -> Result<IpAddr, Fault> {
    text.parse().map_err(|_| Fault::new(Code::Address, "must be an IP address"))
}

/// The families of the adverts.
fn families(wanted: &[Wanted]) -> Vec<Family> {
    let has = |family| wanted.iter().any(|wanted| wanted.advertised && wanted.family() == family);
    [Family::Ipv4, Family::Ipv6].into_iter().filter(|family| has(*family)).collect()
}

/// What is in no advert goes with the router of its family, or else with the one there is.
fn managed(
    of: Family,
    families: &[Family],
    wanted: &[Wanted],
    routing: &(Vec<RouteConfig>, Vec<RuleConfig>),
    common: &Common,
) -> ManagedResources {
    let mine = |family: Family| {
        let home = if families.contains(&family) { Some(&family) } else { families.first() };
        home == Some(&of)
    };
    let (routes, rules) = routing;
    let addresses = wanted.iter().filter(|wanted| mine(wanted.family()));
    ManagedResources {
        addresses: addresses.map(|wanted| wanted.config(&common.interface)).collect(),
        routes: routes.iter().filter(|r| mine(Family::of(r.destination.addr()))).cloned().collect(),
        rules: rules.iter().filter(|rule| mine(rule.family)).cloned().collect(),
        own_source: common.own_source,
    }
}

/// The routes and rules of a table; none may stand there twice.
fn routing(
    raw: &RawRouter,
    interface: Option<&InterfaceName>,
    families: &[Family],
    check: &mut Check<'_>,
) -> (Vec<RouteConfig>, Vec<RuleConfig>) {
    let (mut routes, mut rules) = (Vec::<RouteConfig>::new(), Vec::<RuleConfig>::new());
    for table in &raw.route {
        let family = families.first().copied();
        let Some(route) = routing::route(table, interface, family, check) else { continue };
        let key = |r: &RouteConfig| (r.destination, r.table, r.metric);
        if routes.iter().any(|other| key(other) == key(&route)) {
            let title = format!("the route to {} stands here twice", route.destination);
            let help = "give one of the two another `metric` or `table`";
            check.problems.tell(Code::StandsTwice, table.span(), title, help);
        }
        routes.push(route);
    }
    for table in &raw.rule {
        let read = routing::rules(table, families, check);
        if read.iter().any(|rule| rules.contains(rule)) {
            check.problems.tell(Code::StandsTwice, table.span(), "the rule stands here twice", "");
        }
        rules.extend(read);
    }
    (routes, rules)
}

fn dialect(raw: &RawRouter, check: &mut Check<'_>) -> Option<Dialect> {
    let version = check.optional("version", &raw.version, "", 3, |number| match number {
        2 | 3 => Ok(*number),
        _ => Err(Fault::new(Code::Number, "must be 3 or 2")),
    });
    let checksum = check.optional(
        "checksum",
        &raw.checksum,
        "",
        Checksum::Auto,
        word(&[
            ("auto", Checksum::Auto),
            ("rfc9568", Checksum::Rfc9568),
            ("rfc5798", Checksum::Rfc5798),
        ]),
    );
    let auth = check.optional("auth_pass", &raw.auth_pass, "peers share it", Auth::None, |text| {
        if text.is_empty() {
            Err(Fault::new(Code::EmptyText, "must not be empty"))
        } else {
            Ok(Auth::Pass(Password::from_text(text)))
        }
    });
    if let Some(given) = &raw.auth_pass {
        check.problems.hide(given.span());
    }
    match (version?, &raw.auth_pass, &raw.checksum) {
        (3, Some(given), _) => {
            let title = "`auth_pass` needs version 2: version 3 has no authentication";
            check.problems.tell(
                Code::NotInVersion,
                given.span(),
                title,
                "remove it, or write `version = 2` on every node",
            );
            None
        }
        (2, _, Some(given)) => {
            let title = "`checksum` needs version 3: version 2 has one form only";
            check.problems.tell(Code::NotInVersion, given.span(), title, "remove it");
            None
        }
        (2, _, None) => Some(Dialect::V2(auth?)),
        _ => Some(Dialect::V3(checksum?)),
    }
}

fn advert_interval(
    raw: &RawRouter,
    dialect: Option<Dialect>,
    check: &mut Check<'_>,
) -> Option<AdvertInterval> {
    check.optional(
        "advert_interval",
        &raw.advert_interval,
        "three intervals and a little pass until a dead node is replaced",
        AdvertInterval::DEFAULT,
        |text| {
            let interval = AdvertInterval::try_from(duration(text)?)?;
            if matches!(dialect, Some(Dialect::V2(_))) && interval.whole_seconds().is_none() {
                let words = "must be whole seconds in version 2, 1s to 40s";
                return Err(Fault::new(Code::Time, words));
            }
            Ok(interval)
        },
    )
}

fn preempt(raw: &RawRouter, check: &mut Check<'_>) -> Option<Preempt> {
    let limits = Duration::ZERO..=Duration::from_secs(3600);
    let delay = check.optional(
        "preempt_delay",
        &raw.preempt_delay,
        "",
        Duration::ZERO,
        duration_in(limits),
    );
    let preempt = raw.preempt.as_ref().is_none_or(|given| *given.get_ref());
    if let (false, Some(delay)) = (preempt, &raw.preempt_delay) {
        let help = "remove one of the two";
        check.problems.tell(
            Code::NeverPreempts,
            delay.span(),
            "`preempt_delay` has no meaning with `preempt = false`",
            help,
        );
    }
    Some(if preempt { Preempt::After(delay?) } else { Preempt::Never })
}

/// The smallest lease that covers a peer's down interval, whatever its priority: three intervals and
/// a skew of less than one.
fn auto_lease(interval: AdvertInterval) -> Lease {
    let seconds = (u32::from(interval.centiseconds()) * 4).div_ceil(100);
    NonZeroU32::new(seconds).map_or(Lease::Off, Lease::Seconds)
}

fn lease(raw: &RawRouter, interval: AdvertInterval, check: &mut Check<'_>) -> Option<Lease> {
    check.optional("lease", &raw.lease, LEASE_HELP, auto_lease(interval), |text| {
        match text.as_str() {
            "auto" => return Ok(auto_lease(interval)),
            "off" => return Ok(Lease::Off),
            _ => {}
        }
        let wrong = || {
            let words = "must be \"auto\", \"off\" or whole seconds such as \"2s\"";
            Fault::new(Code::Time, words)
        };
        let time = duration(text).map_err(|_| wrong())?;
        let seconds = u32::try_from(time.as_secs()).ok().and_then(NonZeroU32::new);
        match seconds {
            Some(seconds) if time.subsec_nanos() == 0 && seconds.get() <= 3600 => {
                Ok(Lease::Seconds(seconds))
            }
            _ => Err(wrong()),
        }
    })
}

fn audience(
    family: Family,
    peers: &[Spanned<IpAddr>],
    source: Option<IpAddr>,
    raw: &RawRouter,
    check: &mut Check<'_>,
) -> Audience {
    let Some(list) = &raw.peers else {
        return Audience::Multicast;
    };
    let of_family: Vec<IpAddr> =
        peers.iter().map(|peer| *peer.get_ref()).filter(|p| Family::of(*p) == family).collect();
    // A peer that could not be read has its own problem already.
    if of_family.is_empty() && peers.len() == list.get_ref().len() {
        let title = format!("`peers` has no {family} address, but `addresses` has");
        check.problems.tell(
            Code::OtherFamily,
            list.span(),
            title,
            "adverts for addresses of a family travel over that family",
        );
    }
    // Every node may have the same list.
    let others = of_family.iter().copied().filter(|peer| Some(*peer) != source);
    Audience::Peers(others.collect())
}

fn check_source(
    source: Option<IpAddr>,
    family: Family,
    given: &Given<String>,
    check: &mut Check<'_>,
) {
    if let (Some(source), Some(given)) = (source, given)
        && Family::of(source) != family
    {
        let title = format!("`source` is not {family}, but `addresses` has {family}");
        check.problems.tell(
            Code::OtherFamily,
            given.span(),
            title,
            "write one [[vrrp]] table for each family",
        );
    }
}

/// How far an address or a destination is.
fn scope(text: &String) -> Result<Scope, Fault> {
    word(&[("global", Scope::Global), ("link", Scope::Link), ("host", Scope::Host)])(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_automatic_lease_covers_four_intervals() {
        let seconds = |centiseconds| match auto_lease(
            AdvertInterval::from_centiseconds(centiseconds).unwrap(),
        ) {
            Lease::Seconds(seconds) => seconds.get(),
            Lease::Off => 0,
        };
        assert_eq!([1, 10, 25, 26, 100, 4095].map(seconds), [1, 1, 1, 2, 4, 164]);
    }
}
