//! What follows the Active router beside the addresses of the adverts.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use lab::probe::ping::answers;
use lab::{Moment, wait_until};
use netns_tests::capture::Capture;
use netns_tests::{Duel, LIMIT};

const VIP: &str = "10.77.0.200";

fn router(priority: u8, lines: &str) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\n{lines}"
    )
}

/// A host's second interface.
fn add_eth1(duel: &Duel, host: usize) {
    for command in [
        "link add eth1 type veth peer name eth1p",
        "link set eth1 up",
        "link set eth1p up",
        "address add 10.1.0.11/24 dev eth1",
    ] {
        assert_eq!(duel.ip(host, command), "");
    }
}

/// The lines of what `ip` says that have `word`, without the spaces around.
fn lines(duel: &Duel, host: usize, arguments: &str, word: &str) -> Vec<String> {
    let text = duel.ip(host, arguments);
    text.lines().filter(|line| line.contains(word)).map(|line| line.trim().to_owned()).collect()
}

const OPTIONS: &str = r#"lease = "off"
own_source = false

[[vrrp.address]]
address = "10.77.0.201/24"
label = "eth0:vip"

[[vrrp.address]]
address = "10.1.0.1/24"
advertise = false
interface = "eth1"
broadcast = "10.1.0.255"

[[vrrp.address]]
address = "10.2.0.1"
advertise = false
scope = "link"

[[vrrp.address]]
address = "fd77::201"
advertise = false
"#;

#[test]
fn addresses_are_as_they_are_written() {
    let mut duel = Duel::new("fd77::201");
    add_eth1(&duel, 0);
    let capture = Capture::start(&duel, &duel.client);
    let mut vipd = duel.vipd(0, &router(150, OPTIONS));
    duel.wait_for(&[0]);
    let shown = |dev: &str, word: &str| {
        let shown = lines(&duel, 0, &format!("address show dev {dev}"), word);
        assert_eq!(shown.len(), 1, "{shown:?}");
        shown[0].clone()
    };
    assert_eq!(shown("eth0", "10.77.0.200"), "inet 10.77.0.200/32 scope global noprefixroute eth0");
    assert_eq!(
        shown("eth0", "10.77.0.201"),
        "inet 10.77.0.201/24 scope global secondary noprefixroute eth0:vip"
    );
    assert_eq!(
        shown("eth1", "10.1.0.1/"),
        "inet 10.1.0.1/24 brd 10.1.0.255 scope global secondary noprefixroute eth1"
    );
    assert_eq!(shown("eth0", "10.2.0.1"), "inet 10.2.0.1/32 scope link noprefixroute eth0");
    assert!(shown("eth0", "fd77::201").starts_with("inet6 fd77::201/128 scope global"));
    sleep(Duration::from_millis(500));
    let recorded = capture.stop();
    let fields = ["vrrp.addr_count", "vrrp.ip_addr"];
    let adverts = recorded.tshark("vrrp", &fields);
    let expected = ["2", "10.77.0.200,10.77.0.201"].map(str::to_owned).to_vec();
    assert!(adverts.iter().all(|advert| *advert == expected), "{adverts:?}");
    recorded.adverts_are_valid("10.77.0.11");
    vipd.stop(LIMIT).unwrap();
    for (dev, own) in [("eth0", "10.77.0.11/24"), ("eth1", "10.1.0.11/24")] {
        let left = lines(&duel, 0, &format!("-4 address show dev {dev}"), "inet ");
        assert!(left.len() == 1 && left[0].contains(own), "{left:?}");
    }
}

/// As many as an advert holds, and a few more that are in none, move within a second.
#[test]
fn three_hundred_addresses_move() {
    let list = |numbers: std::ops::Range<u16>| {
        let each = numbers.map(|n| format!("\"10.78.{}.{}\"", n / 250, n % 250 + 1));
        each.collect::<Vec<_>>().join(", ")
    };
    let config = |priority| {
        router(priority, &format!("excluded = [{}]\n", list(255..300))).replace(
            &format!("addresses = [\"{VIP}\"]"),
            &format!("addresses = [{}]", list(0..255)),
        )
    };
    let mut duel = Duel::new("10.78.1.50");
    let mut first = duel.vipd(0, &config(150));
    duel.wait_for(&[0]);
    let count = |duel: &Duel, host: usize| {
        let all = duel.hosts[host].kernel_addresses().unwrap();
        let ours = |ip: &&IpAddr| ip.to_string().starts_with("10.78.");
        all.iter().filter(ours).count()
    };
    assert_eq!(count(&duel, 0), 300);
    let _second = duel.vipd(1, &config(100));
    sleep(Duration::from_secs(1));
    let since = Moment::now();
    first.stop(LIMIT).unwrap();
    wait_until("all had moved", LIMIT, || count(&duel, 1) == 300).unwrap();
    assert!(since.elapsed() <= Duration::from_secs(1), "{:?}", since.elapsed());
    assert_eq!(count(&duel, 0), 0);
}

const ROUTES: &str = r#"excluded = ["fd77::200"]

[[vrrp.route]]
destination = "10.5.0.0/16"
via = "10.77.0.100"
source = "10.77.0.200"
metric = 50

[[vrrp.route]]
destination = "default"
via = "10.77.0.100"
table = 1000

[[vrrp.route]]
destination = "2001:db8::/32"
via = "fd77::100"
source = "fd77::200"

[[vrrp.rule]]
from = "10.77.0.200"
table = 1000
priority = 1000

[[vrrp.rule]]
fwmark = 7
table = 1000
priority = 1001
"#;

/// Every route and rule with our tag.
fn routing(duel: &Duel, host: usize) -> String {
    let mut all = String::new();
    for arguments in ["-4 route show table all proto 112", "-6 route show table all proto 112"] {
        all += &duel.ip(host, arguments);
    }
    for family in ["-4", "-6"] {
        for line in lines(duel, host, &format!("{family} rule show"), "proto 112") {
            writeln!(all, "{line}").unwrap();
        }
    }
    // Local routes are of the addresses.
    let others = all.lines().filter(|line| !line.starts_with("local "));
    // A route whose lease has ended leads nowhere; the kernel lists it for up to 30 s more.
    let valid = others.filter(|line| !line.contains(" expires -"));
    let trimmed = valid.map(|line| without_lease(&line.trim().replace('\t', " ")));
    trimmed.collect::<Vec<_>>().join("\n")
}

/// IPv6 routes are leased.
fn without_lease(line: &str) -> String {
    let Some((before, after)) = line.split_once(" expires ") else { return line.to_owned() };
    let (_, rest) = after.split_once(' ').unwrap_or_default();
    format!("{before} {rest}")
}

const KERNELS: &str = "\
default via 10.77.0.100 dev eth0 table 1000
10.5.0.0/16 via 10.77.0.100 dev eth0 src 10.77.0.200 metric 50
2001:db8::/32 via fd77::100 dev eth0 src fd77::200 metric 1024 pref medium
1000: from 10.77.0.200 lookup 1000 proto 112
1001: from all fwmark 0x7 lookup 1000 proto 112";

fn wait_for_routing(duel: &Duel, host: usize, expected: &str) -> Duration {
    let waited = wait_until("routes", Duration::from_secs(5), || routing(duel, host) == expected);
    waited.unwrap_or_else(|_| panic!("{}", routing(duel, host)))
}

#[test]
fn routes_and_rules_follow_the_active_router() {
    let mut duel = Duel::new(VIP);
    let mut first = duel.vipd(0, &router(150, ROUTES));
    duel.wait_for(&[0]);
    let _second = duel.vipd(1, &router(100, ROUTES));
    wait_for_routing(&duel, 0, KERNELS);
    assert_eq!(routing(&duel, 1), "");
    assert!(!first.log().contains("cannot add a route"), "{}", first.log());
    // Whatever somebody deletes is back.
    for deleted in [
        "-4 route del 10.5.0.0/16",
        "-4 route flush table 1000",
        "-6 route del 2001:db8::/32",
        "-4 rule del priority 1000",
    ] {
        assert_eq!(duel.ip(0, deleted), "");
        let took = wait_for_routing(&duel, 0, KERNELS);
        assert!(took <= Duration::from_millis(500), "{deleted}: {took:?}");
    }
    // The kernel drops a route with the address it has as its source, and tells nobody.
    duel.hosts[0].remove_address(VIP.parse().unwrap(), 32).unwrap();
    duel.wait_for(&[0]);
    wait_for_routing(&duel, 0, KERNELS);
    // Of an IPv6 route it takes the source away, and leaves the rest.
    duel.hosts[0].remove_address("fd77::200".parse().unwrap(), 128).unwrap();
    wait_for_routing(&duel, 0, KERNELS);
    first.stop(LIMIT).unwrap();
    assert_eq!(routing(&duel, 0), "");
    duel.wait_for(&[1]);
    wait_for_routing(&duel, 1, KERNELS);
}

/// Others' routes are neither taken for ours nor removed; a route that is in the way is told once.
#[test]
fn routes_of_others_are_left_alone() {
    let mut duel = Duel::new(VIP);
    assert_eq!(duel.ip(0, "route add 10.5.0.0/16 via 10.77.0.100 metric 50"), "");
    let mut vipd = duel.vipd(0, &router(150, ROUTES));
    duel.wait_for(&[0]);
    vipd.wait_for_log("cannot add a route", LIMIT).unwrap();
    sleep(Duration::from_millis(500));
    assert_eq!(vipd.log().matches("cannot add a route").count(), 1, "{}", vipd.log());
    assert!(!routing(&duel, 0).contains("10.5.0.0/16"));
    assert_eq!(duel.ip(0, "route del 10.5.0.0/16"), "");
    wait_for_routing(&duel, 0, KERNELS);
    assert_eq!(duel.ip(0, "route add 10.6.0.0/16 via 10.77.0.100"), "");
    vipd.stop(LIMIT).unwrap();
    assert!(duel.ip(0, "route show").contains("10.6.0.0/16"));
}

/// What a killed node leaves behind is removed at its next start, before it is Active again.
#[test]
fn routes_that_were_left_behind_are_removed_at_the_next_start() {
    let mut duel = Duel::new(VIP);
    let mut killed = duel.vipd(0, &router(150, &format!("lease = \"off\"\n{ROUTES}")));
    duel.wait_for(&[0]);
    wait_for_routing(&duel, 0, KERNELS);
    killed.kill().unwrap();
    sleep(Duration::from_millis(200));
    assert_eq!(routing(&duel, 0), KERNELS);
    let _second = duel.vipd(1, &router(200, ""));
    duel.wait_for(&[0, 1]);
    let started = duel.vipd(0, &router(150, ROUTES));
    started
        .wait_for_log("removed routes and rules that an earlier run left behind", LIMIT)
        .unwrap();
    duel.wait_for(&[1]);
    assert_eq!(routing(&duel, 0), "");
}

/// A successor goes on with what its predecessor had; an orphan ends in order.
#[test]
fn routes_outlive_the_daemon_and_not_the_supervisor() {
    let mut duel = Duel::new(VIP);
    let vipd = duel.vipd(0, &router(150, ROUTES));
    duel.wait_for(&[0]);
    wait_for_routing(&duel, 0, KERNELS);
    // The supervisor has to hear that it is Active before it can tell the next one to go on.
    sleep(Duration::from_millis(500));
    let pid = vipd::status::vrrpd(&duel.runtime_dir(0)).unwrap().pid;
    lab::node::signal(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let successor = || vipd::status::vrrpd(&duel.runtime_dir(0)).is_ok_and(|s| s.pid != pid);
    wait_until("a successor", LIMIT, successor).unwrap();
    sleep(Duration::from_secs(1));
    assert_eq!(routing(&duel, 0), KERNELS, "{}", vipd.log());
    assert_eq!(duel.owners.owners(), ["lb1"]);
    vipd.signal(nix::sys::signal::Signal::SIGKILL).unwrap();
    duel.wait_for(&[]);
    assert_eq!(routing(&duel, 0), "");
}

/// The source address that a client on the Active node has when it connects to the address.
fn source(duel: &Duel, address: &str) -> String {
    let at = SocketAddr::new(address.parse().unwrap(), 8080);
    let connected = duel.hosts[0].run(|| {
        let listener = TcpListener::bind(at)?;
        let client = TcpStream::connect(at)?;
        listener.accept()?;
        client.local_addr()
    });
    connected.unwrap().unwrap().ip().to_string()
}

/// Whatever the prefix: with the virtual address as its source, a client on the node itself would
/// hold a connection that goes nowhere once the address has moved.
#[test]
fn a_client_on_the_node_itself_has_the_nodes_address() {
    for address in [VIP.to_owned(), format!("{VIP}/24"), format!("{VIP}/16")] {
        let mut duel = Duel::new(VIP);
        let config = router(150, "").replace(&format!("\"{VIP}\""), &format!("\"{address}\""));
        let mut vipd = duel.vipd(0, &config);
        duel.wait_for(&[0]);
        assert_eq!(source(&duel, VIP), "10.77.0.11", "{address}");
        // It stays so when the address was deleted and is back.
        let prefix = address.split('/').nth(1).map_or(32, |prefix| prefix.parse().unwrap());
        duel.hosts[0].remove_address(VIP.parse().unwrap(), prefix).unwrap();
        sleep(Duration::from_millis(300));
        assert_eq!(source(&duel, VIP), "10.77.0.11", "{address}");
        vipd.stop(LIMIT).unwrap();
        let left = lines(&duel, 0, "-4 address show dev eth0", "inet ");
        assert_eq!(left, ["inet 10.77.0.11/24 brd 10.77.0.255 scope global eth0"], "{address}");
    }
}

/// The local routes of the IPv6 address, without the seconds that they have left.
fn local_routes(duel: &Duel) -> Vec<String> {
    let shown = lines(duel, 0, "-6 route show table local", VIP6);
    let lasting = |line: &String| {
        line.split_once(" expires").map_or(line.clone(), |(route, _)| format!("{route} expires"))
    };
    shown.iter().map(lasting).collect()
}

const VIP6: &str = "fd77::200";

/// Likewise over IPv6, by a local route that says so, and that is leased with the address.
#[test]
fn an_ipv6_client_on_the_node_itself_has_the_nodes_address() {
    let mut duel = Duel::new(VIP6);
    let config = |lines: &str| {
        let addresses = format!("\"fe80::200:5eff:fe00:233\", \"{VIP6}/64\"");
        router(150, lines).replace(&format!("\"{VIP}\""), &addresses)
    };
    let mut vipd = duel.vipd(0, &config(""));
    duel.wait_for(&[0]);
    assert_eq!(source(&duel, VIP6), "fd77::11");
    assert!(answers(&duel.client, duel.vip).unwrap());
    let halves = ["8000::/1", "::/1"].map(|half| {
        format!("local {VIP6} from {half} dev eth0 proto 112 src fd77::11 metric 1024 expires")
    });
    let kernels = format!("local {VIP6} dev eth0 proto kernel metric 0 pref medium");
    let mut routes = local_routes(&duel);
    routes.sort();
    assert_eq!(routes, [kernels.clone(), halves[0].clone(), halves[1].clone()]);
    // It outlasts the lease, and a deletion of the address.
    sleep(Duration::from_millis(1_500));
    duel.hosts[0].remove_address(duel.vip, 64).unwrap();
    sleep(Duration::from_millis(300));
    assert_eq!(source(&duel, VIP6), "fd77::11");
    assert!(answers(&duel.client, duel.vip).unwrap());
    // Without an address of the node's own the virtual one works as ever.
    duel.hosts[0].remove_address("fd77::11".parse().unwrap(), 64).unwrap();
    sleep(Duration::from_millis(1_500));
    assert_eq!(source(&duel, VIP6), VIP6);
    assert!(answers(&duel.client, duel.vip).unwrap());
    assert_eq!(duel.ip(0, "address add fd77::11/64 dev eth0 nodad"), "");
    sleep(Duration::from_millis(500));
    assert_eq!(source(&duel, VIP6), "fd77::11");
    vipd.stop(LIMIT).unwrap();
    assert!(local_routes(&duel).is_empty(), "{:?}", local_routes(&duel));

    // A killed node's expire, and its next start removes what is left of them.
    let mut killed = duel.vipd(0, &config(""));
    duel.wait_for(&[0]);
    assert_eq!(source(&duel, VIP6), "fd77::11");
    killed.kill().unwrap();
    duel.wait_for(&[]);
    sleep(Duration::from_millis(100));
    let way = duel.ip(0, "-6 route get fd77::200");
    assert!(way.starts_with("fd77::200 from :: dev eth0 proto kernel"), "{way}");
    // Nothing would end them where there are no leases.
    let _endless = duel.vipd(0, &config("lease = \"off\"\n"));
    duel.wait_for(&[0]);
    assert_eq!(local_routes(&duel), [kernels]);
}

/// A client on the node itself that is connected to the address when the node's daemons die learns of
/// it once the address is elsewhere; with the virtual address as its source it would wait for ever.
#[test]
fn a_connection_of_the_node_itself_ends_when_its_daemons_die() {
    for vip in [VIP, VIP6] {
        let addresses = format!("\"fe80::200:5eff:fe00:233\", \"{VIP6}\"");
        let config = |priority| match vip {
            VIP => router(priority, ""),
            _ => router(priority, "").replace(&format!("\"{VIP}\""), &addresses),
        };
        let mut duel = Duel::new(vip);
        let mut first = duel.vipd(0, &config(150));
        duel.wait_for(&[0]);
        let _second = duel.vipd(1, &config(100));
        let at = SocketAddr::new(duel.vip, 8080);
        let (mut client, server, listener) = duel.hosts[0]
            .run(|| {
                let listener = TcpListener::bind(at)?;
                let client = TcpStream::connect(at)?;
                let (server, _) = listener.accept()?;
                std::io::Result::Ok((client, server, listener))
            })
            .unwrap()
            .unwrap();
        first.kill().unwrap();
        duel.wait_for(&[1]);
        // The kernel deletes an IPv6 address up to 20 ms before its lease, and the routes', ends.
        sleep(Duration::from_millis(100));
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.write_all(b"?").unwrap();
        let end = client.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "{vip}");
        drop((server, listener));
    }
}

/// The lease takes the address away from a dead node, and no local route keeps it there.
#[test]
fn nothing_answers_for_an_address_whose_lease_ended() {
    let mut duel = Duel::new(VIP);
    let mut killed = duel.vipd(0, &router(150, ""));
    duel.wait_for(&[0]);
    assert_eq!(source(&duel, VIP), "10.77.0.11");
    killed.kill().unwrap();
    duel.wait_for(&[]);
    assert!(!answers(&duel.client, duel.vip).unwrap());
}

#[test]
fn a_client_on_the_node_itself_may_have_the_virtual_address() {
    let mut duel = Duel::new(VIP);
    let _vipd = duel.vipd(0, &router(150, "own_source = false\n"));
    duel.wait_for(&[0]);
    assert_eq!(source(&duel, VIP), VIP);
}
