//! The workers: from an accepted connection to its access line.

pub(crate) mod accept;
pub(crate) mod access_line;
pub(crate) mod access_log;
pub(crate) mod flow;
pub mod hello;
pub(crate) mod limits;
pub(crate) mod liveness;
pub(crate) mod pipe;
pub(crate) mod pool;
pub(crate) mod reach;
pub(crate) mod relay;
pub(crate) mod route;
pub(crate) mod schedule;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod spread;
pub(crate) mod worker;
