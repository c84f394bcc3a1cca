//! From a `[[proxy]]` table to a proxy.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::clients;
use super::probe::{agent, server_check};
use super::route;
use super::servers::servers;
use super::track;
use super::{Backups, Balance, HeaderVersion, Limits, OnDown, ProxyConfig, QueueConfig};
use crate::check::{Check, count_in, duration_in, endpoint, word};
use crate::code::Code;
use crate::problem::Span;
use crate::raw::{RawCheck, RawProxy};
use crate::spanned::Spanned;
use vocabulary::Name;

const LISTEN_HELP: &str = "the address may be one that is not on this node yet; for all addresses use \"0.0.0.0:PORT\" or \"[::]:PORT\"";

const BALANCES: [(&str, Balance); 5] = [
    ("round_robin", Balance::RoundRobin),
    ("least_conn", Balance::LeastConn),
    ("random", Balance::Random),
    ("source", Balance::Source),
    ("first", Balance::First),
];

/// A day and a minute, in seconds.
const DAY: u64 = 86_400;
pub(super) const MINUTE: u64 = 60;

/// Checks all tables; what is wrong is left out.
pub(crate) fn proxies(tables: &[Spanned<RawProxy>], check: &mut Check<'_>) -> Vec<ProxyConfig> {
    let led = route::led_to(tables);
    let mut proxies: Vec<ProxyConfig> =
        tables.iter().filter_map(|raw| proxy(raw, &led, check)).collect();
    route::lead_somewhere(tables, check);
    track::follow(tables, &mut proxies, check);
    proxies
}

/// Checks one table; none where something is wrong. Routes lead to those of the names `led`.
fn proxy(
    raw: &Spanned<RawProxy>,
    led: &BTreeSet<&str>,
    check: &mut Check<'_>,
) -> Option<ProxyConfig> {
    let (table, raw) = (raw.span(), raw.get_ref());
    let name = check.required(
        &table,
        "name",
        &raw.name,
        "any word; logs, commands and `track` use it",
        |text| Name::try_from(text.as_str()),
    );
    let is_led = raw.name.as_ref().is_some_and(|name| led.contains(name.get_ref().as_str()));
    let listen = listen(raw, is_led, &table, check);
    let balance = check.optional("balance", &raw.balance, "", Balance::RoundRobin, word(&BALANCES));
    let slow_start = slow_start(raw, balance, check);
    let servers = servers(raw, &table, check);
    let (routes, hello_timeout) = (route::routes(raw, check), route::hello_timeout(raw, check));
    let limits = limits(raw, balance, check);
    let queue = queue(raw, limits.map(|limits| limits.connect), check);
    let clients = clients::limits(raw, check);
    let on_down = on_down(raw, check);
    let send_proxy = check.optional(
        "send_proxy",
        &raw.send_proxy,
        "the servers must expect it; kube-apiserver does not",
        None,
        |text| word(&[("v1", HeaderVersion::V1), ("v2", HeaderVersion::V2)])(text).map(Some),
    );
    let accept_proxy = clients::accept_proxy(raw, check);
    let access = clients::access(raw, check);
    let backups = word(&[("all", Backups::All), ("first", Backups::First)]);
    let backups = check.optional("backups", &raw.backups, "", Backups::All, backups);
    let probe = match &raw.check {
        Some(given) => server_check(given, check),
        None => server_check(&Spanned::new(table, RawCheck::default()), check),
    };
    let agent = raw.agent.as_ref().map_or(Some(None), |given| agent(given, check).map(Some));
    Some(ProxyConfig {
        name: name?,
        listen,
        balance: balance?,
        slow_start: slow_start?,
        servers,
        routes,
        hello_timeout: hello_timeout?,
        check: probe?,
        agent: agent?,
        on_down: on_down?,
        backups: backups?,
        panic: raw.panic.as_ref().is_some_and(|panic| *panic.get_ref()),
        limits: limits?,
        clients: clients?,
        log_empty: raw.log_empty.as_ref().is_none_or(|wanted| *wanted.get_ref()),
        queue: queue?,
        send_proxy: send_proxy?,
        accept_proxy,
        access,
    })
}

fn on_down(raw: &RawProxy, check: &mut Check<'_>) -> Option<OnDown> {
    let words = word(&[("reset", true), ("keep", false)]);
    let resets = check.optional("on_down", &raw.on_down, "", true, words);
    if let (Some(given), Some(false)) = (&raw.on_down_grace, resets) {
        let title = "`on_down_grace` has no meaning with `on_down = \"keep\"`";
        let help = "connections that stay need no grace: leave it out";
        check.problems.tell(Code::NothingEnds, given.span(), title, help);
    }
    let limits = duration_in(Duration::ZERO..=Duration::from_secs(60 * MINUTE));
    let none = Duration::ZERO;
    let grace = check.optional("on_down_grace", &raw.on_down_grace, "", none, limits)?;
    Some(if resets? { OnDown::Reset(grace) } else { OnDown::Keep })
}

fn slow_start(
    raw: &RawProxy,
    balance: Option<Balance>,
    check: &mut Check<'_>,
) -> Option<Option<Duration>> {
    if let (Some(given), Some(Balance::First)) = (&raw.slow_start, balance) {
        let title = "`slow_start` has no meaning with `balance = \"first\"`";
        let help = "the first server gets all connections, whatever its weight";
        check.problems.tell(Code::WeighsNothing, given.span(), title, help);
    }
    let limits = duration_in(up_to(60 * MINUTE));
    check.optional("slow_start", &raw.slow_start, "", None, |text| limits(text).map(Some))
}

fn rebalance(
    raw: &RawProxy,
    balance: Option<Balance>,
    check: &mut Check<'_>,
) -> Option<Option<Duration>> {
    if let (Some(given), Some(Balance::First | Balance::Source)) = (&raw.rebalance, balance) {
        let title = "`rebalance` has no meaning with this `balance`";
        let help = "a client that connects anew comes to the same server: leave it out";
        check.problems.tell(Code::WeighsNothing, given.span(), title, help);
    }
    let limits = duration_in(Duration::from_secs(1)..=Duration::from_secs(60 * MINUTE));
    check.optional("rebalance", &raw.rebalance, "", None, |text| limits(text).map(Some))
}

fn listen(raw: &RawProxy, is_led: bool, table: &Span, check: &mut Check<'_>) -> Vec<SocketAddr> {
    match &raw.listen {
        None if is_led => {}
        None => check.missing(table, "listen", "such as listen = [\"192.168.1.100:6443\"]"),
        Some(list) if list.get_ref().is_empty() => {
            check.problems.tell(Code::EmptyList, list.span(), "`listen` is empty", LISTEN_HELP)
        }
        Some(_) => {}
    }
    check
        .each("listen", &raw.listen, LISTEN_HELP, endpoint)
        .into_iter()
        .map(Spanned::into_inner)
        .collect()
}

fn limits(raw: &RawProxy, balance: Option<Balance>, check: &mut Check<'_>) -> Option<Limits> {
    let connect = check.optional(
        "connect_timeout",
        &raw.connect_timeout,
        "",
        Duration::from_secs(3),
        duration_in(up_to(MINUTE)),
    );
    let idle = check.optional(
        "idle_timeout",
        &raw.idle_timeout,
        "",
        Duration::from_secs(600),
        duration_in(up_to(DAY)),
    );
    let half_closed = check.optional(
        "half_closed_timeout",
        &raw.half_closed_timeout,
        "",
        Duration::from_secs(10),
        duration_in(up_to(DAY)),
    );
    let user = check.optional(
        "user_timeout",
        &raw.user_timeout,
        "",
        Duration::from_secs(30),
        duration_in(up_to(DAY)),
    );
    let minute = Some(Duration::from_secs(MINUTE));
    let help = "\"off\": only ended connections have a line";
    let silent = check.optional("log_open_after", &raw.log_open_after, help, minute, |text| {
        let limits = duration_in(Duration::from_secs(1)..=Duration::from_secs(DAY));
        if text == "off" { Ok(None) } else { limits(text).map(Some) }
    });
    Some(Limits {
        connect: connect?,
        idle: idle?,
        half_closed: half_closed?,
        user: user?,
        silent: silent?,
        rebalance: rebalance(raw, balance, check)?,
    })
}

pub(super) const fn up_to(seconds: u64) -> RangeInclusive<Duration> {
    Duration::from_millis(10)..=Duration::from_secs(seconds)
}

fn queue(raw: &RawProxy, connect: Option<Duration>, check: &mut Check<'_>) -> Option<QueueConfig> {
    let length = check.optional("max_queue", &raw.max_queue, "", 1024, count_in(0..=65_535));
    let timeout = check.optional(
        "queue_timeout",
        &raw.queue_timeout,
        "",
        connect.unwrap_or_default(),
        duration_in(up_to(DAY)),
    );
    let keys = [
        ("max_queue", raw.max_queue.as_ref().map(Spanned::span)),
        ("queue_timeout", raw.queue_timeout.as_ref().map(Spanned::span)),
    ];
    let limited = raw.server.iter().any(|server| server.get_ref().max_connections.is_some());
    for (key, span) in keys {
        if let (false, Some(span)) = (limited, span) {
            let help = "without a limit nobody ever waits";
            let title = format!("`{key}` needs a [[proxy.server]] with `max_connections`");
            check.problems.tell(Code::NobodyWaits, span, title, help);
        }
    }
    Some(QueueConfig { length: length?, timeout: timeout? })
}
