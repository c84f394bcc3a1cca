//! Whole nodes in network namespaces, beside real peers: all in one binary, so that one pool runs them.

mod addresses;
mod announcements;
mod attack;
mod conflicts;
mod console;
mod doctor;
mod drill;
mod families;
mod gateway;
mod guides;
mod hooks;
mod interop_frr;
mod interop_keepalived;
mod managed;
mod metrics;
mod nodes;
mod orders;
mod others;
mod others_sockets;
mod reload;
mod scripts;
mod told;
mod trackers;
mod transaction;
mod upgrade;
mod virtual_mac;
