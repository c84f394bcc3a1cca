//! `tcp-request … accept` and `reject` by the client's address: the networks that a proxy serves, and those
//! that it does not.

use ipnet::IpNet;

use super::lists::{self, Fetched, Lists};
use super::settings::LOOKS;
use crate::Files;
use crate::draft::Got;
use crate::report::Report;
use crate::source::{Statement, Word};

/// When HAProxy asks rules, in this order. What one level lets in, the next may still refuse.
const LEVELS: [&str; 3] = ["connection", "session", "content"];

const ABOVE: &str = "a rule above it decides for every connection";
const ORDER: &str = "`deny` is asked before `allow`: this rule says something about addresses that one above it lets in";
const TWICE: &str = "one list says who is served, and this would be a second";
const ELSE: &str = "connections are let in by the client's address only";

type Lines = Vec<Got<IpNet>>;

/// Whether a line lets connections in, or refuses them.
pub(super) fn is_rule(line: &Statement) -> bool {
    line.name() == "tcp-request"
        && LEVELS.contains(&line.text(1))
        && matches!(line.text(2), "accept" | "reject")
}

/// Some addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Clients {
    All,
    In(Vec<IpNet>),
    NotIn(Vec<IpNet>),
}

/// `allow` and `deny` of a section.
pub(super) fn lists(header: &Statement, files: &dyn Files, report: &mut Report) -> (Lines, Lines) {
    let acls: Vec<&Statement> = header.inner().iter().filter(|line| line.name() == "acl").collect();
    let lists = Lists { acls: &acls, files };
    let mut all = Access::default();
    for level in LEVELS {
        let at = |line: &&Statement| is_rule(line) && line.text(1) == level;
        let rules = header.inner().iter().filter(at);
        Level::default().read(rules, &lists, &mut all, report);
    }
    (all.allow.unwrap_or_default(), all.deny)
}

/// What the levels come to.
#[derive(Default)]
struct Access {
    allow: Option<Lines>,
    deny: Lines,
}

/// What a level's rules have said so far.
#[derive(Default)]
struct Level {
    /// Let in by a rule above.
    accepted: Lines,
    /// What is left for the rules below, where it is not everything.
    left: Option<Lines>,
    /// Every connection has been decided about.
    decided: bool,
    /// Some were let in that are not known by their addresses.
    vague: bool,
}

impl Level {
    fn read<'a>(
        mut self,
        rules: impl Iterator<Item = &'a Statement>,
        lists: &Lists<'_>,
        all: &mut Access,
        report: &mut Report,
    ) {
        for rule in rules {
            if self.decided {
                report.ignored(rule, ABOVE);
                continue;
            }
            match clients(rule, lists) {
                Ok((clients, from_file)) => {
                    match self.take(rule, clients, all) {
                        Ok(()) => report.translated(rule),
                        Err(why) => report.unsupported(rule, why),
                    }
                    if from_file {
                        report.different(rule, lists::WRITTEN);
                    }
                }
                // Looking at the first bytes is no matter, unless what is below refuses the others.
                Err(_) if rule.text(2) == "accept" => {
                    self.vague = true;
                    report.ignored(rule, LOOKS);
                }
                Err(why) => report.unsupported(rule, why),
            }
        }
    }

    fn take(
        &mut self,
        rule: &Statement,
        clients: Clients,
        all: &mut Access,
    ) -> Result<(), &'static str> {
        let lines = |networks: Vec<IpNet>| -> Lines {
            networks.into_iter().map(|network| Got::from(rule.place(), network)).collect()
        };
        match (rule.text(2), clients) {
            ("accept", Clients::All) => self.decided = true,
            ("accept", Clients::In(networks)) => self.accepted.extend(lines(networks)),
            ("accept", Clients::NotIn(networks)) if self.left.is_none() => {
                self.left = Some(lines(networks));
            }
            ("accept", Clients::NotIn(_)) => return Err(TWICE),
            (_, _) if self.vague => return Err(ELSE),
            (_, Clients::All) => {
                self.decided = true;
                match self.left.take() {
                    Some(left) => all.deny.extend(disjoint(left, &self.accepted)?),
                    None => self.only(Vec::new(), all)?,
                }
            }
            (_, _) if self.left.is_some() => return Err(ORDER),
            (_, Clients::In(networks)) => {
                all.deny.extend(disjoint(lines(networks), &self.accepted)?);
            }
            (_, Clients::NotIn(networks)) => self.only(lines(networks), all)?,
        }
        Ok(())
    }

    /// None but `networks` and those that are let in already.
    fn only(&mut self, networks: Lines, all: &mut Access) -> Result<(), &'static str> {
        if all.allow.is_some() {
            return Err(TWICE);
        }
        let mut allow = std::mem::take(&mut self.accepted);
        allow.extend(networks);
        if allow.is_empty() {
            return Err("it refuses every connection");
        }
        all.allow = Some(allow);
        Ok(())
    }
}

/// `networks`, none of which is among those that are let in.
fn disjoint(networks: Lines, accepted: &Lines) -> Result<Lines, &'static str> {
    let overlap = |one: &IpNet, other: &IpNet| one.contains(other) || other.contains(one);
    let met =
        networks.iter().any(|one| accepted.iter().any(|other| overlap(&one.value, &other.value)));
    if met { Err(ORDER) } else { Ok(networks) }
}

/// The clients that a rule means, and whether a file says so.
fn clients(rule: &Statement, lists: &Lists<'_>) -> Result<(Clients, bool), String> {
    let words: Vec<&Word> = rule.words.iter().skip(3).collect();
    let (unless, terms) = match words.as_slice() {
        [] => return Ok((Clients::All, false)),
        [keyword, terms @ ..] => match keyword.text.as_str() {
            "if" => (false, terms),
            "unless" => (true, terms),
            _ => return Err(ELSE.to_owned()),
        },
    };
    let mut from_file = false;
    let mut union: Option<Clients> = None;
    for alternative in terms.split(|word| matches!(word.text.as_str(), "or" | "||")) {
        let one = product(alternative, rule, lists, &mut from_file)?;
        union = Some(match (union, one) {
            (None, one) => one,
            (Some(Clients::All), _) | (Some(_), Clients::All) => Clients::All,
            (Some(Clients::In(mut all)), Clients::In(more)) => {
                all.extend(more);
                Clients::In(all)
            }
            _ => return Err("of several networks it takes some and leaves others".to_owned()),
        });
    }
    let clients = union.ok_or_else(|| ELSE.to_owned())?;
    Ok((if unless { inverse(clients)? } else { clients }, from_file))
}

/// What all terms together mean.
fn product(
    terms: &[&Word],
    rule: &Statement,
    lists: &Lists<'_>,
    from_file: &mut bool,
) -> Result<Clients, String> {
    let mut product = Clients::All;
    let mut terms = terms.iter().map(|word| word.text.as_str());
    while let Some(term) = terms.next() {
        let (negated, term) = match term.strip_prefix('!') {
            Some("") => (true, terms.next().unwrap_or_default()),
            Some(term) => (true, term),
            None => (false, term),
        };
        let clients = if term == "{" {
            let inner: Vec<&str> = terms.by_ref().take_while(|word| *word != "}").collect();
            expression(&inner, rule, lists, from_file)?
        } else {
            named(term, lists, from_file)?
        };
        let clients = if negated { inverse(clients)? } else { clients };
        product = match (product, clients) {
            (Clients::All, clients) | (clients, Clients::All) => clients,
            (Clients::NotIn(mut all), Clients::NotIn(more)) => {
                all.extend(more);
                Clients::NotIn(all)
            }
            _ => return Err("a client's address is in one list, not in two".to_owned()),
        };
    }
    Ok(product)
}

fn inverse(clients: Clients) -> Result<Clients, String> {
    match clients {
        Clients::All => Err("it means no connection".to_owned()),
        Clients::In(networks) => Ok(Clients::NotIn(networks)),
        Clients::NotIn(networks) => Ok(Clients::In(networks)),
    }
}

/// The lines of an `acl`, of which one has to fit.
fn named(name: &str, lists: &Lists<'_>, from_file: &mut bool) -> Result<Clients, String> {
    let mut all = Vec::new();
    for acl in lists.named(name) {
        let words: Vec<&str> = acl.words.iter().skip(2).map(|word| word.text.as_str()).collect();
        match expression(&words, acl, lists, from_file)? {
            Clients::In(networks) => all.extend(networks),
            Clients::All => return Ok(Clients::All),
            Clients::NotIn(_) => return Err(ELSE.to_owned()),
        }
    }
    match (name, all.is_empty()) {
        (_, false) => Ok(Clients::In(all)),
        ("TRUE", true) => Ok(Clients::All),
        ("LOCALHOST", true) => {
            Ok(Clients::In(lists::networks(&["127.0.0.1/8", "::1"]).unwrap_or_default()))
        }
        (_, true) => Err(format!("there is no `acl {name}` here")),
    }
}

/// `src NETWORK…`.
fn expression(
    words: &[&str],
    line: &Statement,
    lists: &Lists<'_>,
    from_file: &mut bool,
) -> Result<Clients, String> {
    let Fetched { fetch, method, values, from_file: read } = lists.fetched(words, line)?;
    *from_file |= read;
    match (fetch, method) {
        ("always_true", _) => Ok(Clients::All),
        ("src", "" | "ip") => {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let networks = lists::networks(&values);
            networks.map(Clients::In).ok_or_else(|| "it compares `src` with networks".to_owned())
        }
        (other, _) => Err(format!("{ELSE}, not by `{other}`")),
    }
}
