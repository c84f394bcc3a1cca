//! What HAProxy does with time limits of checks, backup servers, and connections of servers that are down.

use import::Kind;

use super::{fate, imported, of_haproxy, toml};

/// The value of `check` of a section with `lines` before its server, and `options` behind it.
fn check(lines: &str, options: &str) -> String {
    let text = format!("listen a\n bind :1\n{lines}\n server s 10.0.0.1:1 check {options}\n");
    let toml = toml(&of_haproxy(&text));
    let line = toml.lines().find_map(|line| line.strip_prefix("check = { ")).unwrap();
    line.trim_end_matches(" }").to_owned()
}

/// HAProxy 2.6 gives connecting the interval and `timeout connect`, and the answer `timeout check`; without
/// that, all of a check has the interval.
#[test]
fn a_check_has_as_much_time_as_haproxy_gives_it() {
    for (lines, options, expected) in [
        ("timeout connect 5s", "", "tcp = true, interval = \"2s\""),
        ("timeout connect 5s\ntimeout check 10s", "", "tcp = true, interval = \"2s\""),
        (
            "timeout connect 1s\ntimeout check 10s",
            "",
            "tcp = true, interval = \"2s\", timeout = \"1s\"",
        ),
        (
            "timeout connect 5s\ntimeout check 10s",
            "inter 10s",
            "tcp = true, interval = \"10s\", timeout = \"5s\"",
        ),
        (
            "timeout connect 5s\ntimeout check 10s\noption ssl-hello-chk",
            "",
            "tls = true, verify = false, interval = \"2s\", connect_timeout = \"2s\", timeout = \"12s\"",
        ),
        ("option ssl-hello-chk", "", "tls = true, verify = false, interval = \"2s\""),
    ] {
        assert_eq!(check(lines, options), expected, "{lines} {options}");
    }
}

/// A section with two backup servers, and `lines`.
fn backups(lines: &str) -> String {
    let text = format!(
        "listen a\n bind :1\n{lines}\n server s 10.0.0.1:1 check\n server t 10.0.0.2:1 check backup\n server u 10.0.0.3:1 check backup\n"
    );
    toml(&of_haproxy(&text))
}

#[test]
fn of_several_backups_the_first_serves_alone() {
    assert!(backups("").contains("\nbackups = \"first\"\n"), "{}", backups(""));
    assert!(!backups("option allbackups").contains("backups = "));
    let defaults = "defaults\n option allbackups\n";
    let section = "listen a\n bind :1\n no option allbackups\n server s 10.0.0.1:1 check\n server t 10.0.0.2:1 check backup\n server u 10.0.0.3:1 check backup\n";
    assert!(toml(&of_haproxy(&format!("{defaults}{section}"))).contains("backups = \"first\""));
    let one = "listen a\n bind :1\n server s 10.0.0.1:1 check\n server t 10.0.0.2:1 check backup\n";
    assert!(!toml(&of_haproxy(one)).contains("backups = "));
}

#[test]
fn where_all_are_backups_the_first_serves_and_the_others_wait() {
    let text = "listen a\n bind :1\n server s 10.0.0.1:1 check backup\n server t 10.0.0.2:1 check backup\n server u 10.0.0.3:1 check backup\n";
    let toml = toml(&of_haproxy(text));
    assert_eq!(toml.matches("backup = true").count(), 2, "{toml}");
    assert!(toml.contains("\nbackups = \"first\"\n"), "{toml}");
}

#[test]
fn connections_of_a_server_that_is_down_stay_where_haproxy_leaves_them() {
    let text = |first: &str, second: &str| {
        of_haproxy(&format!(
            "listen a\n bind :1\n server s 10.0.0.1:1 check{first}\n server t 10.0.0.2:1 check{second}\n"
        ))
    };
    let ends = " on-marked-down shutdown-sessions";
    assert!(toml(&text("", "")).contains("\non_down = \"keep\"\n"));
    assert!(!toml(&text(ends, ends)).contains("on_down"));
    assert!(imported(&text("", "")).report.lints.join("").contains("as HAProxy leaves them"));
    assert!(imported(&text(ends, ends)).report.lints.iter().all(|lint| !lint.contains("stay")));
    let why = "`on-marked-down`: all servers of a proxy keep their connections, or none does";
    assert_eq!(fate(&text(ends, ""), 3), (Kind::NotSupported, why.to_owned()));
    let why = "`on-marked-up`: connections to a backup server last: nobody ends them";
    let up = text(" on-marked-up shutdown-backup-sessions", "");
    assert_eq!(fate(&up, 3), (Kind::NotSupported, why.to_owned()));
}

#[test]
fn a_server_that_is_not_checked_may_not_be_put_to_the_check_of_others() {
    let text = |lines: &str| {
        of_haproxy(&format!(
            "listen a\n bind :1\n{lines}\n server s 10.0.0.1:1 check\n server t 10.0.0.2:1\n"
        ))
    };
    assert_eq!(fate(&text("timeout connect 5s"), 5).0, Kind::Different);
    let why = "HAProxy does not check it, and it might not pass the check of the others";
    assert_eq!(fate(&text("option ssl-hello-chk"), 5), (Kind::NotSupported, why.to_owned()));
}

#[test]
fn the_statuses_that_haproxy_takes_are_expected() {
    for (lines, expected) in [
        ("", "[\"200-399\"]"),
        ("http-check expect status 204", "204"),
        ("http-check expect status 200,204", "[200, 204]"),
        ("http-check expect status 200-299,401", "[\"200-299\", 401]"),
    ] {
        let found = check(&format!("option httpchk GET /h\n{lines}"), "");
        assert_eq!(
            found,
            format!("http = \"/h\", expect = {expected}, interval = \"2s\""),
            "{lines}"
        );
    }
    let wrong = "listen a\n bind :1\n option httpchk\n http-check expect rstatus 2..\n server s 10.0.0.1:1 check\n";
    assert_eq!(fate(&of_haproxy(wrong), 4).0, Kind::NotSupported);
}
