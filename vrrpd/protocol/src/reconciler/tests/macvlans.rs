//! The interface of a virtual MAC address: made at the start, up while the addresses are here.

use pnet_base::MacAddr;

use super::*;
use crate::interfaces::Link;

const MAC: MacAddr = MacAddr(0, 0, 0x5e, 0, 1, 51);

fn with_macvlan() -> Plan {
    let mut plan = plan(&[("vrrp.51", "10.0.0.100/24")]);
    let macvlan =
        Macvlan { name: name("vrrp.51"), parent: name("eth0"), mac: MAC, family: Family::Ipv4 };
    plan.macvlan = Some(macvlan);
    plan
}

/// The node, with the macvlan upon the interface of this index.
fn made(upon: u32, mac: MacAddr) -> Arc<Interfaces> {
    let mut interfaces = node(&[("eth0", "10.0.0.11/24")]);
    let (mac, upon) = (Some(mac), Some(upon));
    let mtu = None;
    let link = Link { name: name("vrrp.51"), running: false, loopback: false, mac, upon, mtu };
    interfaces.put(9, link);
    Arc::new(interfaces)
}

#[test]
fn it_is_made_at_the_start_and_up_while_it_has_the_addresses() {
    let mut rig = Rig::new(with_macvlan(), node(&[("eth0", "10.0.0.11/24")]));
    assert_eq!(rig.tick(0)[..2], ["ensure vrrp.51", "says: made vrrp.51"]);
    assert_eq!(rig.feed(1, Event::Interfaces(made(2, MAC))), [""; 0]);
    let done = rig.feed(2, Event::Desired(HOLD));
    assert_eq!(done[..3], ["raise vrrp.51", "put 10.0.0.100/24 at 9 for 0", "says: holds"]);
    // It is down before its addresses go.
    let done = rig.feed(50, Event::Desired(AT_ONCE));
    let order: Vec<_> =
        done.iter().filter(|w| w.starts_with("lower") || w.starts_with("delete")).collect();
    assert_eq!(order, ["lower vrrp.51", "delete 10.0.0.100/24"]);
    assert_eq!(rig.feed(60, Event::End), ["remove vrrp.51"]);
}

/// It belongs upon its parent and has its MAC address; without the parent nothing can be made.
#[test]
fn it_is_made_again_where_it_is_not_as_it_has_to_be() {
    let other = MacAddr(2, 0, 0, 0, 0, 1);
    let there = [
        (made(2, MAC), false),
        (made(3, MAC), true),
        (made(2, other), true),
        (Arc::default(), false),
    ];
    for (row, (interfaces, again)) in there.into_iter().enumerate() {
        let mut rig = Rig::new(with_macvlan(), node(&[("eth0", "10.0.0.11/24")]));
        rig.handle(0, Event::Tick);
        let op = KernelOp::EnsureMacvlan(with_macvlan().macvlan.unwrap());
        // It is asked for once, however long it takes.
        assert!(rig.handle(1, Event::Tick).is_empty());
        assert!(rig.handle(1, Event::Done(Box::new(op), Ok(Done::Made(false)))).is_empty());
        let ops = rig.handle(2, Event::Interfaces(interfaces));
        assert_eq!(ops.iter().map(words).any(|w| w == "ensure vrrp.51"), again, "row {row}");
    }
}

/// The kernel lowers its MTU along with its parent's, and does not raise it again.
#[test]
fn it_has_its_parents_mtu() {
    for (mtu, again) in
        [(Some(1_500), false), (Some(576), true), (Some(9_000), true), (None, false)]
    {
        let mut rig = Rig::new(with_macvlan(), node(&[("eth0", "10.0.0.11/24")]));
        rig.tick(0);
        let done = rig.feed(2, Event::Interfaces(seen(mtu, false)));
        assert_eq!(done.contains(&"ensure vrrp.51".to_owned()), again, "{mtu:?}");
    }
}

/// Somebody brings it down: it is up again, and announced; but not where it is down on purpose.
#[test]
fn it_is_up_again_while_it_has_the_addresses() {
    let mut rig = Rig::new(with_macvlan(), node(&[("eth0", "10.0.0.11/24")]));
    rig.tick(0);
    assert_eq!(rig.feed(1, Event::Interfaces(seen(None, false))), [""; 0]);
    rig.feed(2, Event::Desired(HOLD));
    assert_eq!(rig.feed(3, Event::Interfaces(seen(None, true))), [""; 0]);
    rig.tick(20_000);
    let done = rig.feed(30_000, Event::Interfaces(seen(None, false)));
    assert_eq!(done, ["raise vrrp.51", "announce 10.0.0.100"]);
    // Without its parent it cannot be up.
    let mut parentless = Interfaces::clone(&seen(None, false));
    parentless.remove(2);
    assert!(
        !rig.feed(40_000, Event::Interfaces(Arc::new(parentless)))
            .contains(&"raise vrrp.51".to_owned())
    );
}

/// The node with the macvlan as it has to be, but for these.
fn seen(mtu: Option<u32>, running: bool) -> Arc<Interfaces> {
    let mut interfaces = Interfaces::clone(&made(2, MAC));
    let (mac, upon) = (Some(MAC), Some(2));
    interfaces.put(9, Link { name: name("vrrp.51"), running, loopback: false, mac, upon, mtu });
    Arc::new(interfaces)
}

/// What fails is tried again every second, and said when the reason changes.
#[test]
fn what_fails_is_tried_again_every_second() {
    let mut rig = Rig::new(with_macvlan(), node(&[("eth0", "10.0.0.11/24")]));
    rig.refused = vec!["ensure"];
    assert_eq!(rig.tick(0), ["ensure vrrp.51", "says: NoMacvlan, no"]);
    assert_eq!(rig.deadline(), Some(1_000));
    assert_eq!(rig.tick(999), [""; 0]);
    assert_eq!(rig.tick(1_000), ["ensure vrrp.51"]);
    rig.refused.clear();
    assert_eq!(rig.tick(2_000)[..2], ["ensure vrrp.51", "says: made vrrp.51"]);
    // It has ended: nothing is tried any more.
    let mut rig = Rig::new(with_macvlan(), node(&[]));
    rig.refused = vec!["ensure", "remove"];
    rig.tick(0);
    assert_eq!(rig.feed(10, Event::End), ["remove vrrp.51", "says: MacvlanLeft, no"]);
    assert_eq!(rig.deadline(), None);
}

/// One that cannot be brought up is tried again; one that cannot be brought down loses its addresses.
#[test]
fn one_that_stays_down_is_tried_again() {
    let mut rig = Rig::new(with_macvlan(), node(&[("eth0", "10.0.0.11/24")]));
    rig.tick(0);
    rig.feed(1, Event::Interfaces(made(2, MAC)));
    rig.refused = vec!["raise"];
    let done = rig.feed(2, Event::Desired(HOLD));
    assert_eq!(done[..2], ["raise vrrp.51", "says: MacvlanDown, no"]);
    assert_eq!(rig.deadline(), Some(102));
    rig.refused = vec!["lower"];
    assert_eq!(rig.tick(102)[0], "raise vrrp.51");
    let done = rig.feed(150, Event::Desired(AT_ONCE));
    assert!(done.contains(&"says: MacvlanUp, no".to_owned()), "{done:?}");
    assert!(done.contains(&"delete 10.0.0.100/24".to_owned()), "{done:?}");
}

/// A connected route's setting that the kernel does not take is said.
#[test]
fn secondaries_that_may_go_along_are_said() {
    let mut rig = Rig::new(plan(&[("eth0", "192.168.50.10/24")]), node(&[]));
    rig.refused = vec!["promote"];
    let done = rig.feed(0, Event::Desired(HOLD));
    assert_eq!(done[..2], ["promote eth0", "says: Secondaries, no"]);
}
