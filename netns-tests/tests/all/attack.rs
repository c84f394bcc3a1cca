//! Hostile neighbours: a pair keeps its address, its pace and its temper, and counts what it was sent.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread::sleep;
use std::time::Duration;

use lab::{Moment, Running, ipv4, wait_until};
use netns_tests::adverts::Listener;
use netns_tests::attacker::{Attacker, Forged, frames};
use netns_tests::{Duel, LIMIT, usage};
use pnet_base::MacAddr;
use socket2::{Domain, InterfaceIndexOrAddress, Socket, Type};
use vipd::status;
use vrrp::wire::checksum::checksum;
use vrrp::wire::{Coverage, GROUP_V6, envelope};
use vrrpd::status::Status;

const VIP: &str = "10.77.0.200";

/// The neighbour's own address.
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

const INTERVAL: Duration = Duration::from_millis(100);

/// A pair that has settled, and a neighbour.
struct Scene {
    duel: Duel,
    nodes: [Running; 2],
    attacker: Attacker,
}

impl Scene {
    fn new() -> Self {
        Self::with(["", ""])
    }

    /// With these lines in the nodes' tables.
    fn with(lines: [&str; 2]) -> Self {
        Self::speaking(lines.map(|lines| format!("advert_interval = \"100ms\"\n{lines}")))
    }

    /// With these lines, the interval's among them.
    fn speaking(lines: [String; 2]) -> Self {
        let mut duel = Duel::new(VIP);
        let config = |priority: u8, lines: &str| {
            format!(
                "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\n\
                 priority = {priority}\naddresses = [\"{VIP}\"]\n{lines}"
            )
        };
        let nodes = [duel.vipd(0, &config(150, &lines[0])), duel.vipd(1, &config(100, &lines[1]))];
        duel.wait_for(&[0]);
        sleep(INTERVAL * 5);
        let attacker = Attacker::at(&duel.client);
        Self { duel, nodes, attacker }
    }

    fn status(&self, host: usize) -> Status {
        status::vrrpd(&self.duel.runtime_dir(host)).unwrap()
    }

    /// Changes of state of both routers so far.
    fn changes(&self) -> [usize; 2] {
        [0, 1].map(|host| self.status(host).routers[0].history.len())
    }

    fn log_lines(&self) -> [usize; 2] {
        [0, 1].map(|host| self.nodes[host].log().lines().count())
    }

    /// Nobody panicked, nobody was replaced.
    fn is_unharmed(&self, before: &[Status; 2]) {
        for host in [0, 1] {
            assert_eq!(self.status(host).pid, before[host].pid, "{}", self.nodes[host].log());
            assert!(!self.nodes[host].log().contains("panic"), "{}", self.nodes[host].log());
        }
    }
}

const STRANGER_MAC: MacAddr = MacAddr(0x02, 0x77, 0, 0, 0, 0x64);

/// Version 3, VRID 51, every 100 ms, the pair's address: right in everything but who sends it.
fn advert(priority: u8) -> Vec<u8> {
    vec![0x31, 51, priority, 1, 0, 10, 0, 0, 10, 77, 0, 200]
}

fn changed(at: usize, byte: u8) -> Vec<u8> {
    let mut message = advert(200);
    message[at] = byte;
    message
}

/// Everything that has to be discarded, with the reason it is counted under.
fn rejected() -> Vec<(&'static str, Forged)> {
    let from = |message| Forged::from(STRANGER, message);
    let sealed = |message| from(message).sealed();
    let other_version = [&[0x21, 51, 200, 1, 0, 1, 0, 0, 10, 77, 0, 200][..], &[0; 8]].concat();
    let no_address = vec![0x31, 51, 200, 0, 0, 10, 0, 0];
    let mut broken = sealed(advert(200));
    broken.message[7] ^= 1;
    vec![
        ("length", from(vec![0x31, 51, 200, 1])),
        ("length", sealed(advert(200)[..11].to_vec())),
        ("length", sealed([&advert(200)[..], &[0; 400]].concat())),
        ("length", sealed(changed(3, 255))),
        ("checksum", broken),
        ("hops", Forged { ttl: 254, ..sealed(advert(200)) }),
        ("hops", Forged { ttl: 64, ..sealed(advert(255)) }),
        ("version", sealed(changed(0, 0x41))),
        ("type", sealed(changed(0, 0x32))),
        ("other_version", sealed(other_version)),
        ("zero_interval", sealed(changed(5, 0))),
        ("no_address", sealed(no_address)),
        ("vrid", sealed(changed(1, 52))),
        ("vrid", sealed(changed(1, 0))),
    ]
}

/// How often each reason was counted, by routers and before one was found.
fn counted(status: &Status) -> BTreeMap<String, u64> {
    let mut counted = status.discarded.clone();
    for (reason, count) in &status.routers[0].discarded {
        *counted.entry(reason.clone()).or_default() += count;
    }
    counted
}

#[test]
fn what_has_to_be_discarded_moves_nobody_and_is_counted() {
    const ROUNDS: usize = 40;
    let mut scene = Scene::new();
    let asked = Moment::now();
    let before = [scene.status(0), scene.status(1)];
    let since = Moment::now();
    let (changes, log_lines) = (scene.changes(), scene.log_lines());
    let packets = rejected();
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (reason, forged) in &packets {
            assert!(scene.attacker.send(forged), "{reason}");
            *expected.entry((*reason).to_owned()).or_default() += 1;
            sleep(Duration::from_millis(2));
        }
        // To us alone, where the group is meant; and a fragment that is never completed.
        for number in [11, 12] {
            let destination = ipv4(number);
            let alone = Forged { destination, ..Forged::from(STRANGER, advert(200)) };
            assert!(scene.attacker.send(&alone.sealed()));
        }
        let fragment = Forged { fragment: 0x2000, ..Forged::from(STRANGER, advert(200)) };
        assert!(scene.attacker.send(&fragment));
        *expected.entry("audience".to_owned()).or_default() += 1;
    }
    sleep(INTERVAL * 2);
    // Adverts went on at their pace: a rejected packet touches no timer.
    let intervals =
        |time: Duration| u64::try_from(time.as_millis() / INTERVAL.as_millis()).unwrap();
    let least = intervals(since.elapsed()) - 1;
    let sent = scene.status(0).routers[0].sent - before[0].routers[0].sent;
    let most = intervals(asked.elapsed()) + 1;
    assert!((least..=most).contains(&sent), "{sent} adverts, not {least} to {most}");
    assert_eq!(scene.duel.owners.owners(), ["lb1"]);
    assert_eq!(scene.changes(), changes);
    scene.is_unharmed(&before);
    for host in [0, 1] {
        let status = scene.status(host);
        assert_eq!(counted(&status), expected, "host {host}");
        // One line for each reason.
        let lines = scene.log_lines()[host] - log_lines[host];
        assert!(lines <= 10, "{lines} lines of log:\n{}", scene.nodes[host].log());
        let [sender] = &status.rejected.ours[..] else { panic!("{:?}", status.rejected.ours) };
        assert_eq!(sender.address, STRANGER);
        assert_eq!(sender.total, (packets.len() as u64 - 1) * ROUNDS as u64);
        assert_eq!(sender.adverts.len(), 32);
        assert_eq!(status.rejected.foreign[0].adverts[0].vrid, Some(0));
    }
}

/// As fast as a neighbour may like, and from a crowd of forged sources.
#[test]
fn measures_a_flood_of_what_has_to_be_discarded_moves_nobody() {
    let mut scene = Scene::new();
    let before = [scene.status(0), scene.status(1)];
    let (changes, log_lines) = (scene.changes(), scene.log_lines());
    let mut packets: Vec<Forged> = rejected().into_iter().map(|(_, forged)| forged).collect();
    for last in 101..=199 {
        packets.push(Forged { ttl: 1, ..Forged::from(ipv4(last), advert(200)) });
    }
    let pids: Vec<u32> = before.iter().map(|status| status.pid).collect();
    let memory = usage::rss_kb(&pids).unwrap();
    let listener = Listener::start(&scene.duel.client).unwrap();
    let sent = scene.attacker.flood(&packets, 50_000, Duration::from_secs(3));
    let heard = listener.stop().unwrap();
    let grown = usage::rss_kb(&pids).unwrap() - memory;
    sleep(INTERVAL * 5);
    assert!(sent >= 10_000, "only {sent} packets went out");
    let late = heard.lateness(ipv4(11), INTERVAL, 990);
    println!("{sent} packets went out; p99 lateness {late:.2} ms; {grown:.0} kB more memory");
    assert!(heard.count(ipv4(11)) >= 25 && late <= 10.0, "{late} ms late");
    assert!(grown <= 1_000.0, "{grown} kB more memory");
    assert_eq!(scene.duel.owners.owners(), ["lb1"]);
    assert_eq!(scene.changes(), changes);
    scene.is_unharmed(&before);
    for host in [0, 1] {
        let status = scene.status(host);
        let counted: u64 = counted(&status).values().sum();
        assert!(counted >= u64::from(sent) / 2, "{counted} of {sent} were counted");
        assert_eq!((status.rejected.ours.len(), status.rejected.foreign.len()), (16, 1));
        // One line a second for each of the reasons, however many send.
        let log = scene.nodes[host].log();
        let lines = scene.log_lines()[host] - log_lines[host];
        assert!(lines <= 16, "{lines} lines of log:\n{log}");
        let of_one = log.matches("it crossed a router").count();
        assert!(of_one <= 5, "{of_one} lines of one reason in 3 s:\n{log}");
    }
}

/// Priority 255 has to be believed. Whoever sends it has the address's fate in its hands; once it is
/// silent, the pair goes on as before, and neither node moved more than it had to.
#[test]
fn a_forged_owner_is_followed_and_forgotten() {
    let mut scene = Scene::new();
    let before = [scene.status(0), scene.status(1)];
    let (changes, log_lines) = (scene.changes(), scene.log_lines());
    let owner = Forged::from(STRANGER, advert(255)).sealed();
    scene.attacker.flood(&[owner], 200, Duration::from_secs(2));
    let since = Moment::now();
    assert_eq!(scene.duel.owners.owners(), [] as [String; 0]);
    scene.duel.wait_for(&[0]);
    assert!(since.elapsed() <= Duration::from_millis(1_500), "{:?}", since.elapsed());
    sleep(INTERVAL * 5);
    assert_eq!(scene.duel.owners.owners(), ["lb1"]);
    // The first yielded and came back; the second stayed what it was.
    let moved = scene.changes();
    assert!(moved[0] - changes[0] <= 3 && moved[1] - changes[1] <= 2, "{changes:?} {moved:?}");
    scene.is_unharmed(&before);
    for host in [0, 1] {
        let lines = scene.log_lines()[host] - log_lines[host];
        assert!(lines <= 12, "{lines} lines of log:\n{}", scene.nodes[host].log());
    }
}

/// A stranger's resignation is nobody's: each is answered with an advert (RFC 9568 §6.4.3), and no
/// Backup believes that its Active router is gone.
#[test]
fn a_strangers_resignations_move_nobody() {
    let mut scene = Scene::new();
    let before = [scene.status(0), scene.status(1)];
    let (changes, log_lines) = (scene.changes(), scene.log_lines());
    let resignation = Forged::from(STRANGER, advert(0)).sealed();
    let sent = scene.attacker.flood(&[resignation], 500, Duration::from_secs(2));
    sleep(INTERVAL * 5);
    assert_eq!(scene.duel.owners.owners(), ["lb1"]);
    assert_eq!(scene.changes(), changes);
    scene.is_unharmed(&before);
    let answered = scene.status(0).routers[0].sent - before[0].routers[0].sent;
    assert!(answered <= u64::from(sent) + 40, "{answered} adverts for {sent} resignations");
    assert_eq!(scene.log_lines(), log_lines, "{}", scene.nodes[0].log());
}

/// One forged interval of 40.95 s in the Active router's name does not switch failover off.
#[test]
fn a_forged_interval_is_forgotten_with_the_next_advert() {
    let mut scene = Scene::new();
    let mut message = advert(150);
    message[4..6].copy_from_slice(&[0x0F, 0xFF]);
    let slow = Forged::from(ipv4(11), message).sealed();
    assert!(scene.attacker.send(&slow));
    sleep(INTERVAL * 3);
    scene.duel.lab.cut("lb1").unwrap();
    let since = Moment::now();
    scene.duel.wait_for(&[0, 1]);
    // 361 ms, and the machine's noise.
    assert!(since.elapsed() <= Duration::from_millis(1_500), "{:?}", since.elapsed());
    let [_, mut second] = scene.nodes;
    second.stop(LIMIT).unwrap();
}

/// keepalived believes both of these: a stranger at any TTL, and a peer's address from behind a router.
#[test]
fn a_unicast_pair_hears_its_peer_and_nobody_else() {
    let mut scene = Scene::with(["peers = [\"10.77.0.12\"]\n", "peers = [\"10.77.0.11\"]\n"]);
    let changes = scene.changes();
    let to = |source, destination, ttl, priority| {
        Forged { destination, ttl, ..Forged::from(source, advert(priority)) }.sealed()
    };
    for priority in [0, 255] {
        for ttl in [255, 64] {
            assert!(scene.attacker.send(&to(STRANGER, ipv4(11), ttl, priority)));
            assert!(scene.attacker.send(&to(STRANGER, ipv4(12), ttl, priority)));
        }
        assert!(scene.attacker.send(&to(ipv4(12), ipv4(11), 64, priority)));
        assert!(scene.attacker.send(&to(ipv4(11), ipv4(12), 254, priority)));
        assert!(scene.attacker.send(&Forged::from(STRANGER, advert(priority)).sealed()));
    }
    sleep(INTERVAL * 5);
    assert_eq!(scene.duel.owners.owners(), ["lb1"]);
    assert_eq!(scene.changes(), changes);
    for host in [0, 1] {
        let counted = counted(&scene.status(host));
        let of = |reason| counted.get(reason).copied();
        let expected = [Some(4), Some(2), Some(2)];
        assert_eq!(["stranger", "hops", "audience"].map(of), expected, "{counted:?}");
    }
}

/// Whoever does not know the password is not heard in version 2, nor who has another interval.
#[test]
fn a_pair_with_a_password_hears_nobody_without() {
    let lines = "version = 2\nadvert_interval = \"1s\"\nauth_pass = \"42\"\n".to_owned();
    let mut scene = Scene::speaking([lines.clone(), lines]);
    sleep(Duration::from_secs(1));
    let changes = scene.changes();
    let advert = |priority, auth_type, seconds, password: &[u8; 8]| {
        let head = [0x21, 51, priority, 1, auth_type, seconds, 0, 0, 10, 77, 0, 200];
        Forged::from(STRANGER, [&head[..], password].concat()).sealed()
    };
    for priority in [0, 255] {
        for forged in [
            advert(priority, 1, 1, b"43\0\0\0\0\0\0"),
            advert(priority, 0, 1, &[0; 8]),
            advert(priority, 2, 1, b"42\0\0\0\0\0\0"),
            advert(priority, 1, 2, b"42\0\0\0\0\0\0"),
        ] {
            assert!(scene.attacker.send(&forged));
        }
    }
    sleep(Duration::from_millis(1_500));
    assert_eq!(scene.duel.owners.owners(), ["lb1"]);
    assert_eq!(scene.changes(), changes);
    for host in [0, 1] {
        let counted = counted(&scene.status(host));
        let of = |reason| counted.get(reason).copied();
        let expected = [Some(2), Some(4), Some(2)];
        assert_eq!(["password", "auth_type", "interval"].map(of), expected, "{counted:?}");
    }
}

fn lesser_message() -> Vec<u8> {
    Forged::from(STRANGER, advert(50)).sealed().message
}

/// Other programs of a host join what groups they like. What is sent to those is not ours: the kernel does
/// not hand it over, and it is not even counted.
#[test]
fn what_another_programs_group_gets_is_not_heard() {
    const OTHER: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 100);
    let scene = Scene::new();
    let node = &scene.duel.hosts[0];
    let member = node.run(|| Socket::new(Domain::IPV4, Type::DGRAM, None)).unwrap().unwrap();
    let eth0 = InterfaceIndexOrAddress::Index(node.interface_index());
    member.join_multicast_v4_n(&OTHER, &eth0).unwrap();
    let received = || scene.status(0).routers[0].received;
    let before = received();
    for _ in 0..3 {
        let other = Forged { destination: OTHER, ..Forged::from(STRANGER, advert(200)) };
        assert!(scene.attacker.send(&other.sealed()));
    }
    assert!(scene.attacker.send(&Forged::from(STRANGER, advert(50)).sealed()));
    wait_until("what came after them was heard", LIMIT, || received() == before + 1).unwrap();
    assert_eq!(counted(&scene.status(0)), BTreeMap::new());
}

/// Over IPv6 the kernel hands it over, whatever a raw socket asks for; then it is discarded.
#[test]
fn what_another_programs_group_gets_over_ipv6_is_discarded() {
    let SceneV6 { scene, frames } = SceneV6::new();
    let node = &scene.duel.hosts[0];
    let member = node.run(|| Socket::new(Domain::IPV6, Type::DGRAM, None)).unwrap().unwrap();
    let other: Ipv6Addr = "ff02::64".parse().unwrap();
    member.join_multicast_v6(&other, node.interface_index()).unwrap();
    let received = || scene.status(0).routers[0].received;
    let before = received();
    let source: IpAddr = "fe80::77:ff:fe00:64".parse().unwrap();
    let mut message = advert_v6(200);
    let sum = checksum(&message, Coverage::PseudoHeader, source, other.into());
    message[6..8].copy_from_slice(&sum.to_be_bytes());
    let mut frame = envelope::frame(STRANGER_MAC, source, &message);
    // The ends of the group's MAC address and of its own.
    (frame[5], frame[14 + 39]) = (0x64, 0x64);
    for _ in 0..3 {
        frames.send(&frame).unwrap();
    }
    frames.send(&frame_v6(0x64, advert_v6(50))).unwrap();
    wait_until("what came after them was heard", LIMIT, || received() == before + 1).unwrap();
    assert_eq!(counted(&scene.status(0)), BTreeMap::from([("audience".to_owned(), 3)]));
}

/// Options in the header and addresses that are not ours make an advert odd, not wrong; and nobody
/// believes what comes in its own name.
#[test]
fn what_is_odd_is_heard_and_moves_nobody() {
    let mut scene = Scene::new();
    let (changes, before) = (scene.changes(), scene.status(0).routers[0].received);
    let lesser = Forged::from(STRANGER, advert(50)).sealed();
    let mut other = advert(50);
    other[11] = 201;
    let two = [&[0x31, 51, 50, 2, 0, 10, 0, 0, 10, 77, 0, 200][..], &[10, 77, 0, 201]].concat();
    for forged in [
        Forged { options: vec![1; 4], ..lesser.clone() },
        Forged { options: vec![1; 40], ..lesser },
        Forged::from(STRANGER, other).sealed(),
        Forged::from(STRANGER, two).sealed(),
    ] {
        assert!(scene.attacker.send(&forged));
    }
    // A short packet in a frame of the least length that Ethernet has.
    let mut padded = envelope::frame(STRANGER_MAC, STRANGER.into(), &lesser_message());
    padded.resize(60, 0);
    frames(&scene.duel.client).send(&padded).unwrap();
    sleep(INTERVAL);
    assert_eq!(scene.status(0).routers[0].received - before, 5);
    // What bears our own source the kernel drops, or we do.
    assert!(scene.attacker.send(&Forged::from(ipv4(11), advert(255)).sealed()));
    sleep(INTERVAL * 5);
    assert_eq!(scene.status(0).routers[0].received - before, 5);
    assert_eq!(scene.duel.owners.owners(), ["lb1"]);
    assert_eq!(scene.changes(), changes);
}

/// The same pair and neighbour over IPv6.
struct SceneV6 {
    scene: Scene,
    frames: vrrpd::io::frames::Frames,
}

/// As [`advert`], with the addresses that IPv6 needs.
fn advert_v6(priority: u8) -> Vec<u8> {
    let addresses = ["fe80::200:5eff:fe00:233", "fd77::200"];
    let octets = addresses.map(|text| text.parse::<Ipv6Addr>().unwrap().octets());
    [&[0x31, 51, priority, 2, 0, 10, 0, 0][..], octets.as_flattened()].concat()
}

fn changed_v6(at: usize, byte: u8) -> Vec<u8> {
    let mut message = advert_v6(200);
    message[at] = byte;
    message
}

/// A frame from a link-local address of this interface identifier's end.
fn frame_v6(last: u8, mut message: Vec<u8>) -> Vec<u8> {
    let source: IpAddr = format!("fe80::77:ff:fe00:{last:x}").parse().unwrap();
    let sum = checksum(&message, Coverage::PseudoHeader, source, GROUP_V6.into());
    message[6..8].copy_from_slice(&sum.to_be_bytes());
    envelope::frame(STRANGER_MAC, source, &message)
}

/// What has to be discarded over IPv6, with the reason it is counted under.
fn rejected_v6() -> Vec<(&'static str, Vec<u8>)> {
    let sealed = |message| frame_v6(0x64, message);
    let with = |at: usize, byte: u8| {
        let mut frame = sealed(advert_v6(200));
        frame[at] = byte;
        frame
    };
    let [first, second] = [8..24, 24..40].map(|range| advert_v6(200)[range].to_vec());
    let turned = [&advert_v6(200)[..8], &second, &first].concat();
    vec![
        // The header's hop limit; a byte of the checksum, behind the headers.
        ("hops", with(14 + 7, 254)),
        ("hops", with(14 + 7, 64)),
        ("checksum", with(14 + 40 + 7, 0)),
        ("version", sealed(changed_v6(0, 0x41))),
        ("version", sealed(changed_v6(0, 0x21))),
        ("type", sealed(changed_v6(0, 0x32))),
        ("length", sealed(advert_v6(200)[..39].to_vec())),
        ("length", sealed([&advert_v6(200)[..], &[0; 400]].concat())),
        ("length", sealed(changed_v6(3, 255))),
        ("zero_interval", sealed(changed_v6(5, 0))),
        ("no_address", sealed(vec![0x31, 51, 200, 0, 0, 10, 0, 0])),
        ("not_link_local", sealed(turned)),
        ("vrid", sealed(changed_v6(1, 52))),
    ]
}

impl SceneV6 {
    fn new() -> Self {
        let mut duel = Duel::new("fd77::200");
        let config = |priority: u8| {
            format!(
                "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\n\
                 priority = {priority}\naddresses = [\"fe80::200:5eff:fe00:233\", \"fd77::200\"]\n\
                 advert_interval = \"100ms\"\n"
            )
        };
        let nodes = [duel.vipd(0, &config(150)), duel.vipd(1, &config(100))];
        duel.wait_for(&[0]);
        sleep(INTERVAL * 5);
        let (attacker, frames) = (Attacker::at(&duel.client), frames(&duel.client));
        Self { scene: Scene { duel, nodes, attacker }, frames }
    }
}

/// Each kind over IPv6; what comes in the Active router's own name it discards, and padding is no matter.
#[test]
fn what_has_to_be_discarded_over_ipv6_moves_nobody_and_is_counted() {
    const ROUNDS: u64 = 20;
    let SceneV6 { mut scene, frames } = SceneV6::new();
    let (changes, received) = (scene.changes(), scene.status(0).routers[0].received);
    let before = [scene.status(0), scene.status(1)];
    let packets = rejected_v6();
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (reason, frame) in &packets {
            frames.send(frame).unwrap();
            *expected.entry((*reason).to_owned()).or_default() += 1;
            sleep(Duration::from_millis(2));
        }
    }
    sleep(INTERVAL * 2);
    assert_eq!(
        [0, 1].map(|host| counted(&scene.status(host))),
        [expected.clone(), expected.clone()]
    );
    for _ in 0..ROUNDS {
        frames.send(&frame_v6(0x0b, advert_v6(255))).unwrap();
        sleep(Duration::from_millis(2));
    }
    let mut padded = frame_v6(0x64, advert_v6(50));
    padded.extend([0; 40]);
    frames.send(&padded).unwrap();
    sleep(INTERVAL * 5);
    expected.insert("own".to_owned(), ROUNDS);
    assert_eq!(counted(&scene.status(0)), expected);
    assert_eq!(scene.status(0).routers[0].received - received, 1);
    assert_eq!(scene.duel.owners.owners(), ["lb1"]);
    assert_eq!(scene.changes(), changes);
    scene.is_unharmed(&before);
}
