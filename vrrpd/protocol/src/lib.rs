//! VRRPv2/v3 as values: time and packets in, actions out. No sockets, no clock, no log.

pub mod conflicts;
pub mod desired;
pub mod election;
pub mod follow_network;
pub mod interfaces;
pub mod reconciler;
pub mod router;
pub mod simulation;
pub mod tracking;
pub mod wire;
