//! Virtual routers, ready to run.
//!
//! [`check`] makes them of what the file says.

pub(super) mod check;
pub(super) mod group;
mod managed;
pub(super) mod virtual_mac;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

pub use self::managed::{
    AddressConfig, Announce, ManagedResources, Refresh, RouteConfig, RuleConfig, Scope,
};
use super::track::Tracked;
use vocabulary::{AdvertInterval, InterfaceName, Name, Priority, RouterId, VirtualAddress, Vrid};

/// A virtual router of one address family, ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterConfig {
    /// Name and family.
    pub id: RouterId,
    /// Where adverts are sent and addresses are configured.
    pub interface: InterfaceName,
    /// The file names no interface: it is the one that has this node's address in the network of the
    /// router's. Until that is known, [`InterfaceName::unknown`] stands for it wherever it is meant.
    pub follows_network: bool,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Priority while everything tracked is usable.
    pub priority: Priority,
    /// The addresses of the adverts, at least one and all of one family, in their order.
    pub addresses: Vec<VirtualAddress>,
    /// What the kernel has while the router is Active; the addresses of the adverts among it.
    pub managed: ManagedResources,
    /// When the addresses are announced.
    pub announce: Announce,
    /// Version of the protocol, and what only that version has.
    pub dialect: Dialect,
    /// Time between our adverts.
    pub advert_interval: AdvertInterval,
    /// Whether to take over from a living router of lower priority.
    pub preempt: Preempt,
    /// Who hears the adverts.
    pub audience: Audience,
    /// Source address of the adverts; none: the interface's own.
    pub source: Option<IpAddr>,
    /// How long the kernel keeps the addresses without us.
    pub lease: Lease,
    /// The interface that bears the virtual MAC address (RFC 9568 §7.3) and the addresses, made while
    /// the router runs; none: both are the interface's own.
    pub virtual_mac: Option<InterfaceName>,
    /// The routers of a group are Active together or not at all: those of one table, or of tables
    /// that name the same group. None for a router without siblings.
    pub sync_group: Option<Name>,
    /// Of the routers of its group it is the one whose address decides a tie: the first by family, virtual
    /// router and interface, so that both nodes mean the same one. True without siblings.
    pub decides_ties: bool,
    /// What the priority follows; in a sync group, the same for all.
    pub track: Vec<Tracked>,
}

impl RouterConfig {
    /// Whether it speaks RFC 3768.
    #[must_use]
    pub fn is_version_2(&self) -> bool {
        matches!(self.dialect, Dialect::V2(_))
    }
}

/// Version of the protocol, and what only that version has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// VRRPv2 (RFC 3768), with the authentication of RFC 2338 that keepalived still offers.
    V2(Auth),
    /// VRRPv3 (RFC 9568).
    V3(Checksum),
}

/// Authentication in version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// None.
    None,
    /// A password in clear text: keeps accidents out, not attackers.
    Pass(Password),
}

/// The 8 bytes of an authentication trailer. Never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password([u8; 8]);

impl Password {
    /// The first 8 bytes of `text`, the rest zero, as keepalived does.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let mut bytes = [0; 8];
        for (byte, given) in bytes.iter_mut().zip(text.bytes()) {
            *byte = given;
        }
        Self(bytes)
    }

    /// As it stands in the packet.
    #[must_use]
    pub fn bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What the checksum of a version 3 advert over IPv4 covers; peers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// What the peer last heard sends; before that, `Rfc5798`, as keepalived and FRR demand.
    Auto,
    /// The message alone (RFC 9568 §5.2.8).
    Rfc9568,
    /// Message and pseudo-header, as RFC 5798 was read.
    Rfc5798,
}

/// Whether to take over from a living router of lower priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preempt {
    /// Never.
    Never,
    /// Yes, that long after coming up.
    After(Duration),
}

/// Who hears the adverts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everyone on the link.
    Multicast,
    /// These routers, at least one, and only they are listened to.
    Peers(Vec<IpAddr>),
}

/// How long the kernel keeps the addresses when nobody renews them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// For ever.
    Off,
    /// That many seconds; the kernel counts no finer.
    Seconds(NonZeroU32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_its_first_eight_bytes_and_is_never_printed() {
        assert_eq!(Password::from_text("d0cker").bytes(), *b"d0cker\0\0");
        assert_eq!(Password::from_text("password1").bytes(), *b"password");
        assert_eq!(format!("{:?}", Password::from_text("secret")), "Password(…)");
    }
}
