//! Scripts that tell whether something is usable: each runs again and again, never two at once.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use config::{ScriptConfig, TrackerConfig, TrackerKind};
use process::identity::Identity;
use process::throttle::Throttle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::{info, warn};
use vocabulary::{Name, RiseFall, Thresholds, TrackerHealth, Usability};

use super::program::{self, ProgramError};
use crate::clock::now;
use crate::users::Role;

/// Results that may wait. A script whose result does not fit waits.
const RESULTS: usize = 16;

/// The scripts that run.
#[derive(Debug)]
pub(super) struct Scripts {
    /// Whom they run as where the file names nobody.
    own: Identity,
    running: Vec<(TrackerConfig, AbortHandle)>,
    results: mpsc::Sender<TrackerHealth>,
}

impl Scripts {
    /// None yet; what they find comes out of the receiver.
    pub(super) fn new(own: Identity) -> (Self, mpsc::Receiver<TrackerHealth>) {
        let (results, found) = mpsc::channel(RESULTS);
        (Self { own, running: Vec::new(), results }, found)
    }

    /// Runs exactly these; those that run already are not disturbed.
    pub(super) fn run(&mut self, wanted: &[TrackerConfig]) {
        self.running.retain(|(config, task)| {
            let stays = wanted.contains(config);
            if !stays {
                task.abort();
            }
            stays
        });
        for config in wanted {
            let TrackerKind::Script(script) = &config.kind else { continue };
            if !self.running.iter().any(|(running, _)| running == config) {
                let task =
                    watch(config.name.clone(), script.clone(), self.own, self.results.clone());
                self.running.push((config.clone(), tokio::spawn(task).abort_handle()));
            }
        }
    }

    /// Whether `tracker` is one of those that run.
    pub(super) fn has(&self, tracker: &Name) -> bool {
        self.running.iter().any(|(config, _)| config.name == *tracker)
    }
}

/// Tells every result: a reload may have made whoever listens forget the last. Ends when nobody listens.
///
/// As keepalived counts: a start that a hanging run holds up fails when it would have timed out itself,
/// unless a run has ended by then.
async fn watch(
    tracker: Name,
    script: ScriptConfig,
    own: Identity,
    results: mpsc::Sender<TrackerHealth>,
) {
    let mut usable = script.initially.map_or_else(RiseFall::unknown, RiseFall::starting_as);
    let needed = Thresholds { rise: script.rise, fall: script.fall };
    if let Some(usable) = usable.state()
        && results.send(health(&tracker, usable, "")).await.is_err()
    {
        return;
    }
    let mut last = String::new();
    let mut log = Throttle::changes();
    let mut starts = interval(script.interval);
    // A machine that slept has nothing to make up for.
    starts.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut running = None;
    let mut held_up: VecDeque<Instant> = VecDeque::new();
    loop {
        let ended = tokio::select! {
            biased;
            ended = end_of(&mut running) => {
                running = None;
                if !matches!(ended, Err(ProgramError::Late(_))) {
                    held_up.clear();
                }
                ended
            }
            () = at(held_up.front().copied()) => {
                held_up.pop_front();
                Err(ProgramError::Late(script.timeout))
            }
            due = starts.tick() => {
                if running.is_none() {
                    let (command, user) = (&script.command, (script.user.as_deref(), own));
                    running = Some(Box::pin(program::run(command, user, script.timeout, &[])));
                } else if held_up.len() < script.fall.get() as usize {
                    held_up.push_back(due + script.timeout);
                }
                continue;
            }
        };
        let why = words(&ended, script.timeout);
        if why != last {
            if let Some(times) = log.take(now()) {
                let left_out = (times > 1).then(|| times - 1);
                let program = script.command.program.display();
                match &ended {
                    Ok(()) => info!(%tracker, %program, left_out, "a tracked script succeeded"),
                    Err(_) => {
                        let user = script.user.as_deref().unwrap_or(Role::Hooks.name());
                        warn!(%tracker, %program, user, result = why, left_out, "a tracked script did not succeed");
                    }
                }
            }
            last = why;
        }
        usable.observe(ended.is_ok(), ended.is_ok(), needed);
        if let Some(usable) = usable.state()
            && results.send(health(&tracker, usable, &last)).await.is_err()
        {
            return;
        }
    }
}

/// Waits for what runs to end; where nothing runs, for ever.
async fn end_of<F: Future + Unpin>(running: &mut Option<F>) -> F::Output {
    match running {
        Some(running) => running.await,
        None => pending().await,
    }
}

/// Waits until then; where there is no then, for ever.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

/// What vrrpd is told; `why` is the last result in words.
fn health(tracker: &Name, usable: bool, why: &str) -> TrackerHealth {
    let (state, reason) = match usable {
        true => (Usability::Usable, None),
        false => (Usability::Unusable, (!why.is_empty()).then(|| why.to_owned())),
    };
    let (tracker, usable) = (tracker.clone(), usize::from(usable));
    TrackerHealth { tracker, usable, total: 1, state, reason }
}

/// A result in words; the same for the same result.
fn words(ended: &Result<(), ProgramError>, limit: Duration) -> String {
    match ended {
        Ok(()) => "succeeded".to_owned(),
        Err(ProgramError::Late(_)) => {
            format!("too slow: killed after {}", humantime::format_duration(limit))
        }
        Err(ProgramError::Failed(status)) => format!("failed: {status}"),
        Err(error) => format!("could not run: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::path::PathBuf;

    use config::CommandLine;
    use nix::unistd::Uid;
    use vocabulary::Usability;

    use super::*;

    fn script(command: &[&str], millis: u64) -> ScriptConfig {
        let arguments = command[1..].iter().map(|word| (*word).to_owned()).collect();
        ScriptConfig {
            command: CommandLine { program: PathBuf::from(command[0]), arguments },
            user: None,
            interval: Duration::from_millis(50),
            timeout: Duration::from_millis(millis),
            rise: NonZeroU32::MIN,
            fall: NonZeroU32::MIN,
            initially: None,
        }
    }

    /// When a script that hangs is found to be unusable, in hundredths of a second: it is started every
    /// 100 ms and killed after 250 ms.
    #[expect(clippy::disallowed_methods, reason = "programs run by the real clock")]
    async fn found_after(fall: u32) -> u128 {
        let hanging = ScriptConfig {
            interval: Duration::from_millis(100),
            fall: NonZeroU32::new(fall).unwrap(),
            initially: Some(true),
            ..script(&["/bin/sleep", "60"], 250)
        };
        let (sender, mut results) = mpsc::channel(1);
        let began = Instant::now();
        let task = tokio::spawn(watch(
            Name::try_from("hangs").unwrap(),
            hanging,
            Identity::current(),
            sender,
        ));
        while results.recv().await.unwrap().state == Usability::Usable {}
        task.abort();
        began.elapsed().as_millis() / 10
    }

    /// keepalived 2.2.7 with `interval 2` and `timeout 5`: after 5, 7, 9 and 11 s.
    #[tokio::test]
    async fn a_hanging_script_counts_as_often_as_it_should_have_been_started() {
        for (fall, expected) in [(1, 25), (2, 35), (3, 45), (4, 55)] {
            let found = found_after(fall).await;
            assert!((expected..expected + 9).contains(&found), "fall {fall}: {found}0 ms");
        }
    }

    #[tokio::test]
    async fn each_ending_has_its_words() {
        for (command, millis, state, words) in [
            (&["/bin/true"][..], 5_000, Usability::Usable, None),
            (
                &["/bin/sh", "-c", "exit 7"],
                5_000,
                Usability::Unusable,
                Some("failed: exit status: 7"),
            ),
            (&["/bin/sleep", "60"], 100, Usability::Unusable, Some("too slow: killed after 100ms")),
            (
                &["/nowhere/check"],
                5_000,
                Usability::Unusable,
                Some(
                    "could not run: not run as root: look at /nowhere/check: No such file or directory (os error 2)",
                ),
            ),
        ] {
            if command[0] == "/nowhere/check" && !Uid::effective().is_root() {
                continue;
            }
            let (sender, mut results) = mpsc::channel(1);
            let name = Name::try_from("check").unwrap();
            let task =
                tokio::spawn(watch(name, script(command, millis), Identity::current(), sender));
            let health = results.recv().await.unwrap();
            assert_eq!((health.state, health.reason.as_deref()), (state, words), "{command:?}");
            task.abort();
        }
    }
}
