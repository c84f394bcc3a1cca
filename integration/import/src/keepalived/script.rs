//! What instances track: scripts, processes and files. A script that looks after an imported proxy
//! becomes that proxy; one that looks for a process becomes a tracker of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::command;
use crate::Import;
use crate::draft::{Draft, Got, Program, Proxy, Router, Script, Tracker, Watched};
use crate::report::{Kind, Report};
use crate::source::{Mistake, Statement};
use crate::values::{number, seconds, spoken};

/// What a tracked name stands for.
enum Meaning {
    /// These proxies, imported beside it.
    Proxies(Vec<String>),
    Watched(Watched),
    /// Why it cannot be tracked.
    Nothing(&'static str),
}

/// Everything that may be tracked, and who was seen so far.
#[derive(Default)]
pub(super) struct Scripts {
    defined: BTreeMap<String, Defined>,
    /// The names of instances, for a second one counts nothing.
    pub(super) instances: BTreeSet<String>,
}

struct Defined {
    block: Statement,
    meaning: Meaning,
    weight: Option<i32>,
    used: bool,
}

impl Scripts {
    /// Every script, process and file that `statements` define.
    pub(super) fn collect(
        statements: &[Statement],
        user: Option<&str>,
        import: &mut Import,
    ) -> Self {
        let mut scripts = Self::default();
        for block in statements {
            let meaning = match block.name() {
                "vrrp_script" => script(block, user, import),
                "vrrp_track_process" => process(block),
                "track_file" | "vrrp_track_file" => file(block),
                _ => continue,
            };
            let Some(name) = import.report.argument(block) else { continue };
            if scripts.defined.contains_key(&name.text) {
                let why = "keepalived skips a second definition of the same name";
                import.report.whole(block, Kind::Ignored, why);
                continue;
            }
            let weight = find(block, "weight")
                .and_then(|line| import.report.number(line, -253..=253))
                .map(|got| got.value)
                .filter(|weight| *weight != 0);
            let defined = Defined { block: block.clone(), meaning, weight, used: false };
            scripts.defined.insert(name.text.clone(), defined);
        }
        scripts
    }

    /// `track_script { NAME [weight N] }` and its like.
    pub(super) fn track(&mut self, list: &Statement, router: &mut Router, import: &mut Import) {
        import.report.translated(list);
        for line in list.inner() {
            let Some(defined) = self.defined.get_mut(line.name()) else {
                let why = "keepalived ignores it as well: nothing of this name is defined";
                import.report.ignored(line, why);
                continue;
            };
            defined.used = true;
            let Ok(own) = weight(line, &mut import.report) else { continue };
            match &defined.meaning {
                Meaning::Nothing(why) => import.report.unsupported(line, *why),
                Meaning::Proxies(proxies) => {
                    for proxy in proxies {
                        router.track.push(Got::from(line.place(), proxy.clone()));
                    }
                    import.report.translated(line);
                }
                Meaning::Watched(watched) => {
                    let weight = own.or(defined.weight);
                    let name = tracker(line, watched.clone(), weight, &mut import.draft);
                    router.track.push(Got::from(line.place(), name));
                    import.report.translated(line);
                }
            }
            unmovable(defined, own, line, router, &mut import.report);
        }
    }

    /// Says what became of the definitions.
    pub(super) fn report(&self, report: &mut Report) {
        for defined in self.defined.values() {
            let block = &defined.block;
            match &defined.meaning {
                _ if !defined.used => report.whole(block, Kind::Ignored, "no instance tracks it"),
                Meaning::Nothing(why) => report.whole(block, Kind::NotSupported, *why),
                Meaning::Proxies(proxies) => {
                    let how = format!(
                        "`track = {proxies:?}` takes its place: without a usable server the priority falls to 1"
                    );
                    report.whole(block, Kind::Different, how);
                    slow(block, "now as soon as no server of the proxy is usable", report);
                }
                Meaning::Watched(Watched::Process(process)) => {
                    let how = format!(
                        "the kernel tells when {process} ends; it is not asked every so often"
                    );
                    report.whole(block, Kind::Different, how);
                    slow(block, "now under 0.1 s", report);
                }
                Meaning::Watched(_) => {
                    report.translated(block);
                    for line in block.inner() {
                        match line.name() {
                            "file" | "weight" | "script" | "interval" | "timeout" | "rise"
                            | "fall" | "user" | "init_fail" => report.translated(line),
                            _ => report.unsupported(line, super::UNKNOWN),
                        }
                    }
                }
            }
        }
    }
}

/// `weight N` after a tracked name. What else stands there is not supported, and said so.
pub(super) fn weight(line: &Statement, report: &mut Report) -> Result<Option<i32>, ()> {
    let [keyword, value, rest @ ..] = line.args() else {
        return if line.args().is_empty() { Ok(None) } else { no_weight(line, report) };
    };
    if keyword.text != "weight" || !rest.is_empty() {
        return no_weight(line, report);
    }
    match number(&value.text, &(-253..=253)) {
        Ok(weight) => Ok(Some(weight).filter(|weight| *weight != 0)),
        Err(must) => {
            report.mistake(Mistake::value(line, value, &must));
            Err(())
        }
    }
}

fn no_weight<T>(line: &Statement, report: &mut Report) -> Result<T, ()> {
    report.unsupported(line, "after the name there can be `weight N` only");
    Err(())
}

/// The name of the tracker of `watched` with that weight: an equal one serves several routers.
pub(super) fn tracker(
    line: &Statement,
    watched: Watched,
    weight: Option<i32>,
    draft: &mut Draft,
) -> String {
    let same = |tracker: &&Tracker| tracker.watched == watched && tracker.weight == weight;
    if let Some(tracker) = draft.trackers.iter().find(same) {
        return tracker.name.clone();
    }
    let name = draft.tracked_name(line.name());
    let from = line.place().clone();
    draft.trackers.push(Tracker { from, name: name.clone(), watched, weight });
    name
}

fn find<'a>(block: &'a Statement, name: &str) -> Option<&'a Statement> {
    block.inner().iter().find(|line| line.name() == name)
}

fn process(block: &Statement) -> Meaning {
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

fn file(block: &Statement) -> Meaning {
    match find(block, "file") {
        Some(file) => Meaning::Watched(Watched::File(file.text(1).to_owned())),
        None => Meaning::Nothing("it names no file"),
    }
}

fn script(block: &Statement, user: Option<&str>, import: &mut Import) -> Meaning {
    let draft = &import.draft;
    let Some(script) = find(block, "script") else {
        return Meaning::Nothing("it names no script");
    };
    let command: Vec<&str> = script.args().iter().flat_map(|word| word.text.split(' ')).collect();
    if let Some(process) = looked_for(&command) {
        let programs = [Program::Haproxy, Program::Nginx];
        let program = programs.into_iter().find(|program| program.as_str() == process);
        // One that only routes lead to counts for the proxy that they start at.
        let of_program =
            |proxy: &&Proxy| Some(proxy.program) == program && !proxy.listen.is_empty();
        let proxies: Vec<String> =
            draft.proxies.iter().filter(of_program).map(|proxy| proxy.name.clone()).collect();
        return match proxies.is_empty() {
            true => Meaning::Watched(Watched::Process(process)),
            false => Meaning::Proxies(proxies),
        };
    }
    let port = local_port(&command.join(" "));
    let listens =
        |proxy: &&Proxy| proxy.listen.iter().any(|listen| Some(listen.value.port()) == port);
    match draft.proxies.iter().find(listens) {
        Some(proxy) => Meaning::Proxies(vec![proxy.name.clone()]),
        None => run(block, script, user, &mut import.report),
    }
}

/// A script that has to be run for what it finds out.
fn run(
    block: &Statement,
    script: &Statement,
    global_user: Option<&str>,
    report: &mut Report,
) -> Meaning {
    let text: Vec<&str> = script.args().iter().map(|word| word.text.as_str()).collect();
    let Some(command) = command::command(&text.join(" ")) else {
        return Meaning::Nothing("its quotes do not match");
    };
    let own = find(block, "user").and_then(|line| line.args().first());
    let user = command::user(own, global_user, block, report);
    let time = |name| find(block, name).and_then(|line| seconds(line.text(1)).ok());
    let count = |name| {
        find(block, name)
            .and_then(|line| line.text(1).parse::<u32>().ok())
            .map(|n| n.clamp(1, 1000))
    };
    let timeout = time("timeout").filter(|time| !time.is_zero());
    let least = Duration::from_millis(100).max(timeout.unwrap_or_default());
    let asked = time("interval").unwrap_or(Duration::from_secs(1));
    let interval = asked.clamp(least, Duration::from_secs(3600));
    if interval != asked {
        report.different(block, format!("it runs every {}", spoken(interval)));
    }
    let initially = if find(block, "init_fail").is_some() { "unusable" } else { "usable" };
    let (rise, fall) = (count("rise"), count("fall"));
    let script = Script { command, user, interval, timeout, rise, fall, initially };
    Meaning::Watched(Watched::Script(script))
}

/// The process whose existence is all that `command` looks for.
fn looked_for(command: &[&str]) -> Option<String> {
    let command: Vec<&str> = command.iter().copied().filter(|word| !word.is_empty()).collect();
    let (program, args) = command.split_first()?;
    let plain: Vec<&str> = args.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let process = match (last_part(program), &plain[..]) {
        ("killall", [process]) if args.contains(&"-0") => process,
        ("pidof" | "pgrep", [process]) => process,
        ("systemctl", ["is-active", unit]) => unit.strip_suffix(".service").unwrap_or(unit),
        _ => return None,
    };
    let process = last_part(process);
    let clean = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!process.is_empty() && process.chars().all(clean)).then(|| process.to_owned())
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

/// How long keepalived needed to find out.
fn slow(block: &Statement, now: &str, report: &mut Report) {
    let interval = find(block, "interval").and_then(|line| seconds(line.text(1)).ok());
    let fall = find(block, "fall").and_then(|line| line.text(1).parse::<u32>().ok());
    let interval = interval.unwrap_or(Duration::from_secs(1));
    if let Some(until) = interval.checked_mul(fall.unwrap_or(1).max(1)) {
        report.lint(format!(
            "{}: {} until {} was found dead; {now}",
            block.place(),
            spoken(until),
            block.text(1)
        ));
    }
}

/// What a weight could never do, and does now or does not do either; `check` warns of what is left.
fn unmovable(
    defined: &Defined,
    own: Option<i32>,
    line: &Statement,
    router: &Router,
    report: &mut Report,
) {
    let Some(weight) = own.or(defined.weight) else { return };
    let (place, name) = (line.place(), line.name());
    if router.priority.as_ref().is_some_and(|priority| priority.value == 255) {
        report.lint(format!("{place}: {name} can never move the addresses: priority 255 owns them, and is never lowered"));
    } else if let Meaning::Proxies(_) = defined.meaning {
        report.lint(format!(
            "{place}: {name} with weight {weight} moved the addresses only where the nodes' priorities differ by less than {}; now the priority falls to 1",
            weight.abs()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_look_for_a_process() {
        let found = |command: &str| looked_for(&command.split(' ').collect::<Vec<_>>());
        for command in [
            "killall -0 haproxy",
            "/usr/bin/killall -0 haproxy",
            "pidof haproxy",
            "pgrep -x haproxy",
            "pidof /usr/sbin/haproxy",
            "systemctl is-active --quiet haproxy.service",
        ] {
            assert_eq!(found(command), Some("haproxy".to_owned()), "{command}");
        }
        for command in ["/etc/check.sh", "killall haproxy", "pgrep -f a b", "", "curl localhost"] {
            assert_eq!(found(command), None, "{command}");
        }
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
