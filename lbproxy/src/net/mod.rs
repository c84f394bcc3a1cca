//! Sockets and what is read from them for its own sake.

pub mod certificate;
pub mod descriptors;
pub(crate) mod dial;
pub(crate) mod listen;
pub(crate) mod proxy_header;
