//! A guide with a pair: keepalived moves an address between two nodes with HAProxy.

use std::net::IpAddr;
use std::process::Command;

use lab::{Running, wait_until};
use netns_tests::{Duel, LIMIT};
use nix::sys::signal::Signal;

use super::site::{Servers, curl, haproxy, import, texts, vipd, who_answers};

const VIP: &str = "192.168.1.100";

const HAPROXY: &str = "\
global
    log /dev/log local0
    maxconn 2000
    daemon
defaults
    mode tcp          # not HTTP
    option tcplog
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend api
    bind *:6443
    default_backend masters
backend masters
    balance roundrobin
    option tcp-check
    timeout check 5s
    server one 192.168.1.1:6443 check fall 3 rise 2
    server two 192.168.1.3:6443 check fall 3 rise 2
    server three 192.168.1.5:6443 check fall 3 rise 2
";

fn keepalived(state: &str, interface: &str, priority: u8) -> String {
    format!(
        "vrrp_instance api {{\n    state {state}\n    interface {interface}\n    virtual_router_id 51\n    \
         priority {priority}\n    advert_int 1\n    authentication {{\n        auth_type PASS\n        \
         auth_pass 42\n    }}\n    virtual_ipaddress {{\n        {VIP}\n    }}\n}}\n"
    )
}

/// The files of one set-up: each node's keepalived.conf, and the haproxy.cfg of both.
struct Files {
    keepalived: [String; 2],
    haproxy: String,
}

fn set_ups() -> Vec<Files> {
    let first = texts(&keepalived("MASTER", "eno1", 101), &["vrrp_instance", "state MASTER"]);
    let second = texts(&keepalived("BACKUP", "enp2s0", 100), &["vrrp_instance", "state BACKUP"]);
    let proxies = texts(HAPROXY, &["k8s-masters", "default_backend"]);
    let nodes = first.into_iter().zip(second).zip(proxies);
    // The guide says to put the own interface's name in.
    let own = |text: String| text.replace("eno1", "eth0").replace("enp2s0", "eth0");
    let files = |((one, two), haproxy)| Files { keepalived: [own(one), own(two)], haproxy };
    nodes.map(files).collect()
}

/// A pair at work: what runs on each node, the one that speaks VRRP first.
struct Pair<'a> {
    start: &'a dyn Fn(&Duel, usize) -> Vec<Running>,
    nodes: [Vec<Running>; 2],
}

/// Plays the guide's verification, and returns what the client saw.
fn play(
    duel: &mut Duel,
    servers: &mut Servers,
    start: &dyn Fn(&Duel, usize) -> Vec<Running>,
) -> Vec<String> {
    let mut pair = Pair { start, nodes: [start(duel, 0), start(duel, 1)] };
    let mut seen = Vec::new();
    let mut look = |duel: &mut Duel, owner: usize| {
        duel.wait_for(&[owner]);
        let mut answer = None;
        let health = format!("https://{VIP}:6443/healthz");
        let there = wait_until("the address answered", LIMIT, || {
            answer = curl(&duel.client, &health);
            answer.is_some()
        });
        assert!(there.is_ok(), "{health} is not answered by {owner}");
        seen.push(format!("{owner} {}", answer.unwrap()));
    };
    look(duel, 0);
    // The address moves when the first node's daemon is stopped, and returns with it.
    stop(&mut pair.nodes[0]);
    look(duel, 1);
    pair.nodes[0] = (pair.start)(duel, 0);
    look(duel, 0);
    // A control plane fails, and returns.
    let answered = servers.play(&duel.client, &[&format!("https://{VIP}:6443/")]);
    seen.extend(answered.iter().map(|names| format!("{names:?}")));
    pair.nodes.iter_mut().for_each(stop);
    seen
}

/// Ends a node's programs in order, as `systemctl stop` does.
fn stop(node: &mut Vec<Running>) {
    for mut program in node.drain(..) {
        program.stop(LIMIT).unwrap();
    }
}

#[test]
fn a_pair_with_an_address_that_moves() {
    for Files { keepalived, haproxy: proxy } in set_ups() {
        let mut duel = Duel::new(VIP);
        let numbers = [(0, "192.168.1.9"), (1, "192.168.1.10")];
        for (host, address) in numbers {
            duel.hosts[host].add_address(address.parse().unwrap(), 24, None).unwrap();
        }
        duel.client.add_address("192.168.1.50".parse().unwrap(), 24, None).unwrap();
        let masters = ["192.168.1.1", "192.168.1.3", "192.168.1.5"];
        let mut servers = Servers::new(&duel.lab, &masters, 24, &[6443]);

        let theirs = |duel: &Duel, host: usize| {
            let moved = duel.keepalived(host, &keepalived[host]);
            vec![moved, haproxy(&duel.lab, &duel.hosts[host], &proxy)]
        };
        let expected = play(&mut duel, &mut servers, &theirs);
        duel.wait_for(&[]);

        let ours = |duel: &Duel, host: usize| {
            let files = [("keepalived", keepalived[host].as_str()), ("haproxy", proxy.as_str())];
            let config = import(&duel.lab, &duel.hosts[host], &files);
            vec![vipd(&duel.lab, &duel.hosts[host], &config)]
        };
        assert_eq!(play(&mut duel, &mut servers, &ours), expected);
        duel.wait_for(&[]);

        // What keepalived never noticed there: the proxy dies.
        let nodes = [ours(&duel, 0), ours(&duel, 1)];
        duel.wait_for(&[0]);
        who_answers(&duel.client, &format!("https://{VIP}:6443/"), &["cp1", "cp2", "cp3"]);
        let parent = nodes[0][0].pid().to_string();
        let mut kill = Command::new("pkill");
        let killed = kill.args(["-KILL", "-x", "lbproxy", "-P", &parent]).status();
        assert!(killed.unwrap().success());
        who_answers(&duel.client, &format!("https://{VIP}:6443/"), &["cp1", "cp2", "cp3"]);
        nodes[0][0].signal(Signal::SIGTERM).unwrap();
        duel.wait_for(&[1]);
        assert_eq!(duel.vip, VIP.parse::<IpAddr>().unwrap());
    }
}
