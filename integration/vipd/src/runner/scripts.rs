//! Scripts that tell whether something is usable: each runs again and again, never two at once.

use std::time::Duration;

use config::{ScriptConfig, TrackerConfig, TrackerKind};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};
use vocabulary::{Name, TrackerHealth};

use super::program::{self, ProgramError};
use super::streak::Streak;

/// Results that may wait. A script whose result does not fit waits.
const RESULTS: usize = 16;

/// The scripts that run.
#[derive(Debug)]
pub(super) struct Scripts {
    running: Vec<(TrackerConfig, AbortHandle)>,
    results: mpsc::Sender<TrackerHealth>,
}

impl Scripts {
    /// None yet; what they find comes out of the receiver.
    pub(super) fn new() -> (Self, mpsc::Receiver<TrackerHealth>) {
        let (results, found) = mpsc::channel(RESULTS);
        (Self { running: Vec::new(), results }, found)
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
                let task = watch(config.name.clone(), script.clone(), self.results.clone());
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
async fn watch(tracker: Name, script: ScriptConfig, results: mpsc::Sender<TrackerHealth>) {
    let mut streak = Streak::new(script.rise, script.fall, script.initially);
    let mut last = String::new();
    let mut starts = interval(script.interval);
    // A machine that slept has nothing to make up for.
    starts.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if let Some(health) = streak.health(&tracker, &last)
            && results.send(health).await.is_err()
        {
            return;
        }
        starts.tick().await;
        let ended = program::run(&script.command, &script.user, script.timeout, &[]).await;
        let why = words(&ended, script.timeout);
        if why != last {
            let program = script.command.program.display();
            match &ended {
                Ok(()) => info!(%tracker, %program, "a tracked script succeeded"),
                Err(_) => warn!(%tracker, %program, user = %script.user, "a tracked script: {why}"),
            }
            last = why;
        }
        streak.count(ended.is_ok());
    }
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
    use nix::unistd::{Uid, User};
    use vocabulary::Usability;

    use super::*;

    fn script(command: &[&str], millis: u64) -> ScriptConfig {
        let arguments = command[1..].iter().map(|word| (*word).to_owned()).collect();
        ScriptConfig {
            command: CommandLine { program: PathBuf::from(command[0]), arguments },
            user: User::from_uid(Uid::effective()).unwrap().unwrap().name,
            interval: Duration::from_millis(50),
            timeout: Duration::from_millis(millis),
            rise: NonZeroU32::MIN,
            fall: NonZeroU32::MIN,
            initially: None,
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
            let task = tokio::spawn(watch(name, script(command, millis), sender));
            let health = results.recv().await.unwrap();
            assert_eq!((health.state, health.reason.as_deref()), (state, words), "{command:?}");
            task.abort();
        }
    }
}
