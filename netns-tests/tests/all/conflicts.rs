//! Other stations that speak for an address which a node holds.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::IpAddr;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use lab::host::INTERFACE;
use lab::{Host, wait_until};
use netns_tests::link::neighbour;
use netns_tests::{Duel, LIMIT, peer};
use vipd::status;
use vocabulary::{Family, InterfaceName};
use vrrpd::io::announce::{Announcer, station};
use vrrpd::status::ConflictStatus;

const VIP: &str = "10.77.0.200";
const VIP6: &str = "fd77::200";

/// `eth0` of the first node, and of the intruder.
const OURS: &str = "02:77:00:00:00:0b";
const THEIRS: &str = "02:77:00:00:00:32";

const TOLD: &str = "address conflict: another host uses a virtual address that is held here";

fn node(priority: u8, lines: &str) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\", \"fe80::200:5eff:fe00:233\", \"{VIP6}\"]\n\
         advert_interval = \"100ms\"\n{lines}"
    )
}

/// Has a host announce an address, whether or not it has it.
fn announce(host: &Host, address: &str) {
    let address: IpAddr = address.parse().unwrap();
    let sent = host.run(|| {
        let interface = InterfaceName::try_from(INTERFACE).unwrap();
        let station = station(&interface, Family::of(address)).unwrap();
        Announcer::open().unwrap().announce(address, &station)
    });
    sent.unwrap().unwrap();
}

/// What a node tells of conflicts, but for when.
fn conflicts(duel: &Duel, host: usize) -> Vec<(String, String, u64)> {
    let routers = status::vrrpd(&duel.runtime_dir(host)).unwrap().routers;
    let told =
        |conflict: ConflictStatus| (conflict.address.to_string(), conflict.mac, conflict.times);
    routers.into_iter().flat_map(|router| router.conflicts).map(told).collect()
}

fn ping(duel: &Duel, address: &str) {
    let mut command = Command::new(peer("ping"));
    duel.client.output(command.args(["-c", "1", "-W", "1", address]), LIMIT).unwrap();
}

#[test]
fn that_announce_themselves_are_told_and_answered() {
    let mut duel = Duel::new(VIP);
    let intruder = duel.lab.host("intruder", 50).unwrap();
    // Its own reminders would answer as well.
    let vipd = duel.vipd(0, &node(150, "announce = { refresh = \"off\" }\n"));
    duel.wait_for(&[0]);
    for address in [VIP, VIP6] {
        ping(&duel, address);
        assert_eq!(neighbour(&duel.client, address).as_deref(), Some(OURS));
    }
    // And so would the announcements of a takeover.
    sleep(Duration::from_millis(5_200));
    for address in [VIP, VIP6] {
        announce(&intruder, address);
        let caught = || neighbour(&duel.client, address).as_deref() == Some(THEIRS);
        wait_until("the client believed the intruder", LIMIT, caught).unwrap();
        let back = || neighbour(&duel.client, address).as_deref() == Some(OURS);
        wait_until("the client found the node again", Duration::from_secs(1), back).unwrap();
    }
    // Once more, and at once: told, but not answered again so soon, and not logged.
    announce(&intruder, VIP);
    sleep(Duration::from_millis(500));
    assert_eq!(neighbour(&duel.client, VIP).as_deref(), Some(THEIRS));
    let mut told = conflicts(&duel, 0);
    told.sort();
    let conflict = |address: &str, times| (address.to_owned(), THEIRS.to_owned(), times);
    assert_eq!(told, [conflict(VIP, 2), conflict(VIP6, 1)]);
    assert_eq!(vipd.log().matches(TOLD).count(), 2, "{}", vipd.log());
    let mut shown = Command::new(netns_tests::binary("vipd"));
    shown.args(["status", "--runtime-dir"]).arg(duel.runtime_dir(0));
    let shown = duel.hosts[0].output(&mut shown, LIMIT).unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&format!("{VIP} is also claimed by {THEIRS}: 2 times")), "{shown}");
}

/// Such as a peer whose daemon was killed and that kept the address: it says nothing unasked.
#[test]
fn that_keep_still_are_found_by_asking() {
    let mut duel = Duel::new(VIP);
    let intruder = duel.lab.host("intruder", 50).unwrap();
    let vipd = duel.vipd(0, &node(150, ""));
    duel.wait_for(&[0]);
    intruder.add_address(VIP.parse().unwrap(), 32, None).unwrap();
    intruder.add_address(VIP6.parse().unwrap(), 128, None).unwrap();
    let both = || conflicts(&duel, 0).len() == 2;
    wait_until("both were found", LIMIT, both).unwrap();
    assert_eq!(vipd.log().matches(TOLD).count(), 2, "{}", vipd.log());
    assert!(conflicts(&duel, 0).iter().all(|(_, mac, _)| mac == THEIRS));
}

/// A takeover is no conflict, and neither is a peer with the same virtual MAC address.
#[test]
fn are_not_the_peers_that_take_over_in_order() {
    for lines in ["", "virtual_mac = true\n"] {
        let mut duel = Duel::new(VIP);
        let first = duel.vipd(0, &node(100, lines));
        duel.wait_for(&[0]);
        let mut second = duel.vipd(1, &node(150, lines));
        for _ in 0..3 {
            duel.wait_for(&[1]);
            sleep(Duration::from_millis(300));
            second.stop(LIMIT).unwrap();
            duel.wait_for(&[0]);
            sleep(Duration::from_millis(300));
            second = duel.vipd(1, &node(150, lines));
        }
        duel.wait_for(&[1]);
        sleep(Duration::from_secs(1));
        assert_eq!((conflicts(&duel, 0), conflicts(&duel, 1)), (vec![], vec![]));
        assert!(!first.log().contains(TOLD) && !second.log().contains(TOLD));
    }
}

/// Back and forth as fast as it goes, within the announcements of each takeover.
#[test]
fn are_not_the_peers_around_handovers() {
    let mut duel = Duel::new(VIP);
    let first = duel.vipd(0, &node(150, ""));
    duel.wait_for(&[0]);
    let second = duel.vipd(1, &node(100, ""));
    second.wait_for_log("became Backup", LIMIT).unwrap();
    for _ in 0..5 {
        order(&duel, "handover");
        duel.wait_for(&[1]);
        order(&duel, "resume");
        duel.wait_for(&[0]);
    }
    // What was heard last is judged by then.
    sleep(Duration::from_millis(500));
    assert_eq!((conflicts(&duel, 0), conflicts(&duel, 1)), (vec![], vec![]));
    assert!(!first.log().contains(TOLD) && !second.log().contains(TOLD));
}

/// Gives the first node an order.
fn order(duel: &Duel, what: &str) {
    let mut command = Command::new(netns_tests::binary("vipd"));
    command.arg(what).arg("--runtime-dir").arg(duel.runtime_dir(0));
    let output = duel.hosts[0].output(&mut command, LIMIT).unwrap();
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}
