//! The tests of the whole proxy, in one binary.

mod access_lines;
mod balance;
mod common;
mod control;
mod data_path;
mod handoff;
mod health;
mod hostile;
mod hostile_kinds;
mod names;
mod orders;
mod proxy_header;
mod routes;
mod streams;
mod under_load;
