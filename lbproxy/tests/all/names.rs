//! Names of servers that have several addresses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::common::*;

/// A server on each of these addresses, all on one port, that says which it is.
fn servers(ips: &[Ipv4Addr]) -> u16 {
    let mut port = 0;
    for (name, ip) in ["one", "two", "three"].into_iter().zip(ips) {
        let listener = TcpListener::bind((*ip, port)).unwrap();
        port = server(listener, move |mut stream| {
            std::io::Write::write_all(&mut stream, name.as_bytes()).ok();
        })
        .port();
    }
    port
}

fn hosts(ips: &[Ipv4Addr]) -> String {
    ips.iter().map(|ip| format!("{ip} many.test\n")).collect()
}

#[test]
fn each_address_of_a_name_is_a_server_and_what_leads_back_is_none() {
    let ips = [own_ip(), own_ip(), own_ip()];
    let port = servers(&ips[..2]);
    let listen = SocketAddr::from((ips[2], port));
    // The third is the proxy itself: a client would go round and round.
    let table = format!(
        "[[proxy]]\nname = \"p\"\nlisten = [\"{listen}\"]\n{QUICK}\n\
         [[proxy.server]]\nname = \"many\"\naddress = \"many.test:{port}\"\n"
    );
    let proxy = Proxy::start_with_hosts(&table, &hosts(&ips));
    proxy.log("left an address out: it leads back to this node's own proxies");
    proxy.wait_for(&["up", "up"]);
    let names = || {
        let servers = proxy.status().unwrap().proxies.remove(0).servers;
        servers.into_iter().map(|one| (one.name.to_string(), one.address.to_string())).collect()
    };
    let all: Vec<(String, String)> = names();
    let mut expected = ips[..2].to_vec();
    expected.sort_unstable();
    let expected: Vec<_> =
        expected.iter().map(|ip| (format!("many@{ip}"), format!("many.test:{port}"))).collect();
    assert_eq!(all, expected);
    let mut said = [fetch(listen).unwrap(), fetch(listen).unwrap()];
    said.sort_unstable();
    assert_eq!(said, ["one", "two"]);
    let line = proxy.line(&format!("server=many@{}", ips[0]));
    assert!(line.contains(&format!("server_addr={}:{port}", ips[0])), "{line}");
    let order = format!(
        "{{\"type\":\"server\",\"proxy\":\"p\",\"server\":\"many@{}\",\"order\":\"drain\"}}",
        ips[0]
    );
    proxy.ask(&order);
    for _ in 0..4 {
        assert_eq!(fetch(listen).unwrap(), "two");
    }
}
