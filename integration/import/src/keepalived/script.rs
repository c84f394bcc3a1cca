//! What instances track: scripts, processes and files. A script that looks after an imported proxy
//! becomes that proxy; one that looks for a process becomes a tracker of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::meaning::{self, Meaning, find};
use crate::Import;
use crate::draft::{Draft, Got, Router, Tracker, Watched};
use crate::report::{Kind, Report};
use crate::source::{Mistake, Statement, Word};
use crate::values::{number, seconds, spoken};

/// Everything that may be tracked, and who was seen so far.
#[derive(Default)]
pub(super) struct Scripts {
    defined: BTreeMap<String, Defined>,
    /// The names of instances, for a second one counts nothing.
    pub(super) instances: BTreeSet<String>,
    /// Lines that take a router into keepalived's FAULT state, by the router's name.
    pub(super) faults: BTreeMap<String, Vec<Statement>>,
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
                "vrrp_script" => meaning::script(block, user, import),
                "vrrp_track_process" => meaning::process(block),
                "track_file" | "vrrp_track_file" => meaning::file(block),
                _ => continue,
            };
            let Some(name) = import.report.argument(block) else { continue };
            if scripts.defined.contains_key(&name.text) {
                let why = "keepalived skips a second definition of the same name";
                import.report.whole(block, Kind::Ignored, why);
                continue;
            }
            let weight = match find(block, "weight") {
                Some(line) => weight(line, &line.words, &mut import.report),
                None => Ok(None),
            };
            let Ok(weight) = weight else { continue };
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
            let Ok(own) = weight(line, line.args(), &mut import.report) else { continue };
            // Zero is none: keepalived's FAULT state.
            let weight = own.or(defined.weight).filter(|weight| *weight != 0);
            let mut names = Vec::new();
            match &defined.meaning {
                Meaning::Nothing(why) => {
                    import.report.unsupported(line, *why);
                    continue;
                }
                Meaning::Proxies(proxies) if weight.is_none() => names.clone_from(proxies),
                // They end together, and the weight counts once.
                Meaning::Proxies(proxies) => {
                    let watched = proxies.first().cloned().map(Watched::Proxy);
                    let named = |watched| tracker(line, watched, weight, &mut import.draft);
                    names.extend(watched.map(named));
                }
                Meaning::Watched(watched) => {
                    names.push(tracker(line, watched.clone(), weight, &mut import.draft));
                }
            }
            router.track.extend(names.into_iter().map(|name| Got::from(line.place(), name)));
            import.report.translated(line);
            if weight.is_none() && !matches!(defined.meaning, Meaning::Watched(Watched::File(_))) {
                self.faults.entry(router.name.clone()).or_default().push(line.clone());
            }
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
                        "{} takes its place: it also fails when none of its servers is usable",
                        proxies.join(", ")
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
                            // Said when it was read.
                            _ if report.knows(line) => {}
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

/// `weight N` in `words` of a line. What else stands there is not supported, and said so.
pub(super) fn weight(
    line: &Statement,
    words: &[Word],
    report: &mut Report,
) -> Result<Option<i32>, ()> {
    match words {
        [] => Ok(None),
        [keyword, value] if keyword.text == "weight" => {
            number(&value.text, &(-253..=253)).map(Some).map_err(|must| {
                report.mistake(Mistake::value(line, value, &must));
            })
        }
        _ => {
            report.unsupported(line, "a weight is `weight N`, and nothing else stands beside it");
            Err(())
        }
    }
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
