//! VRRPv2/v3: elects the owner of virtual addresses and keeps them in the kernel.

pub mod channels;
pub mod cli;
pub mod clock;
mod conflicts;
pub mod daemon;
pub mod driver;
pub mod io;
pub mod occurrence;
pub mod reconciler;
pub mod status;
mod trackers;
