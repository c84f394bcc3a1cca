//! Rules of HAProxy and blocks of nginx that tell connections apart: they become routes.

use import::{Given, Kind};

use super::{fate, imported, of_haproxy, of_nginx, toml};

/// A frontend with a default and two other backends; `lines` from line 4 on.
fn frontend(lines: &str) -> Given {
    of_haproxy(&format!(
        "frontend web\n bind :443\n default_backend rest\n{lines}\n\
         backend rest\n server r 10.0.0.1:443\nbackend api\n server a 10.0.0.2:443\nbackend apps\n server b 10.0.0.3:443\n"
    ))
}

/// What the routes of the first proxy say, a line each.
#[track_caller]
fn routes(given: &Given) -> Vec<String> {
    let toml = toml(given);
    let first = toml.split("\n[[proxy]]").next().unwrap_or_default();
    let tables = first.split("[[proxy.route]]\n").skip(1);
    let line = |table: &str| {
        table.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    };
    tables.map(line).collect()
}

/// What comes of the rules below.
const ROUTED: &str = "\
[[proxy]]
name = \"https\"
listen = [\"0.0.0.0:443\"]
on_down = \"keep\"
hello_timeout = \"7s\"
check = { tcp = true, interval = \"2s\" }
connect_timeout = \"5s\"
idle_timeout = \"1h\"

    [[proxy.server]]
    name = \"w\"
    address = \"10.0.0.1:443\"

    [[proxy.route]]
    server_name = [\"api.example.com\"]
    from = [\"10.0.0.0/8\", \"192.0.2.7/32\"]
    proxy = \"api\"

    [[proxy.route]]
    server_name = [\"*.apps.example.com\"]
    proxy = \"apps\"

[[proxy]]
name = \"api\"
balance = \"least_conn\"
on_down = \"keep\"
check = { tcp = true, interval = \"2s\" }
connect_timeout = \"5s\"
idle_timeout = \"1h\"

    [[proxy.server]]
    name = \"a\"
    address = \"10.0.0.2:6443\"

[[proxy]]
name = \"apps\"
on_down = \"keep\"
check = { tcp = true, interval = \"2s\" }
connect_timeout = \"5s\"
idle_timeout = \"1h\"
send_proxy = \"v1\"

    [[proxy.server]]
    name = \"b\"
    address = \"10.0.0.3:443\"
";

#[test]
fn backends_behind_rules_become_proxies_behind_routes() {
    let text = "\
defaults
 mode tcp
 timeout connect 5s
 timeout client 1h
 timeout server 1h
frontend https
 bind *:443
 tcp-request inspect-delay 7s
 tcp-request content accept if { req_ssl_hello_type 1 }
 acl api req_ssl_sni -i api.example.com
 acl office src 10.0.0.0/8 192.0.2.7
 use_backend api if api office
 use_backend apps if { req.ssl_sni -m end .apps.example.com }
 default_backend https
backend https
 server w 10.0.0.1:443 check
backend api
 balance leastconn
 server a 10.0.0.2:6443 check
backend apps
 server b 10.0.0.3:443 check send-proxy
";
    let given = of_haproxy(text);
    assert!(!imported(&given).report.loses(), "{}", imported(&given).report);
    assert_eq!(toml(&given), ROUTED);
    for line in [10, 11, 12, 13, 14] {
        assert_eq!(fate(&given, line), (Kind::Translated, String::new()), "{line}");
    }
    assert_eq!(fate(&given, 9).0, Kind::Ignored);
}

#[test]
fn conditions_become_what_a_route_can_say() {
    for (lines, expected) in [
        (
            "use_backend api if { req.ssl_sni -i a b }",
            vec![r#"server_name = ["a", "b"] proxy = "api""#],
        ),
        (
            "acl n req.ssl_sni -m beg www.\nacl n req.ssl_sni -m sub app\nuse_backend api if n",
            vec![r#"server_name = ["www.*", "*app*"] proxy = "api""#],
        ),
        (
            "use_backend api if { req.ssl_sni,lower -m dom example }",
            vec![
                r#"server_name = ["example", "*.example", "example.*", "*.example.*"] proxy = "api""#,
            ],
        ),
        (
            r"use_backend api if { req.ssl_sni -m reg '^(a|b)\.example\.com$' }",
            vec![r#"server_name = ["a.example.com", "b.example.com"] proxy = "api""#],
        ),
        (
            "acl in src 10.0.0.0/8\nacl a req.ssl_sni a\nuse_backend api if in or a\nuse_backend apps if in a || a",
            vec![
                r#"from = ["10.0.0.0/8"] proxy = "api""#,
                r#"server_name = ["a"] proxy = "api""#,
                r#"server_name = ["a"] from = ["10.0.0.0/8"] proxy = "apps""#,
                r#"server_name = ["a"] proxy = "apps""#,
            ],
        ),
        (
            "acl sni req.ssl_sni -m found\nacl tls req_ssl_hello_type 1\nuse_backend api if sni tls",
            vec![r#"server_name = ["*"] proxy = "api""#],
        ),
        (
            "use_backend api if TRUE { src 10.0.0.1 }",
            vec![r#"from = ["10.0.0.1/32"] proxy = "api""#],
        ),
    ] {
        let given = frontend(lines);
        assert_eq!(routes(&given), expected, "{lines}\n{}", imported(&given).report);
    }
}

#[test]
fn what_no_route_can_say_is_named() {
    let name = "a route asks for the client's address, the port and a TLS client's name, not for";
    for (line, why) in [
        (
            "use_backend api unless { src 10.0.0.1 }",
            "a route says which connections take it, not which do not".to_owned(),
        ),
        (
            "use_backend api if !x",
            "a route says which connections take it, not which do not".to_owned(),
        ),
        ("use_backend api if { dst 10.0.0.1 }", format!("{name} `dst`")),
        (
            "use_backend api if { req.ssl_sni -f names.lst }",
            "it reads \"names.lst\": there is no such file".to_owned(),
        ),
        (
            "use_backend api if { req.ssl_sni -m len 5 }",
            "a route compares names with patterns, not as `-m len` does".to_owned(),
        ),
        (
            "use_backend api if { req.ssl_sni -m reg 'a+' }",
            "a+ is more than a pattern with `*` can say".to_owned(),
        ),
        ("use_backend api if { req.ssl_sni *.x }", "no client asks for a name like *.x".to_owned()),
        ("use_backend api if { req.ssl_sni a/b }", "no client asks for a name like a/b".to_owned()),
        (
            "use_backend api if { src map.lst }",
            "a route compares the client's address with networks".to_owned(),
        ),
        (
            "use_backend api if { req_ssl_hello_type 1 }",
            "whether it is TLS is asked together with a name only".to_owned(),
        ),
        (
            "use_backend api if { req.ssl_sni a } { req.ssl_sni b }",
            "a route asks for one of several names, not for two".to_owned(),
        ),
        (
            "use_backend %[req.ssl_sni,map(x)] if { req.ssl_sni a }",
            "a route leads to one proxy: write one for each".to_owned(),
        ),
        (
            "use_backend none if { req.ssl_sni a }",
            "there is no backend none of mode tcp".to_owned(),
        ),
    ] {
        assert_eq!(fate(&frontend(line), 4), (Kind::NotSupported, why), "{line}");
    }
    // What would be asked nearly alike is said.
    let nearly = frontend("use_backend api if { req.ssl_sni -m reg '^.+[.]?x$' }");
    assert_eq!(fate(&nearly, 4).0, Kind::NotSupported);
    let nearly = frontend("use_backend api if { req.ssl_sni -m reg '^.+.x$' }");
    let how = "the expression becomes patterns, in which `*` stands for any characters";
    assert_eq!(fate(&nearly, 4), (Kind::Different, how.to_owned()));
}

#[test]
fn a_backend_is_one_proxy_however_many_rules_lead_to_it() {
    let given = of_haproxy(
        "frontend one\n bind :443\n use_backend api if { req.ssl_sni a }\n use_backend api if { src 10.0.0.1 }\n default_backend api\n\
         frontend two\n bind :444\n use_backend api if { req.ssl_sni a }\n use_backend rest\n \
         use_backend api if { req.ssl_sni b }\n\
         backend api\n server a 10.0.0.2:443\nbackend rest\n server r 10.0.0.3:443\n",
    );
    let written = toml(&given);
    assert_eq!(written.matches("address = \"10.0.0.2:443\"").count(), 1, "{written}");
    assert_eq!(routes(&given).last().unwrap(), "proxy = \"api\"", "the default");
    let above = "the `use_backend` above it takes every connection";
    assert_eq!(fate(&given, 10), (Kind::Ignored, above.to_owned()));
    let always = frontend(
        "use_backend api if TRUE or { src 10.0.0.2 }\nuse_backend apps if { src 10.0.0.1 }",
    );
    assert_eq!(routes(&always), ["proxy = \"api\""]);
    for line in [3, 5] {
        assert_eq!(fate(&always, line).1, "a rule above it takes every connection", "{line}");
    }
    // Without a default those that no rule fits are reset, as HAProxy closes them.
    let given = of_haproxy(
        "frontend one\n bind :443\n use_backend api if { req.ssl_sni a }\nbackend api\n server a 10.0.0.2:443\n",
    );
    assert!(toml(&given).starts_with("[[proxy]]\nname = \"one\"\nlisten = [\"0.0.0.0:443\"]\n\n"));
}

/// A stream with two upstreams, what chooses between them from line 8 on, and a server.
fn stream(choice: &str) -> Given {
    of_nginx(&format!(
        "stream {{\n upstream api {{\n server 10.0.0.2:443;\n }}\n upstream apps {{\n server 10.0.0.3:443;\n }}\n{choice}\n \
         server {{\n listen 443;\n ssl_preread on;\n proxy_pass $chosen;\n }}\n}}\n"
    ))
}

#[test]
fn a_map_of_names_becomes_routes_in_nginx_order() {
    let given = stream(
        " map $ssl_preread_server_name $chosen {\n hostnames;\n default 10.0.0.1:443;\n ~^x\\. api;\n www.* apps;\n *.example.com api;\n .a.example.com apps;\n *.org api;\n one.example.com apps;\n }",
    );
    assert!(!imported(&given).report.loses(), "{}", imported(&given).report);
    assert_eq!(
        routes(&given),
        [
            r#"server_name = ["one.example.com", "a.example.com", "*.a.example.com"] proxy = "apps""#,
            r#"server_name = ["*.example.com", "*.org"] proxy = "api""#,
            r#"server_name = ["www.*"] proxy = "apps""#,
            r#"server_name = ["x.*"] proxy = "api""#,
        ]
    );
    let written = toml(&given);
    let first =
        "[[proxy]]\nname = \"chosen\"\nlisten = [\"0.0.0.0:443\"]\nhello_timeout = \"30s\"\n";
    assert!(written.starts_with(first), "{written}");
    assert!(written.contains("    address = \"10.0.0.1:443\"\n"), "{written}");
}

#[test]
fn defaults_of_a_map_are_those_of_nginx() {
    // The same for who asks for another name and for who asks for none.
    let same =
        stream(" map $ssl_preread_server_name $chosen {\n a api;\n '' apps;\n default apps;\n }");
    assert_eq!(routes(&same), [r#"server_name = ["a"] proxy = "api""#]);
    let differing =
        stream(" map $ssl_preread_server_name $chosen {\n a api;\n '' apps;\n default api;\n }");
    assert_eq!(
        routes(&differing),
        [r#"server_name = ["a"] proxy = "api""#, r#"server_name = ["*"] proxy = "api""#]
    );
    let led = stream(" map $ssl_preread_server_name $chosen {\n a api;\n default api;\n }");
    assert_eq!(routes(&led).last().unwrap(), "proxy = \"api\"");
    let none = stream(" map $ssl_preread_server_name $chosen {\n a api;\n '' apps;\n }");
    assert_eq!(fate(&none, 10).0, Kind::NotSupported);
}

#[test]
fn networks_of_a_geo_become_routes_the_longest_first() {
    let given =
        stream(" geo $chosen {\n default api;\n 10.0.0.0/8 apps;\n 10.1.0.0/16 10.0.0.1:443;\n }");
    assert_eq!(
        routes(&given),
        [
            r#"from = ["10.1.0.0/16"] proxy = "10.0.0.1:443""#,
            r#"from = ["10.0.0.0/8"] proxy = "apps""#,
        ]
    );
    assert!(!toml(&given).contains("hello_timeout"));
}

#[test]
fn what_no_route_can_choose_by_is_named() {
    let why = "a route asks for the client's address and for a TLS client's name only";
    for block in ["map $server_port $chosen {", "split_clients $remote_addr $chosen {"] {
        let given = stream(&format!(" {block}\n default api;\n }}"));
        assert_eq!(fate(&given, 8), (Kind::NotSupported, why.to_owned()), "{block}");
    }
    let map = |line: &str| {
        stream(&format!(" map $ssl_preread_server_name $chosen {{\n default api;\n {line}\n }}"))
    };
    for (line, kind) in [
        ("*.x apps;", Kind::Ignored),
        ("a/b apps;", Kind::Ignored),
        ("~a+ apps;", Kind::NotSupported),
        ("a $other;", Kind::NotSupported),
    ] {
        assert_eq!(fate(&map(line), 10).0, kind, "{line}");
    }
    let unused = stream(" map $ssl_preread_server_name $other {\n default api;\n }");
    assert_eq!(fate(&unused, 9).1, "no server that is imported uses it");
}
