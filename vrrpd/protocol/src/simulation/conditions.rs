//! What a simulated network and its machines are like.

use std::time::Duration;

/// What the network, the kernels and the clocks of the nodes are like.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// A packet's flight, at least and at most.
    pub flight: (Duration, Duration),
    /// Packets in a thousand that arrive twice.
    pub doubled: u64,
    /// How late a node notices its deadlines at most.
    pub lateness: Duration,
    /// How long a kernel takes to add or remove addresses.
    pub kernel: Duration,
    /// When trackers of a daemon that starts tell their state, at most.
    pub proof: Duration,
}

impl Default for Conditions {
    /// An idle network and idle machines.
    fn default() -> Self {
        Self {
            flight: (Duration::from_micros(20), Duration::from_micros(200)),
            doubled: 0,
            lateness: Duration::ZERO,
            kernel: Duration::from_micros(300),
            proof: Duration::ZERO,
        }
    }
}
