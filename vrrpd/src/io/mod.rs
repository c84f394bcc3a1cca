//! The kernel's side: raw sockets, frames and netlink. Thin: what to do is decided elsewhere.

pub mod address_message;
pub mod addresses;
pub mod announce;
pub mod arrivals;
pub mod culprit;
pub mod eavesdrop;
pub mod frames;
pub mod interfaces;
pub mod links;
pub mod macvlan;
mod packets;
pub mod port;
pub mod routes;
pub mod secondaries;
pub mod sockets;
pub mod tap;
