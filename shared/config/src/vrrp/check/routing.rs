//! `[[vrrp.route]]` and `[[vrrp.rule]]`.

use std::net::IpAddr;

use super::addresses::not_for_ipv6;
use super::{Check, Given, ip, scope};
use crate::check::{count_in, network};
use crate::code::Code;
use crate::raw::{RawRoute, RawRule};
use crate::spanned::Spanned;
use crate::vrrp::{RouteConfig, RuleConfig, Scope};
use ipnet::IpNet;
use vocabulary::{Family, InterfaceName};

/// The table that routes are in unless they say otherwise (`RT_TABLE_MAIN`).
const MAIN: u32 = 254;

/// The metric that the kernel gives an IPv6 route without one (`IP6_RT_PRIO_USER`).
const IPV6_METRIC: u32 = 1024;

const TABLE_HELP: &str = "`ip route show table NUMBER` shows it; 254 is main";

/// One route; `family` is the table's own, for a default route that does not tell its.
pub(super) fn route(
    table: &Spanned<RawRoute>,
    own: Option<&InterfaceName>,
    family: Option<Family>,
    check: &mut Check<'_>,
) -> Option<RouteConfig> {
    let (span, raw) = (table.span(), table.get_ref());
    let help = "such as \"10.0.0.0/8\" or \"default\"";
    let destination =
        check.required(&span, "destination", &raw.destination, help, |text| match text.as_str() {
            "default" => Ok(None),
            text => network(text).map(Some),
        });
    let help = "the address of the next router";
    let via = check.optional("via", &raw.via, help, None, |text| ip(text).map(Some));
    let help = "such as \"eth1\"; without it the route is through the router's";
    let interface = check.optional("interface", &raw.interface, help, None, |text| {
        InterfaceName::try_from(text.as_str()).map(Some)
    });
    let number = check.optional("table", &raw.table, TABLE_HELP, MAIN, count_in(1..=u32::MAX));
    let help = "the address that others shall answer to, such as the virtual one";
    let source = check.optional("source", &raw.source, help, None, |text| ip(text).map(Some));
    let (destination, via, source) = (destination?, via?, source?);
    let families = [destination.map(|net| Family::of(net.addr())), via.map(Family::of)];
    let told = families.into_iter().flatten().chain(source.map(Family::of)).next();
    let family = told.or(family)?;
    same_family("via", &raw.via, via, family, check);
    same_family("source", &raw.source, source, family, check);
    let (least, default_metric) = if family == Family::Ipv6 { (1, IPV6_METRIC) } else { (0, 0) };
    let metric =
        check.optional("metric", &raw.metric, "", default_metric, count_in(least..=u32::MAX));
    let near = if via.is_none() && family == Family::Ipv4 { Scope::Link } else { Scope::Global };
    let scope = check.optional("scope", &raw.scope, "", near, scope);
    if family == Family::Ipv6 {
        not_for_ipv6("scope", &raw.scope, check);
    }
    Some(RouteConfig {
        destination: destination.unwrap_or_else(|| everything(family)),
        via,
        interface: interface?.or_else(|| own.cloned())?,
        table: number?,
        metric: metric?,
        source,
        scope: scope?,
    })
}

fn everything(family: Family) -> IpNet {
    match family {
        Family::Ipv4 => IpNet::V4(ipnet::Ipv4Net::default()),
        Family::Ipv6 => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

fn same_family(
    key: &str,
    given: &Given<String>,
    ip: Option<IpAddr>,
    family: Family,
    check: &mut Check<'_>,
) {
    if let (Some(given), Some(ip)) = (given, ip)
        && Family::of(ip) != family
    {
        let title = format!("`{key}` is not {family}, but the destination is");
        check.problems.tell(Code::OtherFamily, given.span(), title, "a route has one family");
    }
}

/// One rule, or with nothing but a mark one for each of `families`.
pub(super) fn rules(
    table: &Spanned<RawRule>,
    families: &[Family],
    check: &mut Check<'_>,
) -> Vec<RuleConfig> {
    let (span, raw) = (table.span(), table.get_ref());
    let mut net = |key, given: &Given<String>| {
        check.optional(key, given, "such as \"192.168.1.0/24\"", None, |text| {
            network(text).map(Some)
        })
    };
    let (from, to) = (net("from", &raw.from), net("to", &raw.to));
    let fwmark =
        check.optional("fwmark", &raw.fwmark, "as iptables' or nftables' mark", None, |n| {
            count_in(1..=u32::MAX)(n).map(Some)
        });
    let number = check.required(&span, "table", &raw.table, TABLE_HELP, count_in(1..=u32::MAX));
    let help = "its place among the rules, such as 1000; `ip rule` shows the others";
    let priority = check.required(&span, "priority", &raw.priority, help, count_in(1..=u32::MAX));
    if raw.from.is_none() && raw.to.is_none() && raw.fwmark.is_none() {
        let help = "write `from`, `to` or `fwmark`, or several of them";
        check.problems.tell(
            Code::MatchesEverything,
            span,
            "the [[vrrp.rule]] table matches everything",
            help,
        );
        return Vec::new();
    }
    let all = (from, to, fwmark, number, priority);
    let (Some(from), Some(to), Some(fwmark), Some(table), Some(priority)) = all else {
        return Vec::new();
    };
    if let (Some(from), Some(to), Some(given)) = (from, to, &raw.to)
        && Family::of(from.addr()) != Family::of(to.addr())
    {
        let title = "`to` is of another family than `from`";
        check.problems.tell(
            Code::OtherFamily,
            given.span(),
            title,
            "write one [[vrrp.rule]] table for each family",
        );
    }
    let told = from.or(to).map(|net| Family::of(net.addr()));
    let families = told.map_or_else(|| families.to_vec(), |family| vec![family]);
    let rule = |family| RuleConfig { family, from, to, fwmark, table, priority };
    families.into_iter().map(rule).collect()
}
