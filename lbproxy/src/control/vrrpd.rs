//! The channel to `vrrpd`: health goes there, ownership comes from there.
//!
//! Owns: our end; the supervisor makes another whenever `vrrpd` is started anew. Stops: by abort. What cannot
//! be written at once waits here, within a limit; the control thread never waits for `vrrpd`.

use std::io;

use process::messages::{Lines, Ownership, ToVrrpd, VERSION, line};
use serde::Serialize;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};
use vocabulary::TrackerHealth;

/// Bytes that may wait for `vrrpd`; more means that it does not read any more.
const WAITING: usize = 64 * 1024;

/// News from `vrrpd`.
#[derive(Debug)]
pub(crate) enum Event {
    /// There is a new channel: what was heard before may be out of date.
    Connected,
    /// What this node owns.
    Heard(Ownership),
}

/// Our side of it.
#[derive(Debug)]
pub(crate) struct ToSpeaker {
    pub(crate) streams: mpsc::Receiver<UnixStream>,
    pub(crate) scores: watch::Receiver<Vec<TrackerHealth>>,
    /// The proxy's heartbeat: whether the workers live.
    pub(crate) beat: watch::Receiver<bool>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) answers: mpsc::Receiver<ToVrrpd>,
}

/// Whether the other side is gone, and did nothing wrong.
fn has_ended(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

impl ToSpeaker {
    /// Talks to one `vrrpd` after the other.
    pub(crate) async fn run(mut self) {
        while let Some(stream) = self.streams.recv().await {
            match self.converse(&stream).await {
                Ok(()) => return,
                // The supervisor says whether it was to.
                Err(error) if has_ended(&error) => info!("vrrpd closed its channel"),
                Err(error) => warn!(%error, "lost the channel to vrrpd"),
            }
        }
    }

    /// Talks until the channel ends; `Ok` when the control thread wants no more.
    async fn converse(&mut self, stream: &UnixStream) -> io::Result<()> {
        let mut spoke = false;
        // Answers to a channel that is gone mean nothing to this one.
        while self.answers.try_recv().is_ok() {}
        if self.events.send(Event::Connected).await.is_err() {
            return Ok(());
        }
        let mut out = Outgoing::default();
        out.queue(&ToVrrpd::Hello { version: VERSION })?;
        self.queue_health(&mut out)?;
        let mut lines = Lines::default();
        loop {
            out.flush(stream)?;
            tokio::select! {
                biased;
                answer = self.answers.recv() => match answer {
                    Some(answer) => out.queue(&answer)?,
                    None => return Ok(()),
                },
                changed = self.scores.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    self.queue_health(&mut out)?;
                }
                readable = stream.readable() => {
                    readable?;
                    read(stream, &mut lines)?;
                    while let Some(news) = lines.message().map_err(io::Error::other)? {
                        if !std::mem::replace(&mut spoke, true) {
                            info!("connected to vrrpd");
                        }
                        if self.events.send(Event::Heard(news)).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                writable = stream.writable(), if !out.waiting.is_empty() => writable?,
                beat = self.beat.changed() => {
                    if beat.is_err() {
                        return Ok(());
                    }
                    // While the last one waits a newer one is of no use.
                    if out.waiting.is_empty() {
                        self.queue_health(&mut out)?;
                    }
                }
            }
        }
    }

    fn queue_health(&mut self, out: &mut Outgoing) -> io::Result<()> {
        if !*self.beat.borrow_and_update() {
            return Ok(());
        }
        let scores = self.scores.borrow_and_update();
        scores.iter().try_for_each(|score| out.queue(&ToVrrpd::Health(score.clone())))
    }
}

fn read(stream: &UnixStream, lines: &mut Lines) -> io::Result<()> {
    let mut buffer = [0; 4096];
    match stream.try_read(&mut buffer) {
        Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "vrrpd closed the channel")),
        Ok(count) => lines.push(buffer.get(..count).unwrap_or_default()).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// What has not been written yet.
#[derive(Debug, Default)]
struct Outgoing {
    waiting: Vec<u8>,
}

impl Outgoing {
    fn queue<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        self.waiting.extend(line(message));
        if self.waiting.len() > WAITING {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "vrrpd does not read"));
        }
        Ok(())
    }

    fn flush(&mut self, stream: &UnixStream) -> io::Result<()> {
        while !self.waiting.is_empty() {
            match stream.try_write(&self.waiting) {
                Ok(count) => drop(self.waiting.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
