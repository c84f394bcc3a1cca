//! keepalived's FAULT state, which a priority of 1 replaces only where both mean the same.

use import::{Given, Kind};

use super::{fate, imported, of_keepalived, toml};

/// An instance that tracks a script without a weight at line 8, with `lines` from line 10 on.
fn tracking(lines: &str) -> Given {
    of_keepalived(&format!(
        "vrrp_script chk {{\n script /etc/chk.sh\n user x\n}}\nvrrp_instance A {{\n interface eth0\n track_script {{\n chk\n }}\n virtual_router_id 7\n virtual_ipaddress {{\n 10.0.0.1\n }}\n{lines}\n}}\n"
    ))
}

#[test]
fn without_a_weight_the_priority_falls_to_1_and_that_is_said() {
    let (kind, how) = fate(&tracking("priority 101"), 8);
    assert_eq!(kind, Kind::Different);
    assert!(how.starts_with("keepalived goes into FAULT state"), "{how}");
    assert!(toml(&tracking("priority 101")).contains("track = [\"chk\"]\n"));
}

#[test]
fn where_a_priority_of_1_does_less_it_is_not_supported() {
    for (lines, why) in [
        ("nopreempt", "with `nopreempt` a peer takes over from keepalived's FAULT state"),
        ("priority 255", "keepalived goes into FAULT state, but a priority of 255 is never"),
        ("state MASTER", "keepalived goes into FAULT state, but a priority of 255 is never"),
        ("priority 1", "keepalived goes into FAULT state, but a priority of 1 cannot fall"),
        ("notify_fault /x nobody", "keepalived goes into FAULT state and runs `notify_fault`"),
    ] {
        let (kind, said) = fate(&tracking(lines), 8);
        assert_eq!(kind, Kind::NotSupported, "{lines}");
        assert!(said.starts_with(why), "{lines}: {said}");
        assert!(imported(&tracking(lines)).report.loses());
    }
    // keepalived clears `nopreempt` here.
    assert_eq!(fate(&tracking("nopreempt\nstate MASTER\npriority 9"), 8).0, Kind::Different);
}

#[test]
fn the_same_holds_for_an_interface_and_for_a_group() {
    let text = "vrrp_instance A {\n interface eth0\n virtual_router_id 7\n nopreempt\n virtual_ipaddress {\n 10.0.0.1\n }\n track_interface {\n eth1\n eth2 weight -5\n }\n}\nvrrp_script c {\n script /c\n user x\n}\nvrrp_sync_group G {\n group {\n A\n }\n track_script {\n c\n }\n}\n";
    let given = of_keepalived(text);
    assert_eq!(fate(&given, 9).0, Kind::NotSupported);
    assert_eq!(fate(&given, 10).0, Kind::Translated);
    assert_eq!(fate(&given, 22).0, Kind::NotSupported);
}

#[test]
fn a_weight_of_zero_is_none_and_overrides_the_scripts_own() {
    let text = |own: &str| {
        of_keepalived(&format!(
            "vrrp_script c {{\n script /c\n user x\n weight -20\n}}\nvrrp_instance A {{\n interface eth0\n virtual_router_id 7\n track_script {{\n c{own}\n }}\n virtual_ipaddress {{\n 10.0.0.1\n }}\n}}\n"
        ))
    };
    assert!(toml(&text("")).contains("weight = -20\n"));
    assert!(!toml(&text(" weight 0")).contains("weight"));
    assert!(toml(&text(" weight 5")).contains("weight = 5\n"));
    let reverse = fate(&text(" weight 5 reverse"), 10);
    assert_eq!(reverse.0, Kind::NotSupported);
}
