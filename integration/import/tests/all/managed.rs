//! keepalived.conf: addresses with options, routes, rules, and when addresses are announced.

use import::{Given, Kind};

use super::{fate, imported, of_keepalived, toml};

/// An instance with `lines`, the first of which is line 6.
fn instance(lines: &str) -> Given {
    of_keepalived(&format!(
        "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {{ 10.0.0.1/24\n }}\n{lines}\n}}\n"
    ))
}

/// What comes after the first lines, which are the same for all.
#[track_caller]
fn rest(given: &Given) -> String {
    let toml = toml(given);
    let (_, rest) = toml.split_once("addresses = [\"10.0.0.1/24\"]\n").unwrap();
    rest.to_owned()
}

#[test]
fn addresses_in_no_advert_may_be_of_either_family() {
    let given = instance(
        "virtual_ipaddress_excluded {\n 10.0.0.2\n 2001:db8::2/64\n 10.1.0.1/24 dev eth1 label eth1:v brd 10.1.0.255 scope link\n 10.0.0.1\n}",
    );
    let expected = "\
excluded = [
    \"10.0.0.2\",
    \"2001:db8::2/64\",
]

    [[vrrp.address]]
    address = \"10.1.0.1/24\"
    advertise = false
    interface = \"eth1\"
    label = \"eth1:v\"
    broadcast = \"10.1.0.255\"
    scope = \"link\"
";
    assert_eq!(rest(&given), expected, "{}", imported(&given).report);
    assert!(!imported(&given).report.loses());
    assert_eq!(fate(&given, 10), (Kind::Ignored, "the address stands there already".into()));
}

#[test]
fn options_of_an_address_have_their_fate() {
    let line = |options: &str| {
        instance(&format!("virtual_ipaddress_excluded {{\n 10.0.0.2 {options}\n}}"))
    };
    let cases = [
        ("dev eth0", Kind::Translated, ""),
        ("dev eth1", Kind::Translated, ""),
        ("label eth0:1", Kind::Translated, ""),
        ("label vip", Kind::Different, "it has no label: that is eth0 or eth0:WORD"),
        ("brd +", Kind::Different, "it has no broadcast address"),
        ("scope site", Kind::Different, "its scope is the kernel's choice"),
        ("no_track", Kind::Ignored, "the address is always watched"),
        ("peer 10.0.0.3", Kind::NotSupported, "an address has no `peer`"),
    ];
    for (options, kind, note) in cases {
        let (found, notes) = fate(&line(options), 7);
        assert!(found == kind && notes.starts_with(note), "{options}: {found:?} {notes}");
    }
}

#[test]
fn routes_and_rules_move_along() {
    let given = instance(
        "virtual_routes {
    src 10.0.0.1 to 10.5.0.0/16 via 10.0.0.254 dev eth1 table 100 metric 5
    10.6.0.0/16 dev eth0 scope link no_track
    default gw 10.0.0.254 table main
    2001:db8::/32 via inet6 fe80::1 scope global
}
virtual_rules {
    from 10.0.0.1 table 100 preference 1000
    to 10.5.0.0/16 lookup 100
    from all fwmark 0x7 table 100
}",
    );
    let expected = "
    [[vrrp.route]]
    source = \"10.0.0.1\"
    destination = \"10.5.0.0/16\"
    via = \"10.0.0.254\"
    interface = \"eth1\"
    table = 100
    metric = 5

    [[vrrp.route]]
    destination = \"10.6.0.0/16\"
    scope = \"link\"

    [[vrrp.route]]
    destination = \"default\"
    via = \"10.0.0.254\"
    table = 254

    [[vrrp.route]]
    destination = \"2001:db8::/32\"
    via = \"fe80::1\"

    [[vrrp.rule]]
    from = \"10.0.0.1\"
    table = 100
    priority = 1000

    [[vrrp.rule]]
    to = \"10.5.0.0/16\"
    table = 100
    priority = 32765

    [[vrrp.rule]]
    fwmark = 7
    table = 100
    priority = 32764
";
    assert_eq!(rest(&given), expected, "{}", imported(&given).report);
    assert!(!imported(&given).report.loses());
}

/// A rule that lost a condition would match what it should not: it is left out as a whole.
#[test]
fn what_routes_and_rules_cannot_do_is_told() {
    let line = |list: &str, line: &str| instance(&format!("{list} {{\n {line}\n}}"));
    let one = "a route leads through one interface to one router";
    let cases = [
        ("virtual_routes", "blackhole 10.5.0.0/16", Kind::NotSupported, one),
        ("virtual_routes", "10.5.0.0/16 via 10.0.0.2 or 10.0.0.3", Kind::NotSupported, one),
        (
            "virtual_routes",
            "10.5.0.0/16 via 10.0.0.2 table isp",
            Kind::NotSupported,
            "write the number of the table \"isp\"",
        ),
        (
            "virtual_routes",
            "10.5.0.0/16 via 10.0.0.2 mtu 1400",
            Kind::Different,
            "\"mtu\" is left out; \"1400\" is left out",
        ),
        (
            "virtual_rules",
            "from 10.0.0.1 iif eth1 table 100",
            Kind::NotSupported,
            "a rule has no `iif`: it matches by from, to and fwmark",
        ),
        (
            "virtual_rules",
            "from 10.0.0.1 fwmark 1/0xff table 100",
            Kind::NotSupported,
            "a mark has no mask",
        ),
        (
            "virtual_rules",
            "from all table 100",
            Kind::NotSupported,
            "a rule needs what it matches, and a table",
        ),
    ];
    for (list, text, kind, note) in cases {
        let given = line(list, text);
        assert_eq!(fate(&given, 7), (kind, note.to_owned()), "{text}");
        assert_eq!(toml(&given).contains("vrrp.r"), kind != Kind::NotSupported, "{text}");
    }
    let wrong = super::mistakes(&line("virtual_routes", "10.5.0.0/16 via gateway"));
    assert!(wrong.starts_with("error: \"gateway\" stands where an IP address must"), "{wrong}");
}

#[test]
fn announcements_are_timed_as_they_were() {
    let cases = [
        (
            "garp_master_delay 10\ngarp_master_repeat 2",
            "{ at = [\"0s\", \"0s\", \"10s\", \"10s\"] }",
        ),
        ("garp_master_repeat 1\ngarp_master_delay 0", "{ at = [\"0s\"] }"),
        (
            "garp_master_refresh 60\ngarp_master_refresh_repeat 2",
            "{ refresh = \"1m\", refresh_repeat = 2 }",
        ),
        ("garp_master_refresh 0", "{ refresh = \"off\" }"),
    ];
    for (lines, expected) in cases {
        let given = instance(lines);
        assert_eq!(rest(&given), format!("announce = {expected}\n"), "{lines}");
        assert_eq!(fate(&given, 6).0, Kind::Translated);
    }
    assert_eq!(rest(&instance("")), "");
    let globals = "global_defs {\n vrrp_garp_interval 0.001\n vrrp_gna_interval 0.000001\n vrrp_min_garp\n vrrp_garp_lower_prio_repeat 3\n}\n";
    let text = instance("garp_master_delay 3").keepalived.unwrap().text.clone();
    let given = of_keepalived(&format!("{globals}{text}"));
    let expected = "announce = { at = [\"0s\", \"3s\"], interval = \"1ms\" }\n";
    assert_eq!(rest(&given), expected, "{}", imported(&given).report);
    let note = "addresses are announced then as after taking over";
    assert_eq!(fate(&given, 5), (Kind::Different, note.to_owned()));
}
