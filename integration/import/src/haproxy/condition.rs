//! `if …` behind `use_backend`: the connections that a rule means, as routes mean them.

use ipnet::IpNet;

use super::lists::{self, Fetched, Lists};
use crate::names;
use crate::source::{Statement, Word};

/// What a rule asks of a connection, all of it; empty where it asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Condition {
    /// Of which the name that the client asks for fits one.
    pub(super) names: Vec<String>,
    /// Of which the client's address is in one.
    pub(super) from: Vec<IpNet>,
    /// Of which the client connected to one.
    pub(super) ports: Vec<u16>,
    /// It has to be a TLS client.
    tls: bool,
}

/// What becomes of a rule: alternatives, of which the first that fits counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    pub(super) alternatives: Vec<Condition>,
    /// They fit nearly the same connections.
    pub(super) nearly: bool,
    /// Some of it stood in a file.
    pub(super) from_file: bool,
}

/// What is wrong with a rule, in words.
type Why = String;

/// What `if` and what follows it mean, with the `acl` lines of the section.
///
/// # Errors
/// A route cannot say that.
pub(super) fn read(rule: &Statement, lists: &Lists<'_>) -> Result<Conditions, Why> {
    let words: Vec<&Word> = rule.words.iter().skip(2).collect();
    let [keyword, terms @ ..] = words.as_slice() else { return Ok(all()) };
    if keyword.text != "if" {
        return Err(denies());
    }
    let mut conditions = Conditions::default();
    for alternative in terms.split(|word| matches!(word.text.as_str(), "or" | "||")) {
        let mut product = all();
        let mut words = alternative.iter();
        while let Some(word) = words.next() {
            let term = if word.text == "{" {
                let inner: Vec<&str> = words
                    .by_ref()
                    .map(|word| word.text.as_str())
                    .take_while(|w| *w != "}")
                    .collect();
                expression(&inner, lists, rule)?
            } else {
                named(&word.text, lists)?
            };
            product = both(&product, &term)?;
        }
        conditions.or(product);
    }
    // What comes after one that always fits is never asked.
    let always = |one: &Condition| *one == Condition::default();
    if let Some(at) = conditions.alternatives.iter().position(always) {
        conditions.alternatives.truncate(at + 1);
    }
    let only_tls = |one: &Condition| one.tls && one.names.is_empty();
    if conditions.alternatives.iter().any(only_tls) {
        return Err("whether it is TLS is asked together with a name only".to_owned());
    }
    Ok(conditions)
}

fn denies() -> Why {
    "a route says which connections take it, not which do not".to_owned()
}

/// Every connection.
fn all() -> Conditions {
    Conditions { alternatives: vec![Condition::default()], ..Conditions::default() }
}

impl Conditions {
    fn or(&mut self, other: Self) {
        self.nearly |= other.nearly;
        self.from_file |= other.from_file;
        for one in other.alternatives {
            match self.alternatives.last_mut() {
                // Names of the same networks, and networks of the same names, go together.
                Some(last)
                    if (&last.from, &last.ports) == (&one.from, &one.ports)
                        && !last.names.is_empty()
                        && !one.names.is_empty() =>
                {
                    last.names.extend(one.names);
                }
                Some(last)
                    if (&last.names, &last.ports) == (&one.names, &one.ports)
                        && !last.from.is_empty()
                        && !one.from.is_empty() =>
                {
                    last.from.extend(one.from);
                }
                Some(last)
                    if (&last.names, &last.from) == (&one.names, &one.from)
                        && !last.ports.is_empty()
                        && !one.ports.is_empty() =>
                {
                    last.ports.extend(one.ports);
                }
                _ => self.alternatives.push(one),
            }
        }
    }
}

/// The lines of an `acl`, of which one has to fit.
fn named(name: &str, lists: &Lists<'_>) -> Result<Conditions, Why> {
    if name.starts_with('!') {
        return Err(denies());
    }
    let mut conditions = Conditions::default();
    for acl in lists.named(name) {
        let words: Vec<&str> = acl.words.iter().skip(2).map(|word| word.text.as_str()).collect();
        conditions.or(expression(&words, lists, acl)?);
    }
    match (name, conditions.alternatives.is_empty()) {
        ("TRUE", true) => Ok(all()),
        (_, true) => Err(format!("there is no `acl {name}` here")),
        (_, false) => Ok(conditions),
    }
}

/// What both mean together.
fn both(one: &Conditions, other: &Conditions) -> Result<Conditions, Why> {
    let mut conditions = Conditions {
        nearly: one.nearly || other.nearly,
        from_file: one.from_file || other.from_file,
        ..Conditions::default()
    };
    for a in &one.alternatives {
        for b in &other.alternatives {
            let names = match (a.names.as_slice(), b.names.as_slice()) {
                ([], names) | (names, []) => names.to_vec(),
                // Any name at all.
                ([any], names) | (names, [any]) if any == "*" => names.to_vec(),
                _ => return Err("a route asks for one of several names, not for two".to_owned()),
            };
            let from = match (a.from.as_slice(), b.from.as_slice()) {
                ([], from) | (from, []) => from.to_vec(),
                _ => return Err("a route asks for one of several networks, not for two".to_owned()),
            };
            let ports = match (a.ports.as_slice(), b.ports.as_slice()) {
                ([], ports) | (ports, []) => ports.to_vec(),
                _ => return Err("a route asks for one of several ports, not for two".to_owned()),
            };
            conditions.alternatives.push(Condition { names, from, ports, tls: a.tls || b.tls });
        }
    }
    Ok(conditions)
}

/// `FETCH [FLAG…] VALUE…`, as `line` says it.
fn expression(words: &[&str], lists: &Lists<'_>, line: &Statement) -> Result<Conditions, Why> {
    let Fetched { fetch, method, values, from_file } = lists.fetched(words, line)?;
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let one = |condition| {
        Ok(Conditions { alternatives: vec![condition], from_file, ..Conditions::default() })
    };
    let (sample, converters) = fetch.split_once(',').unwrap_or((fetch, "lower"));
    match sample {
        "req.ssl_sni" | "req_ssl_sni" if matches!(converters, "lower" | "upper") => {
            names(method, &values).map(|names| Conditions { from_file, ..names })
        }
        "src" if matches!((method, converters), ("" | "ip", "lower")) => {
            let from = lists::networks(&values);
            let from = from.ok_or("a route compares the client's address with networks")?;
            one(Condition { from, ..Condition::default() })
        }
        "dst_port" if matches!((method, converters), ("" | "int", "lower")) => {
            let ports = lists::ports(&values);
            let ports = ports.ok_or("a route compares the port with numbers, 64 at most")?;
            one(Condition { ports, ..Condition::default() })
        }
        "req.ssl_hello_type" | "req_ssl_hello_type" if values == ["1"] => {
            one(Condition { tls: true, ..Condition::default() })
        }
        "always_true" => one(Condition::default()),
        other => Err(format!(
            "a route asks for the client's address, the port and a TLS client's name, not for `{other}`"
        )),
    }
}

/// Names, as `-m METHOD` compares them.
fn names(method: &str, values: &[&str]) -> Result<Conditions, Why> {
    let mut patterns = Vec::new();
    let mut nearly = false;
    for value in values {
        // Only in what is written here has a star a meaning.
        if value.contains('*') && method != "reg" {
            return Err(format!("no client asks for a name like {value}"));
        }
        match method {
            "" | "str" => patterns.push((*value).to_owned()),
            "beg" => patterns.push(format!("{value}*")),
            "end" => patterns.push(format!("*{value}")),
            "sub" => patterns.push(format!("*{value}*")),
            // Between dots.
            "dom" => patterns.extend([
                (*value).to_owned(),
                format!("*.{value}"),
                format!("{value}.*"),
                format!("*.{value}.*"),
            ]),
            "reg" => {
                let why = || format!("{value} is more than a pattern with `*` can say");
                let read = names::of_regex(value).ok_or_else(why)?;
                nearly |= read.nearly;
                patterns.extend(read.patterns);
            }
            _ => break,
        }
    }
    if method == "found" {
        patterns = vec!["*".to_owned()];
    }
    if patterns.is_empty() {
        return Err(format!("a route compares names with patterns, not as `-m {method}` does"));
    }
    if let Some(strange) = patterns.iter().find(|pattern| !names::can_be_written(pattern)) {
        return Err(format!("no client asks for a name like {strange}"));
    }
    let condition = Condition { names: patterns, ..Condition::default() };
    Ok(Conditions { alternatives: vec![condition], nearly, from_file: false })
}
