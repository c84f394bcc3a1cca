//! What the reconciler wants done, and what it is told.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use config::Lease;
use vocabulary::{InterfaceName, VirtualAddress};

use super::deletions::Worth;
use super::{Macvlan, ManagedAddress, Plan, Routing, StaleAddress};
use crate::desired::DesiredState;
use crate::interfaces::Interfaces;

/// One thing to be done in the kernel, or said. The executor performs one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelOp {
    /// See to it that the interface of a virtual MAC address is there, down. Done: [`Done::Made`].
    EnsureMacvlan(Macvlan),
    /// Bring it up.
    RaiseMacvlan(Macvlan),
    /// Bring it down.
    LowerMacvlan(InterfaceName),
    /// Remove it, if it is ours.
    RemoveMacvlan(InterfaceName),
    /// Have secondary IPv4 addresses of the interface outlive their primary one.
    PromoteSecondaries(InterfaceName),
    /// Make an IPv4 address that is not there yet secondary to the node's own.
    AddOwnSource(ManagedAddress, Ipv4Addr),
    /// Remove what [`Self::AddOwnSource`] added.
    RemoveOwnSource(ManagedAddress, Ipv4Addr),
    /// Give clients of an IPv6 address on this node a source, for a lease.
    GiveSource {
        /// The address, which is or will be at the interface of `index`.
        address: Ipv6Addr,
        /// The interface's index.
        index: u32,
        /// The source.
        own: Ipv6Addr,
        /// The lease.
        seconds: NonZeroU32,
    },
    /// Remove what [`Self::GiveSource`] added.
    TakeSource {
        /// The address.
        address: Ipv6Addr,
        /// The interface's index.
        index: u32,
    },
    /// Add an address, or start its lease anew.
    PutAddress {
        /// Which.
        address: ManagedAddress,
        /// For how long.
        lease: Lease,
        /// It is held already.
        renewal: bool,
    },
    /// Remove an address.
    RemoveAddress {
        /// Which.
        address: ManagedAddress,
        /// Then this no longer needs to be what it is secondary to.
        own_source: Option<Ipv4Addr>,
    },
    /// Remove an address that another program left.
    RemoveStale(StaleAddress),
    /// Add or renew the route to an IPv6 address's network.
    Connect {
        /// The address.
        address: VirtualAddress,
        /// The interface's index.
        index: u32,
        /// For how long.
        lease: Lease,
    },
    /// Remove it.
    Disconnect {
        /// The address.
        address: VirtualAddress,
        /// The interface's index.
        index: u32,
    },
    /// Look which of these the kernel does not have. Done: [`Done::Missing`].
    CompareRouting(Vec<Routing>),
    /// Add a route or a rule.
    AddRouting(Routing),
    /// Start the lease of an IPv6 route that is there: without renewal the kernel drops it.
    LeaseRoute(Routing, NonZeroU32),
    /// Remove a route or a rule.
    RemoveRouting(Routing),
    /// Have the proxies reset the clients of these addresses, and wait until they have. Before its result
    /// is fed, so is the latest [`Event::Desired`].
    ResetClients(Vec<IpAddr>),
    /// Reset other programs' connections at these addresses.
    DestroySockets(Vec<IpAddr>),
    /// Tell the proxies that these addresses are here.
    TellActive(Vec<IpAddr>),
    /// Tell the proxies that these addresses are elsewhere.
    TellBackup(Vec<IpAddr>),
    /// Tell the neighbours where these addresses are, in this order.
    Announce(Vec<(InterfaceName, IpAddr)>),
    /// Tell the operator. It has no result.
    Report(Report),
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is so.
    Yes,
    /// The interface is there; true: it had to be made.
    Made(bool),
    /// The kernel has all routes and rules but these.
    Missing(Vec<Routing>),
}

/// What the reconciler is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// What the election wants; only the latest counts.
    Desired(DesiredState),
    /// Another configuration.
    Plan(Box<Plan>),
    /// Interfaces and addresses as they are now.
    Interfaces(Arc<Interfaces>),
    /// An address was deleted, be it ours or not.
    AddressGone {
        /// The interface's index.
        index: u32,
        /// The address.
        ip: IpAddr,
        /// The netlink port of whoever asked for that; 0 is the kernel itself.
        by: u32,
    },
    /// A route or a rule of ours was deleted.
    RoutingGone,
    /// Nobody knows what was deleted: messages were lost.
    AnythingGone,
    /// The advert thread was alive then.
    Pulse(Instant),
    /// What came of an operation; an error in the kernel's words.
    Done(Box<KernelOp>, Result<Done, String>),
    /// Time passed.
    Tick,
    /// The election has ended: everything is to be released and removed.
    End,
}

/// What an operator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The addresses are in the kernel, for the first time since this router took over.
    Holds {
        /// Which.
        addresses: Vec<VirtualAddress>,
        /// Where the router speaks.
        interface: InterfaceName,
        /// When it began to add them.
        began: Instant,
    },
    /// They are gone, in order.
    Released(Vec<VirtualAddress>),
    /// Somebody else deleted an address, and it is added again.
    Deleted {
        /// Which.
        address: IpAddr,
        /// Where.
        interface: InterfaceName,
        /// That interface's index.
        index: u32,
        /// The netlink port of whoever asked for that; 0 is the kernel itself.
        by: u32,
        /// How much that is worth saying.
        worth: Worth,
    },
    /// The interface of a virtual MAC address was made.
    MadeMacvlan(Macvlan),
    /// A route or rule was added.
    AddedRouting(Routing),
    /// An address that another program left was removed.
    RemovedStale {
        /// Which.
        address: StaleAddress,
        /// How often by now.
        times: u32,
    },
    /// An address is on this node that the router is not Active for, and is not ours to remove.
    Stale(StaleAddress),
    /// Something failed.
    Failed(Failure, String),
}

/// What failed, by what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An address could not be added.
    Hold,
    /// An address could not be renewed.
    Renew,
    /// An address could not be removed.
    Remove,
    /// Clients here have the virtual address as their source.
    Source,
    /// A local route is left.
    SourceLeft,
    /// Addresses that come later may go with a virtual one.
    Secondaries,
    /// The network of an address has no route.
    Connect,
    /// Such a route is left.
    ConnectLeft,
    /// There is no interface for the virtual MAC address.
    NoMacvlan,
    /// It could not be brought up.
    MacvlanDown,
    /// It could not be brought down.
    MacvlanUp,
    /// It could not be removed.
    MacvlanLeft,
    /// An address that another program left could not be removed.
    Stale,
    /// Routes could not be compared.
    Compare,
    /// A route could not be added.
    Route,
    /// A route could not be leased.
    RouteLease,
    /// A route could not be removed.
    RouteLeft,
    /// Addresses could not be announced.
    Announce,
}
