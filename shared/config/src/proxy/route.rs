//! From `[[proxy.route]]` to routes.

use std::collections::BTreeSet;
use std::time::Duration;

use super::check::{MINUTE, up_to};
use super::{NamePattern, ProxyRoute};
use crate::check::{Check, duration_in, network};
use crate::code::Code;
use crate::problem::Span;
use crate::raw::{RawChoice, RawProxy};
use crate::read::nearest;
use crate::spanned::Spanned;
use vocabulary::Name;

const PROXY_HELP: &str = "the [[proxy]] whose servers get the connections";

/// The names of proxies that routes lead to.
pub(super) fn led_to(tables: &[Spanned<RawProxy>]) -> BTreeSet<&str> {
    let routes = tables.iter().flat_map(|table| &table.get_ref().route);
    routes.filter_map(|route| Some(route.get_ref().proxy.as_ref()?.get_ref().as_str())).collect()
}

/// Checks a proxy's routes; what is wrong is left out.
pub(super) fn routes(raw: &RawProxy, check: &mut Check<'_>) -> Vec<ProxyRoute> {
    let mut takes_all = false;
    let mut routes = Vec::new();
    for given in &raw.route {
        if takes_all {
            unreached(given.span(), "the route above it takes every connection", check);
        }
        let raw = given.get_ref();
        takes_all |= raw.server_name.is_none() && raw.from.is_none() && raw.port.is_none();
        routes.extend(route(given, check));
    }
    let own = raw.servers.as_ref().map(Spanned::span);
    let own = own.or_else(|| raw.server.first().map(Spanned::span));
    if let Some(own) = own.filter(|_| takes_all) {
        unreached(own, "these servers get no connection: a route takes every one", check);
    }
    routes
}

fn unreached(span: Span, title: &str, check: &mut Check<'_>) {
    let help = "give that route a `server_name`, `from` or `port`, or leave this out";
    check.problems.tell(Code::NeverReached, span, title, help);
}

fn route(raw: &Spanned<RawChoice>, check: &mut Check<'_>) -> Option<ProxyRoute> {
    let (table, raw) = (raw.span(), raw.get_ref());
    let proxy = check
        .required(&table, "proxy", &raw.proxy, PROXY_HELP, |text| Name::try_from(text.as_str()));
    for (key, list) in [("server_name", &raw.server_name), ("from", &raw.from)] {
        if let Some(list) = list.as_ref().filter(|list| list.get_ref().is_empty()) {
            let title = format!("`{key}` is empty");
            let help = "leave it out, or say which connections take this route";
            check.problems.tell(Code::EmptyList, list.span(), title, help);
        }
    }
    let help = "`*` stands for any characters";
    let names = check.each("server_name", &raw.server_name, help, NamePattern::parse);
    let from = check.each("from", &raw.from, "", network);
    let ports = ports(raw, check);
    Some(ProxyRoute {
        proxy: proxy?,
        server_names: names.into_iter().map(Spanned::into_inner).collect(),
        from: from.into_iter().map(Spanned::into_inner).collect(),
        ports,
    })
}

/// The ports that a route is for.
fn ports(raw: &RawChoice, check: &mut Check<'_>) -> Vec<u16> {
    let Some(list) = &raw.port else { return Vec::new() };
    let help = "leave it out, or say which connections take this route";
    if list.get_ref().is_empty() {
        check.problems.tell(Code::EmptyList, list.span(), "`port` is empty", help);
    }
    let mut ports = Vec::new();
    for given in list.get_ref() {
        match u16::try_from(*given.get_ref()) {
            Ok(port @ 1..) => ports.push(port),
            _ => {
                let title = format!("`port` has {}, but each must be 1 to 65535", given.get_ref());
                check.problems.tell(Code::Number, given.span(), title, help);
            }
        }
    }
    ports
}

/// How long a proxy waits for names.
pub(super) fn hello_timeout(raw: &RawProxy, check: &mut Check<'_>) -> Option<Duration> {
    let asks = raw.route.iter().any(|route| route.get_ref().server_name.is_some());
    if let Some(given) = raw.hello_timeout.as_ref().filter(|_| !asks) {
        let title = "`hello_timeout` needs a [[proxy.route]] with `server_name`";
        let help = "without one no client's name is waited for";
        check.problems.tell(Code::NoNameWanted, given.span(), title, help);
    }
    let limits = duration_in(up_to(MINUTE));
    check.optional("hello_timeout", &raw.hello_timeout, "", Duration::from_secs(5), limits)
}

/// Every route leads to another proxy, which has none.
pub(super) fn lead_somewhere(tables: &[Spanned<RawProxy>], check: &mut Check<'_>) {
    let named = |table: &&Spanned<RawProxy>, name: &str| {
        table.get_ref().name.as_ref().is_some_and(|known| known.get_ref() == name)
    };
    let routes = tables.iter().flat_map(|table| &table.get_ref().route);
    for wanted in routes.filter_map(|route| route.get_ref().proxy.as_ref()) {
        let name = wanted.get_ref().as_str();
        let (title, help) = match tables.iter().find(|table| named(table, name)) {
            Some(table) if table.get_ref().route.is_empty() => continue,
            Some(_) => {
                let title = format!("the route leads to {name}, which has routes of its own");
                (title, "name the proxy with the servers".to_owned())
            }
            None => {
                let known = tables.iter().filter_map(|table| table.get_ref().name.as_ref());
                let known: Vec<&str> = known.map(|name| name.get_ref().as_str()).collect();
                let meant = nearest(name, &known);
                let help = meant.map(|meant| format!("did you mean {meant:?}?"));
                (format!("there is no [[proxy]] {name}"), help.unwrap_or_default())
            }
        };
        check.problems.tell(Code::LeadsNowhere, Spanned::span(wanted), title, &help);
    }
}
