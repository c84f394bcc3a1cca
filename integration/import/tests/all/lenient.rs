//! What keepalived 2.2.7 takes with a warning, and what it makes of it.

use import::{Given, Kind};

use super::{fate, imported, of_keepalived, toml};

/// An instance with `lines`, the first of which is line 6.
fn instance(lines: &str) -> Given {
    of_keepalived(&format!(
        "vrrp_instance A {{\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {{\n 10.0.0.1/24 }}\n{lines}\n}}\n"
    ))
}

/// `line`, what is said of it, and a line of what is written.
#[track_caller]
fn taken(line: &str, said: &str, written: &str) {
    let given = instance(line);
    let (kind, note) = fate(&given, 6);
    assert_eq!((kind, note.as_str()), (Kind::Different, said), "{line}");
    assert!(toml(&given).contains(written), "{line}: {}", toml(&given));
    assert!(!imported(&given).report.loses());
}

#[test]
fn numbers_out_of_range_count_as_keepalived_counts_them() {
    let hundred = "keepalived takes 100, for this is not 1 to 255";
    taken("priority 0", hundred, "priority = 100\n");
    taken("priority 300", hundred, "priority = 100\n");
    let second = "keepalived takes 1 s, for this is not 0.01 to 255";
    taken("advert_int 0", second, "addresses");
    taken("advert_int 300", second, "addresses");
    let none = "keepalived does without, for this is not 0 to 1000";
    taken("preempt_delay 2000", none, "addresses");
    assert!(!toml(&instance("preempt_delay 2000")).contains("preempt_delay"));
}

#[test]
fn master_without_a_priority_is_255() {
    let said = "the priorities decide who leads; without `priority` keepalived takes 255 for it";
    taken("state MASTER", said, "priority = 255\n");
    assert!(toml(&instance("state MASTER\npriority 90")).contains("priority = 90\n"));
}

#[test]
fn addresses_of_the_other_family_are_left_out() {
    let text = "vrrp_instance A {\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {\n 10.0.0.1\n fd00::1/64\n }\n virtual_ipaddress_excluded {\n fd00::2/64\n }\n}\n";
    let given = of_keepalived(text);
    let how = "keepalived leaves it out: the instance is of the other family".to_owned();
    assert_eq!(fate(&given, 6), (Kind::Different, how.clone()));
    let written = toml(&given);
    assert!(written.contains("version = 2\naddresses = [\"10.0.0.1\"]\n"), "{written}");
    assert!(written.contains("excluded = [\"fd00::2/64\"]\n"), "{written}");
    let peers = instance("unicast_peer {\n 10.0.0.3\n fd00::3\n}");
    assert_eq!(fate(&peers, 8), (Kind::Different, how));
    assert!(toml(&peers).contains("peers = [\"10.0.0.3\"]\n"), "{}", toml(&peers));
}

#[test]
fn a_prefix_behind_an_address_of_adverts_is_left_out() {
    let given = instance("unicast_src_ip 192.0.2.1/24\nunicast_peer {\n 192.0.2.2/24\n}");
    let how = "keepalived reads the address and leaves the prefix out, and so does this".to_owned();
    assert_eq!(fate(&given, 6), (Kind::Different, how.clone()));
    assert_eq!(fate(&given, 8), (Kind::Different, how));
    let written = toml(&given);
    assert!(written.contains("peers = [\"192.0.2.2\"]\nsource = \"192.0.2.1\"\n"), "{written}");
}

#[test]
fn the_nodes_own_address_among_the_peers_is_left_out() {
    let given = instance("unicast_peer {\n 10.0.0.2\n 10.0.0.3\n}\nunicast_src_ip 10.0.0.2");
    let how = "it is this node's own address, which needs no adverts".to_owned();
    assert_eq!(fate(&given, 7), (Kind::Different, how));
    assert!(toml(&given).contains("peers = [\"10.0.0.3\"]\n"), "{}", toml(&given));
    // Without another node adverts would become multicast.
    let alone = instance("unicast_peer {\n 10.0.0.2\n}\nunicast_src_ip 10.0.0.2");
    assert_eq!(fate(&alone, 6).0, Kind::NotSupported);
}

#[test]
fn an_instance_without_an_address_is_named() {
    let text = "vrrp_instance A {\n interface eth0\n virtual_router_id 7\n}\n";
    let (kind, why) = fate(&of_keepalived(text), 1);
    assert_eq!(kind, Kind::NotSupported);
    assert!(why.starts_with("keepalived runs it without an address in its adverts"), "{why}");
    // Nothing is left to write here; beside another it would be that one.
    let other = "vrrp_instance B {\n interface eth0\n virtual_router_id 8\n virtual_ipaddress {\n 10.0.0.1\n }\n}\n";
    let both = of_keepalived(&format!("{text}{other}"));
    assert_eq!(toml(&both).matches("[[vrrp]]").count(), 1);
    assert!(imported(&both).report.loses());
}

#[test]
fn braces_without_their_counterpart_are_passed_over() {
    let one = "vrrp_instance A {\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {\n 10.0.0.1\n }\n";
    let surplus = of_keepalived(&format!(
        "{one}}}\n}}\nvrrp_instance B {{\n interface eth0\n virtual_router_id 8\n virtual_ipaddress {{\n 10.0.0.9\n }}\n}}\n"
    ));
    assert_eq!(toml(&surplus).matches("[[vrrp]]").count(), 2);
    let (kind, how) = fate(&surplus, 8);
    assert_eq!(kind, Kind::Different);
    assert!(how.starts_with("this `}` closes nothing"), "{how}");
    // At the end one is missing.
    let (kind, how) = fate(&of_keepalived(one), 1);
    assert_eq!(kind, Kind::Different);
    assert!(how.contains("its block is not closed"), "{how}");
    assert!(toml(&of_keepalived(one)).contains("addresses = [\"10.0.0.1\"]\n"));
    // One that belongs to nothing is passed over, and the next `}` ends the instance.
    let lost = of_keepalived(&format!("{one}{{\n priority 5\n}}\nadvert_int 3\n}}\n"));
    assert!(toml(&lost).contains("priority = 5\n") && !toml(&lost).contains("advert_interval"));
    assert_eq!(fate(&lost, 10).0, Kind::NotSupported);
}

#[test]
fn strict_mode_drops_what_keepalived_drops() {
    let auth = "authentication {\n auth_type PASS\n auth_pass secret\n}\npreempt_delay 5";
    for given in [
        instance(&format!("{auth}\n}}\nglobal_defs {{\n vrrp_strict")),
        instance(&format!("{auth}\nstrict_mode")),
    ] {
        let how = "keepalived's strict mode has no authentication and sends none, and so does this";
        assert_eq!(fate(&given, 8), (Kind::Different, how.to_owned()));
        let how = "keepalived's strict mode has no `preempt_delay`, and so has this none";
        assert_eq!(fate(&given, 10), (Kind::Different, how.to_owned()));
        assert!(!toml(&given).contains("auth_pass") && !toml(&given).contains("preempt_delay"));
    }
    let off = instance(&format!("{auth}\nstrict_mode off\n}}\nglobal_defs {{\n vrrp_strict"));
    assert!(toml(&off).contains("auth_pass = \"secret\"\n"));
}
