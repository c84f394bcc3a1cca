//! Others at the addresses: who deletes them, and interfaces and messages that get lost.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use netns_tests::{Duel, LIMIT, copy_program, peer};

const VIP: &str = "10.77.0.200";

const AGAIN: &str = "is deleted again and again";

fn router(priority: u8, lines: &str) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\n{lines}"
    )
}

const FAST: &str = "advert_interval = \"100ms\"\n";

/// Deletes the address so many times, each time when it is back.
fn delete(duel: &mut Duel, times: usize) {
    for _ in 0..times {
        duel.hosts[0].remove_address(VIP.parse().unwrap(), 32).unwrap();
        sleep(Duration::from_millis(200));
        duel.wait_for(&[0]);
    }
}

/// The line of a log that has `word`.
fn line(log: &str, word: &str) -> String {
    log.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{log}")).to_owned()
}

/// One warning a minute; and whoever is not there any more cannot be named.
#[test]
fn who_deletes_an_address_again_and_again_is_told_once_a_minute() {
    let mut duel = Duel::new(VIP);
    let vipd = duel.vipd(0, &router(150, FAST));
    duel.wait_for(&[0]);
    delete(&mut duel, 2);
    assert!(!vipd.log().contains(AGAIN), "{}", vipd.log());
    delete(&mut duel, 4);
    let told = line(&vipd.log(), AGAIN);
    assert!(told.contains("who does it cannot be known"), "{told}");
    assert_eq!(vipd.log().matches(AGAIN).count(), 1, "{}", vipd.log());
}

/// A program that is still there is named by the socket that it asked with.
#[test]
fn who_still_runs_is_named() {
    let mut duel = Duel::new(VIP);
    let vipd = duel.vipd(0, &router(150, FAST));
    duel.wait_for(&[0]);
    let deletes = format!(
        "(for i in 1 2 3 4; do sleep 0.3; echo address del {VIP}/32 dev eth0; done; sleep 1) | {} -batch -",
        peer("ip").display()
    );
    let mut command = Command::new("sh");
    command.arg("-c").arg(deletes);
    let output = duel.hosts[0].output(&mut command, LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = line(&vipd.log(), AGAIN);
    assert!(told.contains("ip (process ") && told.contains(" does it"), "{told}");
    duel.wait_for(&[0]);
}

/// A manager of interfaces that runs is suspected. This one is `sleep` under its name.
#[test]
fn who_manages_interfaces_is_suspected() {
    let mut duel = Duel::new(VIP);
    let program = duel.lab.directory().join("dhcpcd");
    copy_program(&peer("sleep"), &program);
    let mut command = Command::new(&program);
    command.arg("60");
    let _manager = duel.hosts[0].start("dhcpcd", &mut command).unwrap();
    let vipd = duel.vipd(0, &router(150, FAST));
    duel.wait_for(&[0]);
    delete(&mut duel, 3);
    let told = line(&vipd.log(), AGAIN);
    assert!(told.contains("dhcpcd") && told.contains("denyinterfaces eth0"), "{told}");
}

/// The interface itself goes, as a network card's driver that is loaded anew; another of its name
/// comes.
#[test]
fn an_interface_that_vanishes_and_returns_is_taken_up_again() {
    let mut duel = Duel::new(VIP);
    let first = duel.vipd(0, &router(150, FAST));
    duel.wait_for(&[0]);
    let _second = duel.vipd(1, &router(100, FAST));
    sleep(Duration::from_millis(500));
    assert_eq!(duel.ip(0, "link del eth0"), "");
    duel.wait_for(&[1]);
    sleep(Duration::from_millis(500));
    let fd = duel.hosts[0].namespace().as_raw_fd();
    let cable = format!(
        "link add lb1 mtu 1500 master br-lab type veth peer name eth0 address 02:77:00:00:00:0b netns /proc/{}/fd/{fd}",
        std::process::id()
    );
    for arguments in [cable.as_str(), "link set lb1 up"] {
        let mut command = Command::new(peer("ip"));
        command.args(arguments.split(' '));
        let output = duel.lab.switch().run(|| command.output()).unwrap().unwrap();
        assert!(output.status.success(), "{arguments}: {output:?}");
    }
    for arguments in ["link set eth0 up", "address add 10.77.0.11/24 dev eth0"] {
        assert_eq!(duel.ip(0, arguments), "");
    }
    duel.wait_for(&[0]);
    assert!(!first.log().contains("panicked"), "{}", first.log());
}

/// So many changes at once that the kernel has no room for the messages: what was missed is seen.
#[test]
fn what_is_missed_in_a_flood_of_messages_is_seen_afterwards() {
    let mut duel = Duel::new(VIP);
    let vrrpd = duel.vipd(0, &router(150, "lease = \"off\"\n"));
    duel.wait_for(&[0]);
    let mut batch = String::new();
    for verb in ["add", "del"] {
        for n in 0..6000 {
            writeln!(batch, "address {verb} 10.99.{}.{}/32 dev lo", n / 250, n % 250 + 1).unwrap();
        }
    }
    let batch = duel.lab.write("batch", &batch).unwrap();
    vrrpd.freeze().unwrap();
    assert_eq!(duel.ip(0, &format!("-batch {}", batch.display())), "");
    duel.hosts[0].remove_address(VIP.parse().unwrap(), 32).unwrap();
    duel.wait_for(&[]);
    vrrpd.thaw().unwrap();
    vrrpd.wait_for_log("netlink lost messages", LIMIT).unwrap();
    duel.wait_for(&[0]);
    assert!(!vrrpd.log().contains("a peer may have taken over"), "{}", vrrpd.log());
}
