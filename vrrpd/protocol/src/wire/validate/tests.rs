//! One check, one row: a packet that is right but for one thing, and the reason it is discarded for.

use config::{Checksum, Password};

use super::*;

/// Version 3, VRID 10, priority 200, 1 s, 192.0.2.1 and .2, from 192.0.2.251: checksum as in RFC 9568.
const GOOD: [u8; 16] = [0x31, 0x0A, 0xC8, 0x02, 0x00, 0x64, 0x82, 0x8A, 192, 0, 2, 1, 192, 0, 2, 2];

/// Captured from keepalived 2.2.7: version 2, VRID 51, priority 101, 1 s, 192.168.1.100, PASS "42".
const CAPTURED: [u8; 20] = [
    0x21, 0x33, 0x65, 0x01, 0x01, 0x01, 0x82, 0x8B, 0xC0, 0xA8, 0x01, 0x64, 0x34, 0x32, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00,
];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn interval(centiseconds: u16) -> AdvertInterval {
    AdvertInterval::from_centiseconds(centiseconds).unwrap()
}

fn expectation(dialect: Dialect, addresses: &[&str]) -> Expectation {
    Expectation {
        dialect,
        interval: AdvertInterval::DEFAULT,
        audience: Audience::Multicast,
        own: ip("192.0.2.100"),
        own_prefix: 24,
        addresses: addresses.iter().map(|a| VirtualAddress::try_from(*a).unwrap()).collect(),
    }
}

fn version_3() -> Expectation {
    expectation(Dialect::V3(Checksum::Auto), &["192.0.2.2/24", "192.0.2.1"])
}

fn version_2() -> Expectation {
    let pass = Auth::Pass(Password::from_text("42"));
    expectation(Dialect::V2(pass), &["192.168.1.100"])
}

fn multicast(message: &[u8]) -> Datagram<'_> {
    Datagram { source: ip("192.0.2.251"), destination: ip("224.0.0.18"), hops: 255, message }
}

/// What becomes of `datagram` where only `router`, with `vrid`, is configured.
fn outcome(datagram: Datagram<'_>, vrid: u8, router: &Expectation) -> Result<Heard, Discard> {
    let accepted = accept(&datagram, |asked| (asked.get() == vrid).then_some((0, router)));
    accepted.map(|(_, heard)| heard).map_err(|rejected| rejected.discard)
}

/// The same message with a checksum that fits, so that the later checks are reached.
fn resealed(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    let sum = checksum(&message, Coverage::Message, ip("192.0.2.251"), ip("224.0.0.18"));
    message[6..8].copy_from_slice(&sum.to_be_bytes());
    message
}

fn changed(message: &[u8], changes: &[(usize, u8)]) -> Vec<u8> {
    let mut message = message.to_vec();
    changes.iter().for_each(|(at, byte)| message[*at] = *byte);
    resealed(&message)
}

#[test]
fn a_good_advert_is_heard_whole() {
    let heard = outcome(multicast(&GOOD), 10, &version_3()).unwrap();
    assert_eq!(heard.source, ip("192.0.2.251"));
    assert_eq!(heard.advert.vrid.get(), 10);
    assert_eq!(heard.advert.claim, Claim::Lead(Priority::try_from(200_i64).unwrap()));
    assert_eq!(heard.advert.interval, interval(100));
    assert_eq!(heard.advert.addresses, [ip("192.0.2.1"), ip("192.0.2.2")]);
    assert_eq!(heard.coverage, Coverage::Message);
    // The order of the addresses means nothing.
    assert_eq!(heard.other_addresses, None);
}

/// Whatever is wrong with a packet, it counts for the router whose VRID it bears.
#[test]
fn a_rejected_advert_names_the_router_it_was_meant_for() {
    let router = version_3();
    let refused = |message: &[u8], hops: u8| {
        let datagram = Datagram { hops, ..multicast(message) };
        let find = |vrid: Vrid| (vrid.get() == 10).then_some((7, &router));
        accept(&datagram, find).unwrap_err()
    };
    let stranger = changed(&GOOD, &[(1, 11)]);
    let none = changed(&GOOD, &[(1, 0)]);
    for (message, hops, router, discard) in [
        (&GOOD[..], 64, Some(7), Discard::Hops(64)),
        (&GOOD[..2], 255, Some(7), Discard::Length { actual: 2, expected: 8 }),
        (&GOOD[..1], 255, None, Discard::Length { actual: 1, expected: 8 }),
        (&changed(&GOOD, &[(5, 0)]), 255, Some(7), Discard::ZeroInterval),
        (&stranger, 255, None, Discard::Vrid(11)),
        (&stranger, 64, None, Discard::Hops(64)),
        (&none, 255, None, Discard::Vrid(0)),
    ] {
        assert_eq!(refused(message, hops), Rejected { router, discard });
    }
}

#[test]
fn both_checksum_forms_of_version_3_over_ipv4_are_taken() {
    let mut with_pseudo_header = GOOD;
    with_pseudo_header[6..8].copy_from_slice(&[0xDE, 0xFB]);
    let heard = outcome(multicast(&with_pseudo_header), 10, &version_3()).unwrap();
    assert_eq!(heard.coverage, Coverage::PseudoHeader);
}

#[test]
fn what_keepalived_sends_in_version_2_is_heard() {
    let heard = outcome(multicast(&CAPTURED), 51, &version_2()).unwrap();
    assert_eq!(heard.advert.claim, Claim::Lead(Priority::try_from(101_i64).unwrap()));
    assert_eq!(heard.advert.addresses, [ip("192.168.1.100")]);
    assert_eq!(heard.other_addresses, None);
}

#[test]
fn priority_zero_resigns() {
    let message = changed(&GOOD, &[(2, 0)]);
    assert_eq!(outcome(multicast(&message), 10, &version_3()).unwrap().advert.claim, Claim::Resign);
}

#[test]
fn reserved_bits_are_ignored() {
    let message = changed(&GOOD, &[(4, 0xF0)]);
    let heard = outcome(multicast(&message), 10, &version_3()).unwrap();
    assert_eq!(heard.advert.interval, interval(100));
}

#[test]
fn version_3_learns_any_interval_but_zero() {
    let longest = changed(&GOOD, &[(4, 0x0F), (5, 0xFF)]);
    let heard = outcome(multicast(&longest), 10, &version_3()).unwrap();
    assert_eq!(heard.advert.interval, interval(4095));
    let zero = changed(&GOOD, &[(4, 0xF0), (5, 0)]);
    assert_eq!(outcome(multicast(&zero), 10, &version_3()), Err(Discard::ZeroInterval));
}

#[test]
fn other_addresses_are_told_but_heard() {
    for addresses in [&["192.0.2.1"][..], &["192.0.2.1", "192.0.2.3"]] {
        let router = expectation(Dialect::V3(Checksum::Auto), addresses);
        let heard = outcome(multicast(&GOOD), 10, &router).unwrap();
        assert!(heard.other_addresses.is_some(), "{addresses:?}");
    }
}

#[test]
fn each_check_of_version_3_discards() {
    let truncated = &GOOD[..15];
    let long = [&GOOD[..], &[0]].concat();
    let rows: &[(&str, Vec<u8>, Discard)] = &[
        ("nothing", vec![], Discard::Length { actual: 0, expected: 8 }),
        ("half a header", GOOD[..7].to_vec(), Discard::Length { actual: 7, expected: 8 }),
        ("version 1", changed(&GOOD, &[(0, 0x11)]), Discard::Version(1)),
        ("version 4", changed(&GOOD, &[(0, 0x41)]), Discard::Version(4)),
        ("type 2", changed(&GOOD, &[(0, 0x32)]), Discard::Type(2)),
        ("truncated", truncated.to_vec(), Discard::Length { actual: 15, expected: 16 }),
        ("oversized", long, Discard::Length { actual: 17, expected: 16 }),
        (
            "count beyond the packet",
            changed(&GOOD, &[(3, 3)]),
            Discard::Length { actual: 16, expected: 20 },
        ),
        ("VRID of others", changed(&GOOD, &[(1, 11)]), Discard::Vrid(11)),
        ("VRID 0", changed(&GOOD, &[(1, 0)]), Discard::Vrid(0)),
        ("no address", resealed(&[0x31, 10, 200, 0, 0, 100, 0, 0]), Discard::NoAddress),
    ];
    for (why, message, discard) in rows {
        assert_eq!(outcome(multicast(message), 10, &version_3()), Err(*discard), "{why}");
    }
    let mut broken = GOOD;
    broken[7] ^= 1;
    let discard = Discard::Checksum { found: 0x828B };
    assert_eq!(outcome(multicast(&broken), 10, &version_3()), Err(discard));
}

#[test]
fn each_check_of_version_2_discards() {
    let rows: &[(&str, Vec<u8>, Discard)] = &[
        (
            "no authentication",
            changed(&CAPTURED, &[(4, 0)]),
            Discard::AuthType { theirs: 0, ours: 1 },
        ),
        (
            "authentication type 2",
            changed(&CAPTURED, &[(4, 2)]),
            Discard::AuthType { theirs: 2, ours: 1 },
        ),
        ("another password", changed(&CAPTURED, &[(12, b'x')]), Discard::Password),
        (
            "another interval",
            changed(&CAPTURED, &[(5, 2)]),
            Discard::Interval { theirs: 2, ours: AdvertInterval::DEFAULT },
        ),
        ("no trailer", resealed(&CAPTURED[..12]), Discard::Length { actual: 12, expected: 20 }),
    ];
    for (why, message, discard) in rows {
        assert_eq!(outcome(multicast(message), 51, &version_2()), Err(*discard), "{why}");
    }
    let mut with_pseudo_header = CAPTURED;
    with_pseudo_header[6..8].copy_from_slice(&[0, 0]);
    let datagram = multicast(&with_pseudo_header);
    let (source, group) = (datagram.source, datagram.destination);
    let found = checksum(&with_pseudo_header, Coverage::PseudoHeader, source, group);
    with_pseudo_header[6..8].copy_from_slice(&found.to_be_bytes());
    let discard = Discard::Checksum { found };
    assert_eq!(outcome(multicast(&with_pseudo_header), 51, &version_2()), Err(discard));
    let without_password = expectation(Dialect::V2(Auth::None), &["192.168.1.100"]);
    let discard = Discard::AuthType { theirs: 1, ours: 0 };
    assert_eq!(outcome(multicast(&CAPTURED), 51, &without_password), Err(discard));
}

#[test]
fn a_packet_that_crossed_a_router_is_discarded_before_anything_else() {
    for hops in [0, 64, 254] {
        let datagram = Datagram { hops, ..multicast(&[]) };
        assert_eq!(outcome(datagram, 10, &version_3()), Err(Discard::Hops(hops)));
    }
}

#[test]
fn the_other_version_is_named() {
    let other = outcome(multicast(&GOOD), 10, &version_2());
    assert_eq!(other, Err(Discard::OtherVersion { theirs: 3, ours: 2 }));
    let other = outcome(multicast(&CAPTURED), 51, &version_3());
    assert_eq!(other, Err(Discard::OtherVersion { theirs: 2, ours: 3 }));
}

#[test]
fn our_own_advert_is_not_a_peers() {
    let datagram = Datagram { source: ip("192.0.2.100"), ..multicast(&GOOD) };
    assert_eq!(outcome(datagram, 10, &version_3()), Err(Discard::Own));
}

#[test]
fn who_speaks_to_whom_must_be_as_configured() {
    let to_us = Datagram { destination: ip("192.0.2.100"), hops: 64, ..multicast(&GOOD) };
    let discard = Discard::Audience(ip("192.0.2.100"));
    assert_eq!(outcome(to_us, 10, &version_3()), Err(discard));
    // Another program of the host may have joined it (§5.1.1.2).
    let to_others = Datagram { destination: ip("224.0.0.100"), ..multicast(&GOOD) };
    let discard = Discard::Audience(ip("224.0.0.100"));
    assert_eq!(outcome(to_others, 10, &version_3()), Err(discard));

    let peers = |peer| Expectation { audience: Audience::Peers(vec![ip(peer)]), ..version_3() };
    assert!(outcome(Datagram { hops: 255, ..to_us }, 10, &peers("192.0.2.251")).is_ok());
    // A peer of our own subnet is a neighbour: what crossed a router is not from it.
    assert_eq!(outcome(to_us, 10, &peers("192.0.2.251")), Err(Discard::Hops(64)));
    let elsewhere = Expectation { own_prefix: 25, ..peers("192.0.2.251") };
    assert!(outcome(to_us, 10, &elsewhere).is_ok());
    let discard = Discard::Stranger(ip("192.0.2.251"));
    assert_eq!(outcome(to_us, 10, &peers("192.0.2.252")), Err(discard));
    let discard = Discard::Audience(ip("224.0.0.18"));
    assert_eq!(outcome(multicast(&GOOD), 10, &peers("192.0.2.251")), Err(discard));
}

#[test]
fn a_neighbour_may_resign_to_us_alone() {
    // As `GOOD`, with priority 0: its checksum is C800 more, in ones' complement.
    let resigns = [0x31, 0x0A, 0, 2, 0, 0x64, 0x4A, 0x8B, 0xC0, 0, 2, 1, 0xC0, 0, 2, 2];
    let to_us = Datagram { destination: ip("192.0.2.100"), ..multicast(&resigns) };
    assert!(outcome(to_us, 10, &version_3()).is_ok());
    let from_afar = Datagram { hops: 254, ..to_us };
    let discard = Discard::Audience(ip("192.0.2.100"));
    assert_eq!(outcome(from_afar, 10, &version_3()), Err(discard));
    let to_others = Datagram { destination: ip("224.0.0.100"), ..to_us };
    let discard = Discard::Audience(ip("224.0.0.100"));
    assert_eq!(outcome(to_others, 10, &version_3()), Err(discard));
}

fn v6(message: &[u8]) -> Datagram<'_> {
    Datagram { source: ip("fe80::c8"), destination: ip("ff02::12"), hops: 255, message }
}

#[test]
fn ipv6_has_version_3_only_and_a_link_local_address_first() {
    let router = Expectation {
        own: ip("fe80::64"),
        ..expectation(Dialect::V3(Checksum::Auto), &["fe80::1", "2001:db8::1"])
    };
    // VRID 10, priority 100, 1 s, fe80::1 and 2001:db8::1, from fe80::c8: checksum 3F5D.
    let mut message = vec![0x31, 0x0A, 0x64, 0x02, 0x00, 0x64, 0x3F, 0x5D];
    let [link_local, global] =
        ["fe80::1", "2001:db8::1"].map(|text| text.parse::<std::net::Ipv6Addr>().unwrap().octets());
    message.extend([link_local, global].concat());
    let heard = outcome(v6(&message), 10, &router).unwrap();
    assert_eq!(heard.advert.addresses, [ip("fe80::1"), ip("2001:db8::1")]);

    // Swapped, the sum is the same.
    message.truncate(8);
    message.extend([global, link_local].concat());
    assert_eq!(outcome(v6(&message), 10, &router), Err(Discard::NotLinkLocal));

    message[0] = 0x21;
    assert_eq!(outcome(v6(&message), 10, &router), Err(Discard::Version(2)));

    // Without the pseudo-header the checksum is wrong.
    message[0] = 0x31;
    message[6..8].copy_from_slice(&[0, 0]);
    let sum = checksum(&message, Coverage::Message, ip("fe80::c8"), ip("ff02::12"));
    message[6..8].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(outcome(v6(&message), 10, &router), Err(Discard::Checksum { found: sum }));
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_panic(message in proptest::collection::vec(any::<u8>(), 0..80), hops: u8) {
            let datagram = Datagram { hops, ..multicast(&message) };
            for router in [version_2(), version_3()] {
                // Whatever is heard fits into the packet.
                if let Ok((_, heard)) = accept(&datagram, |_| Some((0, &router))) {
                    prop_assert!(heard.advert.addresses.len() * 4 < message.len());
                }
            }
        }

        /// What we write we read, whatever it says.
        #[test]
        fn survive_being_written(
            vrid in 1..=255_u8,
            priority: u8,
            centiseconds in 1..=4095_u16,
            last in 1..=255_u8,
        ) {
            let claim = Priority::try_from(priority).map_or(Claim::Resign, Claim::Lead);
            let advert = Advert {
                vrid: Vrid::try_from(vrid).unwrap(),
                claim,
                interval: interval(centiseconds),
                addresses: vec![IpAddr::from([192, 0, 2, last])],
            };
            let (source, destination) = (ip("192.0.2.251"), ip("224.0.0.18"));
            for coverage in [Coverage::Message, Coverage::PseudoHeader] {
                let format = crate::wire::Format::V3(coverage);
                let message = crate::wire::advert::emit(&advert, format, source, destination);
                let heard = outcome(multicast(&message), vrid, &version_3()).unwrap();
                prop_assert_eq!(&heard.advert, &advert);
            }
        }

        #[test]
        fn of_version_2_survive_being_written(
            vrid in 1..=255_u8,
            priority: u8,
            seconds in 1..=40_u16,
            count in 1..=255_usize,
            password in proptest::option::of("[ -~]{1,8}"),
        ) {
            let claim = Priority::try_from(priority).map_or(Claim::Resign, Claim::Lead);
            let auth = password.map_or(Auth::None, |text| Auth::Pass(Password::from_text(&text)));
            let advert = Advert {
                vrid: Vrid::try_from(vrid).unwrap(),
                claim,
                interval: interval(seconds * 100),
                addresses: vec![ip("192.0.2.1"); count],
            };
            let router = Expectation {
                interval: advert.interval,
                ..expectation(Dialect::V2(auth), &["192.0.2.1"])
            };
            let (source, destination) = (ip("192.0.2.251"), ip("224.0.0.18"));
            let format = crate::wire::Format::V2(auth);
            let message = crate::wire::advert::emit(&advert, format, source, destination);
            prop_assert_eq!(outcome(multicast(&message), vrid, &router).unwrap().advert, advert);
        }

        #[test]
        fn over_ipv6_survive_being_written(
            vrid in 1..=255_u8,
            priority: u8,
            centiseconds in 1..=4095_u16,
            count in 1..=90_usize,
        ) {
            let claim = Priority::try_from(priority).map_or(Claim::Resign, Claim::Lead);
            let advert = Advert {
                vrid: Vrid::try_from(vrid).unwrap(),
                claim,
                interval: interval(centiseconds),
                addresses: vec![ip("fe80::1"); count],
            };
            let router =
                Expectation { own: ip("fe80::64"), ..expectation(Dialect::V3(Checksum::Auto), &[]) };
            let format = crate::wire::Format::V3(Coverage::PseudoHeader);
            let (source, destination) = (ip("fe80::c8"), ip("ff02::12"));
            let message = crate::wire::advert::emit(&advert, format, source, destination);
            prop_assert_eq!(outcome(v6(&message), vrid, &router).unwrap().advert, advert);
        }
    }
}
