//! From `option …chk`, `http-check`, `tcp-check` and the servers' options to one check.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::options::Options;
use super::server::Parsed;
use super::settings::Settings;
use crate::draft::{Check, Probe};
use crate::report::Report;
use crate::secrets;
use crate::source::Statement;
use crate::values::number;

/// HAProxy's `inter`.
const INTERVAL: Duration = Duration::from_secs(2);
const TIMES: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
/// Letters of a text that an answer must hold.
const BODY: usize = 1000;
const COUNTS: RangeInclusive<u32> = 1..=100;

/// The check of a backend; `header` is its section.
pub(super) fn check(
    settings: &Settings,
    servers: &[Parsed],
    header: &Statement,
    report: &mut Report,
) -> Check {
    let mut check = Check { interval: Some(INTERVAL), ..Check::default() };
    let Some(first) = servers.first() else { return check };
    if servers.iter().all(|parsed| parsed.options.track.is_some()) {
        return Check::default();
    }
    if servers.iter().all(|parsed| !parsed.options.check) {
        settings.checks.iter().for_each(|line| report.ignored(line, "no server has `check`"));
        let how =
            "HAProxy does not check its servers; here every server is checked, by a connection";
        report.different(header, how);
        return check;
    }
    alike(servers, report);
    let options = servers.iter().find(|p| p.options.check).map_or(&first.options, |p| &p.options);
    let time = |time: Duration| time.clamp(*TIMES.start(), *TIMES.end());
    check.interval = Some(time(options.interval.unwrap_or(INTERVAL)));
    check.fast_interval = options.fast_interval.map(time);
    check.down_interval = options.down_interval.map(time);
    let count = |count: u32| count.clamp(*COUNTS.start(), *COUNTS.end());
    (check.rise, check.fall) = (options.rise.map(count), options.fall.map(count));
    check.error_limit = options.error_limit();
    probe(settings, servers, &mut check, report);
    if options.check_ssl {
        check.probe = match check.probe {
            Probe::Http { path, .. } => Probe::Http { path, tls: true },
            Probe::Tcp | Probe::Tls => Probe::Tls,
        };
    }
    let tls = matches!(check.probe, Probe::Tls | Probe::Http { tls: true, .. });
    if tls && !options.verify_none {
        check.ca.clone_from(&options.ca);
        check.server_name.clone_from(&options.check_sni);
    }
    port(servers, &mut check, report);
    unchecked(servers, &check, report);
    limits(settings, &mut check);
    check
}

/// As HAProxy has it: without `timeout check` the interval bounds all of a check. With it, connecting has
/// to be done within the interval and `timeout connect`, and what follows within `timeout check`.
fn limits(settings: &Settings, check: &mut Check) {
    let Some(answer) = &settings.check else { return };
    let interval = check.interval.unwrap_or(INTERVAL);
    let connect = settings.connect.as_ref().map_or(interval, |connect| connect.value.min(interval));
    let connect = connect.clamp(*TIMES.start(), *TIMES.end());
    if check.probe == Probe::Tcp {
        check.timeout = Some(connect).filter(|connect| *connect != interval);
        return;
    }
    let whole = (connect + answer.value).clamp(*TIMES.start(), *TIMES.end());
    check.connect_timeout = Some(connect);
    check.timeout = Some(whole);
}

/// A server without `check` beside some with it is always used in HAProxy.
fn unchecked(servers: &[Parsed], check: &Check, report: &mut Report) {
    for parsed in servers.iter().filter(|parsed| !parsed.options.check) {
        if check.probe == Probe::Tcp {
            report.different(&parsed.line, "it is checked, by a connection as the others are");
        } else {
            let why = "HAProxy does not check it, and it might not pass the check of the others";
            report.unsupported(&parsed.line, why);
        }
    }
}

/// A proxy has one check for all servers.
fn alike(servers: &[Parsed], report: &mut Report) {
    let Some(first) = servers.iter().find(|parsed| parsed.options.check) else { return };
    for parsed in servers {
        let (one, other) = (&parsed.options, &first.options);
        let said = |o: &Options| {
            let times = (o.interval, o.fast_interval, o.down_interval);
            (times, o.rise, o.fall, o.check_ssl, o.error_limit())
        };
        if one.check && said(one) != said(other) {
            let how = format!("it is checked as {} is", first.line.text(1));
            report.different(&parsed.line, how);
        }
    }
}

/// The port to check: one for all servers, or for each the one that serves.
fn port(servers: &[Parsed], check: &mut Check, report: &mut Report) {
    let own = |parsed: &Parsed| parsed.server.address.port();
    let asked = |parsed: &Parsed| parsed.options.check_port.unwrap_or_else(|| own(parsed));
    if servers.iter().all(|parsed| asked(parsed) == own(parsed)) {
        return;
    }
    let first = asked(&servers[0]);
    for parsed in servers.iter().filter(|parsed| asked(parsed) != first) {
        let why = format!("all servers of a proxy are checked at one port, which is {first}");
        report.unsupported(&parsed.line, why);
    }
    check.port = Some(first);
}

/// What the last of the options says; the others have no effect.
fn probe(settings: &Settings, servers: &[Parsed], check: &mut Check, report: &mut Report) {
    let is_option = |line: &&Statement| line.name() == "option";
    let Some(option) = settings.checks.iter().rfind(is_option) else {
        let why = "without `option httpchk` or `option tcp-check` there is nothing to it";
        return settings.checks.iter().for_each(|line| report.ignored(line, why));
    };
    let rules = match option.text(1) {
        "httpchk" => "http-check",
        "tcp-check" => "tcp-check",
        _ => "",
    };
    check.from.push(option.place().clone());
    match option.text(1) {
        "tcp-check" => report.translated(option),
        "httpchk" => http_option(option, check, report),
        "ssl-hello-chk" => {
            check.probe = Probe::Tls;
            report.different(option, "a TLS handshake that succeeds, with any certificate");
        }
        "external-check" => {
            report.unsupported(option, "no program is run to check a server; it is a connection");
        }
        other => {
            let how = format!(
                "`{other}` becomes a connection: nothing is said, and a server that accepts and does not answer stays in use"
            );
            report.different(option, how);
        }
    }
    for line in &settings.checks {
        if line.name() == rules {
            rule(line, servers, check, report);
        } else if line.place() != option.place() {
            let why = format!("`option {}` takes its place", option.text(1));
            report.ignored(line, why);
        }
    }
    if matches!(check.probe, Probe::Http { .. }) && check.expect.is_empty() {
        check.expect = vec!["200-399".to_owned()];
    }
}

/// `option httpchk [METHOD] [PATH] [VERSION …]`.
fn http_option(option: &Statement, check: &mut Check, report: &mut Report) {
    let args: Vec<&str> = option.words.iter().skip(2).map(|word| word.text.as_str()).collect();
    let (method, path) = match args[..] {
        [] => ("OPTIONS", "/"),
        [path] if path.starts_with('/') => ("OPTIONS", path),
        [method] => (method, "/"),
        [method, path, ..] => (method, path),
    };
    report.translated(option);
    if method != "GET" {
        report.different(option, format!("it is a GET, not {method}"));
    }
    if args.len() > 2 {
        report.different(option, "the version is HTTP/1.1, with the server's address as Host");
    }
    set_path(path, option, check, report);
}

fn set_path(path: &str, line: &Statement, check: &mut Check, report: &mut Report) {
    if path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()) {
        // `http-check connect ssl` may have come before.
        let tls = matches!(check.probe, Probe::Tls | Probe::Http { tls: true, .. });
        check.probe = Probe::Http { path: path.to_owned(), tls };
    } else {
        report.unsupported(
            line,
            format!("{:?} is no path that a check can ask for", secrets::masked(path)),
        );
    }
}

/// One `http-check` or `tcp-check` line.
fn rule(line: &Statement, servers: &[Parsed], check: &mut Check, report: &mut Report) {
    let args: Vec<&str> = line.words.iter().skip(2).map(|word| word.text.as_str()).collect();
    match (line.name(), line.text(1)) {
        ("http-check", "expect") => match args[..] {
            ["status", ref list @ ..] => match statuses(list) {
                Some(statuses) => {
                    check.expect = statuses;
                    report.translated(line);
                }
                None => {
                    report.unsupported(line, "statuses are numbers and ranges, such as 200-399")
                }
            },
            ["string", text] if !text.is_empty() && text.len() <= BODY => {
                check.expect_body = Some((*text).to_owned());
                report.different(line, "it is looked for in the first 4096 bytes of an answer of the status that is expected");
            }
            _ => report.unsupported(line, "a check compares the status, and looks for a text"),
        },
        ("http-check", "send") => send(&args, line, check, report),
        (_, "connect") => connect(&args, line, servers, check, report),
        (_, "comment") | ("http-check", "disable-on-404" | "send-state") => {
            report.ignored(line, "it changes nothing for the servers");
        }
        _ => report.unsupported(line, "a check sends nothing of its own and reads no answer"),
    }
}

/// `200,204 300-399` and the like.
fn statuses(list: &[&str]) -> Option<Vec<String>> {
    let words = list.iter().flat_map(|word| word.split(',')).filter(|word| !word.is_empty());
    let one = |word: &str| {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let both = [first, last].map(|status| number::<u16>(status, &(100..=599)));
        both.iter().all(Result::is_ok).then(|| word.to_owned())
    };
    words.map(one).collect::<Option<Vec<_>>>().filter(|statuses| !statuses.is_empty())
}

fn send(args: &[&str], line: &Statement, check: &mut Check, report: &mut Report) {
    report.translated(line);
    for pair in args.chunks(2) {
        match *pair {
            ["meth", "GET"] => {}
            ["meth", method] => report.different(line, format!("it is a GET, not {method}")),
            ["uri", path] => set_path(path, line, check, report),
            ["ver", _] => report.different(line, "the version is HTTP/1.1"),
            _ => report.unsupported(line, "a check has no headers and no body of its own"),
        }
    }
}

fn connect(
    args: &[&str],
    line: &Statement,
    servers: &[Parsed],
    check: &mut Check,
    report: &mut Report,
) {
    report.translated(line);
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match *word {
            "ssl" => {
                check.probe = match std::mem::take(&mut check.probe) {
                    Probe::Http { path, .. } => Probe::Http { path, tls: true },
                    Probe::Tcp | Probe::Tls => Probe::Tls,
                };
            }
            "port" => {
                let port = words.next().and_then(|port| port.parse::<u16>().ok());
                let serves = |parsed: &Parsed| Some(parsed.server.address.port()) == port;
                match port {
                    _ if servers.iter().all(serves) => {}
                    Some(1..) if check.port.is_none() => check.port = port,
                    _ => report.unsupported(line, "a check asks one port"),
                }
            }
            "default" => {}
            other => report.unsupported(line, format!("a check has no `{other}`")),
        }
    }
}
