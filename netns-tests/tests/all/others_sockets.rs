//! What becomes of other programs' connections at an address that leaves.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use lab::{Host, wait_until};
use netns_tests::{Duel, LIMIT};

const VIP: &str = "10.77.0.200";

fn router(addresses: &str) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = 150\n\
         addresses = [{addresses}]\nadvert_interval = \"100ms\"\n"
    )
}

/// Both ends of a connection from the client to a server of the first host.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    _listener: TcpListener,
}

impl Pair {
    fn new(server: &Host, client: &Host, listen: &str, connect: &str) -> Self {
        let (listen, connect): (SocketAddr, SocketAddr) =
            (listen.parse().unwrap(), connect.parse().unwrap());
        let listener = server.run(|| TcpListener::bind(listen)).unwrap().unwrap();
        let connected = client.run(|| TcpStream::connect(connect)).unwrap().unwrap();
        let (server, _) = listener.accept().unwrap();
        Self { client: connected, server, _listener: listener }
    }

    /// What both ends see within half a second.
    fn ends(&mut self) -> [Option<ErrorKind>; 2] {
        [&mut self.client, &mut self.server].map(|end| {
            end.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            match end.read(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                Err(error) => Some(error.kind()),
                Ok(_) => Some(ErrorKind::UnexpectedEof),
            }
        })
    }
}

/// Whatever kind of socket it is, and nobody else's.
#[test]
fn are_reset_before_it_leaves() {
    let mut duel = Duel::new(VIP);
    let mut vipd = duel.vipd(
        0,
        &router("\"10.77.0.200\", \"10.77.0.201\", \"fe80::200:5eff:fe00:233\", \"fd77::200\""),
    );
    duel.wait_for(&[0]);
    let v6 = "fd77::200".parse().unwrap();
    let has = || duel.hosts[0].kernel_addresses().unwrap().contains(&v6);
    wait_until("the IPv6 address", LIMIT, has).unwrap();
    let [server, client] = [&duel.hosts[0], &duel.client];
    let pair = |listen: &str, connect: &str| Pair::new(server, client, listen, connect);
    let mut theirs = [
        pair("10.77.0.200:9000", "10.77.0.200:9000"),
        pair("0.0.0.0:9001", "10.77.0.201:9001"),
        pair("[::]:9002", "10.77.0.200:9002"),
        pair("[::]:9003", "[fd77::200]:9003"),
    ];
    // A client on the node itself; for IPv6 its source is the virtual address as well.
    let mut local = Pair::new(server, server, "[::]:9005", "[fd77::200]:9005");
    let mut others = pair("[::]:9004", "10.77.0.11:9004");
    assert!(theirs.iter_mut().all(|pair| pair.ends() == [None, None]));
    let stopped = vipd.stop(LIMIT).unwrap();
    assert!(!stopped.forced);
    if vipd.log().contains("CONFIG_INET_DIAG_DESTROY") {
        // This kernel cannot, and the log says so.
        return;
    }
    for pair in &mut theirs {
        let expected = [Some(ErrorKind::ConnectionReset), Some(ErrorKind::ConnectionAborted)];
        assert_eq!(pair.ends(), expected, "{}", vipd.log());
    }
    assert!(local.ends().iter().all(Option::is_some), "{:?}", local.ends());
    assert_eq!(others.ends(), [None, None]);
}

/// A reload that takes one address away resets nobody at the other.
#[test]
fn are_reset_when_a_reload_takes_it_away() {
    let mut duel = Duel::new(VIP);
    let vipd = duel.vipd(0, &router("\"10.77.0.200\", \"10.77.0.201\""));
    duel.wait_for(&[0]);
    let [server, client] = [&duel.hosts[0], &duel.client];
    let mut leaving = Pair::new(server, client, "0.0.0.0:9000", "10.77.0.201:9000");
    let mut staying = Pair::new(server, client, "0.0.0.0:9001", "10.77.0.200:9001");
    duel.reload(0, &vipd, &router("\"10.77.0.200\""));
    vipd.wait_for_log("msg=reconfigured", LIMIT).unwrap();
    if !vipd.log().contains("CONFIG_INET_DIAG_DESTROY") {
        assert_eq!(leaving.ends()[0], Some(ErrorKind::ConnectionReset), "{}", vipd.log());
    }
    assert_eq!(staying.ends(), [None, None]);
}
