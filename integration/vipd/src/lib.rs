//! The front door's library: what `vipd` and the tests of whole nodes share.

pub mod check;
pub mod cli;
pub mod clock;
pub mod console;
pub mod doctor;
#[cfg(feature = "drill")]
pub mod drill;
pub mod events;
pub mod handover;
mod host;
pub mod orders;
mod reload;
pub mod runner;
pub mod status;
pub mod supervisor;
mod trust;
mod upgrade;
mod users;
mod watched;
