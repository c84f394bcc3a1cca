//! What a keeper has in the kernel, and for how long it stays there by itself.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use config::Lease;

use super::Plan;
use super::announcing::Announcing;
use super::place::Held;
use crate::io::routes::Routing;
use vrrp::wish::Wish;

/// A lease is renewed when this part of it has passed.
const RENEWALS_PER_LEASE: u32 = 4;

/// What is in the kernel.
pub(super) struct Holding {
    pub(super) plan: Plan,
    pub(super) addresses: Vec<Held>,
    pub(super) routing: Vec<Routing>,
    /// Something may have taken routes or rules away.
    pub(super) routing_in_doubt: bool,
    /// Those of them that the kernel refused, and that were told.
    pub(super) refused: BTreeSet<String>,
    pub(super) renewed_at: Instant,
    /// Addresses that are not there, for somebody deleted them or the kernel refused them.
    pub(super) missing: BTreeSet<IpAddr>,
    /// When to add them again.
    pub(super) retry_at: Option<Instant>,
    pub(super) announcing: Announcing,
    pub(super) announcements: u64,
}

impl Holding {
    /// Nothing is held yet.
    pub(super) fn nothing(plan: Plan, wish: Wish, now: Instant) -> Self {
        Self {
            announcing: Announcing::nothing(plan.schedule.clone(), now),
            plan,
            addresses: Vec::new(),
            routing: Vec::new(),
            routing_in_doubt: false,
            refused: BTreeSet::new(),
            renewed_at: now,
            missing: BTreeSet::new(),
            retry_at: None,
            announcements: wish.announcements,
        }
    }

    /// Time between renewals of the leases, if there are leases.
    pub(super) fn renewal_pause(&self) -> Option<Duration> {
        match self.plan.lease {
            Lease::Off => None,
            Lease::Seconds(seconds) => {
                Some(Duration::from_secs(seconds.get().into()) / RENEWALS_PER_LEASE)
            }
        }
    }

    /// When the kernel deletes the addresses unless the leases are renewed.
    pub(super) fn lease_ends(&self) -> Option<Instant> {
        match self.plan.lease {
            Lease::Off => None,
            Lease::Seconds(seconds) => {
                Some(self.renewed_at + Duration::from_secs(seconds.get().into()))
            }
        }
    }

    /// When the leases are to be renewed.
    pub(super) fn renew_at(&self) -> Option<Instant> {
        Some(self.renewed_at + self.renewal_pause()?)
    }
}
