//! HAProxy's rules about who may connect, and routes by port.

use std::collections::BTreeMap;

use import::{Given, Kind, Source, import};

use super::{Shelf, fate, imported, of_haproxy, toml};

/// A `listen` section with `lines` from line 3 on.
fn listen(lines: &str) -> Given {
    of_haproxy(&format!(
        "listen api\n bind *:6443\n{lines}\n timeout connect 5s\n server a 10.0.0.5:6443 check\n"
    ))
}

/// The lists that `lines` give, a line each.
fn lists(lines: &str) -> String {
    let toml = toml(&listen(lines));
    let is_list = |line: &&str| line.starts_with("allow") || line.starts_with("deny");
    toml.lines().filter(is_list).collect::<Vec<_>>().join("; ")
}

#[test]
fn whom_the_rules_refuse_is_refused() {
    for (rules, expected) in [
        ("tcp-request connection reject if { src 192.0.2.0/24 }", "deny = [\"192.0.2.0/24\"]"),
        ("tcp-request content reject if { src 192.0.2.7 }", "deny = [\"192.0.2.7/32\"]"),
        ("tcp-request connection reject if !{ src 10.0.0.0/8 }", "allow = [\"10.0.0.0/8\"]"),
        ("tcp-request connection reject unless { src 10.0.0.0/8 }", "allow = [\"10.0.0.0/8\"]"),
        (
            "acl ours src 10.0.0.0/8\nacl ours src fd00::/8\ntcp-request connection reject if !ours",
            "allow = [\"10.0.0.0/8\", \"fd00::/8\"]",
        ),
        (
            "tcp-request connection accept if { src 10.0.0.0/8 }\ntcp-request connection reject",
            "allow = [\"10.0.0.0/8\"]",
        ),
        (
            "acl a src 10.0.0.0/8\nacl b src 192.0.2.0/24\ntcp-request connection reject if !a !b",
            "allow = [\"10.0.0.0/8\", \"192.0.2.0/24\"]",
        ),
        (
            "tcp-request connection reject if { src 10.9.0.0/16 }\ntcp-request connection accept if { src 10.0.0.0/8 }\ntcp-request connection reject",
            "allow = [\"10.0.0.0/8\"]; deny = [\"10.9.0.0/16\"]",
        ),
        (
            "tcp-request connection accept if !{ src 192.0.2.0/24 }\ntcp-request connection reject",
            "deny = [\"192.0.2.0/24\"]",
        ),
        ("tcp-request connection accept", ""),
    ] {
        assert_eq!(lists(rules), expected, "{rules}");
        assert!(!imported(&listen(rules)).report.loses(), "{rules}");
    }
}

#[test]
fn what_no_list_can_say_is_named() {
    for (rules, line, why) in [
        (
            "tcp-request connection reject if { src_conn_rate gt 10 }",
            3,
            "connections are let in by the client's address only, not by `src_conn_rate`",
        ),
        (
            "tcp-request connection accept if { src 10.9.0.0/16 }\ntcp-request connection reject if { src 10.0.0.0/8 }",
            4,
            "`deny` is asked before `allow`: this rule says something about addresses that one above it lets in",
        ),
        (
            "tcp-request content accept if { req_ssl_hello_type 1 }\ntcp-request content reject",
            4,
            "connections are let in by the client's address only",
        ),
        ("tcp-request connection reject", 3, "it refuses every connection"),
    ] {
        let expected = (Kind::NotSupported, why.to_owned());
        assert_eq!(fate(&listen(rules), line), expected, "{rules}");
    }
}

#[test]
fn a_file_of_networks_is_written_out() {
    let given = listen(" tcp-request connection reject if { src -f /etc/haproxy/bad.lst }");
    let file = Source::new("bad.lst", "# bad ones\n192.0.2.0/24\n\n 198.51.100.7\n");
    let shelf = Shelf(BTreeMap::from([("/etc/haproxy/bad.lst", vec![file])]));
    let found = import(&given, &shelf);
    let toml = found.toml.unwrap();
    assert!(toml.contains("deny = [\"192.0.2.0/24\", \"198.51.100.7/32\"]"), "{toml}");
    let entry = found.report.entries().find(|entry| entry.line == 3).unwrap();
    let how = "the lines of its file are written out here: what changes in the file is not seen";
    assert_eq!((entry.kind, entry.notes.join("; ")), (Kind::Different, how.to_owned()));
    // One that is not here keeps it from being written.
    let why = "it reads \"/etc/haproxy/bad.lst\": there is no such file".to_owned();
    assert_eq!(fate(&given, 3), (Kind::NotSupported, why));
}

#[test]
fn a_rule_about_the_port_becomes_a_route_by_port() {
    let text = "\
frontend in
 bind *:6443,*:9345
 timeout client 1h
 acl join dst_port 9345
 use_backend join if join
 default_backend api
backend api
 server a 10.0.0.5:6443 check
backend join
 server a 10.0.0.5:9345 check
";
    let given = of_haproxy(text);
    assert!(!imported(&given).report.loses(), "{}", imported(&given).report);
    let written = toml(&given);
    assert!(
        written.contains("    [[proxy.route]]\n    port = [9345]\n    proxy = \"join\"\n"),
        "{written}"
    );
}
