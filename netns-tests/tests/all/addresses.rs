//! Virtual addresses in the kernel: how they are configured, who deletes them, what is left behind.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use lab::probe::ping::answers;
use lab::{Moment, wait_until};
use netns_tests::{Duel, LIMIT, PLANNED};
use nix::sys::signal::Signal;
use vipd::status;

const VIP: &str = "10.77.0.200";

fn router(priority: u8, lines: &str) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\n{lines}"
    )
}

/// What `ip` says of the address on a host.
fn shown(duel: &Duel, host: usize) -> String {
    let text = duel.ip(host, "-details address show dev eth0");
    let line = text.lines().skip_while(|line| !line.contains(&format!("inet {VIP}")));
    line.take(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn are_a_hosts_own_and_leased() {
    let mut duel = Duel::new(VIP);
    let _vipd = duel.vipd(0, &router(150, ""));
    duel.wait_for(&[0]);
    let shown = shown(&duel, 0);
    assert!(shown.contains("10.77.0.200/32"), "{shown}");
    assert!(shown.contains("noprefixroute"), "{shown}");
    // Four intervals of 100 ms are covered by one second.
    assert!(shown.contains("valid_lft 1sec") || shown.contains("valid_lft 0sec"), "{shown}");
}

#[test]
fn may_be_kept_without_a_lease() {
    let mut duel = Duel::new(VIP);
    let _vipd = duel.vipd(0, &router(150, "lease = \"off\"\n"));
    duel.wait_for(&[0]);
    let shown = shown(&duel, 0);
    assert!(shown.contains("valid_lft forever"), "{shown}");
}

#[test]
fn that_somebody_deletes_are_back_within_100_ms() {
    let mut duel = Duel::new(VIP);
    let vipd = duel.vipd(0, &router(150, ""));
    duel.wait_for(&[0]);
    for _ in 0..3 {
        duel.hosts[0].remove_address(VIP.parse().unwrap(), 32).unwrap();
        let since = Moment::now();
        duel.wait_for(&[0]);
        // A tenth of a second, and the machine's noise.
        assert!(since.elapsed() <= Duration::from_millis(500), "{:?}", since.elapsed());
        sleep(Duration::from_millis(100));
    }
    assert!(vipd.log().contains("a virtual address was deleted"), "{}", vipd.log());
    let status = status::vrrpd(&duel.runtime_dir(0)).unwrap();
    assert_eq!(status.routers[0].deletions, 3);
}

/// All of a node's programs stand still: the kernel takes the address away by itself.
#[test]
fn leave_a_frozen_node_when_the_lease_ends() {
    let mut duel = Duel::new(VIP);
    let active = duel.vipd(0, &router(150, ""));
    duel.wait_for(&[0]);
    let _backup = duel.vipd(1, &router(100, ""));
    sleep(Duration::from_secs(1));
    active.freeze().unwrap();
    let since = Moment::now();
    duel.wait_for(&[1]);
    assert!(since.elapsed() <= Duration::from_millis(2_500), "{:?}", since.elapsed());
    // It comes back, sees that it slept, and takes over in order.
    active.thaw().unwrap();
    duel.wait_for(&[0]);
    let slept = |log: &str| log.contains("a peer may have taken over") || log.contains("hung");
    assert!(slept(&active.log()), "{}", active.log());
}

/// Killed with its supervisor, a daemon leaves its address; the next start knows it for its own.
#[test]
fn that_were_left_behind_are_removed_at_the_next_start() {
    let mut duel = Duel::new(VIP);
    let config = router(150, "lease = \"off\"\n");
    let mut killed = duel.vipd(0, &config);
    duel.wait_for(&[0]);
    killed.kill().unwrap();
    sleep(Duration::from_secs(1));
    assert_eq!(duel.owners.owners(), ["lb1"]);
    let started = duel.vipd(0, &config);
    started.wait_for_log("removed an address that an earlier run left behind", LIMIT).unwrap();
    duel.wait_for(&[0]);
}

/// What others configured is theirs: it is neither taken for ours nor removed.
#[test]
fn of_others_are_left_alone() {
    let duel = Duel::new(VIP);
    let others: IpAddr = "10.77.0.201".parse().unwrap();
    duel.hosts[0].add_address(others, 32, None).unwrap();
    let mut vipd = duel.vipd(0, &router(150, ""));
    sleep(Duration::from_secs(1));
    vipd.stop(LIMIT).unwrap();
    let left = duel.hosts[0].kernel_addresses().unwrap();
    assert!(left.contains(&others), "{left:?}");
    assert!(!left.contains(&VIP.parse().unwrap()), "{left:?}");
}

/// The supervisor dies with everything it supervised; systemd would start it again.
#[test]
fn of_a_killed_supervisor_are_handed_over_by_its_orphan() {
    let mut duel = Duel::new(VIP);
    let active = duel.vipd(0, &router(150, ""));
    duel.wait_for(&[0]);
    let _backup = duel.vipd(1, &router(100, ""));
    sleep(Duration::from_secs(1));
    let ping = duel.ping();
    let since = Moment::now();
    active.signal(Signal::SIGKILL).unwrap();
    duel.wait_for(&[1]);
    sleep(Duration::from_millis(300));
    let silence = Duel::silence(&ping.stop(), since);
    assert!(silence <= PLANNED, "{silence} ms of silence");
}

/// An interface that goes and comes back: nothing is advertised meanwhile, and all is as before.
#[test]
fn follow_their_interface() {
    let mut duel = Duel::new(VIP);
    let _active = duel.vipd(0, &router(150, ""));
    duel.wait_for(&[0]);
    let _backup = duel.vipd(1, &router(100, ""));
    sleep(Duration::from_secs(1));
    duel.lab.carrier("lb1", false).unwrap();
    duel.wait_for(&[1]);
    duel.lab.carrier("lb1", true).unwrap();
    duel.wait_for(&[0]);
}

/// A network in which neither host has an address: the virtual one there, the client's, and those of a
/// place behind the client.
struct Foreign {
    vip: &'static str,
    client: &'static str,
    behind: &'static str,
    default: &'static str,
    network: &'static str,
}

const FOREIGN: [Foreign; 2] = [
    Foreign {
        vip: "192.168.50.10/24",
        client: "192.168.50.20/24",
        behind: "203.0.113.1/32",
        default: "0.0.0.0/0",
        network: "192.168.50.0/24 dev eth0 proto kernel scope link src 192.168.50.10",
    },
    Foreign {
        vip: "fd50::10/64",
        client: "fd50::20/64",
        behind: "fd99::1/128",
        default: "::/0",
        network: "fd50::/64 dev eth0 proto 112 src fd50::10 metric 2048 expires",
    },
];

impl Foreign {
    fn ip(address: &str) -> IpAddr {
        address.split('/').next().unwrap().parse().unwrap()
    }

    fn duel(&self) -> Duel {
        let duel = Duel::new(&Self::ip(self.vip).to_string());
        for address in [self.client, self.behind] {
            let prefix = address.split('/').nth(1).unwrap().parse().unwrap();
            duel.client.add_address(Self::ip(address), prefix, None).unwrap();
        }
        duel
    }

    fn router(&self, priority: u8, lines: &str) -> String {
        let first = if self.vip.contains(':') { "\"fe80::200:5eff:fe00:233\", " } else { "" };
        let addresses = format!("{first}\"{}\"", self.vip);
        router(priority, lines).replace(&format!("\"{VIP}\""), &addresses)
    }

    /// The default route through the client.
    fn route(&self) -> String {
        let via = Self::ip(self.client);
        format!("[[vrrp.route]]\ndestination = \"{}\"\nvia = \"{via}\"\n", self.default)
    }

    /// All addresses and routes of a host, without the link-local ones and the seconds they have left.
    fn configured(duel: &Duel, host: usize) -> Vec<String> {
        let all = ["address show dev eth0", "-4 route show table all", "-6 route show table all"];
        let text = all.map(|arguments| duel.ip(host, arguments)).concat();
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.contains("valid_lft") && !line.contains("fe80:"));
        lines.map(str::to_owned).collect()
    }

    /// The source address of the host that connects to a place behind the client.
    fn source(&self, duel: &Duel) -> IpAddr {
        let at = SocketAddr::new(Self::ip(self.behind), 8080);
        let listener = duel.client.run(|| TcpListener::bind(at)).unwrap().unwrap();
        let connect = || TcpStream::connect_timeout(&at, LIMIT)?.local_addr();
        let source = duel.hosts[0].run(connect).unwrap().unwrap().ip();
        drop(listener);
        source
    }
}

/// Clients there, and routers, are reached as long as the address is held; the host's own network is as
/// it was.
#[test]
fn in_a_network_without_an_own_one_bring_the_way_there() {
    for foreign in &FOREIGN {
        let mut duel = foreign.duel();
        let own = match duel.vip {
            IpAddr::V4(_) => duel.hosts[0].addresses()[0],
            IpAddr::V6(_) => duel.hosts[0].addresses()[1],
        };
        let before = Foreign::configured(&duel, 0);
        assert!(!answers(&duel.client, duel.vip).unwrap());
        let mut first = duel.vipd(0, &foreign.router(150, &foreign.route()));
        duel.wait_for(&[0]);
        let there = || Foreign::configured(&duel, 0);
        let is_there = |line: &String| line.starts_with(foreign.network);
        wait_until("the route", LIMIT, || there().iter().any(is_there)).unwrap();
        assert!(answers(&duel.client, duel.vip).unwrap(), "{:?}", there());
        assert!(answers(&duel.client, own).unwrap());
        let behind = |line: &String| line.starts_with("default via") && line.contains("proto 112");
        wait_until("the route behind", LIMIT, || there().iter().any(behind)).unwrap();
        assert_eq!(foreign.source(&duel), duel.vip);
        assert!(!first.log().contains("cannot"), "{}", first.log());
        // It outlasts the lease, and the deletion of the address.
        let prefix = foreign.vip.split('/').nth(1).unwrap().parse().unwrap();
        duel.hosts[0].remove_address(duel.vip, prefix).unwrap();
        duel.wait_for(&[0]);
        sleep(Duration::from_millis(1_500));
        assert!(answers(&duel.client, duel.vip).unwrap());
        assert_eq!(foreign.source(&duel), duel.vip);

        let mut second = duel.vipd(1, &foreign.router(100, &foreign.route()));
        sleep(Duration::from_secs(1));
        first.stop(LIMIT).unwrap();
        duel.wait_for(&[1]);
        assert_eq!(Foreign::configured(&duel, 0), before);
        assert!(answers(&duel.client, own).unwrap());
        assert!(answers(&duel.client, duel.vip).unwrap());
        second.stop(LIMIT).unwrap();
    }
}

/// Nobody is left to remove anything: the kernel does.
#[test]
fn in_a_network_without_an_own_one_leave_nothing_behind_when_all_dies() {
    for foreign in &FOREIGN {
        let mut duel = foreign.duel();
        let before = Foreign::configured(&duel, 0);
        // The kernel drops a route with its source in IPv4 only.
        let route = if duel.vip.is_ipv4() { foreign.route() } else { String::new() };
        let mut killed = duel.vipd(0, &foreign.router(150, &route));
        duel.wait_for(&[0]);
        wait_until("it answers", LIMIT, || answers(&duel.client, duel.vip).unwrap()).unwrap();
        killed.kill().unwrap();
        duel.wait_for(&[]);
        sleep(Duration::from_millis(1_500));
        // What has expired no longer counts, and the kernel sweeps it up within half a minute.
        let left = Foreign::configured(&duel, 0);
        let counts = |line: &&String| !line.contains("expires -");
        assert_eq!(
            left.iter().filter(counts).collect::<Vec<_>>(),
            before.iter().collect::<Vec<_>>()
        );
        assert!(answers(&duel.client, duel.hosts[0].addresses()[0]).unwrap());
    }
}

/// The host gets an address there while it holds the virtual one, and keeps it.
#[test]
fn do_not_take_an_own_address_along_that_came_later() {
    for foreign in &FOREIGN {
        let mut duel = foreign.duel();
        for of in ["all", "eth0"] {
            let key = format!("net/ipv4/conf/{of}/promote_secondaries");
            duel.hosts[0].namespace().sysctl(&key, "0").unwrap();
        }
        let mut vipd = duel.vipd(0, &foreign.router(150, &foreign.route()));
        duel.wait_for(&[0]);
        let own = foreign.vip.replace(".10/", ".11/").replace("::10/", "::11/");
        let prefix = own.split('/').nth(1).unwrap().parse().unwrap();
        duel.hosts[0].add_address(Foreign::ip(&own), prefix, None).unwrap();
        sleep(Duration::from_millis(1_500));
        assert!(answers(&duel.client, duel.vip).unwrap());
        vipd.stop(LIMIT).unwrap();
        let has = |ip| duel.hosts[0].kernel_addresses().unwrap().contains(&ip);
        assert!(has(Foreign::ip(&own)) && !has(duel.vip));
        assert!(answers(&duel.client, Foreign::ip(&own)).unwrap());
    }
}

/// OpenShift moves a node's address from its card to a bridge while everything runs.
#[test]
fn follow_the_nodes_own_from_a_card_to_a_bridge() {
    let mut duel = Duel::new("10.77.0.200");
    let table = |priority: u8| {
        format!(
            "[[vrrp]]\nname = \"api\"\nvrid = 51\npriority = {priority}\naddresses = [\"10.77.0.200\"]\n\
             advert_interval = \"100ms\"\n"
        )
    };
    let vipd = duel.vipd(0, &table(150));
    duel.wait_for(&[0]);
    let _peer = duel.vipd(1, &table(100));
    let at = |name: &str| {
        let routers = status::vrrpd(&duel.runtime_dir(0)).map(|status| status.routers);
        routers.is_ok_and(|routers| routers.iter().all(|router| router.interface.as_str() == name))
    };
    wait_until("the status told of eth0", LIMIT, || at("eth0")).unwrap();
    for step in [
        "link add br-ex type bridge",
        "link set br-ex address 02:77:00:00:00:0b up",
        "address del 10.77.0.11/24 dev eth0",
        "link set eth0 master br-ex",
        "address add 10.77.0.11/24 dev br-ex",
    ] {
        assert_eq!(duel.ip(0, step), "");
    }
    wait_until("the status told of br-ex", LIMIT, || at("br-ex")).unwrap();
    let held = || duel.ip(0, "-4 address show dev br-ex").contains("10.77.0.200");
    wait_until("the bridge had the address", LIMIT, held).unwrap();
    assert!(!duel.ip(0, "-4 address show dev eth0").contains("10.77.0.200"));
    duel.wait_for(&[0]);
    assert!(vipd.log().contains("follows its network to another interface"), "{}", vipd.log());
}
