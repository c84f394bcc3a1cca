//! What concerns the node alone.

use lab::{Host, Lab};

use super::{apply, doctor, doctor_as, has, router};

const VIP: &str = "10.77.0.200/24";

#[test]
fn a_good_node_is_told_to_be_good() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let told = doctor(&lb1, &lab, &router(VIP, ""));
    assert_eq!(told.code, Some(0), "{:#}", told.report);
    told.assert("interface", "eth0", "ok", "up, with carrier, with multicast");
    told.assert("source", "api (IPv4)", "ok", "it speaks from 10.77.0.11 on eth0");
    told.assert("arp", "eth0", "ok", "arp_ignore is 0");
    told.assert("capabilities", "vrrpd", "ok", "CAP_NET_RAW");
}

#[test]
fn a_wrong_file_is_told_with_every_mistake() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let told = doctor(&lb1, &lab, &router(VIP, "vrid2 = 3\n").replace("150", "300"));
    assert_eq!(told.code, Some(1));
    let path = lab.directory().join("lb1.toml").display().to_string();
    told.assert("configuration", &path, "failure", "vrid2");
    told.assert("configuration", &path, "failure", "300");
}

#[test]
fn an_interface_that_cannot_serve_is_told_and_mended() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let config = router(VIP, "");
    for (fault, seen) in [
        ("ip link set dev eth0 multicast off", "no multicast"),
        ("ip link set dev eth0 down", "down"),
    ] {
        apply(&lb1, fault);
        let told = doctor(&lb1, &lab, &config);
        assert_eq!(told.code, Some(1));
        told.assert("interface", "eth0", "failure", seen);
        apply(&lb1, &told.remedy("interface", "eth0")[0]);
        doctor(&lb1, &lab, &config).assert("interface", "eth0", "ok", "up");
    }
    lab.carrier("lb1", false).unwrap();
    doctor(&lb1, &lab, &config).assert("interface", "eth0", "failure", "no carrier");
    lab.carrier("lb1", true).unwrap();
    doctor(&lb1, &lab, &config).assert("interface", "eth0", "ok", "up");
    let elsewhere = doctor(&lb1, &lab, &config.replace("eth0", "eno1"));
    elsewhere.assert(
        "interface",
        "eno1",
        "failure",
        "there is no interface eno1; this node has eth0",
    );
}

#[test]
fn a_router_without_a_source_is_told() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    lb1.remove_address(lb1.ipv4().into(), 24).unwrap();
    let told = doctor(&lb1, &lab, &router(VIP, ""));
    told.assert("source", "api (IPv4)", "failure", "eth0 has no IPv4 address of its own");
    apply(&lb1, &told.remedy("source", "api (IPv4)")[0].replace("NODE_ADDRESS", "10.77.0.11"));
    doctor(&lb1, &lab, &router(VIP, "")).assert("source", "api (IPv4)", "ok", "10.77.0.11");

    let ipv6 = router("fe80::200", "");
    apply(&lb1, "sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=1");
    let told = doctor(&lb1, &lab, &ipv6);
    told.assert("source", "api (IPv6)", "failure", "IPv6 is disabled on eth0");
    apply(&lb1, &told.remedy("source", "api (IPv6)")[0]);
    wait_for_link_local(&lb1, "-tentative");
    doctor(&lb1, &lab, &ipv6).assert("source", "api (IPv6)", "ok", "it speaks from fe80::");
}

/// Waits for a link-local address in this state: the kernel makes and tests addresses in its own time.
fn wait_for_link_local(host: &Host, state: &str) {
    let there = format!("ip -6 address show dev eth0 scope link {state} | grep -q fe80");
    apply(host, &format!("timeout 10 sh -c 'until {there}; do sleep 0.1; done'"));
}

/// Duplicate address detection found another station with the node's link-local address.
#[test]
fn a_duplicate_link_local_address_is_told() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let other = lab.host("other", 12).unwrap();
    apply(&other, "ip address add fe80::bad/64 dev eth0 nodad");
    apply(&lb1, "ip -6 address flush dev eth0 scope link");
    apply(&lb1, "sysctl -q -w net.ipv6.conf.all.accept_dad=1 net.ipv6.conf.eth0.accept_dad=1");
    apply(&lb1, "ip address add fe80::bad/64 dev eth0");
    wait_for_link_local(&lb1, "dadfailed");
    let config = router("fe80::200", "");
    let told = doctor(&lb1, &lab, &config);
    told.assert(
        "source",
        "api (IPv6)",
        "failure",
        "fe80::bad on eth0 is another station's as well",
    );
    for command in told.remedy("source", "api (IPv6)").iter().filter(|c| !c.starts_with('#')) {
        apply(&lb1, command);
    }
    apply(&lb1, "ip link set dev eth0 down; ip link set dev eth0 up");
    wait_for_link_local(&lb1, "-tentative");
    doctor(&lb1, &lab, &config).assert("source", "api (IPv6)", "ok", "it speaks from fe80::");
}

#[test]
fn an_interface_that_answers_no_arp_is_told_and_mended() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    apply(&lb1, "sysctl -q -w net.ipv4.conf.eth0.arp_ignore=8");
    let told = doctor(&lb1, &lab, &router(VIP, ""));
    told.assert("arp", "eth0", "failure", "arp_ignore is 8");
    for command in told.remedy("arp", "eth0") {
        apply(&lb1, &command);
    }
    doctor(&lb1, &lab, &router(VIP, "")).assert("arp", "eth0", "ok", "arp_ignore is 0");
}

#[test]
fn missing_capabilities_are_told() {
    assert!(has("setpriv"), "setpriv is missing: install util-linux");
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let config = router(VIP, "");
    let without = |capability: &str| {
        let bounding = format!("--bounding-set=-{capability}");
        doctor_as(&["setpriv", &bounding], &lb1, &lab, &config, &[])
    };
    let told = without("net_raw");
    assert_eq!(told.code, Some(1));
    told.assert("capabilities", "vrrpd", "failure", "lacks CAP_NET_RAW");
    without("sys_nice").assert("capabilities", "vrrpd", "warning", "lacks CAP_SYS_NICE");
}
