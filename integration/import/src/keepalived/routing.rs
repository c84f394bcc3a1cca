//! `virtual_routes` and `virtual_rules`.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::draft::{Router, Table, Value};
use crate::report::Report;
use crate::source::{Mistake, Statement, Word};

/// The kernel puts a rule without a priority before those that others have added: 32765 and below.
const FIRST_PRIORITY: u32 = 32_765;

/// `virtual_routes`, one a line.
pub(super) fn routes(
    list: &Statement,
    block: &Statement,
    router: &mut Router,
    report: &mut Report,
) {
    report.translated(list);
    let own = block.inner().iter().find(|other| other.name() == "interface");
    let own = own.map_or("", |own| own.text(1));
    for line in list.inner() {
        if let Some(table) = route(line, own, report) {
            router.tables.push(table);
        }
    }
}

/// `virtual_rules`, one a line.
pub(super) fn rules(list: &Statement, router: &mut Router, report: &mut Report) {
    report.translated(list);
    let mut free = FIRST_PRIORITY;
    for line in list.inner() {
        if let Some(table) = rule(line, &mut free, report) {
            router.tables.push(table);
        }
    }
}

fn route(line: &Statement, own: &str, report: &mut Report) -> Option<Table> {
    report.translated(line);
    let mut table = Table::new(line.place(), "vrrp.route");
    let mut ipv6 = false;
    let mut words = line.words.iter();
    while let Some(word) = words.next() {
        let keyword = word.text.as_str();
        match keyword {
            "blackhole" | "unreachable" | "prohibit" | "throw" | "local" | "or" | "nexthop" => {
                let why = "a route leads through one interface to one router";
                report.unsupported(line, why);
                return None;
            }
            "no_track" | "no-track" => report.ignored(line, "the route is always watched"),
            "unicast" | "inet" | "inet6" => {}
            "to" | "via" | "gw" | "src" | "dev" | "table" | "metric" | "priority"
            | "preference" | "scope" => {
                let mut value = words.next();
                if value.is_some_and(|value| matches!(value.text.as_str(), "inet" | "inet6")) {
                    value = words.next();
                }
                let Some(value) = value else {
                    let title = format!("`{keyword}` has no value");
                    report.mistake(Mistake::at(&word.place, title, ""));
                    return None;
                };
                ipv6 |= value.text.contains(':');
                option(keyword, value, own, line, &mut table, report)?;
            }
            _ if !table.has("destination") => {
                ipv6 |= keyword.contains(':');
                table.set("destination", destination(word, report)?);
            }
            other => report.different(line, format!("{other:?} is left out")),
        }
    }
    if ipv6 {
        table.remove("scope");
    }
    if !table.has("destination") {
        let title = "this route has no destination";
        report.mistake(Mistake::at(line.place(), title, ""));
        return None;
    }
    Some(table)
}

/// A word of a route that has a value.
fn option(
    keyword: &str,
    value: &Word,
    own: &str,
    line: &Statement,
    table: &mut Table,
    report: &mut Report,
) -> Option<()> {
    match keyword {
        "to" => table.set("destination", destination(value, report)?),
        "via" | "gw" => table.set("via", address(value, report)?),
        "src" => table.set("source", address(value, report)?),
        "dev" if value.text == own => {}
        "dev" => table.set("interface", Value::Text(value.text.clone())),
        "table" => table.set("table", number(line, value, report)?),
        "scope" => match scope(&value.text) {
            Some(scope) => table.set("scope", Value::Text(scope.to_owned())),
            None => report.different(line, "its scope is the kernel's choice"),
        },
        _ => table.set(
            "metric",
            Value::Number(value.text.parse().ok().or_else(|| {
                let title = format!("`{keyword}` is {:?}, but must be a number", value.text);
                report.mistake(Mistake::at(&value.place, title, ""));
                None
            })?),
        ),
    }
    Some(())
}

fn rule(line: &Statement, free: &mut u32, report: &mut Report) -> Option<Table> {
    report.translated(line);
    let mut table = Table::new(line.place(), "vrrp.rule");
    let mut words = line.words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next();
        match word.text.as_str() {
            "no_track" | "no-track" => report.ignored(line, "the rule is always watched"),
            "inet" | "inet6" => {}
            "from" => network("from", value(), &mut table, report)?,
            "to" => network("to", value(), &mut table, report)?,
            "table" | "lookup" => {
                let number = number(line, value()?, report)?;
                table.set("table", number);
            }
            "priority" | "preference" | "pref" | "order" => {
                let priority = value().and_then(|word| word.text.parse().ok());
                table.set("priority", Value::Number(priority?));
            }
            "fwmark" => match value().and_then(|word| mark(&word.text)) {
                Some(mark) => table.set("fwmark", Value::Number(mark)),
                None => {
                    report.unsupported(line, "a mark has no mask");
                    return None;
                }
            },
            // Without one of its conditions a rule would match more than it should.
            other => {
                let why = format!("a rule has no `{other}`: it matches by from, to and fwmark");
                report.unsupported(line, why);
                return None;
            }
        }
    }
    if !table.has("table") || !["from", "to", "fwmark"].iter().any(|key| table.has(key)) {
        report.unsupported(line, "a rule needs what it matches, and a table");
        return None;
    }
    if !table.has("priority") {
        report.different(line, format!("its priority is {free}, as the kernel would choose"));
        table.set("priority", Value::Number(u64::from(*free)));
        *free -= 1;
    }
    Some(table)
}

fn network(
    key: &'static str,
    word: Option<&Word>,
    table: &mut Table,
    report: &mut Report,
) -> Option<()> {
    let word = word?;
    match word.text.as_str() {
        "all" | "any" | "default" => {}
        _ => table.set(key, destination(word, report)?),
    }
    Some(())
}

fn destination(word: &Word, report: &mut Report) -> Option<Value> {
    let text = word.text.as_str();
    let right =
        text == "default" || text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok();
    if !right {
        let title = format!("{text:?} stands where a network must");
        report.mistake(Mistake::at(&word.place, title, ""));
        return None;
    }
    Some(Value::Text(text.to_owned()))
}

fn address(word: &Word, report: &mut Report) -> Option<Value> {
    if word.text.parse::<IpAddr>().is_err() {
        let title = format!("{:?} stands where an IP address must", word.text);
        report.mistake(Mistake::at(&word.place, title, ""));
        return None;
    }
    Some(Value::Text(word.text.clone()))
}

/// A table's number; of those with a name, the kernel's own.
fn number(line: &Statement, word: &Word, report: &mut Report) -> Option<Value> {
    let number = match word.text.as_str() {
        "main" => Some(254),
        "default" => Some(253),
        "local" => Some(255),
        text => text.parse::<u32>().ok().filter(|number| *number > 0).map(u64::from),
    };
    if number.is_none() {
        let why = format!("write the number of the table {:?}", word.text);
        report.unsupported(line, why);
    }
    number.map(Value::Number)
}

fn mark(text: &str) -> Option<u64> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    number.filter(|mark| *mark > 0).map(u64::from)
}

/// A scope's name here.
pub(super) fn scope(text: &str) -> Option<&'static str> {
    match text {
        "global" | "universe" | "0" => Some("global"),
        "link" | "253" => Some("link"),
        "host" | "254" => Some("host"),
        _ => None,
    }
}
