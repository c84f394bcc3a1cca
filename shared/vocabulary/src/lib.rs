//! Words of the field with their limits in the type: [`Vrid`], [`Priority`], [`AdvertInterval`] …
//!
//! Values only: no sockets, no clock, no runtime.

pub mod address;
pub mod endpoint;
pub mod health;
pub mod interface;
pub mod interval;
pub mod name;
pub mod priority;
pub mod rise_fall;
pub mod vrid;

pub use address::{Family, VirtualAddress};
pub use endpoint::Endpoint;
pub use health::{TrackerHealth, Usability};
pub use interface::InterfaceName;
pub use interval::AdvertInterval;
pub use name::{Name, RouterId};
pub use priority::Priority;
pub use rise_fall::{RiseFall, Thresholds};
pub use vrid::Vrid;
