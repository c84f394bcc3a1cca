//! The vocabulary that `vrrpd`, `lbproxy` and `vipd` share.
//!
//! Words of the field with their limits in the type ([`Vrid`], [`Priority`], [`AdvertInterval`] …),
//! the configuration ([`config`]), the messages between the processes ([`link`]), and the way all of
//! them log ([`telemetry`]), are scheduled ([`scheduling`]), start without missing a signal
//! ([`signals`]) and hand open files over ([`passing`]). No sockets of its own, no clock, no runtime:
//! those belong to the programs.

pub mod address;
pub mod config;
pub mod endpoint;
pub mod health;
pub mod interface;
pub mod interval;
pub mod link;
pub mod name;
pub mod passing;
pub mod priority;
pub mod scheduling;
pub mod signals;
pub mod telemetry;
pub mod vrid;

pub use address::{Family, VirtualAddress};
pub use endpoint::Endpoint;
pub use health::{TrackerHealth, Usability};
pub use interface::InterfaceName;
pub use interval::AdvertInterval;
pub use name::{Name, RouterId};
pub use priority::Priority;
pub use vrid::Vrid;
