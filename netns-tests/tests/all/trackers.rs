//! What priorities follow besides proxies, with everything real.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use lab::wait_until;
use netns_tests::users::open_to_everyone;
use netns_tests::{Duel, LIMIT, copy_program, peer};
use vipd::status;

const VIP: &str = "10.77.0.200";

fn node(priority: u8, track: &str) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\n{track}"
    )
}

/// What the first node's priority is by its own account.
fn priority(duel: &Duel) -> u8 {
    status::vrrpd(&duel.runtime_dir(0)).unwrap().routers[0].effective_priority.get()
}

fn wait_for_priority(duel: &Duel, expected: u8) {
    wait_until(&format!("the priority was {expected}"), LIMIT, || priority(duel) == expected)
        .unwrap();
}

#[test]
fn a_files_number_drains_a_node() {
    let mut duel = Duel::new(VIP);
    let drain = duel.lab.directory().join("drain");
    // It is not root who reads it.
    open_to_everyone(duel.lab.directory());
    let track = format!(
        "track = [\"drain\"]\n[[track]]\nname = \"drain\"\nfile = \"{}\"\n",
        drain.display()
    );
    let vipd = duel.vipd(0, &node(150, &track));
    duel.wait_for(&[0]);
    let _peer = duel.vipd(1, &node(100, ""));
    sleep(Duration::from_secs(1));
    assert_eq!(duel.owners.owners(), ["lb1"]);

    fs::write(&drain, "-60\n").unwrap();
    duel.wait_for(&[1]);
    assert_eq!(priority(&duel), 90);
    // What is no number changes nothing, and is said once.
    fs::write(&drain, "sixty\n").unwrap();
    vipd.wait_for_log("cannot read a tracked file", LIMIT).unwrap();
    assert_eq!(priority(&duel), 90);
    fs::remove_file(&drain).unwrap();
    duel.wait_for(&[0]);
    assert_eq!(priority(&duel), 150);
}

#[test]
fn measures_a_process_that_dies_moves_the_address_at_once() {
    let mut duel = Duel::new(VIP);
    // A name that no other test's process has.
    let program = duel.lab.directory().join("tracked-daemon");
    copy_program(&peer("sleep"), &program);
    let start =
        |duel: &Duel| duel.hosts[0].start("daemon", Command::new(&program).arg("600")).unwrap();
    let mut daemon = start(&duel);
    let track =
        "track = [\"daemon\"]\n[[track]]\nname = \"daemon\"\nprocess = \"tracked-daemon\"\n";
    let _vipd = duel.vipd(0, &node(150, track));
    duel.wait_for(&[0]);
    let _peer = duel.vipd(1, &node(100, ""));
    sleep(Duration::from_secs(1));
    let ping = duel.ping();
    let since = lab::Moment::now();
    daemon.kill().unwrap();
    duel.wait_for(&[1]);
    // No poll in between: the kernel tells, and the peer takes over at the next advert.
    assert!(since.elapsed() < Duration::from_millis(400), "{:?}", since.elapsed());
    assert!(Duel::silence(&ping.stop(), since) < 100);
    let _daemon = start(&duel);
    duel.wait_for(&[0]);
}

#[test]
fn an_interface_has_its_weight() {
    let mut duel = Duel::new(VIP);
    let track =
        "track = [\"uplink\"]\n[[track]]\nname = \"uplink\"\ninterface = \"lo\"\nweight = -60\n";
    let _vipd = duel.vipd(0, &node(150, track));
    duel.wait_for(&[0]);
    let _peer = duel.vipd(1, &node(100, ""));
    sleep(Duration::from_secs(1));
    let host = duel.hosts[0].clone();
    let set = |state: &str| {
        let mut ip = Command::new(peer("ip"));
        host.output(ip.args(["link", "set", "lo", state]), LIMIT).unwrap();
    };
    set("down");
    duel.wait_for(&[1]);
    assert_eq!(priority(&duel), 90);
    set("up");
    duel.wait_for(&[0]);
    assert_eq!(priority(&duel), 150);
}

/// When nobody can serve, nobody moves.
#[test]
fn measures_that_equally_bad_nodes_leave_the_address_where_it_is() {
    let mut duel = Duel::new(VIP);
    let drain = duel.lab.directory().join("drain");
    // It is not root who reads it.
    open_to_everyone(duel.lab.directory());
    let track = format!(
        "track = [\"drain\"]\n[[track]]\nname = \"drain\"\nfile = \"{}\"\nweight = 10\n",
        drain.display()
    );
    let _first = duel.vipd(0, &node(150, &track));
    duel.wait_for(&[0]);
    let _second = duel.vipd(1, &node(100, &track));
    sleep(Duration::from_secs(1));
    fs::write(&drain, "-254").unwrap();
    wait_for_priority(&duel, 1);
    for _ in 0..10 {
        sleep(Duration::from_millis(100));
        assert_eq!(duel.owners.owners(), ["lb1"]);
    }
}
