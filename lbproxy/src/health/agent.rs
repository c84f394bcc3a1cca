//! What a program beside a server says of it: HAProxy's agent check (configuration manual, `agent-check`).
//!
//! A task for each server. Owns: nothing between two questions. Stops: by abort. An agent that does not
//! answer changes nothing: what it said last stands.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use config::AgentConfig;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout_at};
use tracing::debug;

use super::check::place;
use super::outcome::{CheckId, Report, Reported};
use crate::clock;
use crate::net::dial::dial;
use crate::plan::backend::Server;
use crate::plan::state::Mode;

/// Of an answer so much is read, in bytes; its line ends before.
const LINE: usize = 256;

/// The most that an agent may ask for, in per cent.
const MOST: u16 = 25_600;

/// A line: what it does not speak of stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AgentReply {
    /// Per cent of the configured weight.
    pub(crate) percent: Option<u16>,
    /// Connections at once; none: as configured.
    pub(crate) most: Option<Option<NonZeroU32>>,
    pub(crate) mode: Option<Mode>,
    /// Whether the server is down, and what was said of that.
    pub(crate) down: Option<Option<String>>,
}

impl AgentReply {
    /// Reads a line; words that are none are left out.
    pub(crate) fn read(answer: &[u8]) -> Self {
        let end = answer.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let line = answer.get(..end.unwrap_or(answer.len())).unwrap_or_default();
        let clean = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { ' ' };
        let line: String = line.iter().map(clean).collect();
        let (words, why) = line.split_once('#').unwrap_or((&line, ""));
        let mut reply = Self::default();
        for word in words.split([' ', ',']).filter(|word| !word.is_empty()) {
            reply.word(&word.to_ascii_lowercase(), why.trim());
        }
        reply
    }

    fn word(&mut self, word: &str, why: &str) {
        match word {
            "ready" => self.mode = Some(Mode::Ready),
            "drain" => self.mode = Some(Mode::Drain),
            "maint" => self.mode = Some(Mode::Maint),
            "up" => self.down = Some(None),
            "down" | "fail" | "failed" | "stopped" => {
                let words = if why.is_empty() { word.to_owned() } else { format!("{word}: {why}") };
                self.down = Some(Some(words));
            }
            _ => {
                if let Some(percent) = word.strip_suffix('%').and_then(|n| n.parse::<u16>().ok()) {
                    self.percent = Some(percent.min(MOST));
                } else if let Some(most) = word.strip_prefix("maxconn:")
                    && let Ok(most) = most.parse()
                {
                    self.most = Some(NonZeroU32::new(most));
                }
            }
        }
    }
}

/// What an agent said, all its lines together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentState {
    pub(crate) percent: u16,
    pub(crate) mode: Mode,
    /// That the server is down, in its words.
    pub(crate) down: Option<String>,
}

impl Default for AgentState {
    fn default() -> Self {
        Self { percent: 100, mode: Mode::Ready, down: None }
    }
}

impl AgentState {
    /// What a line does not speak of stays as it was.
    pub(crate) fn update(&mut self, reply: AgentReply) {
        self.percent = reply.percent.unwrap_or(self.percent);
        self.mode = reply.mode.unwrap_or(self.mode);
        if let Some(down) = reply.down {
            self.down = down;
        }
    }
}

/// Asks the agent of one server.
#[derive(Debug)]
pub(super) struct AgentCheck {
    pub(super) id: CheckId,
    pub(super) config: AgentConfig,
    pub(super) server: Arc<Server>,
    pub(super) reports: mpsc::Sender<Report>,
}

/// Why an agent has no reply.
#[derive(Debug, thiserror::Error)]
enum AgentError {
    #[error("{0}")]
    Connection(#[from] io::Error),
    #[error("no answer in time")]
    Late,
}

impl AgentCheck {
    /// Asks, the first time after `delay`.
    pub(super) async fn run(self, delay: Duration) {
        let mut next = clock::deadline_in(delay);
        loop {
            sleep_until(next).await;
            next = clock::deadline_in(self.config.interval);
            match self.ask().await {
                Ok(reply) => {
                    let report = Report { id: self.id, what: Reported::Agent(reply) };
                    if self.reports.send(report).await.is_err() {
                        return;
                    }
                }
                Err(error) => debug!(server = %self.server.name, %error, "no reply from its agent"),
            }
        }
    }

    async fn ask(&self) -> Result<AgentReply, AgentError> {
        let deadline = clock::deadline_in(self.config.timeout);
        let (address, _) = place(&self.server.located, Some(self.config.port))?;
        let asking = async {
            let mut stream = dial(address, self.server.source, self.config.timeout).await?;
            let mut answer = Vec::with_capacity(LINE);
            // It ends with the line, or with the connection.
            while answer.len() < LINE && !answer.contains(&b'\n') {
                let mut buffer = [0; LINE];
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    break;
                }
                answer.extend(buffer.iter().take(count.min(LINE - answer.len())));
            }
            Ok::<_, io::Error>(answer)
        };
        let answer = timeout_at(deadline, asking).await.map_err(|_| AgentError::Late)??;
        Ok(AgentReply::read(&answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_haproxy_reads_them() {
        let down = |words: &str| AgentReply {
            down: Some(Some(words.to_owned())),
            ..AgentReply::default()
        };
        let table: [(&[u8], AgentReply); 12] = [
            (b"75%\n", AgentReply { percent: Some(75), ..AgentReply::default() }),
            (b"up", AgentReply { down: Some(None), ..AgentReply::default() }),
            (b"DRAIN\r\nmaint", AgentReply { mode: Some(Mode::Drain), ..AgentReply::default() }),
            (b"ready", AgentReply { mode: Some(Mode::Ready), ..AgentReply::default() }),
            (b"maint", AgentReply { mode: Some(Mode::Maint), ..AgentReply::default() }),
            (b"down", down("down")),
            (b"fail # no disk left, 100% full\n", down("fail: no disk left, 100% full")),
            (b"stopped\t#\x1b[31m", down("stopped: [31m")),
            (
                b"maxconn:30",
                AgentReply { most: Some(NonZeroU32::new(30)), ..AgentReply::default() },
            ),
            (b"maxconn:0", AgentReply { most: Some(None), ..AgentReply::default() }),
            (
                b"up,ready 50%\tmaxconn:7\n",
                AgentReply {
                    percent: Some(50),
                    most: Some(NonZeroU32::new(7)),
                    mode: Some(Mode::Ready),
                    down: Some(None),
                },
            ),
            (b"yes 1.5% -3% maxconn: % \xff", AgentReply::default()),
        ];
        for (line, said) in table {
            assert_eq!(AgentReply::read(line), said, "{:?}", String::from_utf8_lossy(line));
        }
    }
}
