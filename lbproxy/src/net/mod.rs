//! Sockets and what is read from them for its own sake.

pub mod certificate;
pub mod descriptors;
pub(crate) mod listen;
