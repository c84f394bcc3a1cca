//! The states of a router; each owns its deadlines.

use std::net::IpAddr;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use vocabulary::{AdvertInterval, Priority};

use super::Cause;

/// Where a router is in its election (RFC 9568 §6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Takes no part.
    Initialize,
    /// Watches the Active router.
    Backup(Backup),
    /// Has the addresses.
    Active(Active),
    /// Has resigned, and has the addresses until a peer is heard.
    Releasing {
        /// When to give up waiting for a peer.
        until: Instant,
        /// It hands the addresses over on purpose and is a Backup afterwards. Otherwise it ends.
        stays: bool,
    },
}

/// What a Backup knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// When the Active router counts as gone.
    pub active_down_at: Instant,
    /// Since when we listen for it: its last advert, or our start.
    pub heard_at: Instant,
    /// Before this nothing but silence makes us Active: one down interval of listening.
    pub listen_until: Instant,
    /// Since when the Active router's priority is below ours.
    pub outranking_since: Option<Instant>,
    /// Whose adverts we follow.
    pub following: Option<Following>,
    /// It handed the addresses over: it does not take them back from a peer that can serve.
    pub defers: bool,
    /// In a sync group: why it would be Active by now. It waits for its siblings.
    pub waits: Option<Cause>,
}

/// The Active router a Backup follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Following {
    /// Its address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// The interval learned from it (RFC 9568 §6.1, Active_Adver_Interval).
    pub interval: AdvertInterval,
}

/// What an Active router knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active {
    /// When the next advert is due.
    pub advertise_at: Instant,
    /// When the last one was sent.
    pub advertised_at: Instant,
    /// When a losing advert was last answered.
    pub answered_at: Option<Instant>,
    /// In a tie that a sibling is to decide: until when it may.
    pub tied_until: Option<Instant>,
}

/// A state's name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// Takes no part.
    Initialize,
    /// Watches the Active router.
    Backup,
    /// Has the addresses.
    Active,
    /// Has resigned and waits to be relieved.
    Releasing,
}

impl Backup {
    /// It has heard nobody yet, and listens until `active_down_at` before anything but silence counts.
    pub(super) fn listening(now: Instant, active_down_at: Instant) -> Self {
        Self { listen_until: active_down_at, ..Self::yielding(now, active_down_at) }
    }

    /// It was Active a moment ago, and knows of nobody in its place.
    pub(super) fn yielding(now: Instant, active_down_at: Instant) -> Self {
        Self {
            active_down_at,
            heard_at: now,
            listen_until: now,
            outranking_since: None,
            following: None,
            defers: false,
            waits: None,
        }
    }

    /// It was Active a moment ago, and has heard who is now.
    pub(super) fn after(following: Following, now: Instant, active_down_at: Instant) -> Self {
        Self { following: Some(following), ..Self::yielding(now, active_down_at) }
    }
}

impl State {
    /// The name alone.
    #[must_use]
    pub fn name(&self) -> StateName {
        match self {
            Self::Initialize => StateName::Initialize,
            Self::Backup(_) => StateName::Backup,
            Self::Active(_) => StateName::Active,
            Self::Releasing { .. } => StateName::Releasing,
        }
    }
}
