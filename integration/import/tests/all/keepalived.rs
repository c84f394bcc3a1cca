//! keepalived.conf.

use std::collections::BTreeMap;

use import::{Given, Kind, Source, import};

use super::{Shelf, fate, imported, mistakes, of_keepalived, toml};

/// An instance with `lines`, the first of which is line 6.
fn instance(lines: &str) -> Given {
    of_keepalived(&format!(
        "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {{ 10.0.0.1/24\n }}\n{lines}\n}}\n"
    ))
}

#[test]
fn an_instance_becomes_a_router() {
    let text = "\
vrrp_instance VI_1 {
    state BACKUP
    interface eno1
    virtual_router_id 51
    priority 101
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass 42
    }
    unicast_src_ip 192.168.1.9
    unicast_peer {
        192.168.1.10
        192.168.1.11
    }
    nopreempt
    virtual_ipaddress {
        192.168.1.100/24 dev eno1
        192.168.1.101
    }
}
";
    let imported = imported(&of_keepalived(text));
    assert!(!imported.report.loses(), "{}", imported.report);
    assert_eq!(
        imported.toml.unwrap(),
        "\
# Written by `vipd import`; each line says where it came from.

# vrrp_instance VI_1  k.conf:1
[[vrrp]]
name = \"VI_1\"
interface = \"eno1\"                                # k.conf:3
vrid = 51                                         # k.conf:4
version = 2
auth_pass = \"42\"                                  # k.conf:9
priority = 101                                    # k.conf:5
addresses = [
    \"192.168.1.100/24\",                           # k.conf:18
    \"192.168.1.101\",                              # k.conf:19
]
advert_interval = \"1s\"                            # k.conf:6
preempt = false                                   # k.conf:16
peers = [
    \"192.168.1.10\",                               # k.conf:13
    \"192.168.1.11\",                               # k.conf:14
]
source = \"192.168.1.9\"                            # k.conf:11
"
    );
}

#[test]
fn the_report_begins_with_what_needs_a_look_and_folds_the_rest() {
    let report =
        imported(&instance(" state BACKUP\n garp_lower_prio_delay 1\n track_bfd {\n  x\n }"))
            .report;
    let look = "\
not supported:
  k.conf:8-10: track_bfd
      there is no BFD
translated with a difference:
  k.conf:7: garp_lower_prio_delay 1
      addresses are announced then as after taking over
worth knowing:
  VI_1: up to 3s 609ms until a node of this priority notices that the other is dead; with `version = 3` and `advert_interval = \"100ms\"` on both it is under 0.4 s
";
    let folded = "translated: 5; without effect here: 1 (--all shows them)\n";
    assert_eq!(report.to_string(), format!("{look}{folded}"));
    let rest = "\
ignored, for it has no effect here:
  k.conf:6: state BACKUP
      the priorities decide who leads
translated:
  k.conf:1: vrrp_instance VI_1
  k.conf:2: interface eth0
  k.conf:3: virtual_router_id 7
  k.conf:4: virtual_ipaddress
  k.conf:4: 10.0.0.1/24
";
    assert_eq!(report.shown(true).to_string(), format!("{look}{rest}"));
}

#[test]
fn every_line_has_its_fate() {
    let cases = [
        ("advert_int 3", Kind::Translated, ""),
        ("advert_int 1.5", Kind::Different, "version 2 counts whole seconds: 2s"),
        ("advert_int 1 x y", Kind::Different, "\"x y\" is left out: it is not read"),
        ("advert_int 60", Kind::NotSupported, "adverts are at most 40s apart"),
        ("nopreempt", Kind::Translated, ""),
        ("preempt_delay 5", Kind::Translated, ""),
        ("state SLAVE", Kind::Ignored, "the priorities decide who leads"),
        (
            "notify /x.sh",
            Kind::Different,
            "it runs as root, as under keepalived where there is no user `keepalived_script`",
        ),
        ("notify_master \"/x.sh a\" nobody", Kind::Translated, ""),
        ("notify_deleted /x.sh", Kind::NotSupported, "no hook belongs to this event"),
        (
            "notify \"/x.sh '\" nobody",
            Kind::NotSupported,
            "its quotes do not match: keepalived runs nothing here",
        ),
        ("track_interface { eth0 }", Kind::Translated, ""),
        ("smtp_alert", Kind::NotSupported, "no mail is sent"),
        ("use_vmac", Kind::Different, "the interface is called vrrp4-7"),
        ("use_vmac vrrp.7", Kind::Translated, ""),
        ("use_vmac_addr", Kind::Ignored, "the addresses are on the adverts' interface"),
        (
            "vmac_xmit_base",
            Kind::Different,
            "adverts come from the interface, but with the virtual MAC address, as RFC 9568 wants",
        ),
        ("lvs_sync_daemon_inteface eth0", Kind::Ignored, "there is no IPVS"),
        ("wibble 3", Kind::NotSupported, "this keyword is not known to `vipd import`"),
        (
            "track_interface eth0",
            Kind::Different,
            "keepalived wants braces here and reads what follows as interfaces; it is taken as it was meant",
        ),
    ];
    for (line, kind, note) in cases {
        assert_eq!(fate(&instance(line), 6), (kind, note.to_owned()), "{line}");
    }
}

#[test]
fn state_master_undoes_what_keepalived_undoes() {
    let given = instance("state MASTER\nnopreempt\npreempt_delay 5");
    let why = "keepalived itself clears `nopreempt` beside `state MASTER`".to_owned();
    assert_eq!(fate(&given, 7), (Kind::Ignored, why));
    assert_eq!(fate(&given, 8).0, Kind::Ignored);
    assert!(!toml(&given).contains("preempt"));
}

#[test]
fn the_grammar_is_keepalived_s() {
    let text = "! a comment\r\n$IF=eth0 # a definition\r\n$VIP=10.0.0.1\r\n\
        vrrp_instance VI_1\r\n{\r\n\r\n interface \"${IF}\" # not $IF\r\n virtual_router_id 7\r\n\
        virtual_ipaddress { $VIP/24 dev $IF\r\n} }\r\n";
    let expected = "\
[[vrrp]]
name = \"VI_1\"
interface = \"eth0\"
vrid = 7
version = 2
addresses = [\"10.0.0.1/24\"]
";
    let given = of_keepalived(text);
    assert_eq!(toml(&given), expected, "{}", imported(&given).report);
}

#[test]
fn definitions_of_several_lines_and_counted_lines_are_keepalived_s() {
    let text = "\
$PASSWORD=x
$INSTANCE= \\
  vrrp_instance VI_${ID} { \\
    interface eth0 \\
    virtual_router_id ${ID} \\
    virtual_ipaddress { \\
      ~SEQ(HOST, 1, 2) 10.0.${ID}.${HOST}/24 \\
    } \\
  }
~LST(ID, 7, 9) $INSTANCE
";
    let given = of_keepalived(text);
    let written = toml(&given);
    assert!(!imported(&given).report.loses(), "{}", imported(&given).report);
    for line in ["name = \"VI_7\"", "vrid = 9", "addresses = [\"10.0.9.1/24\", \"10.0.9.2/24\"]"] {
        assert!(written.contains(line), "{line}: {written}");
    }
    // Every line of a definition is accounted for, and no secret shown.
    for line in 1..=10 {
        assert_eq!(fate(&given, line).0, Kind::Translated, "{line}");
    }
    assert!(imported(&given).report.shown(true).to_string().contains("k.conf:1: $PASSWORD=******"));
}

#[test]
fn lines_for_one_node_are_read_for_it() {
    let text = "\
vrrp_instance A {
  interface eth0
  virtual_router_id 7
  @main priority 150
  @backup priority 100
  @backup authentication {
    auth_type PASS
  }
  unicast_peer {
    @^main 10.0.0.11
    @^backup 10.0.0.12
  }
  virtual_ipaddress {
    10.0.0.1
  }
}
";
    let nobody = of_keepalived(text);
    let why = "it is for a node of this name: say with `--config-id` which one this is for";
    assert_eq!(fate(&nobody, 4), (Kind::NotSupported, why.to_owned()));
    assert_eq!(fate(&nobody, 7), (Kind::NotSupported, why.to_owned()));
    let main = Given { config_id: Some("main".to_owned()), ..nobody };
    assert!(!imported(&main).report.loses(), "{}", imported(&main).report);
    assert_eq!(fate(&main, 5), (Kind::Ignored, "it is not for main".to_owned()));
    let written = toml(&main);
    assert!(written.contains("priority = 150\n"), "{written}");
    assert!(written.contains("peers = [\"10.0.0.12\"]\n"), "{written}");
}

#[test]
fn files_are_included_where_they_are_named() {
    let given = of_keepalived("include conf.d/*.conf\n");
    let body = "vrrp_instance A {\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {\n 10.0.0.1\n }\n}\n";
    let shelf = Shelf(BTreeMap::from([("conf.d/*.conf", vec![Source::new("a.conf", body)])]));
    let imported = import(&given, &shelf);
    assert!(imported.toml.unwrap().contains("\"eth0\"                                # a.conf:2"));
    let missing = import(&given, &Shelf::default());
    assert_eq!(
        missing.report.to_string(),
        "\
error: cannot include conf.d/*.conf: there is no such file
 --> k.conf:1:9
  |
1 | include conf.d/*.conf
  |         ^^^^^^^^^^^^^
"
    );
    // A file that includes itself ends.
    let shelf = Shelf(BTreeMap::from([("x", vec![Source::new("x", "include x\n")])]));
    let report = import(&of_keepalived("include x\n"), &shelf).report;
    assert!(report.to_string().contains("too many files that include files"), "{report}");
}

#[test]
fn what_cannot_be_read_is_shown_at_its_place() {
    let cases = [
        ("a \"b\n", "this quote is not closed"),
        ("$A=$B\n$B=$A\nx $A\n", "the definitions in this line stand for one another"),
    ];
    for (text, title) in cases {
        let shown = mistakes(&of_keepalived(text));
        assert!(shown.starts_with(&format!("error: {title}")), "{text:?} gives {shown}");
    }
    let wrong = instance("priority <--PRIORITY-->\nunicast_peer {\n peer\n}");
    assert_eq!(
        mistakes(&wrong),
        "\
error: `priority` is \"<--PRIORITY-->\", but must be 1 to 255
 --> k.conf:6:10
  |
6 | priority <--PRIORITY-->
  |          ^^^^^^^^^^^^^^
error: `unicast_peer` has \"peer\", but each must be an IP address
 --> k.conf:8:2
  |
8 |  peer
  |  ^^^^
"
    );
    assert!(imported(&wrong).toml.is_none());
    let empty = mistakes(&of_keepalived("vrrp_instance A {\n}\n"));
    for keyword in ["interface", "virtual_router_id"] {
        assert!(empty.contains(&format!("vrrp_instance A has no `{keyword}`")), "{empty}");
    }
}

#[test]
fn passwords_are_cut_as_keepalived_cuts_them_and_never_shown() {
    let auth = |kind: &str, pass: &str| {
        instance(&format!("authentication {{\n auth_type {kind}\n auth_pass {pass}\n}}"))
    };
    let long = auth("PASS", "geheimgeheim");
    assert!(toml(&long).contains("auth_pass = \"geheimge\"\n"));
    assert!(!imported(&long).report.to_string().contains("geheim"));
    // In keepalived a comment may begin within a word.
    let commented = auth("PASS", "P@##D321!");
    assert!(toml(&commented).contains("auth_pass = \"P@\"\n"));
    assert!(imported(&commented).report.lints[0].contains("takes the rest as a comment"));
    // keepalived 2.2: "unknown authentication type 'PASS;'".
    let unknown = auth("PASS;", "geheim");
    assert!(!toml(&unknown).contains("auth_pass"));
    assert_eq!(
        fate(&unknown, 7),
        (Kind::Different, "keepalived does not know \"PASS;\" and runs without a password".into())
    );
}

#[test]
fn ipv6_is_version_3_and_begins_with_the_link_local_address() {
    let text = "vrrp_instance A {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n fd00::1/64\n }\n authentication {\n auth_type PASS\n auth_pass x\n }\n}\n";
    let given = of_keepalived(text);
    let expected = "\
[[vrrp]]
name = \"A\"
interface = \"eth0\"
vrid = 51
version = 3
addresses = [
    \"fe80::200:5eff:fe00:233\",
    \"fd00::1/64\",
]
";
    assert_eq!(toml(&given), expected);
    assert_eq!(fate(&given, 9), (Kind::Ignored, "version 3 has no authentication".to_owned()));
}

#[test]
fn a_second_instance_of_the_same_name_is_skipped_as_keepalived_skips_it() {
    let one = "vrrp_instance A {\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {\n 10.0.0.1\n }\n}\n";
    let given = of_keepalived(&format!("{one}{one}"));
    assert_eq!(toml(&given).matches("[[vrrp]]").count(), 1);
    assert_eq!(fate(&given, 10).0, Kind::Ignored);
}

/// One script, tracked by an instance; the block begins at line 10.
fn script(lines: &str) -> Given {
    instance(&format!("track_script {{\n chk\n}}\n}}\nvrrp_script chk {{\n{lines}"))
}

#[test]
fn a_check_of_a_process_becomes_a_tracker_of_it() {
    let given = script("script \"killall -0 haproxy\"\ninterval 2\nweight 2\nfall 3");
    let expected = "\
track = [\"chk\"]

[[track]]
name = \"chk\"
process = \"haproxy\"
weight = 2
";
    assert!(toml(&given).ends_with(expected), "{}", toml(&given));
    assert_eq!(fate(&given, 12).0, Kind::Different);
    let lints = imported(&given).report.lints.join("\n");
    assert!(lints.contains("k.conf:10: 6s until chk was found dead; now under 0.1 s"), "{lints}");
}

#[test]
fn a_check_of_an_imported_proxy_becomes_that_proxy() {
    let haproxy = "listen api\n bind *:6443\n server a 10.0.0.5:6443 check\n";
    let with = |given: Given| Given { haproxy: Some(Source::new("h.cfg", haproxy)), ..given };
    for command in ["killall -0 haproxy", "curl -sk https://localhost:6443/healthz -o /dev/null"] {
        let given = with(script(&format!("script \"{command}\"\nweight -2")));
        let written = toml(&given);
        assert!(written.contains("track = [\"chk\"]\n"), "{command}: {written}");
        let tracker = "name = \"chk\"\nproxy = \"api\"\nweight = -2\n";
        assert!(written.contains(tracker), "{command}: {written}");
        assert_eq!(fate(&given, 10).0, Kind::Different, "{command}");
    }
    // Nothing told keepalived; the router follows the proxy that its addresses lead to all the same.
    let labelled = instance("virtual_ipaddress_excluded {\n 10.0.0.9 label eth0:9\n}");
    let bound = Source::new("h.cfg", &haproxy.replace('*', "10.0.0.9"));
    let given = Given { haproxy: Some(bound), ..labelled };
    assert!(toml(&given).contains("track = [\"api\"]\n"), "{}", toml(&given));
    let given = with(instance(""));
    assert!(toml(&given).contains("track = [\"api\"]\n"), "{}", toml(&given));
    assert!(imported(&given).report.lints.iter().any(|lint| lint.contains("never learned")));
}

#[test]
fn other_scripts_are_run() {
    let given = script(
        "script \"/etc/check.sh 'a b'\"\ninterval 2\ntimeout 5\nfall 3\nuser nobody\ninit_fail\nweight -20",
    );
    let expected = "\
track = [\"chk\"]

[[track]]
name = \"chk\"
script = [\"/etc/check.sh\", \"a b\"]
user = \"nobody\"
interval = \"2s\"
timeout = \"5s\"
fall = 3
weight = -20
";
    assert!(toml(&given).ends_with(expected), "{}", toml(&given));
    assert_eq!(fate(&given, 10).0, Kind::Translated);
    assert!(!imported(&given).report.loses());
}

#[test]
fn hooks_keep_their_arguments_and_their_user() {
    let hooks = "notify \"/etc/n.sh a\"\nnotify_master /etc/m.sh\nnotify_stop /etc/s.sh root\n}\n\
                 global_defs {\nscript_user nobody\nvrrp_notify_fifo /run/k.fifo";
    let given = instance(hooks);
    let written = toml(&given);
    for line in [
        "[notify]\nfifo = \"/run/k.fifo\"",
        "notify = [\"/etc/n.sh\", \"a\"]",
        "notify_active = [\"/etc/m.sh\"]",
        "notify_user = \"nobody\"",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
    let why = "the hooks of a router run as one user, and that is nobody";
    assert_eq!(fate(&given, 8), (Kind::NotSupported, why.to_owned()));
}

#[test]
fn a_weight_that_can_never_do_anything_is_told() {
    let mut given = script("script \"pidof x\"\nweight -2");
    let lints = |given: &Given| imported(given).report.lints.join("\n");
    assert!(!lints(&given).contains("never"), "{}", lints(&given));
    given = of_keepalived(
        &given
            .keepalived
            .unwrap()
            .text
            .replace("track_script", "priority 255\nnopreempt\ntrack_script"),
    );
    assert!(lints(&given).contains("priority 255 owns the addresses"), "{}", lints(&given));
    assert!(
        lints(&given).contains("VI_1 tracks something, and never preempts"),
        "{}",
        lints(&given)
    );
}

#[test]
fn an_ipvs_service_becomes_a_proxy() {
    let text = "\
virtual_server 10.0.0.1 80 {
  delay_loop 30
  lb_algo wlc
  lb_kind NAT
  protocol TCP
  real_server 10.0.0.11 80 {
    weight 1
    HTTP_GET {
      url {
        path /status
        status_code 204
      }
      connect_timeout 3
      nb_get_retry 3
    }
  }
  real_server 10.0.0.12 80 {
    weight 1
    HTTP_GET {
      url {
        path /status
        status_code 204
      }
    }
  }
}
";
    let given = of_keepalived(text);
    let expected = "\
[[proxy]]
name = \"virtual-server-10.0.0.1:80\"
listen = [\"10.0.0.1:80\"]
balance = \"least_conn\"
check = { http = \"/status\", expect = 204, interval = \"30s\", timeout = \"3s\", rise = 1, fall = 4 }

    [[proxy.server]]
    address = \"10.0.0.11:80\"

    [[proxy.server]]
    address = \"10.0.0.12:80\"
";
    assert_eq!(toml(&given), expected);
    assert!(!imported(&given).report.loses());
    let udp = of_keepalived(&text.replace("TCP", "UDP"));
    assert_eq!(fate(&udp, 3), (Kind::NotSupported, "a proxy carries TCP, not UDP".to_owned()));
}

#[test]
fn members_of_a_group_stay_together_and_a_group_of_one_is_none() {
    let one = |name: &str, vrid: u8| {
        format!(
            "vrrp_instance {name} {{\n interface eth{vrid}\n virtual_router_id {vrid}\n virtual_ipaddress {{\n 10.0.{vrid}.1\n }}\n}}\n"
        )
    };
    let group = |members: &str| {
        format!("vrrp_sync_group G {{\n group {{\n {members}\n }}\n notify /x\n}}\n")
    };
    let pair = of_keepalived(&format!("{}{}{}", group("A\n B"), one("A", 1), one("B", 2)));
    assert_eq!(toml(&pair).matches("sync_group = \"G\"\n").count(), 2, "{}", toml(&pair));
    // One of them runs what the group ran.
    let how = "members change state together: A runs it, and tells its own name; it runs as root, as under keepalived where there is no user `keepalived_script`";
    assert_eq!(fate(&pair, 6), (Kind::Different, how.to_owned()));
    assert_eq!(toml(&pair).matches("notify = [\"/x\"]\n").count(), 1, "{}", toml(&pair));
    let alone = of_keepalived(&format!("{}{}", group("A"), one("A", 1)));
    assert!(!toml(&alone).contains("sync_group"));
    assert_eq!(fate(&alone, 1).0, Kind::Ignored);
}

#[test]
fn what_a_group_tracks_counts_for_its_members() {
    let text = "vrrp_script c {\n script /c\n user x\n}\nvrrp_sync_group G {\n group {\n A\n }\n track_script {\n c\n }\n track_interface {\n eth9\n }\n}\nvrrp_instance A {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n 10.0.0.1\n }\n}\n";
    let given = of_keepalived(text);
    assert!(!imported(&given).report.loses(), "{}", imported(&given).report);
    assert!(toml(&given).contains("track = [\n    \"c\",\n    \"eth9\",\n]\n"), "{}", toml(&given));
}

#[test]
fn mails_are_missed_only_where_some_were_sent() {
    let text = |more: &str| {
        of_keepalived(&format!(
            "global_defs {{\n notification_email {{\n a@b\n }}\n}}\nvrrp_instance A {{\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {{\n 10.0.0.1\n }}\n {more}\n}}\n"
        ))
    };
    let why = "nothing has `smtp_alert`: keepalived sends no mail either";
    assert_eq!(fate(&text(""), 3), (Kind::Ignored, why.to_owned()));
    assert_eq!(fate(&text("smtp_alert"), 3), (Kind::NotSupported, "no mail is sent".to_owned()));
}

#[test]
fn a_group_of_services_listens_at_all_its_addresses() {
    let text = "virtual_server_group G {\n 10.0.0.1-2 80\n fd00::1 80\n fwmark 5\n}\nvirtual_server group G {\n protocol TCP\n persistence_timeout 50\n lb_algo rr\n real_server 10.0.0.5 80 {\n TCP_CHECK {\n }\n }\n}\n";
    let given = of_keepalived(text);
    let toml = toml(&given);
    assert!(
        toml.contains("    \"10.0.0.1:80\",\n    \"10.0.0.2:80\",\n    \"[fd00::1]:80\",\n"),
        "{toml}"
    );
    assert!(toml.contains("balance = \"source\"\n"), "{toml}");
    let why = "a service is at an IP address and a port";
    assert_eq!(fate(&given, 4), (Kind::NotSupported, why.to_owned()));
}
