//! What happens to a router.

use std::net::IpAddr;
use std::sync::Arc;

use config::RouterConfig;

use super::Surroundings;
use crate::election::{Event, Received};
use crate::wire::Coverage;

/// One thing that happened, to be fed to [`Core::handle`](super::Core::handle).
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// An advert passed every receive check.
    Received {
        /// The parts of it that decide.
        advert: Received,
        /// What its checksum covers.
        coverage: Coverage,
    },
    /// Time passed; due work is done.
    Tick,
    /// Tracking, interface or address changed, or may have.
    Surroundings(Surroundings),
    /// The configuration changed in what a running router can take over.
    Configuration(Arc<RouterConfig>),
    /// A peer shall have the addresses: the one of our family among these, or whoever is best if there is
    /// none.
    HandOver(&'a [IpAddr]),
    /// It may have the addresses again after a handover.
    Reclaim,
    /// A sibling of its sync group moved ([`group::settle`](crate::election::group::settle)).
    Sibling(Event),
    /// It is to end in order: now as a Backup, once relieved as Active. The second time, at once.
    Stop,
}
