//! What is told of a change of state, in keepalived's words. Pure.

use std::collections::BTreeMap;
use std::fmt;

use config::{CommandLine, HooksConfig};
use vocabulary::{Family, Priority, RouterId};
use vrrp::election::StateName;
use vrrpd::occurrence::{Occurrence, RouterContested, Standing, StateChange};

use crate::events::contest;

/// A state as keepalived names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Master,
    Backup,
    Fault,
    Stop,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
        })
    }
}

/// One thing to be told of a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) router: RouterId,
    pub(super) word: Word,
    pub(super) priority: Priority,
    /// The cause as one word, and in words.
    pub(super) reason: String,
    pub(super) cause: String,
    /// The state is what it was, but another router was Active at the same time, and has yielded.
    pub(super) contested: bool,
}

impl Notice {
    /// What keepalived gives to `notify`.
    pub(super) fn arguments(&self) -> [String; 4] {
        let name = self.router.name.to_string();
        ["INSTANCE".to_owned(), name, self.word.to_string(), self.priority.to_string()]
    }

    /// What keepalived writes into its FIFO.
    pub(super) fn line(&self) -> String {
        format!("INSTANCE \"{}\" {} {}\n", self.router.name, self.word, self.priority)
    }

    /// What only we tell.
    pub(super) fn environment(&self) -> [(&'static str, String); 6] {
        let family = match self.router.family {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        };
        [
            ("VIPD_ROUTER", self.router.name.to_string()),
            ("VIPD_FAMILY", family.to_owned()),
            ("VIPD_STATE", self.word.to_string()),
            ("VIPD_PRIORITY", self.priority.to_string()),
            ("VIPD_REASON", self.reason.clone()),
            ("VIPD_CAUSE", self.cause.clone()),
        ]
    }

    /// The programs to be run, in order, each with its arguments.
    pub(super) fn programs(&self, hooks: &HooksConfig) -> Vec<CommandLine> {
        if self.contested {
            return hooks.contested.clone().into_iter().collect();
        }
        let own = match self.word {
            Word::Master => &hooks.active,
            Word::Backup => &hooks.backup,
            Word::Fault => &hooks.fault,
            Word::Stop => &hooks.stop,
        };
        let any = hooks.any.clone().map(|mut any| {
            any.arguments.extend(self.arguments());
            any
        });
        own.clone().into_iter().chain(any).collect()
    }
}

/// What was told last of each router: a runner that finds its way back to `vrrpd`, or to its successor,
/// hears how things stand, and says only what is new.
#[derive(Debug, Default)]
pub(super) struct Told {
    last: BTreeMap<RouterId, Word>,
}

impl Told {
    /// What is to be told of an occurrence, if anything is.
    pub(super) fn news(&mut self, occurrence: &Occurrence) -> Option<Notice> {
        let notice = match occurrence {
            Occurrence::State(StateChange { router, change }) => Notice {
                router: router.clone(),
                word: word(change.to, change.reason == "fault")?,
                priority: change.evidence.priority,
                reason: change.reason.clone(),
                cause: change.cause.clone(),
                contested: false,
            },
            Occurrence::Stands(Standing { router, state, priority, fault, .. }) => {
                // Whoever has not left Initialize yet has not stopped.
                if *state == StateName::Initialize && !fault {
                    return None;
                }
                let cause = "found so".to_owned();
                let (router, word) = (router.clone(), word(*state, *fault)?);
                let (priority, reason) = (*priority, "found".to_owned());
                Notice { router, word, priority, reason, cause, contested: false }
            }
            Occurrence::Contested(RouterContested { router, our_priority, contested }) => {
                // The state is the same, and those that follow it have nothing to learn.
                return contested.yielded.then(|| Notice {
                    router: router.clone(),
                    word: Word::Master,
                    priority: *our_priority,
                    reason: "contested".to_owned(),
                    cause: contest(contested, *our_priority),
                    contested: true,
                });
            }
            Occurrence::Health(_)
            | Occurrence::Discard(_)
            | Occurrence::Missed { .. }
            | Occurrence::Ended => return None,
        };
        let before = self.last.insert(notice.router.clone(), notice.word);
        (before != Some(notice.word)).then_some(notice)
    }
}

/// A resigning router still has its addresses: nothing is to be told before they are gone.
fn word(state: StateName, fault: bool) -> Option<Word> {
    match state {
        StateName::Active => Some(Word::Master),
        StateName::Backup => Some(Word::Backup),
        StateName::Releasing => None,
        StateName::Initialize if fault => Some(Word::Fault),
        StateName::Initialize => Some(Word::Stop),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    fn state(from: &str, to: &str, reason: &str) -> Occurrence {
        serde_json::from_value(serde_json::json!({
            "type": "state", "router": {"name": "VI_1", "family": "ipv4"}, "number": 1,
            "from": from, "to": to, "reason": reason, "cause": "some cause", "ago_ms": 0,
            "evidence": {"priority": 101, "heard": null, "lag_us": null}
        }))
        .unwrap()
    }

    fn stands(state: &str, fault: bool) -> Occurrence {
        serde_json::from_value(serde_json::json!({
            "type": "stands", "router": {"name": "VI_1", "family": "ipv4"}, "number": 1,
            "state": state, "priority": 101, "fault": fault
        }))
        .unwrap()
    }

    fn contested(yielded: bool) -> Occurrence {
        serde_json::from_value(serde_json::json!({
            "type": "contested", "router": {"name": "VI_1", "family": "ipv4"}, "our_priority": 101,
            "by": "10.0.0.12", "priority": 100, "adverts": 2, "yielded": yielded
        }))
        .unwrap()
    }

    /// Told once the other has yielded, as often as that happens.
    #[test]
    fn a_contest_is_told_when_it_is_over() {
        let mut told = Told::default();
        told.news(&state("backup", "active", "silence"));
        assert_eq!(told.news(&contested(false)), None);
        for _ in 0..2 {
            let notice = told.news(&contested(true)).unwrap();
            let environment = notice.environment().map(|(_, value)| value);
            let cause = "10.0.0.12 was Active as well with priority 100, and has yielded to our 101; adverts heard: 2";
            let expected = ["VI_1", "ipv4", "MASTER", "101", "contested", cause];
            assert_eq!(environment, expected);
        }
    }

    /// The lines that keepalived 2.2.7 wrote into its FIFO in the same course of events, and its last
    /// word, which only its scripts get.
    #[test]
    fn a_life_is_told_as_keepalived_tells_it() {
        let mut told = Told::default();
        let life = [
            stands("initialize", false),
            state("initialize", "backup", "started"),
            state("backup", "active", "silence"),
            state("active", "initialize", "fault"),
            state("initialize", "backup", "started"),
            state("backup", "active", "silence"),
            state("active", "releasing", "stopped"),
            state("releasing", "initialize", "relieved"),
            Occurrence::Ended,
        ];
        let lines: Vec<String> =
            life.iter().filter_map(|one| told.news(one)).map(|notice| notice.line()).collect();
        let expected = [
            "INSTANCE \"VI_1\" BACKUP 101\n",
            "INSTANCE \"VI_1\" MASTER 101\n",
            "INSTANCE \"VI_1\" FAULT 101\n",
            "INSTANCE \"VI_1\" BACKUP 101\n",
            "INSTANCE \"VI_1\" MASTER 101\n",
            "INSTANCE \"VI_1\" STOP 101\n",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_known_is_not_told_again() {
        let mut told = Told::default();
        let mut word = |occurrence| told.news(&occurrence).map(|notice| notice.word);
        assert_eq!(word(stands("initialize", true)), Some(Word::Fault));
        assert_eq!(word(stands("active", false)), Some(Word::Master));
        // A successor of a vrrpd that died goes on as Active.
        assert_eq!(word(state("initialize", "active", "resumed")), None);
        assert_eq!(word(stands("releasing", false)), None);
        assert_eq!(word(stands("backup", false)), Some(Word::Backup));
    }

    #[test]
    fn only_the_generic_hook_gets_more_arguments_and_comes_last() {
        let hook = |name: &str| {
            let (program, arguments) = (PathBuf::from("/x"), vec![name.to_owned()]);
            Some(CommandLine { program, arguments })
        };
        let hooks = HooksConfig {
            user: None,
            timeout: Duration::from_secs(1),
            retry: true,
            any: hook("any"),
            active: hook("active"),
            backup: None,
            fault: None,
            stop: hook("stop"),
            contested: hook("contested"),
        };
        let mut told = Told::default();
        let mut run = |occurrence| {
            let programs = told.news(&occurrence).unwrap().programs(&hooks);
            programs.iter().map(|hook| hook.arguments.join(" ")).collect::<Vec<_>>()
        };
        let active = run(state("backup", "active", "silence"));
        assert_eq!(active, ["active", "any INSTANCE VI_1 MASTER 101"]);
        // The state is the same: the generic hook is not run.
        assert_eq!(run(contested(true)), ["contested"]);
        let backup = run(state("active", "backup", "outranked"));
        assert_eq!(backup, ["any INSTANCE VI_1 BACKUP 101"]);
    }
}
