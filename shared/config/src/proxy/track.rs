//! From `check = { track = … }` to servers that are as those of another proxy.

use super::{CheckConfig, CheckKind, Followed, ProxyConfig, ServerConfig};
use crate::check::Check;
use crate::code::Code;
use crate::raw::{RawCheck, RawProxy};
use crate::read::nearest;
use crate::spanned::Spanned;

const DECIDES: &str = "the other proxy's check decides: leave this out";

/// Points at everything that stands beside `track`: there is no check that it could mean.
pub(super) fn alone(raw: &RawCheck, check: &mut Check<'_>) {
    let flags = [("tcp", &raw.tcp), ("tls", &raw.tls), ("verify", &raw.verify)];
    let texts = [
        ("http", &raw.http),
        ("https", &raw.https),
        ("expect_body", &raw.expect_body),
        ("token_file", &raw.token_file),
        ("cert", &raw.cert),
        ("key", &raw.key),
        ("ca", &raw.ca),
        ("server_name", &raw.server_name),
        ("interval", &raw.interval),
        ("fast_interval", &raw.fast_interval),
        ("down_interval", &raw.down_interval),
        ("timeout", &raw.timeout),
        ("connect_timeout", &raw.connect_timeout),
    ];
    let numbers = [
        ("port", &raw.port),
        ("error_limit", &raw.error_limit),
        ("rise", &raw.rise),
        ("fall", &raw.fall),
    ];
    let expect = raw.expect.as_ref().map(|given| (&"expect", Some(Spanned::span(given))));
    let flags = flags.iter().map(|(key, given)| (key, given.as_ref().map(Spanned::span)));
    let texts = texts.iter().map(|(key, given)| (key, given.as_ref().map(Spanned::span)));
    let numbers = numbers.iter().map(|(key, given)| (key, given.as_ref().map(Spanned::span)));
    for (key, span) in flags.chain(texts).chain(numbers).chain(expect) {
        if let Some(span) = span {
            let title = format!("`{key}` has no meaning with `track`");
            check.problems.tell(Code::NotOfCheck, span, title, DECIDES);
        }
    }
}

/// Finds for each server of a proxy with `track` the one that decides for it.
pub(super) fn follow(
    tables: &[Spanned<RawProxy>],
    proxies: &mut [ProxyConfig],
    check: &mut Check<'_>,
) {
    for table in tables {
        let raw = table.get_ref();
        let (Some(name), Some(track)) = (&raw.name, tracked(raw)) else { continue };
        let Some(other) = tables.iter().find(|other| is_named(other, track.get_ref())) else {
            let known = tables.iter().filter(|other| tracked(other.get_ref()).is_none());
            let known: Vec<&str> = known
                .filter_map(|other| Some(other.get_ref().name.as_ref()?.get_ref().as_str()))
                .collect();
            let meant = nearest(track.get_ref(), &known);
            let help = meant.map(|meant| format!("did you mean {meant:?}?")).unwrap_or_default();
            let title = format!("there is no [[proxy]] {}", track.get_ref());
            check.problems.tell(Code::FollowsNobody, track.span(), title, &help);
            continue;
        };
        if tracked(other.get_ref()).is_some() {
            let title = format!("{} tracks another proxy, and checks nothing", track.get_ref());
            let help = "name the proxy that checks its servers";
            check.problems.tell(Code::FollowsNobody, track.span(), title, help);
            continue;
        }
        let known = |wanted: &str| proxies.iter().position(|p| p.name.as_str() == wanted);
        // What is wrong with one of them is told already.
        let (Some(own), Some(leader)) = (known(name.get_ref()), known(track.get_ref())) else {
            continue;
        };
        let leader = proxies[leader].clone();
        let own = &mut proxies[own];
        own.check = CheckConfig {
            kind: CheckKind::Tcp,
            port: None,
            certificate: None,
            error_limit: None,
            ..leader.check.clone()
        };
        for server in &mut own.servers {
            server.follows = counterpart(server, &leader);
            if server.follows.is_none() {
                let title = format!("no server of {} stands for {}", leader.name, server.name);
                let help =
                    "one there has to have the same name, or be the only one at the same host";
                check.problems.tell(Code::FollowsNobody, track.span(), title, help);
            }
        }
    }
}

fn tracked(raw: &RawProxy) -> Option<&Spanned<String>> {
    raw.check.as_ref()?.get_ref().track.as_ref()
}

fn is_named(table: &Spanned<RawProxy>, name: &str) -> bool {
    table.get_ref().name.as_ref().is_some_and(|known| known.get_ref() == name)
}

fn counterpart(server: &ServerConfig, leader: &ProxyConfig) -> Option<Followed> {
    let named = leader.servers.iter().find(|other| other.name == server.name);
    let there = named.or_else(|| {
        let host = server.address.host();
        let mut same = leader.servers.iter().filter(|other| other.address.host() == host);
        same.next().filter(|_| same.next().is_none())
    })?;
    Some(Followed { proxy: leader.name.clone(), server: there.name.clone() })
}

#[cfg(test)]
mod tests {
    use crate::parse;

    fn follows(leader: &str, follower: &str) -> Vec<String> {
        let source = format!(
            "[[proxy]]\nname = \"b\"\nlisten = [\"127.0.0.1:2\"]\ncheck = {{ track = \"a\" }}\n{follower}\n\
             [[proxy]]\nname = \"a\"\nlisten = [\"127.0.0.1:1\"]\n{leader}\n"
        );
        let config = parse("x", &source).unwrap().config;
        let servers = &config.proxies[0].servers;
        servers.iter().map(|server| server.follows.as_ref().unwrap().to_string()).collect()
    }

    #[test]
    fn the_same_name_counts_before_the_same_host() {
        let crossed = "[[proxy.server]]\nname = \"one\"\naddress = \"10.0.0.2:1\"\n\
                       [[proxy.server]]\nname = \"two\"\naddress = \"10.0.0.1:1\"\n";
        let named = "[[proxy.server]]\nname = \"one\"\naddress = \"10.0.0.1:2\"\n\
                     [[proxy.server]]\nname = \"three\"\naddress = \"10.0.0.1:3\"\n";
        assert_eq!(follows(crossed, named), ["a/one", "a/two"]);
        let (here, there) =
            ("servers = [\"cp1:2\", \"[::1]:2\"]", "servers = [\"[::1]:1\", \"cp1:1\"]");
        assert_eq!(follows(there, here), ["a/cp1:1", "a/[::1]:1"]);
    }

    #[test]
    fn the_pace_is_the_others() {
        let source = "[[proxy]]\nname = \"a\"\nlisten = [\"127.0.0.1:1\"]\nservers = [\"10.0.0.1:1\"]\n\
                      check = { http = \"/\", port = 9, interval = \"3s\", fall = 7 }\n\
                      [[proxy]]\nname = \"b\"\nlisten = [\"127.0.0.1:2\"]\nservers = [\"10.0.0.1:2\"]\n\
                      check = { track = \"a\" }\n";
        let config = parse("x", source).unwrap().config;
        let check = &config.proxies[1].check;
        assert_eq!((check.interval.as_secs(), check.fall, check.port), (3, 7, None));
        assert_eq!(config.proxies[0].servers[0].follows, None);
    }
}
