//! Addresses: `bind` and the addresses of servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::draft::Got;
use crate::report::Report;
use crate::source::{Mistake, Statement, Word};

/// As many ports may one range have.
const PORTS_LIMIT: u16 = 256;

/// An address as HAProxy writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// No port: the one of the connection.
    Ip(IpAddr),
    Port(SocketAddr),
    /// A name that has to be looked up, and a port; none: the one of the connection.
    Name(String, Option<u16>),
    /// A socket of another kind, and what it is.
    Other(&'static str),
    Wrong,
}

/// Reads one address: `IP:PORT`, `*:PORT`, `:PORT`, `:::PORT`, `[IP]:PORT` and so on.
pub(super) fn address(text: &str) -> Address {
    for (prefix, what) in [
        ("unix@", "a Unix socket"),
        ("abns", "a Unix socket"),
        ("uxst@", "a Unix socket"),
        ("/", "a Unix socket"),
        ("fd@", "an open file"),
        ("sockpair@", "an open file"),
        ("quic", "QUIC"),
        ("udp", "UDP"),
        ("rhttp@", "reverse HTTP"),
    ] {
        if text.starts_with(prefix) {
            return Address::Other(what);
        }
    }
    let text = ["ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    if text.matches(':').count() > 1 && !text.starts_with('[') {
        // The last colon stands before the port, unless there is none.
        return v6(text.rsplit_once(':'))
            .or_else(|| text.parse().ok().map(Address::Ip))
            .unwrap_or(Address::Wrong);
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.starts_with('[') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ip = match bare {
        "" | "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        _ => bare.parse().ok(),
    };
    match (ip, port.map(str::parse::<u16>)) {
        (Some(ip), None) => Address::Ip(ip),
        (Some(ip), Some(Ok(port))) if port != 0 => Address::Port(SocketAddr::new(ip, port)),
        (None, None) if is_name(host) => Address::Name(host.to_owned(), None),
        (None, Some(Ok(port))) if is_name(host) && port != 0 => {
            Address::Name(host.to_owned(), Some(port))
        }
        _ => Address::Wrong,
    }
}

fn v6(split: Option<(&str, &str)>) -> Option<Address> {
    let (host, port) = split?;
    let ip: Ipv6Addr = host.parse().ok()?;
    let port: u16 = port.parse().ok()?;
    (port != 0).then(|| Address::Port(SocketAddr::new(ip.into(), port)))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Reads `bind ADDRESS[,ADDRESS…] [OPTIONS]`, or the addresses beside a section's name.
pub(super) fn bind(
    statement: &Statement,
    addresses: &Word,
    options: &[Word],
    report: &mut Report,
) -> Vec<Got<SocketAddr>> {
    report.translated(statement);
    let has = |name: &str| options.iter().any(|word| word.text == name);
    let mut listen: Vec<SocketAddr> = Vec::new();
    for text in addresses.text.split(',') {
        let (first, last) = match ports(text) {
            Some(range) => range,
            None => (text.to_owned(), None),
        };
        match address(&first) {
            Address::Port(from) => {
                let last = last.unwrap_or(from.port());
                if last < from.port() || last - from.port() >= PORTS_LIMIT {
                    report.unsupported(statement, format!("a range has 1 to {PORTS_LIMIT} ports"));
                    continue;
                }
                for port in from.port()..=last {
                    listen.push(SocketAddr::new(from.ip(), port));
                    // An IPv6 socket of HAProxy's takes IPv4 as well; here each takes its own.
                    if from.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !has("v6only") {
                        listen.push(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port));
                    }
                }
            }
            Address::Other(what) => {
                report.unsupported(statement, format!("{what} is not listened on"))
            }
            Address::Name(name, _) => {
                report.unsupported(
                    statement,
                    format!("names are not looked up: write the address of {name}"),
                );
            }
            Address::Ip(_) | Address::Wrong => {
                report.mistake(Mistake::value(statement, addresses, "must be ADDRESS:PORT"));
            }
        }
    }
    bind_options(statement, options, report);
    listen.into_iter().map(|address| Got::from(statement.place(), address)).collect()
}

/// `HOST:FIRST-LAST` as `HOST:FIRST` and `LAST`.
fn ports(text: &str) -> Option<(String, Option<u16>)> {
    let (host, range) = text.rsplit_once(':')?;
    let (first, last) = range.split_once('-')?;
    Some((format!("{host}:{first}"), Some(last.parse().ok()?)))
}

fn bind_options(statement: &Statement, options: &[Word], report: &mut Report) {
    let mut words = options.iter().map(|word| word.text.as_str());
    while let Some(word) = words.next() {
        match word {
            "ssl" => report.unsupported(statement, "TLS is passed through, not ended here"),
            "accept-proxy" => {
                let why = "`accept-proxy` believes whoever sends a header: write `accept_proxy = [\"NETWORK\"]` with the addresses of the balancers in front";
                report.unsupported(statement, why);
            }
            "accept-netscaler-cip" => {
                report.unsupported(statement, format!("`{word}` is not accepted from clients"));
            }
            "v6only" | "v4v6" => report.translated(statement),
            "transparent" => {
                report.ignored(statement, "an address may always be absent from this node")
            }
            "defer-accept"
            | "tfo"
            | "strict-sni"
            | "allow-0rtt"
            | "no-ca-names"
            | "prefer-client-ciphers"
            | "generate-certificates" => {
                report.different(statement, format!("`{word}` is left out: it only spares time"));
            }
            "name" | "id" | "backlog" | "maxconn" | "nice" | "process" | "thread" | "user"
            | "group" | "mode" | "uid" | "gid" | "level" | "shards" | "alpn" | "npn" | "crt"
            | "ca-file" | "ciphers" | "ciphersuites" | "curves" | "ssl-min-ver" | "ssl-max-ver"
            | "verify" | "proto" => {
                words.next();
                report.ignored(statement, format!("`{word}` has no counterpart"));
            }
            "tcp-ut" => {
                words.next();
                let how = "`tcp-ut`: one time holds for the client's and the server's side";
                report.different(statement, how);
            }
            "interface" | "namespace" | "mss" => {
                words.next();
                report.unsupported(statement, format!("a listening address has no `{word}`"));
            }
            other => {
                report.unsupported(statement, format!("`{other}` is not known to `vipd import`"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_haproxy_writes_them() {
        for (text, expected) in [
            ("*:6443", "0.0.0.0:6443"),
            (":6443", "0.0.0.0:6443"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            (":::25", "[::]:25"),
            ("fd00::1:443", "[fd00::1]:443"),
            ("[fd00::1]:443", "[fd00::1]:443"),
            ("ipv4@10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(address(text), Address::Port(expected.parse().unwrap()), "{text}");
        }
        assert_eq!(address("10.0.0.1"), Address::Ip("10.0.0.1".parse().unwrap()));
        assert_eq!(address("web_bar:443"), Address::Name("web_bar".to_owned(), Some(443)));
        assert_eq!(address("/run/x.sock"), Address::Other("a Unix socket"));
        for wrong in
            ["10.0.0.1:XXXXX", "10.0.0.1:<NodePort>", "10.0.0.1:0", "10.0.0.1:70000", "a b:1"]
        {
            assert_eq!(address(wrong), Address::Wrong, "{wrong}");
        }
    }
}
