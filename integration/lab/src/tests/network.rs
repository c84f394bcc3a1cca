//! The network and its faults.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;

use super::{SOON, lab, ms, small_lab};
use crate::fault::{Block, Direction};
use crate::host::Host;
use crate::probe::ping::{Ping, answers};
use crate::wait::wait_until;

/// Whether each of these addresses of `to` answers `from`.
fn reaches(from: &Host, to: &Host) -> [bool; 2] {
    to.addresses().map(|address| answers(from, address).unwrap())
}

/// Waits until both addresses answer: neighbours have to be found, on a machine that may be busy.
fn wait_until_reached(from: &Host, to: &Host) {
    wait_until("the host answers", SOON, || reaches(from, to) == [true, true]).unwrap();
}

#[test]
fn a_whole_lab_is_up_and_its_hosts_see_each_other() {
    let lab = lab();
    let hosts =
        [("lb1", 11), ("lb2", 12), ("web1", 21), ("web2", 22), ("web3", 23), ("client", 100)];
    let hosts = hosts.map(|(name, number)| lab.host(name, number).unwrap());
    for from in &hosts {
        for to in &hosts {
            wait_until_reached(from, to);
        }
    }
    // The link-local address is usable at once, too.
    let addresses = hosts[1].kernel_addresses().unwrap();
    let link_local = addresses.iter().find(|address| address.to_string().starts_with("fe80"));
    assert!(answers(&hosts[0], *link_local.unwrap()).unwrap());
    let nobody: IpAddr = "10.77.0.99".parse().unwrap();
    assert!(!answers(&hosts[0], nobody).unwrap());
    lab.host("lb1", 13).unwrap_err();
    lab.host("a name too long for a link", 13).unwrap_err();
}

#[test]
fn a_cut_port_loses_everything_and_keeps_its_carrier() {
    let (lab, lb1, lb2, client) = small_lab();
    wait_until_reached(&client, &lb1);
    lab.cut("lb1").unwrap();
    assert_eq!(reaches(&client, &lb1), [false, false]);
    wait_until_reached(&client, &lb2);
    assert!(has_carrier(&lb1));
    lab.heal("lb1").unwrap();
    wait_until_reached(&client, &lb1);
    lab.cut("lb9").unwrap_err();
}

#[test]
fn a_pulled_cable_takes_the_carrier_and_leaves_the_addresses() {
    let (lab, lb1, _, client) = small_lab();
    let before = lb1.kernel_addresses().unwrap();
    lab.carrier("lb1", false).unwrap();
    wait_until("the carrier is lost", SOON, || !has_carrier(&lb1)).unwrap();
    assert_eq!(reaches(&client, &lb1), [false, false]);
    assert_eq!(lb1.kernel_addresses().unwrap(), before);
    lab.carrier("lb1", true).unwrap();
    wait_until_reached(&client, &lb1);
    lab.carrier("lb1", false).unwrap();
    lab.heal("lb1").unwrap();
    wait_until_reached(&client, &lb1);
}

/// `eth0`'s flags have `IFF_LOWER_UP`.
fn has_carrier(host: &Host) -> bool {
    host.namespace()
        .netlink("look at eth0", async |handle| {
            let eth0 = crate::topology::link(&handle, "eth0").await?;
            Ok(eth0.header.flags.contains(netlink_packet_route::link::LinkFlags::LowerUp))
        })
        .unwrap()
}

/// Sends a datagram to everybody from each of two hosts; says whether it arrived at the other.
fn broadcasts(one: &Host, other: &Host) -> [bool; 2] {
    [(one, other), (other, one)].map(|(from, to)| {
        let open = |host: &Host| {
            host.run(|| {
                let socket = UdpSocket::bind("0.0.0.0:7777")?;
                socket.set_broadcast(true)?;
                socket.set_read_timeout(Some(ms(200)))?;
                Ok::<_, std::io::Error>(socket)
            })
            .unwrap()
            .unwrap()
        };
        let (sender, receiver) = (open(from), open(to));
        sender.send_to(b"hello", "10.77.0.255:7777").unwrap();
        receiver.recv(&mut [0; 16]).is_ok()
    })
}

#[test]
fn a_port_can_be_cut_one_way() {
    let (lab, lb1, _, client) = small_lab();
    wait_until_reached(&client, &lb1);
    assert_eq!(broadcasts(&lb1, &client), [true, true]);
    lab.cut_one_way("lb1", Direction::FromHost).unwrap();
    assert_eq!(broadcasts(&lb1, &client), [false, true]);
    assert_eq!(reaches(&client, &lb1), [false, false]);
    lab.heal("lb1").unwrap();
    assert_eq!(broadcasts(&lb1, &client), [true, true]);
    lab.cut_one_way("lb1", Direction::ToHost).unwrap();
    assert_eq!(broadcasts(&lb1, &client), [true, false]);
    assert_eq!(reaches(&client, &lb1), [false, false]);
    lab.heal("lb1").unwrap();
    wait_until_reached(&client, &lb1);
}

/// Connects within 300 ms, or says why not.
fn connect(from: &Host, address: IpAddr) -> Result<TcpStream, ErrorKind> {
    let address = SocketAddr::new(address, 7000);
    let connect = || TcpStream::connect_timeout(&address, ms(300));
    from.run(connect).unwrap().map_err(|error| error.kind())
}

#[test]
fn a_blocked_path_fails_new_and_established_connections_of_one_host_only() {
    let (_lab, lb1, lb2, web) = small_lab();
    let ports = web.addresses().map(|address| {
        web.run(|| TcpListener::bind(SocketAddr::new(address, 7000))).unwrap().unwrap()
    });
    for (how, refusal) in
        [(Block::Silent, ErrorKind::TimedOut), (Block::Unreachable, ErrorKind::HostUnreachable)]
    {
        for (address, port) in web.addresses().into_iter().zip(&ports) {
            use std::io::{Read, Write};
            let mut established = connect(&lb1, address).unwrap();
            let (mut accepted, _) = port.accept().unwrap();
            accepted.set_read_timeout(Some(ms(100))).unwrap();
            lb1.block(&[address], how).unwrap();
            assert_eq!(connect(&lb1, address).unwrap_err(), refusal, "{address} {how:?}");
            // The kernel takes it, and it goes nowhere; or it refuses at once.
            drop(established.write(b"lost"));
            assert!(accepted.read(&mut [0; 8]).is_err(), "{address} {how:?}");
            drop(connect(&lb2, address).unwrap());
            lb1.unblock(&[address], how).unwrap();
            drop(connect(&lb1, address).unwrap());
            while port.set_nonblocking(true).is_ok() && port.accept().is_ok() {}
            port.set_nonblocking(false).unwrap();
        }
    }
}

#[test]
fn frames_are_lost_at_random_and_protocols_are_dropped() {
    let (lab, lb1, _, client) = small_lab();
    wait_until_reached(&client, &lb1);
    lab.lose("lb1", 20).unwrap();
    lab.lose("lb1", 30).unwrap();
    let ping = Ping::start(&client, lb1.ipv4().into()).unwrap();
    std::thread::sleep(ms(1_000));
    let record = ping.stop();
    // Requests and answers: 1 - 0.7 * 0.7 = 51 of a hundred.
    let lost = record.silence().bad * 100 / record.echoes.len();
    assert!((35..67).contains(&lost), "{lost} % were lost");
    lab.lose("lb1", 0).unwrap();
    lb1.drop_protocol(1, Direction::ToHost).unwrap();
    assert_eq!(reaches(&client, &lb1), [false, true]);
    lb1.pass_protocol(1, Direction::ToHost).unwrap();
    lb1.drop_protocol(1, Direction::FromHost).unwrap();
    assert_eq!(reaches(&client, &lb1), [false, true]);
    lb1.pass_protocol(1, Direction::FromHost).unwrap();
    wait_until_reached(&client, &lb1);
    lb1.namespace().nft("nonsense").unwrap_err();
}

#[test]
fn what_panics_in_a_namespace_panics_outside_and_harms_nothing() {
    let (_lab, lb1, lb2, _) = small_lab();
    let run = || lb1.run(|| panic!("on purpose"));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
    wait_until_reached(&lb1, &lb2);
    let error = lb1.namespace().sysctl("net/ipv4/nothing", "1").unwrap_err();
    assert_eq!(error.to_string(), "set net/ipv4/nothing to 1 in the network namespace `lb1`");
    let error = lb1.start("nothing", &mut Command::new("/does/not/exist")).unwrap_err();
    assert_eq!(error.to_string(), "start /does/not/exist in the network namespace `lb1`");
    let still_there = lb1.output(Command::new("true").env("x", "y"), SOON).unwrap();
    assert!(still_there.status.success());
}
