//! The desired state of a router's addresses.

use std::time::Duration;

use crate::election::Release;

/// How long the addresses stay after another router was heard: its announcement reaches everyone
/// meanwhile, so that no packet comes to nobody.
pub const RELIEF_HOLD: Duration = Duration::from_millis(10);

/// What the election wants of its addresses: a later one replaces it, whether or not it came true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DesiredState {
    /// Hold the addresses, or let go of them.
    pub ownership: Ownership,
    /// Grows each time they shall be announced again.
    pub announcements: u64,
}

/// Hold or let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Configure and announce them.
    Hold,
    /// Remove them, their clients first.
    Release(Release),
}

impl DesiredState {
    /// Before the election has said anything: nothing is held.
    pub const RELEASED: Self =
        Self { ownership: Ownership::Release(Release::AtOnce), announcements: 0 };

    /// Likewise, where a predecessor's addresses are still here: they stay until it is known whether the
    /// election goes on with them.
    pub const INHERITED: Self = Self { ownership: Ownership::Hold, announcements: 0 };
}
