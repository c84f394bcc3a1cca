//! FRR 8.4.4's vrrpd as the peer: see [`netns_tests::interop`]. It has no passwords and no unicast.

use std::time::Duration;

use netns_tests::frr::{Frr, FrrSettings};
use netns_tests::interop::{Advertised, ForeignRouter, IPV4, IPV6, Pairing, THEIRS};
use netns_tests::{Duel, PLANNED};

/// How the pair speaks.
#[derive(Clone, Copy)]
struct Speech {
    version: u8,
    interval_ms: u32,
    advertised: Advertised,
    /// As FRR always does.
    virtual_mac: bool,
}

const VERSION_2: Speech =
    Speech { version: 2, interval_ms: 1_000, advertised: IPV4, virtual_mac: false };

const VERSION_3: Speech = Speech { version: 3, interval_ms: 100, ..VERSION_2 };

const VERSION_3_IPV6: Speech = Speech { advertised: IPV6, ..VERSION_3 };

const VIRTUAL_MAC: Speech = Speech { virtual_mac: true, ..VERSION_3 };

const VIRTUAL_MAC_IPV6: Speech = Speech { virtual_mac: true, ..VERSION_3_IPV6 };

impl Pairing for Speech {
    fn advertised(&self) -> Advertised {
        self.advertised
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms.into())
    }

    fn ours(&self, priority: u8, preempt: bool) -> String {
        let Self { version, interval_ms, virtual_mac, .. } = self;
        let addresses = self.advertised.addresses;
        format!(
            "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\nversion = {version}\n\
             priority = {priority}\naddresses = {addresses:?}\npreempt = {preempt}\n\
             advert_interval = \"{interval_ms}ms\"\nvirtual_mac = {virtual_mac}\n"
        )
    }

    fn theirs(&self, duel: &Duel, priority: u8, preempt: bool) -> Box<dyn ForeignRouter> {
        let Self { version, interval_ms, .. } = *self;
        let addresses = self.advertised.addresses;
        let settings = FrrSettings { vrid: 51, version, interval_ms, priority, preempt, addresses };
        Box::new(Frr::start(duel, THEIRS, &settings))
    }

    fn peer_answers_losers(&self) -> bool {
        false
    }

    /// With one MAC address on both nodes, a late frame of ours (a client's reset) may lead the switch back
    /// to us, until FRR's next frame.
    fn silence_limit(&self) -> u128 {
        if self.virtual_mac { 500 } else { PLANNED }
    }
}

#[test]
fn version_2() {
    VERSION_2.hear_each_other();
}

#[test]
fn version_3_we_lead() {
    VERSION_3.we_lead();
}

#[test]
fn version_3_they_lead() {
    VERSION_3.they_lead();
}

#[test]
fn version_3_over_ipv6_we_lead() {
    VERSION_3_IPV6.we_lead();
}

#[test]
fn version_3_over_ipv6_they_lead() {
    VERSION_3_IPV6.they_lead();
}

#[test]
fn virtual_mac_we_lead() {
    VIRTUAL_MAC.we_lead();
}

#[test]
fn virtual_mac_they_lead() {
    VIRTUAL_MAC.they_lead();
}

#[test]
fn virtual_mac_over_ipv6() {
    VIRTUAL_MAC_IPV6.hear_each_other();
}

#[test]
fn version_3_finds_us_after_a_silent_end_of_a_partition() {
    VERSION_3.a_silent_end_of_a_partition();
}

#[test]
fn ipv6_finds_us_after_a_silent_end_of_a_partition() {
    let slower = Speech { interval_ms: 200, ..VERSION_3_IPV6 };
    slower.a_silent_end_of_a_partition();
}
