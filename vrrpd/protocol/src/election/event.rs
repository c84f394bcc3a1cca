//! What happens to a router.

use std::net::IpAddr;

use vocabulary::{AdvertInterval, Priority};

use crate::wire::Claim;

/// One thing that happened, to be fed to [`Election::handle`](super::Election::handle).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The interface is up, our address known, everything tracked has told its state once.
    Startup,
    /// A predecessor died as Active so recently that nobody can have taken over: go on.
    Resume,
    /// Time passed; due work is done.
    Tick,
    /// An advert passed every receive check.
    Received(Received),
    /// What is tracked changed our priority.
    PriorityChanged(Priority),
    /// A sibling of our sync group became Active, or all of them could.
    Join,
    /// A sibling of our sync group became Backup.
    Yield,
    /// A peer shall have the addresses, though we could serve.
    HandOver,
    /// We may have the addresses again after [`HandOver`](Self::HandOver).
    Reclaim,
    /// We are to end, in order.
    Shutdown,
    /// The interface or our address is gone: nothing can be sent or received.
    Fault,
}

/// The parts of an advert that decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub source: IpAddr,
    /// What it says of itself.
    pub claim: Claim,
    /// Its interval.
    pub interval: AdvertInterval,
}
