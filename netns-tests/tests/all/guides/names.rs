//! One address for several services: TLS clients are told apart by the name that they ask for, without
//! decrypting. HAProxy's and nginx' set-ups are imported; the same clients get the same answers.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::{Host, Lab, Running, wait_until};
use netns_tests::{LIMIT, binary, peer};

use super::site::{Servers, haproxy, import, nginx, vipd};

const HAPROXY: &str = "\
defaults
    mode tcp
    timeout connect 2s
    timeout client 1m
    timeout server 1m
frontend https
    bind 10.98.0.40:443
    tcp-request inspect-delay 1s
    tcp-request content accept if { req_ssl_hello_type 1 }
    acl office src 10.98.0.51
    use_backend office if office
    use_backend api if { req.ssl_sni -i api.example.com }
    use_backend apps if { req.ssl_sni -m end .apps.example.com }
    default_backend rest
backend api
    server a 10.98.0.21:6443 check
backend apps
    server b 10.98.0.22:6443 check
backend office
    server c 10.98.0.23:6443 check
backend rest
    server c 10.98.0.23:6443 check
";

const NGINX: &str = "\
stream {
    upstream api { server 10.98.0.21:6443; }
    upstream apps { server 10.98.0.22:6443; }
    map $ssl_preread_server_name $chosen {
        hostnames;
        default 10.98.0.23:6443;
        api.example.com api;
        *.apps.example.com apps;
    }
    server {
        listen 10.98.0.40:443;
        ssl_preread on;
        preread_timeout 1s;
        proxy_pass $chosen;
    }
}
";

/// What a client does, and what it is answered.
type Answers = BTreeMap<String, String>;

struct Site {
    lab: Lab,
    balancer: Host,
    client: Host,
    office: Host,
    _servers: Servers,
}

fn site() -> Site {
    let lab = Lab::new().unwrap();
    let host = |name: &str, number: u8| {
        let host = lab.host(name, number).unwrap();
        host.add_address(format!("10.98.0.{number}").parse().unwrap(), 24, None).unwrap();
        host
    };
    let (balancer, client, office) = (host("lb", 40), host("client", 50), host("office", 51));
    let servers = Servers::new(&lab, &["10.98.0.21", "10.98.0.22", "10.98.0.23"], 24, &[6443]);
    Site { lab, balancer, client, office, _servers: servers }
}

const LISTEN: &str = "10.98.0.40:443";

/// Who answers `curl` that asks for a name, or for none.
fn curl(from: &Host, name: Option<&str>, more: &[&str]) -> String {
    let mut command = Command::new(peer("curl"));
    command.args(["--silent", "--insecure", "--max-time", "5", "--http1.1"]).args(more);
    match name {
        Some(name) => {
            let resolve = format!("{name}:443:10.98.0.40");
            command.args(["--resolve", &resolve, &format!("https://{name}/")])
        }
        // An address is no name: none is asked for.
        None => command.arg("https://10.98.0.40/"),
    };
    let output = from.output(&mut command, LIMIT).unwrap();
    format!("{} {:?}", String::from_utf8_lossy(&output.stdout), output.status.code())
}

/// Who answers `openssl s_client`, by version of TLS.
fn openssl(from: &Host, arguments: &[&str]) -> String {
    let script = format!(
        "(printf 'GET / HTTP/1.0\\r\\n\\r\\n'; sleep 1) | {} s_client -quiet -connect {LISTEN} {} 2>/dev/null | tail -n 1",
        peer("openssl").display(),
        arguments.join(" ")
    );
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).stderr(Stdio::null());
    String::from_utf8_lossy(&from.output(&mut command, LIMIT).unwrap().stdout).into_owned()
}

/// Sends bytes, waits, and sends the rest; tells what came back, or how it ended.
fn raw(from: &Host, pieces: Vec<Vec<u8>>, pause: Duration) -> String {
    let address: SocketAddr = LISTEN.parse().unwrap();
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        for piece in pieces {
            std::thread::sleep(pause);
            // It may have been closed meanwhile.
            drop(stream.write_all(&piece));
        }
        drop(stream.shutdown(Shutdown::Write));
        let mut answer = [0; 7];
        match stream.read(&mut answer) {
            Ok(0) => "closed".to_owned(),
            Ok(count) => format!("{:02x?}", &answer[..count]),
            Err(_) => "reset".to_owned(),
        }
    };
    from.run(talk).unwrap()
}

/// Everything that clients try.
fn answers(site: &Site) -> Answers {
    let mut answers = Answers::new();
    let client = &site.client;
    for name in [
        "api.example.com",
        "API.example.com",
        "a.b.apps.example.com",
        "apps.example.com",
        "other.org",
    ] {
        answers.insert(format!("curl {name}"), curl(client, Some(name), &[]));
    }
    answers.insert("curl without a name".into(), curl(client, None, &[]));
    answers.insert(
        "curl, TLS 1.2".into(),
        curl(client, Some("api.example.com"), &["--tls-max", "1.2"]),
    );
    answers.insert("curl of the office".into(), curl(&site.office, Some("api.example.com"), &[]));
    for arguments in [
        ["-servername", "x.apps.example.com", "-tls1_3"].as_slice(),
        &["-servername", "api.example.com", "-tls1_2"],
        &["-noservername", "-tls1_2"],
    ] {
        answers.insert(format!("openssl {arguments:?}"), openssl(client, arguments));
    }
    // The servers end what is no TLS with an alert. nginx loses it now and then, and only closes.
    let garbage = vec![b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()];
    let answer = raw(client, garbage, Duration::ZERO);
    assert!(["[15, 03, 03, 00, 02, 02, 32]", "closed"].contains(&answer.as_str()), "{answer}");
    answers
}

/// All answers, once the servers are known to be up.
fn settled(site: &Site, running: &Running) -> Answers {
    let up = || curl(&site.client, Some("api.example.com"), &[]).starts_with("cp1");
    assert!(wait_until("a server answered", LIMIT, up).is_ok(), "{}", running.log());
    answers(site)
}

#[test]
fn names_choose_as_with_haproxy() {
    let site = site();
    let theirs = haproxy(&site.lab, &site.balancer, HAPROXY);
    let expected = settled(&site, &theirs);
    drop(theirs);
    let config = import(&site.lab, &site.balancer, &[("haproxy", HAPROXY)]);
    let ours = vipd(&site.lab, &site.balancer, &config);
    let seen = settled(&site, &ours);
    assert_eq!(seen, expected);
    // What was expected is what the file says.
    for (client, server) in [
        ("curl api.example.com", "cp1"),
        ("curl a.b.apps.example.com", "cp2"),
        ("curl apps.example.com", "cp3"),
        ("curl without a name", "cp3"),
        ("curl of the office", "cp3"),
        ("openssl [\"-servername\", \"x.apps.example.com\", \"-tls1_3\"]", "cp2"),
    ] {
        assert!(seen[client].starts_with(server), "{client}: {}", seen[client]);
    }
    slow(&site, &ours);
    told(&site, &ours);
}

/// A client that takes longer than the delay for its hello counts as one without a name, and what it
/// sent before is not lost: the server, to whom it is half a record, hears all of it and the end.
fn slow(site: &Site, running: &Running) {
    let half = vec![vec![22, 3, 1, 2], vec![0]];
    let answer = raw(&site.client, half, Duration::from_millis(700));
    assert_eq!(answer, "closed");
    let logged = || {
        let log = running.log();
        let line = log.lines().rfind(|line| line.contains(" bytes_up=5 "));
        line.is_some_and(|line| line.contains(" route=- server_name=- server=c "))
    };
    assert!(wait_until("it was logged", LIMIT, logged).is_ok(), "{}", running.log());
}

/// What the access lines and the status tell of it.
fn told(site: &Site, running: &Running) {
    let logged = |words: &str| running.log().contains(words);
    for words in [
        " route=api server_name=api.example.com server=a ",
        " route=apps server_name=a.b.apps.example.com server=b ",
        " route=- server_name=other.org server=c ",
        " route=office server_name=- server=c ",
    ] {
        assert!(
            wait_until("it was logged", LIMIT, || logged(words)).is_ok(),
            "{words}\n{}",
            running.log()
        );
    }
    let mut command = Command::new(binary("vipd"));
    command.arg("status").arg("--runtime-dir").arg(site.lab.directory().join(site.balancer.name()));
    let output = site.balancer.output(&mut command, LIMIT).unwrap();
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(status.contains("route to apps (*.apps.example.com): "), "{status}");
    assert!(status.contains("  api: usable, by routes of others\n"), "{status}");
}

#[test]
fn names_choose_as_with_nginx() {
    let site = site();
    let theirs = nginx(&site.lab, &site.balancer, NGINX);
    let expected = settled(&site, &theirs);
    drop(theirs);
    let config = import(&site.lab, &site.balancer, &[("nginx", NGINX)]);
    let ours = vipd(&site.lab, &site.balancer, &config);
    assert_eq!(settled(&site, &ours), expected);
}
