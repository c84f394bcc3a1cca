//! haproxy.cfg.

use import::{Given, Kind};

use super::{fate, imported, mistakes, of_haproxy, toml};

/// A `listen` section of one server, with `lines` from line 4 on.
fn listen(lines: &str) -> Given {
    of_haproxy(&format!("listen api\n bind *:6443\n server a 10.0.0.5:6443 check\n{lines}\n"))
}

/// The value of `check` that `lines` give.
fn check(lines: &str) -> String {
    let toml = toml(&listen(lines));
    let line = toml.lines().find_map(|line| line.strip_prefix("check = { ")).unwrap();
    line.trim_end_matches(" }").to_owned()
}

#[test]
fn a_frontend_and_its_backend_become_a_proxy() {
    let text = "\
defaults
    mode http
    timeout connect 5000
    timeout client 50s
    timeout server 1m

frontend k8s-api
    mode tcp
    bind 10.0.0.1:6443,10.0.0.2:6443
    default_backend masters

backend masters
    mode tcp
    balance leastconn
    default-server inter 10s fall 2
    server m1 10.0.0.5:6443 check check-ssl verify none
    server m2 10.0.0.6:6443 check check-ssl verify none
";
    let imported = imported(&of_haproxy(text));
    assert!(!imported.report.loses(), "{}", imported.report);
    assert_eq!(
        imported.toml.unwrap(),
        "\
# Written by `vipd import`; each line says where it came from.

# frontend k8s-api  h.cfg:7, backend masters  h.cfg:12
[[proxy]]
name = \"k8s-api\"
listen = [\"10.0.0.1:6443\", \"10.0.0.2:6443\"]       # h.cfg:9
balance = \"least_conn\"                            # h.cfg:14
on_down = \"keep\"
check = { tls = true, verify = false, interval = \"10s\", fall = 2 }
connect_timeout = \"5s\"                            # h.cfg:3
idle_timeout = \"1m\"                               # h.cfg:5

    [[proxy.server]]
    name = \"m1\"
    address = \"10.0.0.5:6443\"                     # h.cfg:16

    [[proxy.server]]
    name = \"m2\"
    address = \"10.0.0.6:6443\"                     # h.cfg:17
"
    );
    assert_eq!(
        fate(&of_haproxy(text), 7),
        (
            Kind::Different,
            "`timeout client` and `timeout server` differ: 1m holds for both sides".into()
        )
    );
}

#[test]
fn defaults_are_inherited_as_haproxy_inherits_them() {
    let text = "\
defaults one
    timeout tunnel 2h
defaults two from one
    timeout connect 7s
defaults three
listen a
    bind :1
    server s 10.0.0.1:1 check
listen b from two
    bind :2
    server s 10.0.0.1:2 check
";
    let toml = toml(&of_haproxy(text));
    let of = |name: &str| {
        let table = toml
            .split("[[proxy]]")
            .find(|table| table.contains(&format!("name = \"{name}\"\nlisten")));
        let times = table.unwrap().lines().filter(|line| line.contains("timeout ="));
        times.map(str::to_owned).collect::<Vec<_>>()
    };
    // The last `defaults` holds, and has nothing of the one before it.
    assert_eq!(of("a"), ["idle_timeout = \"1day\""]);
    assert_eq!(of("b"), ["connect_timeout = \"7s\"", "idle_timeout = \"2h\""]);
    let missing = of_haproxy("listen a from zero\n bind :1\n server s 10.0.0.1:1\n");
    assert!(mistakes(&missing).contains("there is no `defaults zero` above"));
}

#[test]
fn checks_become_the_nearest_that_proves_as_much() {
    let cases = [
        ("", "tcp = true, interval = \"2s\""),
        ("timeout check 5s", "tcp = true, interval = \"2s\""),
        ("option tcp-check\ntcp-check connect", "tcp = true, interval = \"2s\""),
        (
            "option tcp-check\ntcp-check connect ssl",
            "tls = true, verify = false, interval = \"2s\"",
        ),
        ("option ssl-hello-chk", "tls = true, verify = false, interval = \"2s\""),
        (
            "option httpchk GET /healthz",
            "http = \"/healthz\", expect = [\"200-399\"], interval = \"2s\"",
        ),
        (
            "option httpchk\nhttp-check connect ssl\nhttp-check send meth GET uri /readyz\nhttp-check expect status 204",
            "https = \"/readyz\", expect = 204, verify = false, interval = \"2s\"",
        ),
        (
            "option httpchk GET /x\nhttp-check expect string ok",
            "http = \"/x\", expect = [\"200-399\"], expect_body = \"ok\", interval = \"2s\"",
        ),
        // The last option counts.
        (
            "option httpchk GET /x\noption ssl-hello-chk",
            "tls = true, verify = false, interval = \"2s\"",
        ),
        (
            "option tcp-check\ntcp-check connect port 8008",
            "tcp = true, port = 8008, interval = \"2s\"",
        ),
        (
            "default-server inter 500ms rise 1 fall 4 check-ssl verify required ca-file /ca.pem",
            "tcp = true, interval = \"2s\"",
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(check(lines), expected, "{lines}");
    }
    // `default-server` holds for the servers after it only.
    let text = "listen a\n bind :1\n default-server inter 500ms rise 1 fall 4 check-ssl ca-file /ca.pem check-sni api\n server s 10.0.0.1:1 check\n";
    let expected = "check = { tls = true, ca = \"/ca.pem\", server_name = \"api\", interval = \"500ms\", rise = 1, fall = 4 }\n";
    assert!(toml(&of_haproxy(text)).contains(expected), "{}", toml(&of_haproxy(text)));
}

/// `lines` as line 4 of a section: what becomes of each, and what is said of it.
#[track_caller]
fn fates(cases: &[(&str, Kind, &str)]) {
    for (line, kind, note) in cases {
        let (found, mut said) = fate(&listen(line), 4);
        // What is said of the `crt` of a `bind` is of no interest here.
        if let Some((first, _)) = said.split_once("; `crt`") {
            said = first.to_owned();
        }
        assert_eq!((found, said.as_str()), (*kind, *note), "{line}");
    }
}

#[test]
fn every_line_has_its_fate() {
    fates(&[
        ("mode tcp", Kind::Translated, ""),
        ("balance roundrobin", Kind::Translated, ""),
        (
            "balance uri",
            Kind::NotSupported,
            "there is no counterpart to \"uri\"; servers take turns",
        ),
        (
            "option tcplog",
            Kind::Different,
            "messages go to standard error, and a line for each connection to standard output, for the journal",
        ),
        ("option tcpka", Kind::Ignored, "the kernel always asks silent peers"),
        ("maxconn 2000", Kind::Translated, ""),
        ("option dontlognull", Kind::Translated, ""),
        ("timeout queue 1m", Kind::Translated, ""),
        ("timeout client-fin 1s", Kind::Translated, ""),
        ("timeout client 0", Kind::Translated, ""),
        ("timeout client 48h", Kind::Different, "it is 1day at most"),
        (
            "timeout connect 50000s",
            Kind::Different,
            "it is for reaching any server, not for each attempt; it is 1m at most",
        ),
        ("stick-table type ip size 1k", Kind::Ignored, "no `stick` rule uses it"),
        (
            "option mysql-check user x",
            Kind::Different,
            "`mysql-check` becomes a connection: nothing is said, and a server that accepts and does not answer stays in use",
        ),
        (
            "option external-check",
            Kind::NotSupported,
            "no program is run to check a server; it is a connection",
        ),
        ("option httpchk", Kind::Different, "it is a GET, not OPTIONS"),
        (
            "http-check expect status 200",
            Kind::Ignored,
            "without `option httpchk` or `option tcp-check` there is nothing to it",
        ),
        ("use_backend x if y", Kind::NotSupported, "there is no `acl y` here"),
        (
            "tcp-request inspect-delay 5s",
            Kind::Ignored,
            "the first bytes of a connection are waited for where a route asks for a name, and only there",
        ),
        ("wibble", Kind::NotSupported, "this keyword is not known to `vipd import`"),
    ]);
}

#[test]
fn every_option_of_a_server_has_its_fate() {
    fates(&[
        ("server b 10.0.0.6:6443 check maxconn 10", Kind::Translated, ""),
        ("server b 10.0.0.6:6443 check backup", Kind::Translated, ""),
        (
            "server b 10.0.0.6:6443 check send-proxy",
            Kind::NotSupported,
            "all servers of a proxy are sent the same header, or none",
        ),
        ("server b 10.0.0.6:6443 check weight 5", Kind::Translated, ""),
        ("server b 10.0.0.6:6443 check source 10.0.0.2", Kind::Translated, ""),
        (
            "server b 10.0.0.6:6443 check inter 1s fastinter 500ms downinter 5s",
            Kind::Different,
            "it is checked as a is",
        ),
        ("server b 10.0.0.6:6443 check weight 1", Kind::Translated, ""),
        (
            "server b 10.0.0.6:6443",
            Kind::Different,
            "it is checked, by a connection as the others are",
        ),
        ("server a 10.0.0.6:6443 check", Kind::Different, "names differ here: it is called a-2"),
        (
            "server b web:6443 check",
            Kind::Different,
            "its name is looked up every 10 s, not at the start only",
        ),
        (
            "server b 10.0.0.6:6443 check port 8008",
            Kind::NotSupported,
            "all servers of a proxy are checked at one port, which is 6443",
        ),
        (
            "bind 10.0.0.9:80 ssl crt /x.pem",
            Kind::NotSupported,
            "TLS is passed through, not ended here",
        ),
    ]);
}

#[test]
fn a_server_keeps_its_weight_its_limit_and_its_place_in_the_queue() {
    let text = "listen a\n bind :80\n timeout queue 5s\n timeout client-fin 3s\n timeout server-fin 2s\n \
                default-server send-proxy-v2 observe layer4 error-limit 7 on-error mark-down\n \
                server s 10.0.0.1:80 check weight 5 maxconn 10 source 10.0.0.9\n \
                server t 10.0.0.2:80 check backup\n";
    let expected = "\
half_closed_timeout = \"3s\"
queue_timeout = \"5s\"
send_proxy = \"v2\"

    [[proxy.server]]
    name = \"s\"
    address = \"10.0.0.1:80\"
    weight = 5
    source = \"10.0.0.9\"
    max_connections = 10

    [[proxy.server]]
    name = \"t\"
    address = \"10.0.0.2:80\"
    backup = true
";
    let written = toml(&of_haproxy(text));
    assert!(written.ends_with(expected), "{written}");
    assert!(
        written.contains("check = { tcp = true, interval = \"2s\", error_limit = 7 }\n"),
        "{written}"
    );
}

#[test]
fn listen_addresses_are_written_out() {
    let cases = [
        ("bind :7000-7002", "[\"0.0.0.0:7000\", \"0.0.0.0:7001\", \"0.0.0.0:7002\"]"),
        ("bind :::80", "[\"[::]:80\", \"0.0.0.0:80\"]"),
        ("bind :::80 v6only", "[\"[::]:80\"]"),
    ];
    for (bind, expected) in cases {
        let given = of_haproxy(&format!("listen a\n {bind}\n server s 10.0.0.1:1 check\n"));
        assert!(
            toml(&given).contains(&format!("listen = {expected}\n")),
            "{bind}: {}",
            toml(&given)
        );
    }
    // One for all addresses makes the other needless, and a server without a port has the client's.
    let given = of_haproxy(
        "frontend a 10.0.0.1:80\n bind *:80\n default_backend b\nbackend b\n server s 10.0.0.7 check\n",
    );
    assert!(toml(&given).contains("listen = [\"0.0.0.0:80\"]\n"), "{}", toml(&given));
    assert!(toml(&given).contains("address = \"10.0.0.7:80\"\n"), "{}", toml(&given));
}

#[test]
fn http_is_named_line_by_line_and_tcp_is_imported_beside_it() {
    let given = listen(
        "frontend web\n mode http\n bind *:80\n default_backend web\nbackend web\n mode http\n server w 10.0.0.8:80\nlisten stats\n mode http\n bind *:9000\n stats enable",
    );
    let http = "mode http: vipd balances TCP; in mode tcp the same connections would pass unread";
    for line in 4..=10 {
        assert_eq!(fate(&given, line), (Kind::NotSupported, http.to_owned()), "{line}");
    }
    let stats = "it becomes `[metrics]`: at 0.0.0.0:9000 are /metrics for Prometheus, /healthz and /readyz, for everybody, and no page; `vipd status` shows the proxies and their servers";
    assert_eq!(fate(&given, 14), (Kind::Different, stats.to_owned()));
    assert!(toml(&given).starts_with("[metrics]\nlisten = \"0.0.0.0:9000\"\n"), "{}", toml(&given));
    assert_eq!(toml(&given).matches("[[proxy]]").count(), 1);
}

#[test]
fn a_client_that_sticks_is_kept_by_its_address() {
    let given = listen(" balance leastconn\n stick-table type ip size 1k peers p\n stick on src");
    assert!(toml(&given).contains("balance = \"source\"\n"), "{}", toml(&given));
    assert_eq!(fate(&given, 5).0, Kind::Different);
    let how = "a client is kept with its server by its address, for as long as that server is usable: `balance = \"source\"`";
    assert_eq!(fate(&given, 6), (Kind::Different, how.to_owned()));
    let other = listen(" stick-table type ip size 1\n stick on dst");
    assert_eq!(fate(&other, 4), (Kind::NotSupported, "no table is kept".to_owned()));
    let why = "a client is kept with its server by its address, not by dst";
    assert_eq!(fate(&other, 5), (Kind::NotSupported, why.to_owned()));
}

#[test]
fn an_acl_is_lost_only_with_the_rule_that_needs_it() {
    let given = of_haproxy(
        "frontend a\n bind :443\n acl hello req_ssl_hello_type 1\n acl sni req.ssl_sni -f x\n tcp-request content accept if hello\n use_backend b if sni\n default_backend c\nbackend b\n server s 10.0.0.5:1 check\nbackend c\n server s 10.0.0.6:1 check\n",
    );
    assert_eq!(fate(&given, 3), (Kind::Ignored, "no rule that is imported needs it".to_owned()));
    assert_eq!(fate(&given, 4), (Kind::NotSupported, "a rule that needs it is lost".to_owned()));
    let why = "only rules that are not supported lead to it";
    assert_eq!(fate(&given, 8), (Kind::NotSupported, why.to_owned()));
    assert!(toml(&given).contains("10.0.0.6:1") && !toml(&given).contains("10.0.0.5:1"));
}

#[test]
fn what_cannot_be_read_is_shown_at_its_place() {
    let wrong = listen("server b 10.0.0.6:<NodePort> check\ntimeout client soon");
    assert_eq!(
        mistakes(&wrong),
        "\
error: `timeout` is \"soon\", but must be a number, alone for milliseconds or with us, ms, s, m, h or d
 --> h.cfg:5:16
  |
5 | timeout client soon
  |                ^^^^
error: `server` is \"10.0.0.6:<NodePort>\", but must be IP:PORT
 --> h.cfg:4:10
  |
4 | server b 10.0.0.6:<NodePort> check
  |          ^^^^^^^^^^^^^^^^^^^
"
    );
    assert!(imported(&wrong).toml.is_none());
    assert!(
        mistakes(&of_haproxy("frontend a\n default_backend b\nbackend b\n server s 1.1.1.1:1\n"))
            .contains("has no `bind`")
    );
    assert_eq!(mistakes(&of_haproxy("")), "error: nothing in these files can be imported\n");
}

#[test]
fn a_short_idle_time_for_a_kubernetes_api_is_told() {
    let given = listen("timeout client 30s\ntimeout server 30s");
    let lints = imported(&given).report.lints.join("\n");
    assert!(
        lints.contains("h.cfg:4: api closes connections to a Kubernetes API after 30s of silence"),
        "{lints}"
    );
    assert!(lints.ends_with("(W0101)"), "{lints}");
}

#[test]
fn health_is_asked_at_the_port_that_all_servers_share() {
    let text = "listen pg\n bind :5432\n option httpchk GET /primary\n server a db1.example:5432 check port 8008\n server b db2.example:5432 check port 8008\n";
    let given = of_haproxy(text);
    assert!(!imported(&given).report.loses(), "{}", imported(&given).report);
    let toml = toml(&given);
    assert!(
        toml.contains("check = { http = \"/primary\", expect = [\"200-399\"], port = 8008, interval = \"2s\" }\n"),
        "{toml}"
    );
    assert!(toml.contains("address = \"db1.example:5432\"\n"), "{toml}");
}

#[test]
fn limits_of_a_frontend_are_its_proxys() {
    let text = "defaults\n maxconn 2000\n option dontlognull\nfrontend a\n bind :80\n maxconn 0\n \
                no option dontlognull\n default_backend s\nfrontend b\n bind :81\n default_backend s\n\
                backend s\n maxconn 7\n server s 10.0.0.1:80 check\n";
    let written = toml(&of_haproxy(text));
    let count = |part: &str| written.matches(part).count();
    assert_eq!((count("max_connections = 2000\n"), count("max_connections")), (1, 1), "{written}");
    assert_eq!((count("log_empty = false\n"), count("log_empty")), (1, 1), "{written}");
}

#[test]
fn a_template_of_servers_is_a_name_with_as_many_addresses() {
    let text = "listen a\n bind :6443\n server-template cp 1-3 cp.test:6443 resolvers dns check weight 5\n \
                server-template more 2 more.test check\n server one one.test:80 check\n";
    let expected = "
    [[proxy.server]]
    name = \"cp\"
    address = \"cp.test:6443\"
    weight = 5
    max_addresses = 3

    [[proxy.server]]
    name = \"more\"
    address = \"more.test:6443\"
    max_addresses = 2

    [[proxy.server]]
    name = \"one\"
    address = \"one.test:80\"
    max_addresses = 1
";
    let written = toml(&of_haproxy(text));
    let plain: Vec<&str> = written.lines().map(|line| line.split("  # ").next().unwrap()).collect();
    assert!(plain.join("\n").ends_with(expected.trim_end()), "{written}");
    fates(&[
        (
            "server-template x 2 _http._tcp.test:80 check",
            Kind::NotSupported,
            "SRV records are not looked up: name the host and its port",
        ),
        (
            "server-template x 300 many.test:80 check",
            Kind::Different,
            "it is 256 servers at most; its name is looked up every 10 s, as the system does it; its servers are called by their addresses",
        ),
    ]);
}
