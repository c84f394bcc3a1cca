//! Real files, where they are at hand beside the repository, and always those below: every line of
//! them is accounted for, and nearly all import without loss. With `--nocapture` the table is shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use import::{Disk, Entry, Given, Imported, Kind, Report, Source, import};

/// As long may one file take.
const LIMIT: Duration = Duration::from_secs(2);

const PROGRAMS: [&str; 3] = ["keepalived", "haproxy", "nginx"];

/// A folder beside the repository; none, said aloud, where it is missing.
pub(super) fn beside(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(folder);
    #[expect(clippy::print_stderr, reason = "a skipped test shall be seen")]
    if !path.is_dir() {
        eprintln!("SKIPPED: {folder} is not beside the repository");
        return None;
    }
    Some(path)
}

/// A file to import.
struct Sample {
    program: &'static str,
    name: String,
    text: String,
}

/// The files below, and what lies beside the repository.
fn samples() -> Vec<Sample> {
    let own = [("keepalived", KEEPALIVED), ("haproxy", HAPROXY), ("nginx", NGINX)];
    let own = own.map(|(program, text)| Sample { program, name: "own".into(), text: text.into() });
    let mut samples = Vec::from(own);
    let Some(corpus) = beside("corpus") else { return samples };
    for program in PROGRAMS {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(corpus.join(program))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            samples.push(Sample { program, name, text });
        }
    }
    samples
}

pub(super) fn given(program: &str, name: &str, text: &str) -> Given {
    let source = Some(Source::new(name, text));
    match program {
        "keepalived" => Given { keepalived: source, ..Given::default() },
        "haproxy" => Given { haproxy: source, ..Given::default() },
        _ => Given { nginx: source, ..Given::default() },
    }
}

/// Lines that say something, found without the importer's own readers.
fn telling_lines(program: &str, text: &str) -> Vec<usize> {
    let comment = if program == "keepalived" { &['#', '!'][..] } else { &['#'][..] };
    let telling = |line: &str| {
        let line = line.split(comment).next().unwrap_or_default();
        !line.trim_matches(|c: char| c.is_whitespace() || "{};".contains(c)).is_empty()
    };
    let lines = text.lines().enumerate().filter(|(_, line)| telling(line));
    lines.map(|(index, _)| index + 1).collect()
}

#[expect(clippy::disallowed_methods, reason = "a hang is a matter of the real clock")]
fn timed(given: &Given) -> Imported {
    let began = Instant::now();
    let imported = import(given, &Disk);
    assert!(began.elapsed() < LIMIT, "took {:?}", began.elapsed());
    imported
}

/// What became of a line: the worst that is said of it. None where it was refused.
fn fate(line: usize, report: &Report) -> Option<Option<Kind>> {
    let on = |entry: &&Entry| (entry.line..=entry.end).contains(&line);
    let refused = |place: &import::Place| place.line == line;
    if report.mistakes.iter().any(|mistake| mistake.place.as_ref().is_some_and(refused)) {
        return Some(None);
    }
    report.entries().filter(on).map(|entry| entry.kind).max().map(Some)
}

#[test]
fn no_line_of_a_real_file_is_lost() {
    for Sample { program, name, text } in samples() {
        let Imported { toml, report } = timed(&given(program, &name, &text));
        for line in telling_lines(program, &text) {
            let words = text.lines().nth(line - 1).unwrap();
            assert!(fate(line, &report).is_some(), "{program}/{name}:{line}: lost: {words}");
        }
        // What comes out passes the check; what does not says where it was refused.
        assert_eq!(toml.is_none(), !report.mistakes.is_empty(), "{program}/{name}");
        if let Some(toml) = toml {
            assert!(config::parse("imported", &toml).is_ok(), "{program}/{name}");
        }
    }
}

/// How many of so many.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    of: usize,
    whole: usize,
    /// Not counted in the others: the program itself could not run it.
    refused: usize,
}

impl Rate {
    fn count(&mut self, lines: impl Iterator<Item = usize>, report: &Report) {
        let fates: Vec<Option<Kind>> = lines.filter_map(|line| fate(line, report)).collect();
        if fates.contains(&None) {
            self.refused += 1;
            return;
        }
        self.of += 1;
        self.whole += usize::from(!fates.contains(&Some(Kind::NotSupported)));
    }

    fn percent(self) -> usize {
        self.whole * 100 / self.of.max(1)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, whole, refused } = *self;
        write!(f, "{whole:>4} of {of:>4} ({:>3} %), {refused:>2} refused", self.percent())
    }
}

/// First and last line of each section of mode tcp that carries connections, found without the
/// importer's own reader.
fn tcp_sections(text: &str) -> Vec<(usize, usize)> {
    let mut sections: Vec<(bool, bool, usize, usize)> = Vec::new();
    let mut default_http = false;
    let mut in_defaults = false;
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match first {
            "" => continue,
            "defaults" => (in_defaults, default_http) = (true, false),
            "frontend" | "backend" | "listen" => {
                in_defaults = false;
                sections.push((true, default_http, number, number));
                continue;
            }
            "global" | "peers" | "resolvers" | "mailers" | "userlist" | "program" => {
                in_defaults = false;
                sections.push((false, false, number, number));
            }
            "mode" if in_defaults => default_http = second == "http",
            "mode" => sections.last_mut().unwrap().1 = second == "http",
            _ => {}
        }
        if let (false, Some(section)) = (in_defaults, sections.last_mut()) {
            section.3 = number;
        }
    }
    let tcp = sections.into_iter().filter(|(carries, http, ..)| *carries && !http);
    tcp.map(|(.., first, last)| (first, last)).collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "the table is what people want to see")]
fn nearly_everything_imports_without_loss() {
    let mut files = [Rate::default(); 3];
    let mut sections = Rate::default();
    let mut lines = [[0_usize; 5]; 3];
    for Sample { program, name, text } in samples() {
        let index = PROGRAMS.iter().position(|known| *known == program).unwrap();
        let report = timed(&given(program, &name, &text)).report;
        let telling = telling_lines(program, &text);
        for line in &telling {
            let column = fate(*line, &report).unwrap().map_or(4, |kind| kind as usize);
            lines[index][column] += 1;
        }
        files[index].count(telling.into_iter(), &report);
        if program == "haproxy" {
            for (first, last) in tcp_sections(&text) {
                sections.count(first..=last, &report);
            }
        }
    }
    eprintln!("lines:      used  ignored  different  not supported  refused");
    for (program, [used, ignored, different, lost, refused]) in PROGRAMS.iter().zip(lines) {
        eprintln!("{program:<10} {used:>5} {ignored:>8} {different:>10} {lost:>14} {refused:>8}");
    }
    eprintln!("without loss:");
    for (program, rate) in PROGRAMS.iter().zip(files) {
        eprintln!("{program:<10} files         {rate}");
    }
    eprintln!("haproxy    TCP sections  {sections}");
    // One carries UDP, and one relies on keepalived's FAULT state beside `nopreempt`.
    assert!(files[0].percent() >= 93, "keepalived: {}", files[0]);
    assert!(sections.percent() >= 95, "sections of haproxy: {sections}");
    assert_eq!(files[2].percent(), 100, "nginx: {}", files[2]);
}

/// Everything that stands in such files, more or less.
const KEEPALIVED: &str = r#"! Configuration File for keepalived
global_defs {
    router_id lb1
    script_user root
    enable_script_security
    vrrp_garp_interval 0
}
$IF=eth0
vrrp_script chk { script "/usr/bin/killall -0 haproxy"
    interval 2   # every two seconds
    weight -20 }
vrrp_sync_group both {
    group { one
        two }
    notify_master "/etc/notify.sh master"
    track_interface { eth1 }
}
vrrp_instance one {
    state MASTER
    interface $IF
    virtual_router_id 51
    priority 101
    authentication { auth_type PASS
        auth_pass secret }
    virtual_ipaddress { 10.0.0.100/24 dev eth0 label eth0:1 }
    track_script { chk }
}
vrrp_instance two {
    interface ${IF}
    virtual_router_id 52
    virtual_ipaddress {
        10.0.0.101/24
    }
}
virtual_server 10.0.0.100 80 {
    delay_loop 6
    lb_algo wrr
    lb_kind DR
    persistence_timeout 50
    protocol TCP
    real_server 10.0.0.5 80 { weight 2
        HTTP_GET { url { path /
                status_code 200 }
            connect_timeout 3 }
    }
}
"#;

const HAPROXY: &str = r"global
    log /dev/log local0
    maxconn 4096
    daemon
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend api
    bind *:6443
    tcp-request inspect-delay 5s
    acl hello req_ssl_hello_type 1
    tcp-request content accept if hello
    acl apps req.ssl_sni -m end .apps.example.com
    use_backend apps if apps
    default_backend masters
backend apps
    server w1 10.0.0.7:443 check
backend masters
    balance leastconn
    stick-table type ip size 200k expire 30m
    stick on src
    option httpchk GET /readyz
    http-check expect status 200
    default-server inter 10s rise 2 fall 3
    server a 10.0.0.5:6443 check check-ssl verify none # one
    server b 10.0.0.6:6443 check check-ssl verify none backup
listen stats :9000
    mode http
    stats enable
    stats auth admin:secret
";

const NGINX: &str = r"worker_processes auto;
events { worker_connections 1024; }
stream {
    upstream api { least_conn;
        server 10.0.0.5:6443 max_fails=2 fail_timeout=10s;
        server 10.0.0.6:6443 backup; }
    server {
        listen 127.0.0.1:6443;
        proxy_pass api;
        proxy_timeout 10m;
    }
    map $ssl_preread_server_name $named {
        hostnames;
        default api;
        .apps.example.com 10.0.0.7:443;
    }
    server { listen 443; ssl_preread on;
        proxy_pass $named; }
}
http {
    aio threads;
    server {
        listen 8081;
        location /healthz { access_log off; return 200; }
        location /stub_status { stub_status on; }
    }
}
";
