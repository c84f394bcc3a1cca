//! IPv6, both families in one table, and peers by name instead of multicast.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use lab::{Moment, wait_until};
use netns_tests::{Duel, LIMIT, PLANNED, peer};
use vipd::status;
use vrrp::election::StateName;

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
    assert!(silence <= PLANNED, "{silence} ms of silence in a planned stop");
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

/// Every router's state on a host.
fn states(duel: &Duel, host: usize) -> Vec<StateName> {
    let status = status::vrrpd(&duel.runtime_dir(host)).unwrap();
    status.routers.iter().map(|router| router.state).collect()
}

fn wait_for_states(duel: &Duel, host: usize, state: StateName) {
    let what = format!("every router of host {host} was {state}");
    let all = || states(duel, host) == [state, state];
    wait_until(&what, LIMIT, all)
        .unwrap_or_else(|error| panic!("{error}: {:?}", states(duel, host)));
}

/// Takes the first host's IPv6 away and lets it come back.
fn lose_and_regain_ipv6(configs: &[String; 2]) {
    let mut duel = Duel::new("10.77.0.200");
    let _first = duel.vipd(0, &configs[0]);
    let _second = duel.vipd(1, &configs[1]);
    duel.wait_for(&[0]);
    wait_for_states(&duel, 0, StateName::Active);
    wait_for_states(&duel, 1, StateName::Backup);
    let host = duel.hosts[0].clone();
    let set = |value: &str| {
        let mut sysctl = Command::new(peer("sysctl"));
        let key = format!("net.ipv6.conf.eth0.disable_ipv6={value}");
        assert!(host.output(sysctl.args(["-w", &key]), LIMIT).unwrap().status.success());
    };
    set("1");
    // IPv4 works there as before; all the same it goes along.
    duel.wait_for(&[1]);
    wait_for_states(&duel, 0, StateName::Initialize);
    wait_for_states(&duel, 1, StateName::Active);
    set("0");
    wait_for_states(&duel, 0, StateName::Active);
    wait_for_states(&duel, 1, StateName::Backup);
    duel.wait_for(&[0]);
}

#[test]
fn both_families_in_one_table_move_together() {
    let both = format!("\"10.77.0.200/24\", {IPV6}");
    lose_and_regain_ipv6(&pair(&both, |_| String::new()));
}

#[test]
fn tables_of_one_sync_group_move_together() {
    let configs = pair("\"10.77.0.200/24\"", |host| {
        let second = &pair(IPV6, |_| "sync_group = \"both\"\n".to_owned())[host];
        format!("sync_group = \"both\"\n\n{}", second.replace("\"api\"", "\"api6\""))
    });
    lose_and_regain_ipv6(&configs);
}
