//! Whether the virtual addresses serve: each is connected to as by a client, at the proxies' ports.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use config::{ProxyConfig, RouterConfig};
use futures_util::future::join_all;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use vocabulary::address::is_link_local;
use vrrp::election::StateName;

use super::context::Context;
use super::report::Finding;

const ITEM: &str = "service";

/// So many addresses and ports are asked; a file may have thousands.
const MOST: usize = 64;

/// How long a connection may take: two of the kernel's attempts.
const PATIENCE: Duration = Duration::from_secs(2);

/// How soon a proxy without servers resets a connection; others wait for the client's first word.
const REFUSAL: Duration = Duration::from_millis(300);

/// Where it was asked from, in view of who has the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whence {
    /// This node has the address: nothing left it.
    Within,
    /// A peer has it.
    OverTheLink,
    /// As far as is known nobody has it.
    Nobody,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Served,
    /// Accepted, and then reset or closed.
    Dropped,
    Refused,
    Silent,
    Unreachable,
}

/// Asks each virtual address of a router.
pub(super) async fn look(context: &Context) -> Vec<Finding> {
    let mut asked: Vec<(&RouterConfig, SocketAddr)> = Vec::new();
    for router in &context.config.routers {
        let ips = router.managed.ips().filter(|ip| is_for_clients(*ip));
        let all = ips.flat_map(|ip| {
            ports(&context.config.proxies, router, ip).into_iter().map(move |port| (ip, port))
        });
        asked.extend(all.map(|(ip, port)| (router, SocketAddr::new(ip, port))));
    }
    asked.truncate(MOST);
    let found = asked.iter().map(|&(router, at)| async move {
        let from = from(context, router);
        judge(at, from, ask(at).await)
    });
    join_all(found).await
}

fn is_for_clients(ip: IpAddr) -> bool {
    !matches!(ip, IpAddr::V6(ip) if is_link_local(ip))
}

/// Where clients would connect: the ports at which proxies listen there; if none does, those of the proxies
/// that the router follows, for that is what must have been meant.
fn ports(proxies: &[ProxyConfig], router: &RouterConfig, ip: IpAddr) -> BTreeSet<u16> {
    let listens = || proxies.iter().flat_map(|proxy| &proxy.listen);
    let here = |listen: &&SocketAddr| {
        let everywhere = listen.ip().is_unspecified() && listen.is_ipv4() == ip.is_ipv4();
        everywhere || listen.ip() == ip
    };
    let ports: BTreeSet<u16> = listens().filter(here).map(SocketAddr::port).collect();
    if !ports.is_empty() {
        return ports;
    }
    let followed = |proxy: &&ProxyConfig| router.track.iter().any(|one| one.name == proxy.name);
    let meant = proxies.iter().filter(followed).flat_map(|proxy| &proxy.listen);
    meant.map(SocketAddr::port).collect()
}

fn from(context: &Context, router: &RouterConfig) -> Whence {
    match context.status(&router.id) {
        Some(status) if status.state == StateName::Active => Whence::Within,
        Some(status) if status.active.is_some() => Whence::OverTheLink,
        Some(_) | None => Whence::Nobody,
    }
}

async fn ask(at: SocketAddr) -> Answer {
    let mut stream = match timeout(PATIENCE, TcpStream::connect(at)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Answer::Refused;
        }
        Ok(Err(_)) => return Answer::Unreachable,
        Err(_) => return Answer::Silent,
    };
    // Nothing is sent: what speaks first, or waits for its client, serves.
    match timeout(REFUSAL, stream.read(&mut [0; 1])).await {
        Err(_) | Ok(Ok(1..)) => Answer::Served,
        Ok(Ok(0) | Err(_)) => Answer::Dropped,
    }
}

fn judge(at: SocketAddr, from: Whence, answer: Answer) -> Finding {
    const CLIENTS: &str = "so it is for clients";
    let fail = |seen: &str| Finding::failure(ITEM, at, seen, CLIENTS);
    let there = format!("# there: sudo ss -ltn 'sport = :{}'", at.port());
    match (answer, from) {
        (Answer::Served, Whence::Within) => {
            let seen = "it accepts connections of this node, which has the address; from elsewhere it could not be asked";
            let why = "whether the network brings clients here only another host can see";
            Finding::warning(ITEM, at, seen, why)
                .remedy("# on the other node, which asks over the network:")
                .remedy("sudo vipd doctor")
        }
        (Answer::Served, Whence::OverTheLink | Whence::Nobody) => {
            Finding::ok(ITEM, at, "it accepts connections of this node, over the network")
        }
        (Answer::Dropped, _) => fail("a connection is accepted, and ended at once: no server is usable, or `allow` and `deny` are against this node")
            .remedy("sudo vipd status"),
        (Answer::Refused, Whence::Within) => fail("connections are refused, though this node has the address: nothing listens there")
            .remedy("# `listen` of the proxy must have the virtual address, or 0.0.0.0 or [::]:")
            .remedy("sudo ss -ltnp"),
        (Answer::Refused, Whence::OverTheLink | Whence::Nobody) => {
            fail("connections are refused: whoever has the address does not listen there").remedy(there)
        }
        (Answer::Silent | Answer::Unreachable, Whence::Within) => fail("this node has the address, and cannot connect to it: its own firewall?")
            .remedy("sudo nft list ruleset | grep -n drop"),
        (Answer::Silent | Answer::Unreachable, Whence::OverTheLink) => fail("a peer has the address, and no connection comes about: the network does not bring packets to it, or its firewall drops them")
            .remedy("# in a cloud, the address must be allowed at the node's network card, or moved by a hook (notify_active)")
            .remedy(format!("ip neighbor show {}", at.ip()))
            .remedy(there),
        (Answer::Silent | Answer::Unreachable, Whence::Nobody) => {
            let seen = "it could not be asked: nobody has the address, as far as this node knows";
            let why = "whether it serves is not known before a node is Active";
            Finding::warning(ITEM, at, seen, why).remedy("sudo vipd doctor # while vipd runs")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn what_came_of_it_is_judged_by_who_has_the_address() {
        use Answer::{Dropped, Refused, Served, Silent, Unreachable};
        use Whence::{Nobody, OverTheLink, Within};
        let at = "192.0.2.100:6443".parse().unwrap();
        for (answer, from, verdict, words) in [
            (Served, OverTheLink, Verdict::Ok, "over the network"),
            (Served, Nobody, Verdict::Ok, "over the network"),
            (Served, Within, Verdict::Warning, "from elsewhere it could not be asked"),
            (Dropped, Within, Verdict::Failure, "ended at once"),
            (Dropped, OverTheLink, Verdict::Failure, "ended at once"),
            (Refused, Within, Verdict::Failure, "nothing listens there"),
            (Refused, OverTheLink, Verdict::Failure, "does not listen there"),
            (Refused, Nobody, Verdict::Failure, "does not listen there"),
            (Silent, Within, Verdict::Failure, "its own firewall"),
            (Silent, OverTheLink, Verdict::Failure, "the network does not bring packets"),
            (Unreachable, OverTheLink, Verdict::Failure, "the network does not bring packets"),
            (Unreachable, Nobody, Verdict::Warning, "nobody has the address"),
        ] {
            let found = judge(at, from, answer);
            assert_eq!(found.verdict, verdict, "{answer:?} {from:?}");
            assert!(found.seen.contains(words), "{answer:?} {from:?}: {}", found.seen);
        }
    }

    #[test]
    fn the_ports_of_the_proxy_that_was_meant_are_asked() {
        let text = |listen: &str| {
            format!(
                "[[vrrp]]\nname = \"a\"\ninterface = \"eth0\"\nvrid = 7\naddresses = [\"192.0.2.100\"]\ntrack = [\"api\"]\n\
                 [[proxy]]\nname = \"api\"\nlisten = [{listen}]\nservers = [\"192.0.2.1:6443\"]\n\
                 [[proxy]]\nname = \"web\"\nlisten = [\"127.0.0.1:80\"]\nservers = [\"192.0.2.1:80\"]\n"
            )
        };
        for (listen, expected) in [
            ("\"192.0.2.100:6443\", \"192.0.2.100:443\"", vec![443, 6443]),
            ("\"0.0.0.0:6443\", \"[::]:443\"", vec![6443]),
            ("\"192.0.2.10:6443\"", vec![6443]),
        ] {
            let config = config::parse("x", &text(listen)).unwrap().config;
            let found = ports(&config.proxies, &config.routers[0], [192, 0, 2, 100].into());
            assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "{listen}");
        }
    }
}
