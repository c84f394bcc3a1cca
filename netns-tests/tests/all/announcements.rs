//! The frames that tell the network where an address is, as tshark and tcpdump read them.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use netns_tests::Duel;
use netns_tests::capture::{Capture, Recorded};

/// `eth0` of the first and the second host.
const MACS: [&str; 2] = ["02:77:00:00:00:0b", "02:77:00:00:00:0c"];

fn router(priority: u8) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"10.77.0.200\", \"fe80::200:5eff:fe00:233\", \"fd77::200\"]\n\
         advert_interval = \"100ms\"\nannounce = {{ refresh = \"off\" }}\n"
    )
}

fn arp(recorded: &Recorded) -> Vec<Vec<String>> {
    let fields = [
        "eth.src",
        "eth.dst",
        "arp.opcode",
        "arp.src.hw_mac",
        "arp.src.proto_ipv4",
        "arp.dst.proto_ipv4",
        "_ws.malformed",
    ];
    recorded.tshark("arp.isgratuitous && arp.src.proto_ipv4 == 10.77.0.200", &fields)
}

fn advertisements(recorded: &Recorded, address: &str) -> Vec<Vec<String>> {
    let fields = [
        "eth.src",
        "eth.dst",
        "ipv6.dst",
        "ipv6.hlim",
        "icmpv6.checksum.status",
        "icmpv6.nd.na.flag.r",
        "icmpv6.nd.na.flag.s",
        "icmpv6.nd.na.flag.o",
        "icmpv6.nd.na.target_address",
        "icmpv6.opt.linkaddr",
        "_ws.malformed",
    ];
    recorded.tshark(&format!("icmpv6.type == 136 && ipv6.src == {address}"), &fields)
}

/// A broadcast request for the sender's own address (RFC 5227 §3).
fn expected_arp(mac: &str) -> Vec<String> {
    [mac, "ff:ff:ff:ff:ff:ff", "1", mac, "10.77.0.200", "10.77.0.200", ""].map(str::to_owned).into()
}

/// To all nodes, unsolicited, overriding; from a host that does not forward (RFC 4861 §7.2.6).
fn expected_advertisement(mac: &str, address: &str) -> Vec<String> {
    [mac, "33:33:00:00:00:01", "ff02::1", "255", "1", "0", "0", "1", address, mac, ""]
        .map(str::to_owned)
        .into()
}

#[test]
fn five_valid_frames_for_each_address_within_five_seconds() {
    let mut duel = Duel::new("10.77.0.200");
    let capture = Capture::start(&duel, &duel.client);
    let _vipd = duel.vipd(0, &router(150));
    duel.wait_for(&[0]);
    sleep(Duration::from_millis(6_500));
    let recorded = capture.stop();
    assert_eq!(arp(&recorded), vec![expected_arp(MACS[0]); 5]);
    for address in ["fd77::200", "fe80::200:5eff:fe00:233"] {
        let expected = expected_advertisement(MACS[0], address);
        assert_eq!(advertisements(&recorded, address), vec![expected; 5]);
    }
    let complaints = recorded.tcpdump_complaints("arp or icmp6");
    assert_eq!(complaints, [] as [String; 0], "tcpdump complains");
}

/// The network hears of the new owner from the new owner alone.
#[test]
fn whoever_takes_over_announces_itself() {
    let mut duel = Duel::new("10.77.0.200");
    let mut first = duel.vipd(0, &router(150));
    duel.wait_for(&[0]);
    let _second = duel.vipd(1, &router(100));
    sleep(Duration::from_millis(5_500));
    let capture = Capture::start(&duel, &duel.client);
    first.stop(Duration::from_secs(20)).unwrap();
    duel.wait_for(&[1]);
    sleep(Duration::from_secs(1));
    let recorded = capture.stop();
    let frames = arp(&recorded);
    assert!(frames.len() >= 3, "three within the first half second: {frames:?}");
    assert!(frames.iter().all(|frame| *frame == expected_arp(MACS[1])), "{frames:?}");
    let frames = advertisements(&recorded, "fd77::200");
    let expected = expected_advertisement(MACS[1], "fd77::200");
    assert!(frames.len() >= 3 && frames.iter().all(|frame| *frame == expected), "{frames:?}");
}

/// Three hundred addresses, a frame every two milliseconds: no switch is flooded by a takeover.
#[test]
fn measures_frames_of_many_addresses_are_paced() {
    let list = |numbers: std::ops::Range<u16>| {
        let each = numbers.map(|n| format!("\"10.78.{}.{}\"", n / 250, n % 250 + 1));
        each.collect::<Vec<_>>().join(", ")
    };
    let config = format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = 150\n\
         addresses = [{}]\nexcluded = [{}]\nadvert_interval = \"100ms\"\n\
         announce = {{ at = [\"0s\", \"1s\"], refresh = \"off\", interval = \"2ms\" }}\n",
        list(0..255),
        list(255..300)
    );
    let mut duel = Duel::new("10.78.0.1");
    let capture = Capture::start(&duel, &duel.client);
    let _vipd = duel.vipd(0, &config);
    duel.wait_for(&[0]);
    sleep(Duration::from_millis(2_500));
    let recorded = capture.stop();
    let rows = recorded.tshark("arp.isgratuitous", &["frame.time_epoch", "arp.src.proto_ipv4"]);
    assert_eq!(rows.len(), 600);
    let mut addresses: Vec<&str> = rows[..300].iter().map(|row| row[1].as_str()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 300, "the first round has every address once");
    let times: Vec<f64> = rows.iter().map(|row| row[0].parse().unwrap_or_default()).collect();
    let gap = |pair: &[f64]| pair[1] - pair[0];
    let round = times[299] - times[0];
    assert!((0.595..=0.9).contains(&round), "the first round took {round} s");
    let second = times[300] - times[0];
    assert!((0.99..=1.2).contains(&second), "the second one began after {second} s");
    // A frame that was late is not waited for by the next.
    let close = times[..300].windows(2).filter(|pair| gap(pair) < 0.001).count();
    assert!(close <= 60, "{close} frames of 300 followed within a millisecond");
}

/// Afterwards once an advert interval, ten a second for all routers of a family together, each in its turn.
#[test]
fn measures_reminders_share_what_an_interface_bears() {
    let routers: String = (1..=10)
        .map(|n| {
            format!(
                "[[vrrp]]\nname = \"r{n}\"\ninterface = \"eth0\"\nvrid = {n}\npriority = 150\n\
                 addresses = [\"10.78.0.{n}\", \"10.78.1.{n}\"]\nadvert_interval = \"100ms\"\n\
                 announce = {{ at = [\"0s\"] }}\n"
            )
        })
        .collect();
    let mut duel = Duel::new("10.78.0.1");
    let _vipd = duel.vipd(0, &routers);
    duel.wait_for(&[0]);
    // All of them hold theirs, and have begun.
    sleep(Duration::from_secs(3));
    let capture = Capture::start(&duel, &duel.client);
    sleep(Duration::from_millis(4_500));
    let recorded = capture.stop();
    let rows = recorded.tshark("arp.isgratuitous", &["frame.time_epoch", "arp.src.proto_ipv4"]);
    let times: Vec<f64> = rows.iter().map(|row| row[0].parse().unwrap_or_default()).collect();
    assert!((38..=48).contains(&rows.len()), "{} frames: {rows:?}", rows.len());
    let round: BTreeSet<&str> = rows[..20].iter().map(|row| row[1].as_str()).collect();
    assert_eq!(round.len(), 20, "each in its turn: {rows:?}");
    let fastest = times.windows(11).map(|ten| ten[10] - ten[0]).fold(f64::MAX, f64::min);
    assert!(fastest >= 0.9, "ten frames in {fastest} s");
}
