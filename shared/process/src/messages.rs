//! The messages between the processes, one JSON object a line.
//!
//! They go over [channels](crate::channels::Channel), a type for each direction of each: what an end may not
//! say is no message there, and ends the channel. A proxy says [`ToVrrpd::Hello`] and then reports health;
//! the end of its channel *is* the news that it died. `vrrpd` answers with what it owns.
//!
//! Each child of `vipd` also ticks into the [control](crate::control) socket that it was started with
//! ([`Tick`]).

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use vocabulary::{Name, RouterId, TrackerHealth};

/// Version of these messages; both ends must have the same.
pub const VERSION: u32 = 1;

/// A line longer than this is no message of ours, in bytes. A router's 255 addresses fit.
pub const LINE_LIMIT: usize = 64 * 1024;

/// How often a proxy reports its health even when nothing changed.
pub const HEARTBEAT: Duration = Duration::from_millis(100);

/// How long a proxy may stay silent before it counts as hung: three heartbeats.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(300);

/// How long clients' connections may take to be reset before their address leaves all the same. A proxy
/// does it within a millisecond; one that hangs does not do it at all.
pub const RELEASE_LIMIT: Duration = Duration::from_millis(50);

/// What a proxy tells `vrrpd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToVrrpd {
    /// First of all.
    Hello {
        /// The sender's [`VERSION`].
        version: u32,
    },
    /// The health of one of the sender's proxies: on every change, and every [`HEARTBEAT`].
    Health(TrackerHealth),
    /// The sender tells no health any more, for its successor does: its end is no news. It still resets
    /// the clients that it has.
    Retire,
    /// No client is connected to the router's addresses any more, and none will be let in.
    Released {
        /// As named in [`Ownership`].
        router: RouterId,
    },
}

/// What the runner of hooks and scripts tells `vrrpd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunnerToVrrpd {
    /// What a script found.
    Health(TrackerHealth),
    /// Which hooks have failed and are run again; whenever that changes.
    Hooks {
        /// At most [`HOOK_FAILURES`].
        failing: Vec<HookFailure>,
    },
}

/// So many failing hooks are told of; with 255 routers that are all told of one thing, the rest is alike.
pub const HOOK_FAILURES: usize = 64;

/// A hook that failed and is run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookFailure {
    /// Which router it tells of.
    pub router: RouterId,
    /// The state that it tells, in keepalived's words.
    pub state: String,
    /// The cause of that, as one word.
    pub reason: String,
    /// How often it has failed.
    pub tries: u32,
    /// Why, the last time.
    pub error: String,
}

/// What the console asks `vrrpd`, answered with its status each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum VrrpdRequest {
    /// Nothing but that.
    Status,
    /// An operator's order: hand the addresses over.
    HandOver {
        /// Whose; none: every router's.
        router: Option<Name>,
        /// Only to these peers, one of a family at most; none: to whoever is best.
        #[serde(default)]
        to: Vec<IpAddr>,
    },
    /// An operator's order: hand everything over, and take nothing that another can serve.
    Pause,
    /// An operator's order: take part as before.
    Resume,
}

impl VrrpdRequest {
    /// Whether it changes anything, so that only root may ask it.
    #[must_use]
    pub fn is_order(&self) -> bool {
        match self {
            Self::Status => false,
            Self::HandOver { .. } | Self::Pause | Self::Resume => true,
        }
    }
}

/// What a proxy is told about one virtual router: at connection, and on every change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// Which router.
    pub router: RouterId,
    /// The addresses that follow it.
    pub addresses: Vec<IpAddr>,
    /// What is true of them on this node.
    pub state: OwnershipState,
}

/// Whether this node has a router's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnershipState {
    /// They are here.
    Active,
    /// They are elsewhere.
    Backup,
    /// They are here and about to leave: reset their clients, then say [`ToVrrpd::Released`].
    Releasing,
}

/// One watchdog tick: the sender's work goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// Milliseconds without another tick after which the sender hangs and is to be killed. It rides
    /// with every tick, since a reload of the sender may change it.
    pub patience_ms: u64,
    /// The routers that a successor may go on with, were the sender to die now.
    pub resumable: Vec<Resumable>,
    /// The sender has a successor, and ends with its last client: it ticks no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
}

/// A router that is Active, and for how long nobody else can have taken it over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumable {
    /// Which router.
    pub router: RouterId,
    /// Milliseconds from the tick until a peer's down timer may end.
    pub within_ms: u64,
}

/// A line that is no message.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Longer than [`LINE_LIMIT`].
    #[error("a line of over {LINE_LIMIT} bytes")]
    TooLong,
    /// Not the JSON that was expected.
    #[error("not a message of version {VERSION}")]
    Json(#[from] serde_json::Error),
}

/// Writes one message as a line, its end included.
///
/// # Panics
/// Never for the types of this module: they hold no map with keys that JSON lacks.
#[must_use]
#[expect(clippy::expect_used, reason = "plain structs and enums always serialize")]
pub fn line<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(message).expect("a message serializes");
    bytes.push(b'\n');
    bytes
}

/// Collects a stream's bytes and hands out its messages.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Takes what was read from the stream.
    ///
    /// # Errors
    /// A line grew beyond [`LINE_LIMIT`]; the stream is of no use any more.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), LineError> {
        self.pending.extend_from_slice(bytes);
        let unfinished = self.pending.iter().rev().take_while(|byte| **byte != b'\n').count();
        if unfinished > LINE_LIMIT { Err(LineError::TooLong) } else { Ok(()) }
    }

    /// Bytes of messages that are not whole yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// The next whole message, if one has arrived.
    ///
    /// # Errors
    /// A line that is not a `T`; it is consumed.
    pub fn message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LineError> {
        let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let line: Vec<u8> = self.pending.drain(..=end).collect();
        Ok(Some(serde_json::from_slice(&line[..end])?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocabulary::{Family, Name, Usability};

    fn router() -> RouterId {
        RouterId { name: Name::try_from("k8s-api").unwrap(), family: Family::Ipv4 }
    }

    #[test]
    fn messages_look_like_this_on_the_wire() {
        let health = ToVrrpd::Health(TrackerHealth {
            tracker: Name::try_from("apiserver").unwrap(),
            usable: 2,
            total: 3,
            state: Usability::Usable,
            reason: None,
        });
        let expected =
            r#"{"type":"health","tracker":"apiserver","usable":2,"total":3,"state":"usable"}"#;
        assert_eq!(line(&health), format!("{expected}\n").into_bytes());

        let ownership = Ownership {
            router: router(),
            addresses: vec!["192.0.2.10".parse().unwrap()],
            state: OwnershipState::Releasing,
        };
        let expected = r#"{"router":{"name":"k8s-api","family":"ipv4"},"addresses":["192.0.2.10"],"state":"releasing"}"#;
        assert_eq!(line(&ownership), format!("{expected}\n").into_bytes());
    }

    #[test]
    fn lines_come_out_whole_however_they_arrive() {
        let mut lines = Lines::default();
        let bytes =
            [line(&ToVrrpd::Retire), line(&ToVrrpd::Released { router: router() })].concat();
        let mut seen = Vec::new();
        for chunk in bytes.chunks(7) {
            lines.push(chunk).unwrap();
            while let Some(message) = lines.message::<ToVrrpd>().unwrap() {
                seen.push(message);
            }
        }
        assert_eq!(seen, [ToVrrpd::Retire, ToVrrpd::Released { router: router() }]);
    }

    #[test]
    fn garbage_is_an_error_and_a_flood_is_refused() {
        let mut lines = Lines::default();
        lines.push(b"GET / HTTP/1.1\n{\"type\":\"retire\"}\n").unwrap();
        assert!(matches!(lines.message::<ToVrrpd>(), Err(LineError::Json(_))));
        assert_eq!(lines.message::<ToVrrpd>().unwrap(), Some(ToVrrpd::Retire));
        assert!(matches!(lines.push(&vec![b'x'; LINE_LIMIT + 1]), Err(LineError::TooLong)));
    }
}
