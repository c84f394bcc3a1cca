//! What nodes log: lines that every parser takes, no warning for what was asked for, and little however much
//! others do.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::Ipv4Addr;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use lab::{Running, wait_until};
use netns_tests::attacker::{Attacker, Forged};
use netns_tests::web::Web;
use netns_tests::{Duel, LIMIT, binary, logfmt};
use nix::sys::signal::Signal;
use vipd::status;

const VIP: &str = "10.77.0.200";

/// The neighbour's own address.
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

fn order(duel: &Duel, host: usize, arguments: &[&str]) {
    let mut command = Command::new(binary("vipd"));
    let done = command.args(arguments).arg("--runtime-dir").arg(duel.runtime_dir(host)).output();
    assert!(done.unwrap().status.success(), "{arguments:?}");
}

/// Lines from `start` on, in bytes, that somebody should look at.
fn warnings(log: &str, start: usize) -> Vec<&str> {
    let lines = log[start..].lines();
    lines.filter(|line| line.contains("level=warn") || line.contains("level=error")).collect()
}

/// How many lines have these words.
fn count(node: &Running, words: &str) -> usize {
    node.log().lines().filter(|line| line.contains(words)).count()
}

#[test]
fn has_lines_that_parsers_take_and_no_warning_for_what_was_asked_for() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let metrics = "[metrics]\nlisten = \"127.0.0.1:9911\"\n";
    let first = duel.vipd(0, &web.node(150, metrics));
    duel.wait_for(&[0]);
    let mut second = duel.vipd(1, &web.node(100, metrics));
    web.wait_for(&duel.client, "10.77.0.200:6443", "6443");
    second.wait_for_log("became Backup", LIMIT).unwrap();
    wait_until("both proxies are up", LIMIT, || count(&second, "became up") == 1).unwrap();
    sleep(Duration::from_secs(1));
    let started = [first.log().len(), second.log().len()];

    order(&duel, 0, &["handover", "api"]);
    duel.wait_for(&[1]);
    order(&duel, 1, &["handover", "api"]);
    duel.wait_for(&[0]);
    order(&duel, 0, &["pause"]);
    duel.wait_for(&[1]);
    order(&duel, 0, &["resume"]);
    duel.reload(0, &first, &web.node(160, metrics));
    first.wait_for_log("msg=reloaded", LIMIT).unwrap();
    second.stop(LIMIT).unwrap();
    duel.wait_for(&[0]);
    for (node, start) in [&first, &second].into_iter().zip(started) {
        let log = node.log();
        assert!(warnings(&log, start).is_empty(), "{:#?}", warnings(&log, start));
        assert!(log.contains(" router=api family=IPv4 msg=\"became Active\" "), "{log}");
    }

    // And what nobody asked for: a wrong file, and the death of a program.
    duel.reload(0, &first, "[[vrrp]]\nname = \"a\\\"b\\nlevel=error\"\n");
    first.wait_for_log("reload refused: everything stays as it was", LIMIT).unwrap();
    let mut kill = Command::new(netns_tests::peer("pkill"));
    kill.args(["-KILL", "--exact", "--parent", &first.pid().to_string(), "lbproxy"]);
    assert!(duel.hosts[0].output(&mut kill, LIMIT).unwrap().status.success());
    first.wait_for_log("a program died", LIMIT).unwrap();
    wait_until("it is up again", LIMIT, || count(&first, "became up") == 2).unwrap();
    first.signal(Signal::SIGTERM).unwrap();
    assert!(first.wait(LIMIT).unwrap().success());
    for node in [&first, &second] {
        logfmt::check(&node.log());
    }
}

/// Whoever may send adverts can move the address as often as it likes; the log takes the first moves,
/// and then tells how many there were.
#[test]
fn of_adverts_by_turns_takes_few_lines() {
    let mut duel = Duel::new(VIP);
    let node = |priority: u8| {
        format!(
            "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
             addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\n"
        )
    };
    let nodes = [duel.vipd(0, &node(150)), duel.vipd(1, &node(100))];
    duel.wait_for(&[0]);
    nodes[1].wait_for_log("became Backup", LIMIT).unwrap();
    let lines = || [0, 1].map(|host| nodes[host].log().lines().count());
    let before = lines();
    // Version 3, VRID 51, every 100 ms: an owner, who is followed, and one that everybody preempts.
    let advert = |priority| vec![0x31, 51, priority, 1, 0, 10, 0, 0, 10, 77, 0, 200];
    let packets = [255, 1].map(|priority| Forged::from(STRANGER, advert(priority)).sealed());
    let sent = Attacker::at(&duel.client).flood(&packets, 4_000, Duration::from_secs(20));
    assert!(sent >= 4_000, "only {sent} packets went out");
    let changes = status::vrrpd(&duel.runtime_dir(1)).unwrap().routers[0].transitions;
    assert!(changes >= 40, "{changes} changes of state");
    for (host, (before, after)) in before.into_iter().zip(lines()).enumerate() {
        let log = nodes[host].log();
        assert!(after - before <= 40, "{} lines in 20 s:\n{log}", after - before);
        assert!(log.matches("became ").count() <= 14, "{log}");
        logfmt::check(&log);
    }
    duel.wait_for(&[0]);
}
