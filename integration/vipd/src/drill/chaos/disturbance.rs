//! The forty things that may happen to a pair.

use strum::{IntoStaticStr, VariantArray};

/// What happens; to a node, unless it says otherwise. All of it is undone before a quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Disturbance {
    /// The switch forwards nothing from and to the node.
    Cut,
    /// It forwards nothing to it.
    Deaf,
    /// It forwards nothing from it.
    Mute,
    /// The cable is pulled.
    CarrierLost,
    /// The cable is pulled and put back five times.
    CarrierFlaps,
    /// The node's interface is taken down.
    InterfaceDown,
    /// Its MTU is the least that IPv6 allows.
    MtuOfIpv6,
    /// Its MTU is the least that IPv4 allows in practice.
    MtuTiny,
    /// The node's own address is deleted.
    OwnAddressDeleted,
    /// The virtual address is deleted by somebody.
    VirtualAddressDeleted,
    /// The virtual address is added for ever by somebody.
    VirtualAddressAdded,
    /// The client takes the virtual address.
    VirtualAddressTaken,
    /// IPv6 is disabled.
    Ipv6Disabled,
    /// The kernel answers ARP for addresses of the interface only, from its own network.
    ArpIgnored,
    /// The kernel drops what comes from where it would not send to.
    StrictReversePath,
    VrrpdKilled,
    VrrpdStopped,
    LbproxyKilled,
    LbproxyStopped,
    ConsoleKilled,
    ConsoleStopped,
    SupervisorKilled,
    NodeKilled,
    NodeFrozen,
    PlannedStop,
    Restart,
    /// The priorities are the other way round.
    ReloadPriority,
    /// Adverts come twice as often.
    ReloadInterval,
    /// Two of three servers are gone from the file.
    ReloadServers,
    /// The file is wrong.
    ReloadWrong,
    /// The file is gone.
    ReloadMissing,
    /// Twenty reloads in 200 ms.
    ReloadStorm,
    Upgrade,
    Handover,
    Pause,
    ServerDrained,
    RuntimeDirectoryRemoved,
    /// A backend dies.
    BackendKilled,
    /// A backend stands still.
    BackendStopped,
    /// The node reaches no backend any more.
    BackendsLost,
}
