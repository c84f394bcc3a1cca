//! What a tracked script, process or file stands for: a proxy that is imported, or something to watch.

use std::time::Duration;

use super::{command, words};
use crate::Import;
use crate::draft::{Draft, Program, Proxy, Script, Watched};
use crate::report::Report;
use crate::source::Statement;
use crate::values::spoken;

/// The most results in a row that can be asked for.
const MOST: u32 = 1000;

/// What a tracked name stands for.
pub(super) enum Meaning {
    /// These proxies, imported beside it.
    Proxies(Vec<String>),
    Watched(Watched),
    /// Why it cannot be tracked.
    Nothing(&'static str),
}

/// The last line of a block with that keyword: it is the one that counts.
pub(super) fn find<'a>(block: &'a Statement, name: &str) -> Option<&'a Statement> {
    block.inner().iter().rfind(|line| line.name() == name)
}

/// `vrrp_track_process`.
pub(super) fn process(block: &Statement) -> Meaning {
    let Some(process) = find(block, "process") else {
        return Meaning::Nothing("it names no process");
    };
    let others = block.inner().iter().map(Statement::name);
    let plain = |name: &str| {
        matches!(name, "process" | "weight" | "delay" | "fork_delay" | "terminate_delay")
    };
    if process.words.len() > 2 || !others.into_iter().all(plain) {
        return Meaning::Nothing("a process is tracked by its name only: no arguments, no quorum");
    }
    Meaning::Watched(Watched::Process(last_part(process.text(1)).to_owned()))
}

/// `track_file`.
pub(super) fn file(block: &Statement) -> Meaning {
    match find(block, "file") {
        Some(file) => Meaning::Watched(Watched::File(file.text(1).to_owned())),
        None => Meaning::Nothing("it names no file"),
    }
}

/// `vrrp_script`.
pub(super) fn script(block: &Statement, user: Option<&str>, import: &mut Import) -> Meaning {
    let Some(script) = find(block, "script") else {
        return Meaning::Nothing("it names no script");
    };
    let Ok(command) = words::split(script.text(1)) else {
        return Meaning::Nothing(command::UNMATCHED);
    };
    if command.is_empty() {
        return Meaning::Nothing("it names no script");
    }
    if script.words.len() > 2 {
        let how = "keepalived runs the first word alone: a command with arguments stands in quotes";
        import.report.different(script, how);
    }
    let draft = &import.draft;
    if let Some(process) = looked_for(&command) {
        let proxies = of_program(&process, draft);
        return match proxies.is_empty() {
            true => Meaning::Watched(Watched::Process(process)),
            false => Meaning::Proxies(proxies),
        };
    }
    if let Some(unit) = unit(&command) {
        let proxies = of_program(&unit, draft);
        if !proxies.is_empty() {
            return Meaning::Proxies(proxies);
        }
    }
    let port = local_port(&command.join(" "));
    let listens =
        |proxy: &&Proxy| proxy.listen.iter().any(|listen| Some(listen.value.port()) == port);
    match draft.proxies.iter().find(listens) {
        Some(proxy) => Meaning::Proxies(vec![proxy.name.clone()]),
        None => run(block, command, user, &mut import.report),
    }
}

/// The proxies that were configured for a program. One that only routes lead to counts for the proxy that
/// they start at.
fn of_program(process: &str, draft: &Draft) -> Vec<String> {
    let programs = [Program::Haproxy, Program::Nginx];
    let program = programs.into_iter().find(|program| program.as_str() == process);
    let theirs = |proxy: &&Proxy| Some(proxy.program) == program && !proxy.listen.is_empty();
    draft.proxies.iter().filter(theirs).map(|proxy| proxy.name.clone()).collect()
}

/// A script that has to be run for what it finds out.
fn run(
    block: &Statement,
    command: Vec<String>,
    global_user: Option<&str>,
    report: &mut Report,
) -> Meaning {
    let own = find(block, "user").and_then(|line| line.args().first());
    let user = command::user(own, global_user, block, report);
    let interval = time(block, "interval", report).unwrap_or(Duration::from_secs(1));
    let timeout = time(block, "timeout", report);
    let (rise, fall) = (count(block, "rise", report), count(block, "fall", report));
    if let Some(line) = find(block, "init_fail") {
        report.translated(line);
    }
    let command = command::with_path(command);
    Meaning::Watched(Watched::Script(Script { command, user, interval, timeout, rise, fall }))
}

/// A number of whole seconds; what is none, keepalived takes for one.
fn time(block: &Statement, name: &str, report: &mut Report) -> Option<Duration> {
    let line = find(block, name)?;
    let given = line.text(1).parse::<u64>().ok().filter(|seconds| *seconds > 0);
    if given.is_none() {
        report.different(line, "keepalived wants a whole number of seconds, and takes 1 here");
    }
    let limits = Duration::from_secs(1)..=Duration::from_secs(3600);
    let asked = Duration::from_secs(given.unwrap_or(1));
    let time = asked.clamp(*limits.start(), *limits.end());
    if time != asked {
        report.different(line, format!("it is {} at most", spoken(time)));
    }
    Some(time)
}

/// Results in a row; what is no number from 1 on, keepalived takes for 1.
fn count(block: &Statement, name: &str, report: &mut Report) -> Option<u32> {
    let line = find(block, name)?;
    let given = line.text(1).parse::<u32>().ok().filter(|count| *count > 0);
    if given.is_none() {
        report.different(line, "keepalived wants a number from 1 on, and takes 1 here");
    }
    let count = given.unwrap_or(1);
    if count > MOST {
        report.different(line, format!("it is {MOST} at most"));
    }
    Some(count.min(MOST))
}

/// The process whose existence is all that `command` looks for.
fn looked_for(command: &[String]) -> Option<String> {
    let (program, args) = command.split_first()?;
    let (flags, plain): (Vec<&str>, Vec<&str>) =
        args.iter().map(String::as_str).partition(|word| word.starts_with('-'));
    let harmless = |known: &[&str]| flags.iter().all(|flag| known.contains(flag));
    let process = match (last_part(program), &plain[..]) {
        ("killall", [process]) if flags.contains(&"-0") && harmless(&["-0", "-q", "-e"]) => process,
        ("pidof", [process]) if harmless(&["-s", "-x", "-q", "-c"]) => process,
        ("pgrep", [process]) if harmless(&["-x"]) => process,
        _ => return None,
    };
    let process = last_part(process);
    let clean = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!process.is_empty() && process.chars().all(clean)).then(|| process.to_owned())
}

/// The unit that `systemctl is-active` asks for: no process need be called so.
fn unit(command: &[String]) -> Option<String> {
    let (program, args) = command.split_first()?;
    let plain: Vec<&str> =
        args.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    match (last_part(program), &plain[..]) {
        ("systemctl", ["is-active" | "status", unit]) => {
            Some(unit.strip_suffix(".service").unwrap_or(unit).to_owned())
        }
        _ => None,
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The port of this host that `command` asks, as in `curl https://localhost:6443/healthz`.
fn local_port(command: &str) -> Option<u16> {
    let hosts = ["localhost", "127.0.0.1", "[::1]"];
    let after = hosts.iter().find_map(|host| command.split_once(host).map(|(_, rest)| rest))?;
    let digits = after.strip_prefix([':', ' ', '/'])?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_look_for_a_process() {
        let found = |command: &str| looked_for(&words::split(command).unwrap());
        for command in [
            "killall -0 haproxy",
            "/usr/bin/killall -0 haproxy",
            "pidof haproxy",
            "pgrep -x haproxy",
            "pidof /usr/sbin/haproxy",
            "pgrep haproxy",
        ] {
            assert_eq!(found(command), Some("haproxy".to_owned()), "{command}");
        }
        for command in [
            "/etc/check.sh",
            "killall haproxy",
            "pgrep -f haproxy",
            "pgrep -u root haproxy",
            "killall -0 -u root haproxy",
            "systemctl is-active haproxy",
            "",
            "curl localhost",
        ] {
            assert_eq!(found(command), None, "{command}");
        }
    }

    #[test]
    fn commands_that_ask_for_a_unit() {
        let found = |command: &str| unit(&words::split(command).unwrap());
        assert_eq!(
            found("/bin/systemctl is-active --quiet haproxy.service"),
            Some("haproxy".to_owned())
        );
        assert_eq!(found("systemctl restart haproxy"), None);
    }

    #[test]
    fn commands_that_ask_a_port_of_this_host() {
        for (command, port) in [
            ("curl -sk https://localhost:6443/healthz -o /dev/null", Some(6443)),
            ("nc -z 127.0.0.1 8443", Some(8443)),
            ("/bin/bash -c '</dev/tcp/127.0.0.1/80'", Some(80)),
            ("curl https://192.168.1.1:6443", None),
            ("curl localhost", None),
        ] {
            assert_eq!(local_port(command), port, "{command}");
        }
    }
}
