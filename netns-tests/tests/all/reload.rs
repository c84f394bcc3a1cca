//! Reload by difference: what did not change is not touched.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use lab::{Moment, Running, wait_until};
use netns_tests::capture::{Capture, Recorded};
use netns_tests::users::open_to_everyone;
use netns_tests::{Duel, LIMIT, peer};
use vipd::status;

const VIP: &str = "10.77.0.200";

/// Addresses, routes and a rule, and no leases to renew.
fn router(priority: u8) -> String {
    format!(
        r#"[[vrrp]]
name = "api"
interface = "eth0"
vrid = 51
priority = {priority}
addresses = ["{VIP}", "10.77.0.201/24"]
excluded = ["fd77::200"]
advert_interval = "100ms"
lease = "off"
announce = {{ at = ["0s"], refresh = "off" }}

[[vrrp.route]]
destination = "10.5.0.0/16"
via = "10.77.0.100"
source = "{VIP}"

[[vrrp.rule]]
from = "{VIP}"
table = 1000
priority = 1000
"#
    )
}

/// Everything the kernel tells of links, addresses, routes and rules of the first host.
fn monitor(duel: &Duel) -> Running {
    let mut command = Command::new(peer("ip"));
    command.args(["monitor", "link", "address", "route", "rule", "nexthop", "netconf", "prefix"]);
    let monitor = duel.hosts[0].start("monitor", &mut command).unwrap();
    // It says nothing when it is ready.
    sleep(Duration::from_millis(300));
    monitor
}

/// A pair that has settled.
fn pair() -> (Duel, [Running; 2]) {
    let mut duel = Duel::new(VIP);
    let first = duel.vipd(0, &router(150));
    duel.wait_for(&[0]);
    let second = duel.vipd(1, &router(100));
    wait_until("the route", LIMIT, || duel.ip(0, "route show").contains("10.5.0.0/16")).unwrap();
    sleep(Duration::from_secs(1));
    (duel, [first, second])
}

/// Milliseconds between the adverts of the first host.
fn gaps(recorded: &Recorded) -> Vec<u128> {
    let rows = recorded.tshark("vrrp && ip.src == 10.77.0.11", &["frame.time_epoch"]);
    let times: Vec<f64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    times.windows(2).map(|pair| Duration::from_secs_f64(pair[1] - pair[0]).as_millis()).collect()
}

#[test]
fn measures_of_an_unchanged_file_touches_nothing() {
    let (duel, [first, _second]) = pair();
    let monitor = monitor(&duel);
    let capture = Capture::start(&duel, &duel.client);
    let ping = duel.ping();
    for _ in 0..3 {
        duel.reload(0, &first, &router(150));
        sleep(Duration::from_millis(500));
    }
    // The supervisor says so, and vrrpd.
    assert_eq!(first.log().matches("msg=reloading").count(), 6, "{}", first.log());
    let record = ping.stop();
    let lost = record.echoes.iter().filter(|echo| echo.answered.is_none()).count();
    // The last few were on their way when the probe stopped.
    assert!(record.echoes.len() >= 1_300 && lost <= 1, "{lost} of {}", record.echoes.len());
    assert_eq!(monitor.log(), "");
    let gaps = gaps(&capture.stop());
    assert!(gaps.len() >= 13 && gaps.iter().all(|gap| (70..=150).contains(gap)), "{gaps:?}");
}

#[test]
fn of_another_priority_touches_no_address() {
    let (duel, [first, _second]) = pair();
    let monitor = monitor(&duel);
    let capture = Capture::start(&duel, &duel.client);
    sleep(Duration::from_millis(300));
    duel.reload(0, &first, &router(160));
    let advertised = || {
        let status = status::vrrpd(&duel.runtime_dir(0)).unwrap();
        status.routers[0].priority.get() == 160
    };
    wait_until("the priority", LIMIT, advertised).unwrap();
    sleep(Duration::from_millis(500));
    open_to_everyone(duel.lab.directory());
    let tracked = format!(
        "{}\n[[track]]\nname = \"drain\"\nfile = \"{}\"\n",
        router(160).replace("lease =", "track = [\"drain\"]\nlease ="),
        duel.lab.write("drain", "5").unwrap().display()
    );
    duel.reload(0, &first, &tracked);
    let followed = || {
        let status = status::vrrpd(&duel.runtime_dir(0)).unwrap();
        status.routers[0].effective_priority.get() == 165
    };
    wait_until("the tracker", LIMIT, followed).unwrap();
    sleep(Duration::from_millis(500));
    assert_eq!(monitor.log(), "");
    let recorded = capture.stop();
    let priorities = recorded.tshark("vrrp && ip.src == 10.77.0.11", &["vrrp.prio"]);
    let mut priorities: Vec<String> = priorities.into_iter().flatten().collect();
    priorities.dedup();
    assert_eq!(priorities, ["150", "160", "165"]);
}

#[test]
fn measures_of_another_address_touches_that_one() {
    let (duel, [first, _second]) = pair();
    let monitor = monitor(&duel);
    let ping = duel.ping();
    let since = Moment::now();
    let without = router(150).replace(", \"10.77.0.201/24\"", "");
    duel.reload(0, &first, &without);
    let gone = || monitor.log().contains("Deleted");
    wait_until("an address gone", LIMIT, gone).unwrap();
    sleep(Duration::from_millis(300));
    let log = monitor.log();
    assert!(
        log.lines().all(|line| line.contains("10.77.0.201") || line.contains("valid_lft")),
        "{log}"
    );

    duel.reload(0, &first, &without.replace("fd77::200", "fd77::201"));
    wait_until("another address", LIMIT, || monitor.log().contains("fd77::201")).unwrap();
    sleep(Duration::from_millis(300));
    let news = monitor.log()[log.len()..].to_owned();
    let about = |line: &str| {
        line.contains("fd77::20") || line.contains("valid_lft") || line.trim().is_empty()
    };
    assert!(news.lines().all(about), "{news}");

    let table = monitor.log().len();
    duel.reload(
        0,
        &first,
        &without.replace("fd77::200", "fd77::201").replace("10.5.0.0", "10.6.0.0"),
    );
    wait_until("another route", LIMIT, || monitor.log().contains("10.6.0.0/16")).unwrap();
    sleep(Duration::from_millis(300));
    let news = monitor.log()[table..].to_owned();
    let routes = |line: &str| line.contains("10.5.0.0/16") || line.contains("10.6.0.0/16");
    assert!(news.lines().count() == 2 && news.lines().all(routes), "{news}");
    let silence = Duel::silence(&ping.stop(), since);
    assert!(silence <= 20, "{silence} ms of silence");
}

/// Two addresses of a subnet that is not the node's own: the kernel takes the second for an appendage of
/// the first, and would delete both.
#[test]
fn of_a_subnets_first_address_leaves_the_second() {
    let mut duel = Duel::new("10.1.0.2");
    let config = |addresses: &str| router(150).replace("\"10.77.0.201/24\"", addresses);
    let first = duel.vipd(0, &config("\"10.1.0.1/24\", \"10.1.0.2/24\""));
    duel.wait_for(&[0]);
    sleep(Duration::from_secs(1));
    let monitor = monitor(&duel);
    duel.reload(0, &first, &config("\"10.1.0.2/24\""));
    wait_until("the first gone", LIMIT, || monitor.log().contains("10.1.0.1/24")).unwrap();
    sleep(Duration::from_millis(300));
    // It becomes the first of its subnet, of which the kernel speaks, and is never away.
    let mut deleted = monitor.log().lines().map(str::to_owned).collect::<Vec<_>>();
    deleted.retain(|line| line.contains("Deleted") && line.contains("inet 10.1.0.2/"));
    assert!(deleted.is_empty(), "{deleted:?}");
    duel.reload(0, &first, &config("\"10.77.0.201/24\""));
    wait_until("the second gone", LIMIT, || duel.owners.owners().is_empty()).unwrap();
    sleep(Duration::from_millis(300));
    let left = duel.ip(0, "-4 address show dev eth0");
    assert!(!left.contains("10.1.0."), "{left}");
}

#[test]
fn of_a_wrong_file_changes_nothing() {
    let (duel, [first, _second]) = pair();
    let monitor = monitor(&duel);
    let capture = Capture::start(&duel, &duel.client);
    let wrong = router(200).replace("fd77::200", "fd77::300").replace("table = 1000", "table = 0");
    duel.reload(0, &first, &wrong);
    first.wait_for_log("everything stays as it was", LIMIT).unwrap();
    assert!(first.log().contains("`table` is 0"), "{}", first.log());
    sleep(Duration::from_millis(500));
    assert_eq!(monitor.log(), "");
    let recorded = capture.stop();
    let priorities = recorded.tshark("vrrp && ip.src == 10.77.0.11", &["vrrp.prio"]);
    assert!(priorities.iter().all(|row| row[0] == "150"), "{priorities:?}");
    assert!(gaps(&recorded).iter().all(|gap| (70..=150).contains(gap)));
}

/// A router in a file that another includes; its hook needs the environment.
fn included(duel: &Duel, priority: u8, vrid: u16) {
    let folder = duel.lab.directory().join("conf.d");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = {vrid}\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"20ms\"\nnotify = [\"/bin/true\", \"${{PATH}}\"]\n"
    );
    std::fs::write(folder.join("router.toml"), text).unwrap();
}

#[test]
fn what_is_included_is_read_again_and_what_is_doubtful_is_told() {
    const FILE: &str = "include = [\"conf.d/*.toml\"]\n";
    let mut duel = Duel::new(VIP);
    included(&duel, 150, 51);
    let vipd = duel.vipd(0, FILE);
    duel.wait_for(&[0]);
    vipd.wait_for_log("W0206", LIMIT).unwrap();
    assert!(vipd.log().contains("conf.d/router.toml:7:19"), "{}", vipd.log());
    let priority =
        || status::vrrpd(&duel.runtime_dir(0)).unwrap().routers[0].effective_priority.get();
    assert_eq!(priority(), 150);

    included(&duel, 120, 51);
    duel.reload(0, &vipd, FILE);
    wait_until("the new priority", LIMIT, || priority() == 120).unwrap();
    included(&duel, 110, 510);
    duel.reload(0, &vipd, FILE);
    vipd.wait_for_log("code=E0101", LIMIT).unwrap();
    assert_eq!(priority(), 120);
    // At the start and at the reload that was taken, by the supervisor alone.
    assert_eq!(vipd.log().matches("W0206").count(), 2, "{}", vipd.log());
}
