//! Virtual addresses in the kernel: how they are configured, who deletes them, what is left behind.

use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use lab::Moment;
use netns_tests::{Duel, LIMIT};
use nix::sys::signal::Signal;
use vipd::status;

const VIP: &str = "10.77.0.200";

fn router(priority: u8, lines: &str) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\n{lines}"
    )
}

/// What `ip` says of the address on a host.
fn shown(duel: &Duel, host: usize) -> String {
    let text = duel.ip(host, "-details address show dev eth0");
    let line = text.lines().skip_while(|line| !line.contains(&format!("inet {VIP}")));
    line.take(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn are_a_hosts_own_and_leased() {
    let mut duel = Duel::new(VIP);
    let _vipd = duel.vipd(0, &router(150, ""));
    duel.wait_for(&[0]);
    let shown = shown(&duel, 0);
    assert!(shown.contains("10.77.0.200/32"), "{shown}");
    assert!(shown.contains("noprefixroute"), "{shown}");
    // Four intervals of 100 ms are covered by one second.
    assert!(shown.contains("valid_lft 1sec") || shown.contains("valid_lft 0sec"), "{shown}");
}

#[test]
fn may_be_kept_without_a_lease() {
    let mut duel = Duel::new(VIP);
    let _vipd = duel.vipd(0, &router(150, "lease = \"off\"\n"));
    duel.wait_for(&[0]);
    let shown = shown(&duel, 0);
    assert!(shown.contains("valid_lft forever"), "{shown}");
}

#[test]
fn that_somebody_deletes_are_back_within_100_ms() {
    let mut duel = Duel::new(VIP);
    let vipd = duel.vipd(0, &router(150, ""));
    duel.wait_for(&[0]);
    for _ in 0..3 {
        duel.hosts[0].remove_address(VIP.parse().unwrap(), 32).unwrap();
        let since = Moment::now();
        duel.wait_for(&[0]);
        // A tenth of a second, and the machine's noise.
        assert!(since.elapsed() <= Duration::from_millis(500), "{:?}", since.elapsed());
        sleep(Duration::from_millis(100));
    }
    assert!(vipd.log().contains("a virtual address was deleted"), "{}", vipd.log());
    let status = status::vrrpd(&duel.runtime_dir(0)).unwrap();
    assert_eq!(status.routers[0].deletions, 3);
}

/// All of a node's programs stand still: the kernel takes the address away by itself.
#[test]
fn leave_a_frozen_node_when_the_lease_ends() {
    let mut duel = Duel::new(VIP);
    let active = duel.vipd(0, &router(150, ""));
    duel.wait_for(&[0]);
    let _backup = duel.vipd(1, &router(100, ""));
    sleep(Duration::from_secs(1));
    active.freeze().unwrap();
    let since = Moment::now();
    duel.wait_for(&[1]);
    assert!(since.elapsed() <= Duration::from_millis(2_500), "{:?}", since.elapsed());
    // It comes back, sees that it slept, and takes over in order.
    active.thaw().unwrap();
    duel.wait_for(&[0]);
    let slept = |log: &str| log.contains("a peer may have taken over") || log.contains("hung");
    assert!(slept(&active.log()), "{}", active.log());
}

/// Without a supervisor a killed daemon leaves its address; the next start knows it for its own.
#[test]
fn that_were_left_behind_are_removed_at_the_next_start() {
    let mut duel = Duel::new(VIP);
    let config = router(150, "lease = \"off\"\n");
    let mut killed = duel.lone_vrrpd(0, &config);
    duel.wait_for(&[0]);
    killed.kill().unwrap();
    sleep(Duration::from_secs(1));
    assert_eq!(duel.owners.owners(), ["lb1"]);
    let started = duel.lone_vrrpd(0, &config);
    started.wait_for_log("removed an address that an earlier run left behind", LIMIT).unwrap();
    duel.wait_for(&[0]);
}

/// What others configured is theirs: it is neither taken for ours nor removed.
#[test]
fn of_others_are_left_alone() {
    let duel = Duel::new(VIP);
    let others: IpAddr = "10.77.0.201".parse().unwrap();
    duel.hosts[0].add_address(others, 32, None).unwrap();
    let mut vipd = duel.vipd(0, &router(150, ""));
    sleep(Duration::from_secs(1));
    vipd.stop(LIMIT).unwrap();
    let left = duel.hosts[0].kernel_addresses().unwrap();
    assert!(left.contains(&others), "{left:?}");
    assert!(!left.contains(&VIP.parse().unwrap()), "{left:?}");
}

/// The supervisor dies with everything it supervised; systemd would start it again.
#[test]
fn of_a_killed_supervisor_are_handed_over_by_its_orphan() {
    let mut duel = Duel::new(VIP);
    let active = duel.vipd(0, &router(150, ""));
    duel.wait_for(&[0]);
    let _backup = duel.vipd(1, &router(100, ""));
    sleep(Duration::from_secs(1));
    let ping = duel.ping();
    let since = Moment::now();
    active.signal(Signal::SIGKILL).unwrap();
    duel.wait_for(&[1]);
    sleep(Duration::from_millis(300));
    let silence = Duel::silence(&ping.stop(), since);
    assert!(silence <= 100, "{silence} ms of silence");
}

/// An interface that goes and comes back: nothing is advertised meanwhile, and all is as before.
#[test]
fn follow_their_interface() {
    let mut duel = Duel::new(VIP);
    let _active = duel.vipd(0, &router(150, ""));
    duel.wait_for(&[0]);
    let _backup = duel.vipd(1, &router(100, ""));
    sleep(Duration::from_secs(1));
    duel.lab.carrier("lb1", false).unwrap();
    duel.wait_for(&[1]);
    duel.lab.carrier("lb1", true).unwrap();
    duel.wait_for(&[0]);
}
