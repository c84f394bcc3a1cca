//! A network lab in one process: hosts on a switch, real programs on them, faults, and probes that
//! measure what a client sees.
//!
//! ```text
//! enter      makes namespaces possible for an ordinary user, and the end clean
//! Lab        the switch, and the work directory
//!  └ Host    a network namespace with eth0, 10.77.0.N and fd77::N
//!     └ Running   a program there: signals, log, end
//! faults     Lab::cut, heal, carrier …; Host::block; signals
//! probes     Ping, Service, Connection: what clients see.  OwnerWatch: who has the address
//! backend, certificates   something to be served
//! ```
//!
//! ```no_run
//! # use std::{process::Command, time::Duration};
//! # use lab::{Lab, OwnerWatch, Ping};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let lab = Lab::new()?;
//! let lb1 = lab.host("lb1", 11)?;
//! let lb2 = lab.host("lb2", 12)?;
//! let client = lab.host("client", 100)?;
//! let config = lab.write("lb1.toml", "…")?;
//! let mut vipd = lb1.start("vipd", Command::new("vipd").arg("run").arg("--config").arg(config))?;
//! let vip = "10.77.0.200".parse()?;
//! let mut owners = OwnerWatch::start(&[&lb1, &lb2], vip)?;
//! owners.wait_for(&["lb1"], Duration::from_secs(5))?;
//! let ping = Ping::start(&client, vip)?;
//! lab.cut("lb1")?;
//! owners.wait_for(&["lb1", "lb2"], Duration::from_secs(5))?;
//! lab.heal("lb1")?;
//! println!("{:?}", ping.stop().silence());
//! vipd.stop(Duration::from_secs(5))?;
//! # Ok(()) }
//! ```
//!
//! All times are [`Moment`]s of one clock, so what different probes saw can be laid side by side.

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
pub mod topology;
pub mod wait;
pub mod work;

#[cfg(test)]
mod tests;

pub use certificates::Certificates;
pub use clock::Moment;
pub use enter::{Entered, enter};
pub use fault::{Block, Direction};
pub use host::{Host, ipv4, ipv6};
pub use namespace::Namespace;
pub use node::Running;
pub use probe::connection::{Connection, Fate, Habit};
pub use probe::https::{Endpoint, Failure};
pub use probe::owners::Ownership;
pub use probe::ping::Ping;
pub use probe::service::Service;
pub use probe::silence::Silence;
pub use probe::watch::OwnerWatch;
pub use topology::Lab;
pub use wait::wait_until;
