//! What a router has in the kernel, and for how long it stays there by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use config::Lease;
use vocabulary::VirtualAddress;

use super::announcing::Announcing;
use super::{KernelOp, ManagedAddress, Plan, Routing};

/// A lease is renewed when this part of it has passed.
const RENEWALS_PER_LEASE: u32 = 4;

/// What is in the kernel.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    pub(super) plan: Plan,
    pub(super) addresses: Vec<ManagedAddress>,
    pub(super) routing: Vec<Routing>,
    /// Something may have taken routes or rules away.
    pub(super) routing_in_doubt: bool,
    /// Those of them that the kernel refuses, and why.
    pub(super) refused_routing: BTreeMap<String, String>,
    /// When to try those again, and how often that was done.
    pub(super) routing_retry: Option<Instant>,
    pub(super) routing_tries: u32,
    /// What else the kernel refused, and was told.
    pub(super) refused: BTreeSet<String>,
    pub(super) renewed_at: Instant,
    /// The leases are to be renewed, but for an advert thread that hangs: its first beat counts.
    pub(super) starved: bool,
    /// Addresses that are not there, for somebody deleted them or the kernel refused them.
    pub(super) missing: BTreeSet<IpAddr>,
    /// When to add them again.
    pub(super) retry_at: Option<Instant>,
    pub(super) announcing: Announcing,
}

impl Holding {
    /// Nothing is held yet; of announcements so many were `asked` for before.
    pub(super) fn nothing(plan: Plan, asked: u64, now: Instant) -> Self {
        Self {
            announcing: Announcing::nothing(plan.schedule.clone(), asked, now),
            plan,
            addresses: Vec::new(),
            routing: Vec::new(),
            routing_in_doubt: false,
            refused_routing: BTreeMap::new(),
            routing_retry: None,
            routing_tries: 0,
            refused: BTreeSet::new(),
            renewed_at: now,
            starved: false,
            missing: BTreeSet::new(),
            retry_at: None,
        }
    }

    /// Every address, without prefixes.
    pub(super) fn ips(&self) -> Vec<IpAddr> {
        self.addresses.iter().map(ManagedAddress::ip).collect()
    }

    /// Every address as configured.
    pub(super) fn configured(&self) -> Vec<VirtualAddress> {
        self.addresses.iter().map(|held| held.config.address).collect()
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

    /// The IPv6 routes, which end with the lease: the kernel removes others' along with their source.
    pub(super) fn leased_routing(&self) -> impl Iterator<Item = KernelOp> {
        let Lease::Seconds(seconds) = self.plan.lease else { return None.into_iter().flatten() };
        let there = |routing: &&Routing| !self.refused_routing.contains_key(&routing.to_string());
        let leased = self.routing.iter().filter(|routing| routing.is_route_v6()).filter(there);
        let lease = move |routing: &Routing| KernelOp::LeaseRoute(routing.clone(), seconds);
        Some(leased.map(lease)).into_iter().flatten()
    }

    /// When the leases are to be renewed.
    pub(super) fn renew_at(&self) -> Option<Instant> {
        Some(self.renewed_at + self.renewal_pause()?)
    }
}
