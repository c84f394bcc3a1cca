//! VRRPv2/v3: elects the owner of virtual addresses and keeps them in the kernel.

pub mod election;
pub mod io;
pub mod wire;
