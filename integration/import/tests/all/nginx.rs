//! nginx's `stream`.

use import::{Given, Kind};

use super::{fate, imported, mistakes, of_nginx, toml};

/// An upstream with `line` as line 4, and a server with `other` as line 9.
fn stream(line: &str, other: &str) -> Given {
    of_nginx(&format!(
        "stream {{\n upstream u {{\n server 10.0.0.5:80;\n {line}\n }}\n server {{\n listen 8080;\n proxy_pass u;\n {other}\n }}\n}}\n"
    ))
}

#[test]
fn a_server_and_its_upstream_become_a_proxy() {
    let text = "\
events {}
stream {
  upstream kube_apiserver {
    least_conn;
    server 192.168.56.30:6443;
    server 192.168.56.31:6443;
  }

  server {
    listen        127.0.0.1:6443;
    proxy_pass    kube_apiserver;
    proxy_timeout 10m;
    proxy_connect_timeout 1s;
  }
}
";
    let imported = imported(&of_nginx(text));
    assert!(!imported.report.loses(), "{}", imported.report);
    assert_eq!(
        imported.toml.unwrap(),
        "\
# Written by `vipd import`; each line says where it came from.

# server  n.conf:9, upstream kube_apiserver  n.conf:3
[[proxy]]
name = \"kube_apiserver\"
listen = [\"127.0.0.1:6443\"]                       # n.conf:10
balance = \"least_conn\"                            # n.conf:4
on_down = \"keep\"
check = { tcp = true }
connect_timeout = \"1s\"                            # n.conf:13
idle_timeout = \"10m\"                              # n.conf:12

    [[proxy.server]]
    address = \"192.168.56.30:6443\"                # n.conf:5

    [[proxy.server]]
    address = \"192.168.56.31:6443\"                # n.conf:6
"
    );
}

#[test]
fn every_line_of_an_upstream_has_its_fate() {
    let cases = [
        ("least_conn;", Kind::Translated, ""),
        (
            "hash $remote_addr consistent;",
            Kind::Different,
            "clients are spread over the servers in another order",
        ),
        (
            "hash $ssl_preread_server_name;",
            Kind::NotSupported,
            "a client is known by its address only",
        ),
        ("zone z 64k;", Kind::Ignored, "all workers share what they know"),
        (
            "server 10.0.0.6:80 max_fails=1;",
            Kind::Different,
            "`max_fails`: three failed checks in a row make a server down, two good ones up",
        ),
        ("server 10.0.0.6:80 backup;", Kind::Translated, ""),
        ("server 10.0.0.6:80 down;", Kind::Different, "it is down, and left out"),
        ("server 10.0.0.6:80 weight=3;", Kind::Translated, ""),
        (
            "server 10.0.0.6:80 max_conns=9;",
            Kind::Different,
            "`max_conns`: further connections wait",
        ),
        ("server 10.0.0.6:80 weight=1;", Kind::Translated, ""),
        (
            "server minio:9000;",
            Kind::Different,
            "its name is looked up every 10 s, and stands for one address at a time",
        ),
        ("wibble;", Kind::NotSupported, "this directive is not known to `vipd import`"),
    ];
    for (line, kind, note) in cases {
        assert_eq!(fate(&stream(line, ""), 4), (kind, note.to_owned()), "{line}");
    }
}

#[test]
fn every_line_of_a_server_has_its_fate() {
    let cases = [
        ("proxy_timeout 10m;", Kind::Translated, ""),
        ("proxy_connect_timeout 5m;", Kind::Different, "it is 1m"),
        ("proxy_protocol on;", Kind::Translated, ""),
        ("proxy_bind 10.0.0.9;", Kind::Translated, ""),
        ("ssl_preread on;", Kind::Ignored, "no route asks for a name"),
        ("preread_timeout 10s;", Kind::Translated, ""),
        ("listen 53 udp;", Kind::NotSupported, "a proxy carries TCP, not UDP"),
        ("listen [::]:8080 reuseport;", Kind::Ignored, "`reuseport`: sockets are set up alike"),
        ("allow 10.0.0.0/8;", Kind::NotSupported, "connections are not told apart"),
    ];
    for (line, kind, note) in cases {
        assert_eq!(fate(&stream("", line), 9), (kind, note.to_owned()), "{line}");
    }
}

#[test]
fn what_stream_includes_is_imported_alone() {
    let given = of_nginx("server {\n listen 80;\n proxy_pass 10.0.0.5:80;\n}\n");
    let expected = "\
[[proxy]]
name = \"10.0.0.5:80\"
listen = [\"0.0.0.0:80\"]
on_down = \"keep\"
check = { tcp = true }
connect_timeout = \"1m\"
idle_timeout = \"10m\"

    [[proxy.server]]
    address = \"10.0.0.5:80\"
";
    assert_eq!(toml(&given), expected);
    let http = of_nginx("http {\n server {\n listen 80;\n }\n}\n");
    assert_eq!(fate(&http, 3).0, Kind::NotSupported);
}

#[test]
fn a_server_that_only_tells_becomes_metrics() {
    let text = "http {\n keepalive_timeout 5m;\n server {\n listen 8081;\n location /healthz {\n access_log off;\n return 200;\n }\n }\n}\nserver {\n listen 80;\n proxy_pass 10.0.0.5:80;\n}\n";
    let given = of_nginx(&format!("{}}}\n", text.replace("\nserver", "\nstream {\nserver")));
    assert!(toml(&given).starts_with("[metrics]\nlisten = \"0.0.0.0:8081\"\n"), "{}", toml(&given));
    assert_eq!(fate(&given, 2).0, Kind::Different);
    // Without any server there is nothing to miss.
    let empty = of_nginx(
        "http {\n sendfile on;\n}\nstream {\n server {\n listen 80;\n proxy_pass 10.0.0.5:80;\n }\n}\n",
    );
    assert_eq!(fate(&empty, 2), (Kind::Ignored, "it has no server".to_owned()));
}

#[test]
fn what_cannot_be_read_is_shown_at_its_place() {
    let cases = [
        ("stream {\n", "this block is not closed"),
        ("}\n", "this `}` closes nothing"),
        ("{\n}\n", "this block belongs to nothing"),
        ("stream { listen 80 }\n", "this directive does not end"),
        ("listen 80", "this directive does not end"),
        ("listen \"80;\n", "this quote is not closed"),
    ];
    for (text, title) in cases {
        let shown = mistakes(&of_nginx(text));
        assert!(shown.starts_with(&format!("error: {title}")), "{text:?} gives {shown}");
    }
    assert_eq!(
        mistakes(&stream("server 10.0.0.6:http;", "")),
        "\
error: `server` is \"10.0.0.6:http\", but must be IP:PORT or NAME:PORT
 --> n.conf:4:9
  |
4 |  server 10.0.0.6:http;
  |         ^^^^^^^^^^^^^
"
    );
}
