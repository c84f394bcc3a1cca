//! keepalived 2.2.7 as the peer, in every way both of us can speak: see [`netns_tests::interop`].

use std::time::Duration;

use netns_tests::interop::{
    Advertised, ForeignRouter, IPV4, IPV6, Keepalived, OURS, Pairing, THEIRS,
};
use netns_tests::{Duel, LIMIT};

/// How the pair speaks.
#[derive(Clone, Copy)]
struct Speech {
    /// Lines of our table.
    ours: &'static str,
    /// Lines of keepalived's block.
    theirs: &'static str,
    advertised: Advertised,
    interval_ms: u64,
}

/// As in the guides: version 2, VRID 51, password 42, every second.
const VERSION_2_PASS: Speech = Speech {
    ours: "version = 2\nauth_pass = \"42\"\n",
    theirs: "version 2\nadvert_int 1\nauthentication {\nauth_type PASS\nauth_pass 42\n}\n",
    advertised: IPV4,
    interval_ms: 1_000,
};

const VERSION_2: Speech =
    Speech { ours: "version = 2\n", theirs: "version 2\nadvert_int 1\n", ..VERSION_2_PASS };

const VERSION_2_UNICAST: Speech = Speech {
    ours: "version = 2\npeers = [\"10.77.0.12\"]\n",
    theirs: "version 2\nadvert_int 1\nunicast_src_ip 10.77.0.12\nunicast_peer {\n10.77.0.11\n}\n",
    ..VERSION_2_PASS
};

const VERSION_3: Speech = Speech {
    ours: "advert_interval = \"100ms\"\n",
    theirs: "version 3\nadvert_int 0.1\n",
    interval_ms: 100,
    ..VERSION_2_PASS
};

const VERSION_3_UNICAST: Speech = Speech {
    ours: "advert_interval = \"100ms\"\npeers = [\"10.77.0.12\"]\n",
    theirs: "version 3\nadvert_int 0.1\nunicast_src_ip 10.77.0.12\nunicast_peer {\n10.77.0.11\n}\n",
    ..VERSION_3
};

const VERSION_3_IPV6: Speech = Speech { advertised: IPV6, ..VERSION_3 };

/// Both with the virtual router's MAC address.
const VIRTUAL_MAC: Speech = Speech {
    ours: "advert_interval = \"100ms\"\nvirtual_mac = true\n",
    theirs: "version 3\nadvert_int 0.1\nuse_vmac\n",
    ..VERSION_3
};

const VIRTUAL_MAC_IPV6: Speech = Speech { advertised: IPV6, ..VIRTUAL_MAC };

impl Speech {
    fn keepalived(&self, duel: &Duel, host: usize, priority: u8, preempt: bool) -> Keepalived {
        let lines = self.theirs;
        let preempt = if preempt { "" } else { "nopreempt\n" };
        let addresses = self.advertised.addresses.join("\n");
        let config = format!(
            "global_defs {{\nvrrp_garp_master_delay 1\n}}\nvrrp_instance VI_1 {{\nstate BACKUP\n\
             interface eth0\nvirtual_router_id 51\npriority {priority}\n{preempt}{lines}\
             virtual_ipaddress {{\n{addresses}\n}}\n}}\n"
        );
        Keepalived::start(duel, host, &config)
    }
}

impl Pairing for Speech {
    fn advertised(&self) -> Advertised {
        self.advertised
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }

    fn ours(&self, priority: u8, preempt: bool) -> String {
        let (lines, addresses) = (self.ours, self.advertised.addresses);
        format!(
            "[[vrrp]]\nname = \"VI_1\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
             addresses = {addresses:?}\npreempt = {preempt}\n{lines}"
        )
    }

    fn theirs(&self, duel: &Duel, priority: u8, preempt: bool) -> Box<dyn ForeignRouter> {
        Box::new(self.keepalived(duel, THEIRS, priority, preempt))
    }
}

#[test]
fn version_2_with_a_password_we_lead() {
    VERSION_2_PASS.we_lead();
}

#[test]
fn version_2_with_a_password_they_lead() {
    VERSION_2_PASS.they_lead();
}

#[test]
fn version_2() {
    VERSION_2.hear_each_other();
}

#[test]
fn version_2_unicast() {
    VERSION_2_UNICAST.hear_each_other();
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
fn version_3_unicast() {
    VERSION_3_UNICAST.hear_each_other();
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
fn version_2_finds_us_after_a_silent_end_of_a_partition() {
    VERSION_2_PASS.a_silent_end_of_a_partition();
}

#[test]
fn version_3_finds_us_after_a_silent_end_of_a_partition() {
    VERSION_3.a_silent_end_of_a_partition();
}

/// Two addresses, and ten announcements a second at most.
#[test]
fn ipv6_finds_us_after_a_silent_end_of_a_partition() {
    const SLOWER: Speech = Speech {
        ours: "advert_interval = \"200ms\"\n",
        theirs: "version 3\nadvert_int 0.2\n",
        interval_ms: 200,
        ..VERSION_3_IPV6
    };
    SLOWER.a_silent_end_of_a_partition();
}

/// Nodes that do not understand each other are told so, with what both have and what to change: once
/// in the log, and in the status as long as anybody asks.
#[test]
fn a_mismatch_is_named() {
    const OTHER_PASSWORD: Speech =
        Speech { ours: "version = 2\nauth_pass = \"43\"\n", ..VERSION_2_PASS };
    const OTHER_INTERVAL: Speech =
        Speech { ours: "version = 2\nadvert_interval = \"2s\"\n", ..VERSION_2 };
    for (ours, theirs, reason, words) in [
        (
            VERSION_3,
            VERSION_2_PASS,
            "other_version",
            "the peer speaks version 2, we speak version 3; set the same `version` on both nodes",
        ),
        (
            VERSION_2,
            VERSION_2_PASS,
            "auth_type",
            "the peer sends a password, we have none; set its password as `auth_pass` here, or remove it there",
        ),
        (
            VERSION_2_PASS,
            VERSION_2,
            "auth_type",
            "the peer sends no password, we do; set our `auth_pass` there as well, or remove it here",
        ),
        (
            OTHER_PASSWORD,
            VERSION_2_PASS,
            "password",
            "the peer's password is not ours; set the same `auth_pass` on both nodes (only 8 characters count)",
        ),
        (
            OTHER_INTERVAL,
            VERSION_2,
            "interval",
            "the peer advertises every 1s, we every 2s; version 2 needs the same `advert_interval` on both nodes",
        ),
    ] {
        let duel = Duel::new(IPV4.vip);
        let _keepalived = theirs.keepalived(&duel, THEIRS, 100, true);
        let vipd = duel.vipd(OURS, &ours.ours(101, true));
        vipd.wait_for_log(words, LIMIT).unwrap();
        assert_eq!(vipd.log().matches(words).count(), 1, "{}", vipd.log());
        let status = vipd::status::vrrpd(&duel.runtime_dir(OURS)).unwrap();
        let sender = &status.rejected.ours[0];
        let advert = &sender.adverts[0];
        assert_eq!(
            (sender.address.to_string().as_str(), sender.interface.as_str()),
            ("10.77.0.12", "eth0")
        );
        assert_eq!((advert.reason.as_str(), advert.explanation.as_str()), (reason, words));
        assert_eq!((advert.version, advert.vrid, advert.priority), (Some(2), Some(51), Some(100)));
        assert_eq!((advert.interval_ms, advert.count), (Some(1_000), Some(1)));
        assert_eq!(advert.addresses, ["10.77.0.200".parse::<std::net::IpAddr>().unwrap()]);
    }
}

/// Other addresses are heard all the same (RFC 9568 §7.1), and named.
#[test]
fn other_addresses_are_named() {
    const WORDS: &str = "other addresses: its list has 2 and ours 1; only the peer has 10.77.0.201";
    let both = Advertised { addresses: &["10.77.0.200", "10.77.0.201"], ..IPV4 };
    let theirs = Speech { advertised: both, ..VERSION_3 };
    let mut duel = Duel::new(IPV4.vip);
    let _keepalived = theirs.keepalived(&duel, THEIRS, 101, true);
    duel.wait_for(&[THEIRS]);
    let vipd = duel.vipd(OURS, &VERSION_3.ours(100, true));
    vipd.wait_for_log(WORDS, LIMIT).unwrap();
    let status = vipd::status::vrrpd(&duel.runtime_dir(OURS)).unwrap();
    let mismatch = status.routers[0].mismatch.as_ref().unwrap();
    assert_eq!(mismatch.peer.to_string(), "10.77.0.12");
    assert!(mismatch.explanation.starts_with(WORDS), "{}", mismatch.explanation);
    assert_eq!(duel.owners.owners(), ["lb2"], "its adverts count");
}

/// A Backup goes by the Active router's interval (RFC 9568 §6.1), and says that it is another (§7.1).
#[test]
fn another_interval_is_learned_and_named() {
    let theirs = Speech { theirs: "version 3\nadvert_int 0.3\n", ..VERSION_3 };
    let mut duel = Duel::new(IPV4.vip);
    let _keepalived = theirs.keepalived(&duel, THEIRS, 101, true);
    duel.wait_for(&[THEIRS]);
    let vipd = duel.vipd(OURS, &VERSION_3.ours(100, true));
    vipd.wait_for_log("the peer has another advert interval", LIMIT).unwrap();
    let status = vipd::status::vrrpd(&duel.runtime_dir(OURS)).unwrap();
    let active = status.routers[0].active.as_ref().unwrap();
    assert_eq!(active.interval.duration(), Duration::from_millis(300));
}

/// Two routers of priority 255 are told so (§8.3.2, erratum 8298); the higher address serves (§6.4.3).
#[test]
fn two_owners_are_named_and_one_serves() {
    let mut duel = Duel::new(IPV4.vip);
    let first = duel.vipd(OURS, &VERSION_3.ours(255, true));
    duel.wait_for(&[OURS]);
    let second = duel.vipd(THEIRS, &VERSION_3.ours(255, true));
    second.wait_for_log("has priority 255 as we have", LIMIT).unwrap();
    first.wait_for_log("has priority 255 as we have", LIMIT).unwrap();
    duel.wait_for(&[THEIRS]);
}

/// keepalived takes over, and whoever pings the address notices nothing.
#[test]
fn measures_handover_to_keepalived_is_not_noticed() {
    let mut duel = Duel::new(IPV4.vip);
    let _keepalived = VERSION_2_PASS.keepalived(&duel, THEIRS, 100, true);
    let _vipd = duel.vipd(OURS, &VERSION_2_PASS.ours(101, true));
    duel.wait_for(&[OURS]);
    std::thread::sleep(Duration::from_secs(2));
    let ping = duel.ping();
    let since = lab::Moment::now();
    let mut handover = std::process::Command::new(netns_tests::binary("vipd"));
    handover.args(["handover", "VI_1", "--runtime-dir"]).arg(duel.runtime_dir(OURS));
    assert!(handover.status().unwrap().success());
    duel.wait_for(&[THEIRS]);
    std::thread::sleep(Duration::from_secs(2));
    let silence = Duel::silence(&ping.stop(), since);
    assert!(silence <= 100, "{silence} ms of silence");
    // It stays there, though our priority is higher.
    assert_eq!(duel.owners.owners(), ["lb2"]);
}
