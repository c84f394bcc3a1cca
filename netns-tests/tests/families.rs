//! IPv6, both families in one table, and peers by name instead of multicast.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::thread::sleep;
use std::time::Duration;

use integration::lab::Moment;
use netns_tests::{Duel, LIMIT};

/// Two nodes that differ in their priority, and in what `lines` makes of their place.
fn pair(addresses: &str, lines: impl Fn(usize) -> String) -> [String; 2] {
    [0, 1].map(|host| {
        let priority = [150, 100][host];
        format!(
            "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
             addresses = [{addresses}]\nadvert_interval = \"100ms\"\n{}",
            lines(host)
        )
    })
}

/// Election, cut, heal, planned stop: what every kind of pair has to master.
fn play(vip: &str, configs: &[String; 2]) {
    let mut duel = Duel::new(vip);
    let mut first = duel.vipd(0, &configs[0]);
    let _second = duel.vipd(1, &configs[1]);
    duel.wait_for(&[0]);
    sleep(Duration::from_millis(500));

    let ping = duel.ping();
    let since = Moment::now();
    duel.lab.cut("lb1").unwrap();
    duel.wait_for(&[0, 1]);
    sleep(Duration::from_millis(300));
    let silence = Duel::silence(&ping.stop(), since);
    // 361 ms, and the machine's noise.
    assert!((100..=1_000).contains(&silence), "{silence} ms of silence after a cut");
    duel.lab.heal("lb1").unwrap();
    duel.wait_for(&[0]);
    sleep(Duration::from_millis(300));

    let ping = duel.ping();
    let since = Moment::now();
    first.stop(LIMIT).unwrap();
    duel.wait_for(&[1]);
    sleep(Duration::from_millis(300));
    let silence = Duel::silence(&ping.stop(), since);
    assert!(silence <= 50, "{silence} ms of silence in a planned stop");
}

const IPV6: &str = "\"fe80::200:5eff:fe00:233\", \"fd77::200\"";

#[test]
fn ipv6() {
    play("fd77::200", &pair(IPV6, |_| String::new()));
}

#[test]
fn both_families_in_one_table() {
    let both = format!("\"10.77.0.200/24\", {IPV6}");
    play("10.77.0.200", &pair(&both, |_| String::new()));
    play("fd77::200", &pair(&both, |_| String::new()));
}

#[test]
fn unicast() {
    let peers = |host: usize| format!("peers = [\"10.77.0.{}\"]\n", [12, 11][host]);
    play("10.77.0.200", &pair("\"10.77.0.200\"", peers));
}

#[test]
fn unicast_over_ipv6() {
    let peers = |host: usize| format!("peers = [\"fd77::{}\"]\n", [12, 11][host]);
    play("fd77::200", &pair(IPV6, peers));
}

/// Who is not named is not heard, whatever it says.
#[test]
fn unicast_hears_named_peers_only() {
    let mut duel = Duel::new("10.77.0.200");
    let config = |priority: u8, peer: &str| {
        format!(
            "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
             addresses = [\"10.77.0.200\"]\nadvert_interval = \"100ms\"\npeers = [\"{peer}\"]\n"
        )
    };
    // The first names a third host that does not speak; the second names the first.
    let first = duel.vipd(0, &config(100, "10.77.0.13"));
    duel.wait_for(&[0]);
    let _second = duel.vipd(1, &config(200, "10.77.0.11"));
    first.wait_for_log("10.77.0.12 is not among `peers`", LIMIT).unwrap();
    assert_eq!(duel.owners.owners().first().map(String::as_str), Some("lb1"));
}
