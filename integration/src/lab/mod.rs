//! A network lab in one process: hosts on a switch, real programs on them, faults, and probes that
//! measure what a client sees.
pub mod backend;
pub mod certificates;
pub mod clock;
pub mod enter;
pub mod fault;
pub mod host;
pub mod namespace;
pub mod nft;
pub mod node;
pub mod probe;
pub mod realtime;
#[cfg(test)]
mod tests;
pub mod topology;
pub mod wait;
pub mod work;
