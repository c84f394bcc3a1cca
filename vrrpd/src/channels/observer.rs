//! A program that hears what happens: the runner, which also tells what scripts found, or the console.
//!
//! Owns: the channel, whose writing half the follower has. Stops: with the channel.

use process::messages::{HOOK_FAILURES, Lines, RunnerToVrrpd};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tracing::warn;
use vocabulary::Name;

use super::follower::Follower;
use super::{Asked, Means, Source, TRACKERS};

/// Tells what happens until the channel ends; hears of health only where it `may_tell`.
pub(super) async fn run(stream: UnixStream, means: Means, may_tell: bool) {
    let (reader, writer) = stream.into_split();
    let occurrences = means.occurrences.follow();
    let Some(status) = means.status().await else { return };
    let follower = tokio::spawn(Follower { writer, occurrences }.run(status));
    let trackers = read(reader, &means, may_tell).await;
    follower.abort();
    if may_tell {
        // Its successor tells of its own.
        means.ask.send(Asked::Hooks(vec![])).await.ok();
    }
    if !trackers.is_empty() {
        // The daemon ends: nobody counts any more.
        means.ask.send(Asked::Left(trackers)).await.ok();
    }
}

/// What health was told of, once there is no more.
async fn read(mut reader: OwnedReadHalf, means: &Means, may_tell: bool) -> Vec<Name> {
    let mut trackers: Vec<Name> = Vec::new();
    let mut lines = Lines::default();
    let mut buffer = [0; 4096];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => return trackers,
            Ok(length) => {
                if !may_tell || lines.push(&buffer[..length]).is_err() {
                    warn!("closing the channel to the runner: it sends lines without an end");
                    return trackers;
                }
            }
        }
        loop {
            let health = match lines.message() {
                Ok(Some(RunnerToVrrpd::Health(health))) => health,
                Ok(Some(RunnerToVrrpd::Hooks { mut failing })) => {
                    failing.truncate(HOOK_FAILURES);
                    if means.ask.send(Asked::Hooks(failing)).await.is_err() {
                        return trackers;
                    }
                    continue;
                }
                Ok(None) => break,
                Err(error) => {
                    warn!(%error, "closing the channel to the runner: invalid message");
                    return trackers;
                }
            };
            if !trackers.contains(&health.tracker) && trackers.len() < TRACKERS {
                trackers.push(health.tracker.clone());
            }
            if means.ask.send(Asked::Health(Source::Runner, health)).await.is_err() {
                return trackers;
            }
        }
    }
}
