//! VRRPv2/v3: elects the owner of virtual addresses and keeps them in the kernel.

pub mod cli;
pub mod clock;
pub mod daemon;
pub mod driver;
pub mod election;
pub mod io;
pub mod keeper;
pub mod link;
pub mod occurrence;
pub mod privilege;
pub mod rehearsal;
mod rivals;
pub mod status;
mod trackers;
pub mod tracking;
pub mod wire;
pub mod wish;
