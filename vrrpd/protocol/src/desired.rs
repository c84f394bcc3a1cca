//! What an election wants of its addresses.

use std::time::Duration;

use crate::election::Release;

/// How long the addresses stay after another router was heard: its announcement reaches everyone
/// meanwhile, so that no packet comes to nobody.
pub const RELIEF_HOLD: Duration = Duration::from_millis(10);

/// The latest wish: a later one replaces it, whether or not it came true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Hold the addresses, or let go of them.
    pub wanted: Wanted,
    /// Grows each time they shall be announced again.
    pub announcements: u64,
}

/// Hold or let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Configure and announce them.
    Hold,
    /// Remove them, their clients first.
    Release(Release),
}

impl Wish {
    /// Before the election has said anything: nothing is held.
    pub const NOTHING: Self = Self { wanted: Wanted::Release(Release::AtOnce), announcements: 0 };

    /// Likewise, where a predecessor's addresses are still here: they stay until it is known whether the
    /// election goes on with them.
    pub const LEGACY: Self = Self { wanted: Wanted::Hold, announcements: 0 };
}
