//! Access lines in every form.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::net::SocketAddr;

use crate::common::*;

fn proxy(format: &str) -> (Proxy, SocketAddr) {
    let ip = own_ip();
    let listen = SocketAddr::from((ip, 7000));
    let servers = full_table(listen, &[(named(ip, "here"), "")], QUICK);
    (Proxy::ready(&format!("log_format = \"{format}\"\n{servers}"), &["up"]), listen)
}

#[test]
fn as_json_objects() {
    let (proxy, listen) = proxy("json");
    assert_eq!(fetch(listen).unwrap(), "here");
    let line = proxy.line("\"proxy\"");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["server"], "s0");
    assert_eq!(
        (&line["bytes_down"], &line["attempts"], &line["open"]),
        (&4.into(), &1.into(), &1.into())
    );
    // Both finish at once: either may be heard first.
    let end = line["end"].as_str().unwrap();
    assert!(["client_closed", "server_closed"].contains(&end), "{end}");
    assert_eq!(line["haproxy_code"], "--");
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn as_haproxy() {
    let (proxy, listen) = proxy("haproxy");
    assert_eq!(fetch(listen).unwrap(), "here");
    let line = proxy.line(" p p/s0 0/");
    let (client, rest) = line.split_once(" [").unwrap();
    assert!(client.starts_with("127."), "{line}");
    assert!(rest.contains("] p p/s0 0/") && rest.ends_with(" 4 -- 1/1/0/0/0 0/0"), "{line}");
}

#[test]
fn a_connection_that_lasts_has_a_line_before_its_end() {
    let ip = own_ip();
    let listen = SocketAddr::from((ip, 7000));
    let more = format!("log_open_after = \"1s\"\n{QUICK}");
    let proxy = Proxy::ready(&table(listen, &[echo(ip)], &more), &["up"]);
    let mut client = connect(listen);
    ping(&mut client);
    let line = proxy.line("end=open");
    assert!(line.contains(" bytes_up=1 bytes_down=1 attempts=1 "), "{line}");
    ping(&mut client);
    drop(client);
    let line = proxy.line("proxy=p");
    assert!(line.contains(" bytes_up=2 bytes_down=2 "), "told once, then at the end: {line}");
    assert!(line.ends_with("end=client_closed"), "{line}");
}

#[test]
fn connections_without_a_byte_have_a_line_only_where_that_is_wanted() {
    for wanted in [true, false] {
        let ip = own_ip();
        let listen = SocketAddr::from((ip, 7000));
        let more = format!("log_empty = {wanted}\n{QUICK}");
        let proxy = Proxy::ready(&table(listen, &[echo(ip)], &more), &["up"]);
        // One looks whether somebody listens, and one has something to say.
        assert_eq!(fetch(listen).unwrap(), "");
        eventually("it is counted", || {
            proxy.status().unwrap().proxies[0].ended.values().sum::<u64>() == 1
        });
        if wanted {
            proxy.line("bytes_up=0 ");
        }
        ping(&mut connect(listen));
        let line = proxy.line("proxy=p");
        assert!(line.contains("bytes_up=1 "), "{line}");
        // What went wrong is told in any case.
        proxy.reload(&table(listen, &[echo(ip)], &format!("deny = [\"127.0.0.0/8\"]\n{more}")));
        eventually("it is denied", || fetch(listen).is_err());
        proxy.line("end=denied");
    }
}
