//! The virtual router's own MAC address (RFC 9568 §7.3, §8.1.2), as a client and the cable see it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use lab::{Moment, probe, wait_until};
use netns_tests::capture::{Capture, Recorded};
use netns_tests::link::{ip, neighbour, setting};
use netns_tests::{Duel, LIMIT, PLANNED};

const VIP: &str = "10.77.0.200";
const VIP6: &str = "fd77::200";
const LINK_LOCAL: &str = "fe80::200:5eff:fe00:233";

/// Of VRID 51.
const MAC: &str = "00:00:5e:00:01:33";
const MAC6: &str = "00:00:5e:00:02:33";

fn node(priority: u8, lines: &str) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\", \"{LINK_LOCAL}\", \"{VIP6}\"]\nadvert_interval = \"100ms\"\n\
         virtual_mac = true\n{lines}"
    )
}

fn links(duel: &Duel, host: usize) -> Vec<String> {
    let shown = ip(&duel.hosts[host], &["-brief", "link", "show", "type", "macvlan"]);
    shown.lines().map(str::to_owned).collect()
}

/// Who answers the client for the addresses, after a ping of each.
fn answering(duel: &Duel) -> [Option<String>; 2] {
    ping(duel, VIP);
    ping(duel, VIP6);
    [neighbour(&duel.client, VIP), neighbour(&duel.client, VIP6)]
}

fn ping(duel: &Duel, address: &str) {
    let mut command = Command::new(netns_tests::peer("ping"));
    command.args(["-c", "1", "-W", "2", address]);
    let output = duel.client.output(&mut command, LIMIT).unwrap();
    assert!(output.status.success(), "{address}: {}", String::from_utf8_lossy(&output.stdout));
}

/// Rows of the frames that `filter` chooses: sender, and the MAC address that ARP or ND tells.
fn senders(recorded: &Recorded, filter: &str, told: &str) -> Vec<Vec<String>> {
    let mut rows = recorded.tshark(filter, &["eth.src", told]);
    rows.sort();
    rows.dedup();
    rows
}

#[test]
fn bears_adverts_answers_and_announcements() {
    let mut duel = Duel::new(VIP);
    let capture = Capture::start(&duel, &duel.client);
    let _vipd = duel.vipd(0, &node(150, ""));
    duel.wait_for(&[0]);
    assert_eq!(answering(&duel), [Some(MAC.to_owned()), Some(MAC6.to_owned())]);
    ping(&duel, &format!("{LINK_LOCAL}%eth0"));
    ping(&duel, "10.77.0.11");
    // The node's own address is its interface's, and so is what it asks for.
    let own = "02:77:00:00:00:0b";
    assert_eq!(neighbour(&duel.client, "10.77.0.11").as_deref(), Some(own));
    sleep(Duration::from_millis(700));
    let recorded = capture.stop();
    recorded.adverts_are_valid("10.77.0.11");
    recorded.adverts_are_valid("fe80::77:ff:fe00:b");
    let expected = |rows: &[[&str; 2]]| {
        rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(senders(&recorded, "vrrp && ip", "ip.src"), expected(&[[MAC, "10.77.0.11"]]));
    let adverts = senders(&recorded, "vrrp && ipv6", "ipv6.src");
    assert_eq!(adverts, expected(&[[MAC6, "fe80::77:ff:fe00:b"]]));
    let arp = format!("arp.src.proto_ipv4 == {VIP}");
    assert_eq!(senders(&recorded, &arp, "arp.src.hw_mac"), expected(&[[MAC, MAC]]));
    let nd = format!("icmpv6.type == 136 && icmpv6.nd.na.target_address == {VIP6}");
    assert_eq!(senders(&recorded, &nd, "icmpv6.opt.linkaddr"), expected(&[[MAC6, MAC6]]));
    // Asking for others, the node speaks for itself.
    let asks = "arp.opcode == 1 && arp.src.proto_ipv4 == 10.77.0.11";
    for row in senders(&recorded, asks, "arp.src.hw_mac") {
        assert_eq!(row, [own, own]);
    }
}

/// Nothing that a client has to learn: not one answer is lost when the address moves on purpose.
#[test]
fn stays_when_the_address_moves() {
    let mut duel = Duel::new(VIP);
    let mut first = duel.vipd(0, &node(150, ""));
    duel.wait_for(&[0]);
    let second = duel.vipd(1, &node(100, ""));
    second.wait_for_log("became Backup", LIMIT).unwrap();
    sleep(Duration::from_millis(500));
    let before = answering(&duel);
    // Down, without an address.
    assert!(links(&duel, 1).iter().all(|link| !link.contains("UP")), "{:?}", links(&duel, 1));
    let ping = duel.ping();
    let since = Moment::now();
    first.stop(LIMIT).unwrap();
    duel.wait_for(&[1]);
    sleep(Duration::from_millis(300));
    let silence = Duel::silence(&ping.stop(), since);
    assert!(silence <= PLANNED, "{silence} ms of silence");
    assert_eq!([neighbour(&duel.client, VIP), neighbour(&duel.client, VIP6)], before);
    assert_eq!(answering(&duel), before);
}

/// FRR's Backup answers after this (#16995): its address is configured all the time.
#[test]
fn a_backup_is_silent_also_after_a_link_flap() {
    let mut duel = Duel::new(VIP);
    let _active = duel.vipd(0, &node(150, ""));
    duel.wait_for(&[0]);
    let backup = duel.vipd(1, &node(100, ""));
    backup.wait_for_log("became Backup", LIMIT).unwrap();
    let capture = Capture::start(&duel, &duel.client);
    for _ in 0..2 {
        ip(&duel.hosts[1], &["link", "set", "eth0", "down"]);
        sleep(Duration::from_millis(200));
        ip(&duel.hosts[1], &["link", "set", "eth0", "up"]);
        sleep(Duration::from_millis(500));
        duel.lab.carrier("lb2", false).unwrap();
        sleep(Duration::from_millis(200));
        duel.lab.carrier("lb2", true).unwrap();
        sleep(Duration::from_millis(500));
        assert_eq!(duel.owners.owners(), ["lb1"]);
    }
    // The Active router falls mute; a client asks; the Backup must not answer before it took over.
    ip(&duel.client, &["neighbour", "flush", "dev", "eth0"]);
    assert_eq!(answering(&duel), [Some(MAC.to_owned()), Some(MAC6.to_owned())]);
    let recorded = capture.stop();
    // Its own MAC never claims the address, and the virtual one never leaves its port: the switch
    // still knows it at the first node's.
    let backup = "eth.src == 02:77:00:00:00:0c && arp.src.proto_ipv4 == 10.77.0.200";
    assert_eq!(senders(&recorded, backup, "arp.src.hw_mac"), [] as [Vec<String>; 0]);
    let fdb = {
        let mut bridge = Command::new(netns_tests::peer("bridge"));
        bridge.args(["fdb", "show", "br", "br-lab"]);
        let switch = duel.lab.switch();
        let child = switch.run(|| bridge.output()).unwrap().unwrap();
        String::from_utf8_lossy(&child.stdout).into_owned()
    };
    for mac in [MAC, MAC6] {
        let line = fdb.lines().find(|line| line.starts_with(mac)).unwrap_or_default();
        assert!(line.contains("dev lb1 "), "{mac}: {line:?}");
    }
}

#[test]
fn a_planned_stop_leaves_nothing_behind() {
    let mut duel = Duel::new(VIP);
    let host = duel.hosts[0].clone();
    host.namespace().sysctl("net/ipv4/conf/eth0/arp_announce", "1").unwrap();
    let config = node(150, "").replace("[\"10.77", "[\"10.77.0.201\", \"10.77");
    let mut vipd = duel.vipd(0, &config);
    duel.wait_for(&[0]);
    assert_eq!(setting(&host, "ipv4/conf/eth0/arp_ignore"), "1");
    assert_eq!(setting(&host, "ipv4/conf/eth0/arp_announce"), "2");
    assert_eq!(links(&duel, 0).len(), 2);
    vipd.stop(LIMIT).unwrap();
    assert_eq!(links(&duel, 0), [] as [String; 0]);
    assert_eq!(setting(&host, "ipv4/conf/eth0/arp_ignore"), "0");
    assert_eq!(setting(&host, "ipv4/conf/eth0/arp_announce"), "1");
}

/// A killed predecessor's link is known by its alias, and its parent's settings are put back by whoever
/// comes after it.
#[test]
fn what_a_killed_daemon_left_is_taken_over_and_cleaned_up() {
    let mut duel = Duel::new(VIP);
    let mut killed = duel.vipd(0, &node(150, ""));
    duel.wait_for(&[0]);
    killed.kill().unwrap();
    duel.wait_for(&[]);
    assert_eq!(links(&duel, 0).len(), 2, "the leases end, and the links stay, silent");
    let mut started = duel.vipd(
        0,
        &node(150, "virtual_mac_interface = \"vmac51\"\n")
            .replace("\"fe80::200:5eff:fe00:233\", \"fd77::200\"", "\"10.77.0.201\""),
    );
    duel.wait_for(&[0]);
    let left = links(&duel, 0);
    assert!(left.len() == 1 && left[0].starts_with("vmac51@eth0"), "{left:?}");
    started.stop(LIMIT).unwrap();
    assert_eq!(links(&duel, 0), [] as [String; 0]);
    assert_eq!(setting(&duel.hosts[0], "ipv4/conf/eth0/arp_ignore"), "0");
    assert_eq!(setting(&duel.hosts[0], "ipv4/conf/eth0/arp_announce"), "0");
}

/// The supervisor's successor goes on as Active, with the link as it is.
#[test]
fn measures_that_a_successor_goes_on() {
    let mut duel = Duel::new(VIP);
    let vipd = duel.vipd(0, &node(150, ""));
    duel.wait_for(&[0]);
    let before = ip(&duel.hosts[0], &["-o", "link", "show", "vrrp4-51"]);
    let ping = duel.ping();
    sleep(Duration::from_millis(500));
    let since = Moment::now();
    let mut kill = Command::new(netns_tests::peer("pkill"));
    kill.args(["-KILL", "--exact", "--parent", &vipd.pid().to_string(), "vrrpd"]);
    assert!(duel.hosts[0].output(&mut kill, LIMIT).unwrap().status.success());
    vipd.wait_for_log("goes on", LIMIT).unwrap();
    sleep(Duration::from_millis(500));
    let silence = Duel::silence(&ping.stop(), since);
    assert!(silence <= 100, "{silence} ms of silence");
    assert_eq!(ip(&duel.hosts[0], &["-o", "link", "show", "vrrp4-51"]), before);
}

#[test]
fn an_interface_of_that_name_by_others_is_told() {
    let mut duel = Duel::new(VIP);
    ip(&duel.hosts[0], &["link", "add", "vrrp4-51", "link", "eth0", "type", "macvlan"]);
    let vipd = duel.vipd(0, &node(150, ""));
    let told = "there is an interface vrrp4-51 that vipd did not make; remove it, or name another one with `virtual_mac_interface`";
    vipd.wait_for_log(told, LIMIT).unwrap();
    sleep(Duration::from_secs(1));
    assert_eq!(duel.owners.owners(), [] as [String; 0]);
    ip(&duel.hosts[0], &["link", "delete", "vrrp4-51"]);
    duel.wait_for(&[0]);
    assert_eq!(vipd.log().matches(told).count(), 1, "{}", vipd.log());
}

/// A link that somebody deletes is back, and so is the address.
#[test]
fn a_deleted_link_comes_back() {
    let mut duel = Duel::new(VIP);
    let mut vipd = duel.vipd(0, &node(150, ""));
    duel.wait_for(&[0]);
    ip(&duel.hosts[0], &["link", "delete", "vrrp4-51"]);
    duel.wait_for(&[]);
    duel.wait_for(&[0]);
    sleep(Duration::from_millis(500));
    assert_eq!(answering(&duel), [Some(MAC.to_owned()), Some(MAC6.to_owned())]);
    vipd.stop(LIMIT).unwrap();
    assert_eq!(links(&duel, 0), [] as [String; 0]);
}

/// IPv6 leaves an interface whose MTU falls below 1,280 bytes; what the parent is given back, so is
/// the macvlan.
#[test]
fn follows_its_parent() {
    let mut duel = Duel::new(VIP);
    let _vipd = duel.vipd(0, &node(150, ""));
    duel.wait_for(&[0]);
    let whole = [Some(MAC.to_owned()), Some(MAC6.to_owned())];
    assert_eq!(answering(&duel), whole);
    let lb1 = duel.hosts[0].clone();
    let mtu = |link| {
        let shown = ip(&lb1, &["link", "show", "dev", link]);
        shown.split_once("mtu ").map(|(_, rest)| rest.split(' ').next().unwrap().to_owned())
    };
    let addresses = |link| ip(&lb1, &["address", "show", "dev", link]);
    for size in ["576", "1500", "1400"] {
        ip(&lb1, &["link", "set", "dev", "eth0", "mtu", size]);
        let follows =
            || mtu("vrrp4-51").as_deref() == Some(size) && mtu("vrrp6-51").as_deref() == Some(size);
        wait_until(&format!("an MTU of {size}"), LIMIT, follows).unwrap();
    }
    wait_until("IPv6 was back", LIMIT, || addresses("vrrp6-51").contains(VIP6)).unwrap();
    // Brought down, renamed and deleted by somebody who does not know what they are for.
    let up = || addresses("vrrp4-51").contains(VIP) && addresses("vrrp4-51").contains("LOWER_UP");
    ip(&lb1, &["link", "set", "dev", "vrrp4-51", "down"]);
    wait_until("up again", LIMIT, up).unwrap();
    ip(&lb1, &["link", "set", "dev", "vrrp4-51", "down", "name", "mine"]);
    let back = || links(&duel, 0).iter().any(|link| link.starts_with("vrrp4-51@")) && up();
    wait_until("there under its name", LIMIT, back).unwrap();
    assert_eq!(links(&duel, 0).len(), 2, "{:?}", links(&duel, 0));
    ip(&lb1, &["link", "del", "dev", "vrrp4-51"]);
    wait_until("made again", LIMIT, back).unwrap();
    let answers = || probe::ping::answers(&duel.client, VIP.parse().unwrap()).unwrap();
    wait_until("the client was answered", LIMIT, answers).unwrap();
}
