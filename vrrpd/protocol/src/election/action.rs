//! What a router does.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use strum::IntoStaticStr;
use vocabulary::{AdvertInterval, Priority};

use super::StateName;
use crate::wire::Claim;

/// One thing to do, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an advert, now.
    Advertise(Claim),
    /// Configure the addresses and announce them.
    ClaimAddresses,
    /// Remove the addresses, their clients first.
    ReleaseAddresses(Release),
    /// Announce the addresses again: somebody else may have answered for them.
    Announce,
    /// The state changed; tell why.
    Transition(Transition),
}

/// How soon the addresses are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Another router has them: serve until its announcement has reached everyone.
    Relieved,
    /// Nobody is known to have them, or nobody hears us: at once.
    AtOnce,
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Before.
    pub from: StateName,
    /// After.
    pub to: StateName,
    /// Why.
    pub cause: Cause,
}

/// Why a state changed, with the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Cause {
    /// Everything is there to take part.
    Started,
    /// We own the addresses (priority 255).
    Owner,
    /// A predecessor was Active a moment ago.
    Resumed,
    /// No advert within the down interval.
    Silence {
        /// Who was Active, if anyone was heard.
        from: Option<IpAddr>,
        /// How long the silence lasted.
        lasted: Duration,
    },
    /// The Active router resigned.
    PeerResigned {
        /// Who resigned.
        peer: IpAddr,
    },
    /// The Active router's priority is below ours.
    Preempted {
        /// Who was Active.
        peer: IpAddr,
        /// Its priority.
        theirs: Priority,
        /// Ours.
        ours: Priority,
    },
    /// Another Active router's priority is above ours, or equal and its address higher.
    Outranked {
        /// Who.
        peer: IpAddr,
        /// Its priority.
        theirs: Priority,
        /// Ours.
        ours: Priority,
    },
    /// We were late by so much that a peer may have taken over.
    Late {
        /// Time since our last advert.
        silent: Duration,
        /// Our interval.
        interval: AdvertInterval,
    },
    /// Its siblings of a sync group became Active.
    Joined,
    /// A sibling of its sync group became Backup.
    Yielded,
    /// We were told to hand the addresses over.
    HandingOver,
    /// We wanted to hand the addresses over, and no peer that can serve took them.
    NotRelieved,
    /// We were handing the addresses over, and were told to keep them.
    Reclaimed,
    /// We were told to end.
    Stopped,
    /// We resigned, and a peer took over.
    Relieved {
        /// Who.
        peer: IpAddr,
    },
    /// We ended, and no peer took over in time.
    Unrelieved,
    /// The interface or our address is gone.
    Fault,
}

impl Cause {
    /// The cause as one word, for scripts and counters.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("ready to take part"),
            Self::Owner => f.write_str("priority 255 owns the addresses"),
            Self::Resumed => f.write_str("goes on where its predecessor stopped"),
            Self::Silence { from: None, lasted } => {
                write!(f, "no advert from anyone for {}", Millis(*lasted))
            }
            Self::Silence { from: Some(peer), lasted } => {
                write!(f, "no advert from {peer} for {}", Millis(*lasted))
            }
            Self::PeerResigned { peer } => write!(f, "{peer} resigned"),
            Self::Preempted { peer, theirs, ours } => {
                write!(f, "{peer} advertises {theirs}, below our {ours}")
            }
            Self::Outranked { peer, theirs, ours } if theirs == ours => {
                write!(f, "{peer} advertises our priority {ours} from a higher address")
            }
            Self::Outranked { peer, theirs, ours } => {
                write!(f, "{peer} advertises {theirs}, above our {ours}")
            }
            Self::Late { silent, interval } => {
                write!(f, "sent nothing for {} at an interval of {interval}", Millis(*silent))?;
                f.write_str(": a peer may have taken over")
            }
            Self::Joined => f.write_str("its sync group became Active"),
            Self::Yielded => f.write_str("its sync group became Backup"),
            Self::HandingOver => f.write_str("told to hand over"),
            Self::NotRelieved => f.write_str("no peer that can serve took over: goes on"),
            Self::Reclaimed => f.write_str("told to keep the addresses"),
            Self::Stopped => f.write_str("told to end"),
            Self::Relieved { peer } => write!(f, "{peer} took over"),
            Self::Unrelieved => f.write_str("ended with no peer to take over"),
            Self::Fault => f.write_str("the interface or its address is gone"),
        }
    }
}

/// A time in milliseconds with one decimal.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms", self.0.as_secs_f64() * 1000.0)
    }
}
