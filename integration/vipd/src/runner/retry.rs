//! Hooks that failed: run again with growing pauses until they work, or until what they tell is no longer
//! so. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use config::CommandLine;
use process::messages::HookFailure;
use vocabulary::RouterId;

use super::word::Notice;

/// The pauses double from here to [`LONGEST`].
const SHORTEST: Duration = Duration::from_secs(1);

/// A cloud's API that is away for hours is asked once in this time.
const LONGEST: Duration = Duration::from_mins(10);

/// One try to tell a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Try {
    pub(super) notice: Notice,
    /// Of the notice's programs only these are to run; none: all.
    pub(super) only: Option<Vec<CommandLine>>,
    /// From 1.
    pub(super) number: u32,
    /// Which of the router's notices it is.
    generation: u64,
}

/// The notices that are to be told again. Bounded: one for each router, and one for its contests.
#[derive(Debug, Default)]
pub(super) struct Retries {
    generation: u64,
    /// The latest notice of each router; with true, of its contests.
    latest: BTreeMap<(RouterId, bool), u64>,
    failing: BTreeMap<(RouterId, bool), Failing>,
}

#[derive(Debug)]
struct Failing {
    next: Try,
    error: String,
    /// When to try again; none: it is being tried.
    due: Option<Instant>,
}

impl Retries {
    /// Something is to be told of a router: what was to be told before is so no longer.
    pub(super) fn news(&mut self, notice: Notice) -> Try {
        self.generation += 1;
        let generation = self.generation;
        let place = |contested| (notice.router.clone(), contested);
        self.latest.insert(place(notice.contested), generation);
        self.failing.remove(&place(notice.contested));
        if !notice.contested {
            self.latest.remove(&place(true));
            self.failing.remove(&place(true));
        }
        Try { notice, only: None, number: 1, generation }
    }

    /// Whether a try is still worth it: of the first ones all are, since they are told in order.
    pub(super) fn is_current(&self, attempt: &Try) -> bool {
        attempt.number == 1 || self.is_latest(attempt)
    }

    /// A try is over; `failed` are the programs that did not work, and why the last of them.
    pub(super) fn done(
        &mut self,
        attempt: Try,
        failed: Option<(Vec<CommandLine>, String)>,
        now: Instant,
    ) {
        let place = attempt.place();
        if !self.is_latest(&attempt) {
            return;
        }
        let Some((programs, error)) = failed else {
            self.failing.remove(&place);
            return;
        };
        let due = Some(now + pause(attempt.number));
        let number = attempt.number.saturating_add(1);
        let next = Try { only: Some(programs), number, ..attempt };
        self.failing.insert(place, Failing { next, error, due });
    }

    /// When the next try is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.failing.values().filter_map(|failing| failing.due).min()
    }

    /// The tries that are due now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Try> {
        let due = self.failing.values_mut().filter(|one| one.due.is_some_and(|at| now >= at));
        let take = |failing: &mut Failing| {
            failing.due = None;
            failing.next.clone()
        };
        due.map(take).collect()
    }

    /// Only what tells of those routers for whom `keep` is true is tried again.
    pub(super) fn retain(&mut self, keep: impl Fn(&RouterId) -> bool) {
        self.failing.retain(|(router, _), _| keep(router));
        self.latest.retain(|(router, _), _| keep(router));
    }

    /// What fails, for the status.
    pub(super) fn failures(&self) -> Vec<HookFailure> {
        let tell = |failing: &Failing| HookFailure {
            router: failing.next.notice.router.clone(),
            state: failing.next.notice.word.to_string(),
            reason: failing.next.notice.reason.clone(),
            tries: failing.next.number - 1,
            error: failing.error.clone(),
        };
        self.failing.values().map(tell).collect()
    }

    fn is_latest(&self, attempt: &Try) -> bool {
        self.latest.get(&attempt.place()) == Some(&attempt.generation)
    }
}

impl Try {
    fn place(&self) -> (RouterId, bool) {
        (self.notice.router.clone(), self.notice.contested)
    }
}

/// The pause after so many tries.
fn pause(tries: u32) -> Duration {
    (SHORTEST * 2_u32.saturating_pow(tries - 1)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use vocabulary::{Family, Name, Priority};

    use super::super::word::Word;
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn start() -> Instant {
        Instant::now()
    }

    fn notice(name: &str, family: Family, word: Word, contested: bool) -> Notice {
        Notice {
            router: RouterId { name: Name::try_from(name).unwrap(), family },
            word,
            priority: Priority::DEFAULT,
            reason: "silence".to_owned(),
            cause: "some cause".to_owned(),
            contested,
        }
    }

    fn master() -> Notice {
        notice("a", Family::Ipv4, Word::Master, false)
    }

    fn failed() -> Option<(Vec<CommandLine>, String)> {
        let (program, arguments) = (PathBuf::from("/hook"), vec![]);
        Some((vec![CommandLine { program, arguments }], "exit status: 1".to_owned()))
    }

    #[test]
    fn pauses_grow_to_ten_minutes() {
        let (start, mut retries) = (start(), Retries::default());
        let mut attempt = retries.news(master());
        assert_eq!(retries.deadline(), None);
        let mut at = start;
        for (tries, seconds) in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600].iter().enumerate()
        {
            retries.done(attempt, failed(), at);
            let pause = Duration::from_secs(*seconds);
            assert_eq!(retries.deadline(), Some(at + pause), "after {tries}");
            assert_eq!(retries.due(at + pause - Duration::from_millis(1)), []);
            at += pause;
            let [next] = retries.due(at).try_into().unwrap();
            assert_eq!(next.only, failed().map(|(programs, _)| programs));
            // It is under way.
            assert_eq!((retries.deadline(), retries.due(at)), (None, vec![]));
            attempt = next;
        }
        assert_eq!(retries.failures()[0].tries, 12);
        retries.done(attempt, None, at);
        assert_eq!((retries.deadline(), retries.failures()), (None, vec![]));
    }

    /// What is no longer so is not told again; of the other family it may still be.
    #[test]
    fn news_of_a_router_end_its_tries() {
        let (start, mut retries) = (start(), Retries::default());
        let attempt = retries.news(master());
        let other = retries.news(notice("a", Family::Ipv6, Word::Master, false));
        retries.done(attempt, failed(), start);
        retries.done(other, failed(), start);
        let [again, _] = retries.due(start + Duration::from_secs(1)).try_into().unwrap();
        let backup = retries.news(notice("a", Family::Ipv4, Word::Backup, false));
        assert!(!retries.is_current(&again), "it waits behind another hook");
        retries.done(again, failed(), start);
        assert_eq!(retries.failures().len(), 1);
        assert_eq!(retries.failures()[0].router.family, Family::Ipv6);
        retries.done(backup, None, start);
        assert_eq!(retries.failures().len(), 1);
    }

    /// All are told in order, though later ones are known.
    #[test]
    fn a_first_try_is_made_whatever_came_since() {
        let (start, mut retries) = (start(), Retries::default());
        let first = retries.news(notice("a", Family::Ipv4, Word::Backup, false));
        let second = retries.news(master());
        assert!(retries.is_current(&first) && retries.is_current(&second));
        retries.done(first, failed(), start);
        assert_eq!(retries.deadline(), None);
    }

    /// A contest changes no state: what failed before it is still to be told.
    #[test]
    fn a_contest_ends_no_tries_but_those_of_contests() {
        let (start, mut retries) = (start(), Retries::default());
        let active = retries.news(master());
        retries.done(active, failed(), start);
        let contested = || notice("a", Family::Ipv4, Word::Master, true);
        let first = retries.news(contested());
        retries.done(first, failed(), start);
        assert_eq!(retries.failures().len(), 2);
        retries.news(contested());
        assert_eq!(retries.failures().len(), 1);
        retries.news(notice("a", Family::Ipv4, Word::Backup, false));
        assert_eq!(retries.failures(), []);
    }
}
