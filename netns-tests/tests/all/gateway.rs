//! A neighbour whose answers a router's priority follows.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::thread::sleep;
use std::time::Duration;

use lab::{Moment, wait_until};
use netns_tests::{Duel, LIMIT};
use vipd::status;

const VIP: &str = "10.77.0.200";

fn node(priority: u8, gateway: &str, lines: &str) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\ntrack = [\"gateway\"]\n\
         [[track]]\nname = \"gateway\"\ngateway = \"{gateway}\"\ninterval = \"100ms\"\n{lines}"
    )
}

/// By the node's own account; none while it is starting.
fn priority(duel: &Duel, host: usize) -> Option<u8> {
    let status = status::vrrpd(&duel.runtime_dir(host)).ok()?;
    Some(status.routers.first()?.effective_priority.get())
}

fn wait_for_priority(duel: &Duel, host: usize, expected: u8) {
    let what = format!("the priority was {expected}");
    wait_until(&what, LIMIT, || priority(duel, host) == Some(expected)).unwrap();
}

/// The Active node loses its gateway, and the other has one; then nobody has one, and nobody moves.
#[test]
fn a_node_without_its_gateway_gives_way_to_one_that_has_it() {
    let mut duel = Duel::new(VIP);
    let _gateways =
        [("gw1", 1), ("gw2", 2)].map(|(name, number)| duel.lab.host(name, number).unwrap());
    let _first = duel.vipd(0, &node(150, "10.77.0.1", ""));
    duel.wait_for(&[0]);
    let _second = duel.vipd(1, &node(100, "10.77.0.2", ""));
    wait_for_priority(&duel, 1, 100);
    assert_eq!(duel.owners.owners(), ["lb1"]);

    duel.lab.cut("gw1").unwrap();
    let since = Moment::now();
    duel.wait_for(&[1]);
    // Three questions, and the machine's noise.
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    wait_for_priority(&duel, 0, 1);

    duel.lab.cut("gw2").unwrap();
    wait_for_priority(&duel, 1, 1);
    for _ in 0..10 {
        sleep(Duration::from_millis(100));
        assert_eq!(duel.owners.owners(), ["lb2"]);
    }
    duel.lab.heal("gw1").unwrap();
    duel.wait_for(&[0]);
    assert_eq!(priority(&duel, 0), Some(150));
}

#[test]
fn over_ipv6_it_has_its_weight() {
    let mut duel = Duel::new(VIP);
    let _gateway = duel.lab.host("gw1", 1).unwrap();
    let lines = "interface = \"eth0\"\nweight = -60\nfall = 5\nrise = 1\n";
    let _vipd = duel.vipd(0, &node(150, "fd77::1", lines));
    duel.wait_for(&[0]);
    wait_for_priority(&duel, 0, 150);
    duel.lab.cut("gw1").unwrap();
    wait_for_priority(&duel, 0, 90);
    assert_eq!(duel.owners.owners(), ["lb1"]);
    duel.lab.heal("gw1").unwrap();
    wait_for_priority(&duel, 0, 150);
}

/// An interface that comes again is another one to the kernel.
#[test]
fn it_is_asked_for_again_when_the_interface_was_down() {
    let mut duel = Duel::new(VIP);
    let _gateway = duel.lab.host("gw1", 1).unwrap();
    let _vipd = duel.vipd(0, &node(150, "10.77.0.1", ""));
    duel.wait_for(&[0]);
    for _ in 0..2 {
        duel.lab.carrier("lb1", false).unwrap();
        duel.wait_for(&[]);
        sleep(Duration::from_millis(500));
        duel.lab.carrier("lb1", true).unwrap();
        duel.wait_for(&[0]);
        wait_for_priority(&duel, 0, 150);
    }
}
