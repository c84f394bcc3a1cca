//! keepalived's `use_vmac`.

use import::{Given, Kind};

use super::{fate, of_keepalived, toml};

/// Instances on eth0 and eth1, of one VRID, with `lines`; the first of the second is line 12.
fn two(lines: &str) -> Given {
    let instance = |number: u8| {
        format!(
            "vrrp_instance VI_{number} {{\n interface eth{number}\n virtual_router_id 51\n priority 100\n\
             virtual_ipaddress {{ 10.0.{number}.1\n }}\n{lines}\n}}\n"
        )
    };
    of_keepalived(&format!("{}{}", instance(0), instance(1)))
}

#[test]
fn each_interface_has_a_name_of_its_own() {
    let given = two("use_vmac");
    let lines = toml(&given);
    assert_eq!(lines.matches("virtual_mac = true").count(), 2, "{lines}");
    assert_eq!(lines.matches("virtual_mac_interface").count(), 1, "{lines}");
    assert!(lines.contains("virtual_mac_interface = \"vrrp4-51-2\""), "{lines}");
    let how = |name: &str| (Kind::Different, format!("the interface is called {name}"));
    assert_eq!(fate(&given, 7), how("vrrp4-51"));
    assert_eq!(fate(&given, 15), how("vrrp4-51-2"));
}

#[test]
fn a_given_name_stays() {
    let given = two("use_vmac vrrp.51");
    let lines = toml(&given);
    assert!(lines.contains("virtual_mac_interface = \"vrrp.51\""), "{lines}");
    assert!(lines.contains("virtual_mac_interface = \"vrrp.51-2\""), "{lines}");
    assert_eq!(fate(&given, 7), (Kind::Translated, String::new()));
}

#[test]
fn what_is_otherwise_is_told() {
    let with = |lines: &str| {
        of_keepalived(&format!(
            "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {{ 10.0.0.1\n }}\n{lines}\n}}\n"
        ))
    };
    let peers = "unicast_peer {\n 10.0.0.9\n }";
    for (lines, kind, note) in [
        (
            "use_vmac vmac7 02:00:00:00:00:07".to_owned(),
            Kind::NotSupported,
            "the MAC address is the one that RFC 9568 gives the virtual_router_id",
        ),
        (
            format!("use_vmac vmac7\n{peers}"),
            Kind::Different,
            "adverts to a `unicast_peer` come from the interface's own MAC address",
        ),
        (format!("use_vmac vmac7\nvmac_xmit_base\n{peers}"), Kind::Translated, ""),
        (
            format!("vmac_xmit_base\n{peers}"),
            Kind::Ignored,
            "adverts to a `unicast_peer` always come from the interface's own MAC address",
        ),
        (
            "use_vmac vmac7\npriority 255".to_owned(),
            Kind::Different,
            "with priority 255 the addresses answer with the interface's own MAC address",
        ),
    ] {
        assert_eq!(fate(&with(&lines), 6), (kind, note.to_owned()), "{lines}");
    }
    assert!(!toml(&with("use_vmac\npriority 255")).contains("virtual_mac"));
}
