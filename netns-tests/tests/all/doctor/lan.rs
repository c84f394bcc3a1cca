//! What concerns the peer and the link.

use std::time::Duration;

use lab::{Direction, Host, Lab, wait_until};
use netns_tests::{Duel, LIMIT};
use vipd::status;
use vrrp::election::StateName;

use super::{apply, doctor, router};

const VIP: &str = "10.77.0.200/24";
const ADDRESS: &str = "10.77.0.200";

/// A file of the second node.
fn second(lines: &str) -> String {
    router(VIP, lines).replace("priority = 150", "priority = 100")
}

#[test]
fn a_pair_that_hears_each_other_is_told_so_and_not_disturbed() {
    let mut duel = Duel::new(ADDRESS);
    let _first = duel.vipd(0, &router(VIP, ""));
    duel.wait_for(&[0]);
    // Before the second node starts.
    let told = doctor(&duel.hosts[1], &duel.lab, &second(""));
    told.assert("adverts", "api (IPv4)", "ok", "10.77.0.11 is Active with priority 150, and heard");
    told.assert("address", ADDRESS, "ok", "answered on eth0 by 10.77.0.11");
    let _second = duel.vipd(1, &second(""));
    std::thread::sleep(Duration::from_millis(1_500));
    let ping = duel.ping();
    let since = lab::Moment::now();
    let told = doctor(&duel.hosts[1], &duel.lab, &second(""));
    told.assert("adverts", "api (IPv4)", "ok", "10.77.0.11 is Active with priority 150, and heard");
    let told = doctor(&duel.hosts[0], &duel.lab, &router(VIP, ""));
    told.assert("adverts", "api (IPv4)", "ok", "nobody else advertised VRID 51");
    told.assert("address", ADDRESS, "ok", "held here");
    told.assert("vrids", "eth0 IPv4", "ok", "none heard, free: 1-50, 52-255");
    let silence = Duel::silence(&ping.stop(), since);
    assert!(silence < 500, "{silence} ms");
    for (host, state) in [(0, StateName::Active), (1, StateName::Backup)] {
        let status = status::vrrpd(&duel.runtime_dir(host)).unwrap();
        assert_eq!(status.routers[0].state, state);
        assert!(status.routers[0].conflicts.is_empty());
    }
}

#[test]
fn a_lone_node_that_does_not_run_has_proven_nothing() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let told = doctor(&lb1, &lab, &router(VIP, ""));
    told.assert("adverts", "api (IPv4)", "warning", "nobody else advertised VRID 51");
    told.assert("address", ADDRESS, "ok", "it is free");
}

/// The second node's firewall drops what the first sends; then the first one's does.
#[test]
fn a_firewall_between_the_nodes_is_found_from_either_side() {
    let duel = Duel::new(ADDRESS);
    duel.hosts[1].drop_protocol(112, Direction::ToHost).unwrap();
    let _first = duel.vipd(0, &router(VIP, ""));
    let _second = duel.vipd(1, &second(""));
    wait_for_active(&duel, &[0, 1]);
    let told = doctor(&duel.hosts[0], &duel.lab, &router(VIP, ""));
    let words = "10.77.0.12 does not hear this node";
    told.assert("adverts", "api (IPv4)", "failure", words);
    let told = doctor(&duel.hosts[1], &duel.lab, &second(""));
    told.assert("adverts", "api (IPv4)", "failure", "dropped on this host, by its firewall");
    duel.hosts[1].pass_protocol(112, Direction::ToHost).unwrap();
    wait_for_active(&duel, &[0]);
    doctor(&duel.hosts[1], &duel.lab, &second("")).assert("adverts", "api (IPv4)", "ok", "heard");
}

#[test]
fn a_firewall_is_found_over_ipv6_as_well() {
    let duel = Duel::new("fd77::200");
    let addresses = "addresses = [\"fe80::200:5eff:fe00:233\", \"fd77::200/64\"]";
    let six = |text: String| text.replace(&format!("addresses = [\"{VIP}\"]"), addresses);
    let (first, second) = (six(router(VIP, "")), six(second("")));
    duel.hosts[1].drop_protocol(112, Direction::ToHost).unwrap();
    let _first = duel.vipd(0, &first);
    wait_until("the first was Active", LIMIT, || {
        let status = status::vrrpd(&duel.runtime_dir(0));
        status.is_ok_and(|status| status.routers[0].state == StateName::Active)
    })
    .unwrap();
    let told = doctor(&duel.hosts[1], &duel.lab, &second);
    told.assert("adverts", "api (IPv6)", "failure", "dropped on this host, by its firewall");
    told.assert("firewall", "api (IPv6)", "failure", "rule 1 of chain input");
    duel.hosts[1].pass_protocol(112, Direction::ToHost).unwrap();
    let told = doctor(&duel.hosts[1], &duel.lab, &second);
    told.assert("adverts", "api (IPv6)", "ok", "is Active with priority 150, and heard");
    told.assert("address", "fd77::200", "ok", "answered on eth0 by fe80::");
}

fn wait_for_active(duel: &Duel, active: &[usize]) {
    let is = |host| {
        let status = status::vrrpd(&duel.runtime_dir(host));
        status.is_ok_and(|status| status.routers[0].state == StateName::Active)
    };
    let right = || [0, 1].into_iter().all(|host| is(host) == active.contains(&host));
    wait_until("the right nodes were Active", LIMIT, right).unwrap();
    std::thread::sleep(Duration::from_millis(500));
}

#[test]
fn a_peer_that_is_configured_otherwise_is_told() {
    let duel = Duel::new(ADDRESS);
    let other = "version = 2\nauth_pass = \"42\"\n";
    let slow = |text: String| text.replace("\"100ms\"", "\"1s\"");
    let _peer = duel.vipd(1, &slow(second(other)));
    wait_for_active(&duel, &[1]);
    let ours = |pass: &str| slow(router(VIP, &format!("version = 2\nauth_pass = \"{pass}\"\n")));
    let told = doctor(&duel.hosts[0], &duel.lab, &ours("43"));
    told.assert(
        "adverts",
        "api (IPv4)",
        "failure",
        "adverts of 10.77.0.12 are rejected: the peer's password",
    );
    doctor(&duel.hosts[0], &duel.lab, &ours("42")).assert("adverts", "api (IPv4)", "ok", "heard");
}

#[test]
fn another_pair_with_our_vrid_is_told_with_those_that_are_free() {
    let duel = Duel::new("10.77.0.99");
    let _other = duel.vipd(1, &second("").replace(VIP, "10.77.0.99/24"));
    wait_for_active(&duel, &[1]);
    let told = doctor(&duel.hosts[0], &duel.lab, &router(VIP, ""));
    let words = "VRID 51 belongs to another pair on this link: 10.77.0.12, priority 100, addresses 10.77.0.99";
    told.assert("vrid", "api (IPv4)", "failure", words);
    let census = "51 by 10.77.0.12 (priority 100: 10.77.0.99), free: 1-50, 52-255";
    told.assert("vrids", "eth0 IPv4", "ok", census);
    let cured = doctor(&duel.hosts[0], &duel.lab, &router(VIP, "").replace("51", "52"));
    assert_eq!(cured.all("vrid", "api (IPv4)"), []);
    cured.assert("vrids", "eth0 IPv4", "ok", "free: 1-50, 53-255");
}

/// Over both families: a station that has the address and says nothing unasked.
#[test]
fn an_address_that_a_stranger_has_is_told() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let stranger = lab.host("stranger", 50).unwrap();
    let config = "addresses = [\"10.77.0.200/24\", \"fe80::200:5eff:fe00:233\", \"fd77::200/64\"]";
    let config = router(VIP, "").replace(&format!("addresses = [\"{VIP}\"]"), config);
    for address in [ADDRESS, "fd77::200"] {
        stranger.add_address(address.parse().unwrap(), 32, None).unwrap();
        let told = doctor(&lb1, &lab, &config);
        assert_eq!(told.code, Some(1));
        told.assert("address", address, "failure", "answered on eth0 by 02:77:00:00:00:32");
        stranger.remove_address(address.parse().unwrap(), 32).unwrap();
        doctor(&lb1, &lab, &config).assert("address", address, "ok", "it is free");
    }
}

#[test]
fn an_address_in_the_nodes_own_configuration_is_told_and_mended() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    apply(&lb1, "ip address add 10.77.0.200/24 dev eth0");
    let told = doctor(&lb1, &lab, &router(VIP, ""));
    told.assert("address", ADDRESS, "failure", "eth0 has it, and not from vipd");
    apply(&lb1, &told.remedy("address", ADDRESS)[0]);
    doctor(&lb1, &lab, &router(VIP, "")).assert("address", ADDRESS, "ok", "it is free");
}

/// Runs the doctor without the right to listen.
#[test]
fn what_cannot_be_heard_is_said() {
    let lab = Lab::new().unwrap();
    let lb1: Host = lab.host("lb1", 11).unwrap();
    let before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    open_to_all(&lab);
    let told = super::doctor_as(&before, &lb1, &lab, &router(VIP, ""), &[]);
    assert_eq!(told.code, Some(0), "{:#}", told.report);
    told.assert("adverts", "api (IPv4)", "warning", "not heard on eth0");
    told.assert("capabilities", "vrrpd", "warning", "not known");
}

/// Lets any user read the lab's directory, and the program.
fn open_to_all(lab: &Lab) {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(lab.directory(), open).unwrap();
}
