//! `map` by the name that a TLS client asks for and `geo` by its address, where `proxy_pass` takes
//! what they choose: each becomes routes.

use std::cmp::Reverse;

use ipnet::IpNet;

use crate::names;
use crate::report::{Kind, Report};
use crate::source::{Statement, Word};

/// What a block chooses by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Name,
    Address,
}

/// A `map` or a `geo`.
pub(super) struct Choice {
    pub(super) block: Statement,
    pub(super) variable: String,
    by: By,
    /// A server that is imported uses it.
    pub(super) used: bool,
}

/// What a connection has to be for one value.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) line: Option<Statement>,
    pub(super) names: Vec<String>,
    pub(super) networks: Vec<IpNet>,
}

/// What a choice comes to, in the order in which it is made.
#[derive(Clone, Debug, Default)]
pub(super) struct Read {
    /// Entries and their values.
    pub(super) entries: Vec<(Entry, Word)>,
    /// For all others.
    pub(super) default: Option<(Statement, Word)>,
    /// For clients that ask for no name, where that is another.
    pub(super) nameless: Option<(Statement, Word)>,
}

impl Choice {
    /// Reads the block's first line; says so where no route can do it.
    pub(super) fn read(block: &Statement, report: &mut Report) -> Option<Self> {
        let words: Vec<&str> = block.args().iter().map(|word| word.text.as_str()).collect();
        let (by, variable) = match (block.name(), &words[..]) {
            ("map", ["$ssl_preread_server_name", variable]) => (By::Name, *variable),
            ("geo", [variable] | ["$remote_addr", variable]) => (By::Address, *variable),
            _ => {
                let why = "a route asks for the client's address and for a TLS client's name only";
                report.whole(block, Kind::NotSupported, why);
                return None;
            }
        };
        Some(Self { block: block.clone(), variable: variable.to_owned(), by, used: false })
    }

    /// Whether it asks for names.
    pub(super) fn asks(&self) -> bool {
        self.by == By::Name
    }

    /// Reads what is in it.
    pub(super) fn entries(&self, report: &mut Report) -> Read {
        report.translated(&self.block);
        let hostnames = self.block.inner().iter().any(|line| line.name() == "hostnames");
        let mut read = Read::default();
        let mut ranked: Vec<((u8, Reverse<usize>), Entry, Word)> = Vec::new();
        for line in self.block.inner() {
            let (key, value) = (line.name(), line.args().first());
            match (key, value) {
                ("hostnames" | "volatile" | "include", _) => report.translated(line),
                ("default", Some(value)) => read.default = Some((line.clone(), value.clone())),
                ("", Some(value)) => read.nameless = Some((line.clone(), value.clone())),
                (_, Some(value)) => {
                    let found = match self.by {
                        By::Name => name(line, hostnames, report),
                        By::Address => network(line, report),
                    };
                    if let Some((rank, entry)) = found {
                        ranked.push((rank, entry, value.clone()));
                    }
                }
                (_, None) => report.unsupported(line, super::UNKNOWN),
            }
        }
        // Equals stay in the order of the file.
        ranked.sort_by_key(|(rank, ..)| *rank);
        read.entries = ranked.into_iter().map(|(_, entry, value)| (entry, value)).collect();
        let same = |default: &(Statement, Word)| {
            read.nameless.as_ref().is_some_and(|(_, value)| value.text == default.1.text)
        };
        if read.default.as_ref().is_some_and(same)
            && let Some((line, _)) = read.nameless.take()
        {
            report.translated(&line);
        }
        read
    }
}

type Ranked = Option<((u8, Reverse<usize>), Entry)>;

/// nginx' order: a whole name, the longest `*.end`, the longest `beginning.*`, expressions.
fn name(line: &Statement, hostnames: bool, report: &mut Report) -> Ranked {
    let key = line.name();
    let key = if hostnames { key.strip_prefix('\\').unwrap_or(key) } else { key };
    let mut nearly = false;
    let (class, length, patterns) = if let Some(expression) = key.strip_prefix('~') {
        let expression = expression.strip_prefix('*').unwrap_or(expression);
        let Some(read) = names::of_regex(expression) else {
            report.unsupported(line, "the expression is more than a pattern with `*` can say");
            return None;
        };
        nearly = read.nearly;
        (3, 0, read.patterns)
    } else if let Some(end) = key.strip_prefix('.').filter(|_| hostnames) {
        (1, key.len() + 1, vec![end.to_owned(), format!("*.{end}")])
    } else if hostnames && key.starts_with("*.") {
        (1, key.len(), vec![key.to_owned()])
    } else if hostnames && key.ends_with(".*") {
        (2, key.len(), vec![key.to_owned()])
    } else if key.contains('*') {
        report.ignored(line, "without `hostnames` no name is like this");
        return None;
    } else {
        (0, 0, vec![key.to_owned()])
    };
    if !patterns.iter().all(|pattern| names::can_be_written(pattern)) {
        report.ignored(line, "no client asks for such a name");
        return None;
    }
    if nearly {
        let how = "the expression becomes patterns, in which `*` stands for any characters";
        report.different(line, how);
    }
    let entry = Entry { line: Some(line.clone()), names: patterns, networks: vec![] };
    Some(((class, Reverse(length)), entry))
}

/// The longest network first.
fn network(line: &Statement, report: &mut Report) -> Ranked {
    let text = line.name();
    let host = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    let Some(network) = text.parse::<IpNet>().ok().or_else(host) else {
        report.unsupported(line, "a route compares the client's address with networks");
        return None;
    };
    let entry = Entry { line: Some(line.clone()), names: vec![], networks: vec![network.trunc()] };
    Some(((0, Reverse(usize::from(network.prefix_len()))), entry))
}
