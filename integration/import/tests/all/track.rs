//! Servers that HAProxy lets others decide for.

use import::Kind;

use super::{fate, imported, of_haproxy, toml};

const API: &str = "\
listen api
 bind *:6443
 timeout tunnel 1h
 timeout connect 5s
 server c1 10.0.0.2:6443 check inter 1s
 server c2 10.0.0.3:6443 check inter 1s
";

fn with(servers: &str) -> String {
    format!("{API}listen join\n bind *:9443\n timeout tunnel 1h\n timeout connect 5s\n{servers}\n")
}

#[test]
fn servers_that_track_others_follow_their_proxy() {
    let text = with(" server c1 10.0.0.2:9443 track api/c1\n server x2 10.0.0.3:9443 track api/c2");
    let given = of_haproxy(&text);
    assert!(!imported(&given).report.loses(), "{}", imported(&given).report);
    let toml = toml(&given);
    assert!(toml.contains("check = { track = \"api\" }"), "{toml}");
    assert_eq!(toml.matches("check = {").count(), 2, "{toml}");
}

#[test]
fn what_is_tracked_must_be_what_stands_there() {
    let table = [
        (
            "track api/c2",
            "there, the server of the same name decides, or the only one at the same host",
        ),
        ("track nowhere/c1", "there is no backend \"nowhere\" that is imported"),
    ];
    for (track, why) in table {
        let given = of_haproxy(&with(&format!(" server c1 10.0.0.2:9443 {track}")));
        assert_eq!(fate(&given, 11), (Kind::NotSupported, format!("`track`: {why}")));
    }
}

#[test]
fn agents_and_slow_starts_have_counterparts() {
    let servers = " default-server slowstart 30s agent-check agent-port 9707 agent-inter 5s\n \
                   server c1 10.0.0.2:9443 check\n server c2 10.0.0.3:9443 check slowstart 1m";
    let given = of_haproxy(&with(servers));
    let text = toml(&given);
    assert!(text.contains("\nagent = { port = 9707, interval = \"5s\" }"), "{text}");
    assert!(text.contains("\nslow_start = \"30s\""), "{text}");
    let how = "`slowstart`: 30s holds for all servers of a proxy".to_owned();
    assert_eq!(fate(&given, 13), (Kind::Different, how));
}

#[test]
fn lines_and_times_of_connections_have_counterparts() {
    let text = "defaults\n option tcplog\n option logasap\nlisten api\n bind *:6443 tcp-ut 20s\n \
                timeout tunnel 1h\n timeout connect 5s\n server c1 10.0.0.2:6443 check tcp-ut 30s\n";
    let given = of_haproxy(text);
    assert!(!imported(&given).report.loses(), "{}", imported(&given).report);
    let text = toml(&given);
    assert!(text.contains("[lbproxy]\nlog_format = \"haproxy\""), "{text}");
    assert!(text.contains("\nlog_open_after = \"1s\""), "{text}");
    assert!(text.contains("\nuser_timeout = \"30s\""), "{text}");
}

#[test]
fn whoever_sends_a_header_must_be_named() {
    let given = of_haproxy(
        "listen api\n bind *:6443 accept-proxy\n timeout tunnel 1h\n server c1 10.0.0.2:6443 check\n",
    );
    let (kind, why) = fate(&given, 2);
    assert_eq!(kind, Kind::NotSupported);
    assert!(why.contains("accept_proxy = [\"NETWORK\"]"), "{why}");
}
