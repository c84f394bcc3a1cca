//! `lbproxy`: a TCP load balancer that checks its servers and tells `vrrpd` how they are.
//!
//! Three kinds of threads. The *check* thread asks servers how they are, and may be held up by what
//! they answer. The *control* thread ([`daemon`]) judges what was found, talks to `vrrpd`, to
//! `vipd`'s watchdog and to whoever asks for the status, and publishes what is to be done as one
//! immutable [`plan`]: nothing that a remote sends may hold it. Each *worker* thread has its own
//! listening sockets, its own connections and its own buffers; it follows the plan and shares
//! nothing on the path of a byte.
//!
//! ```text
//! checks ─mpsc→ control ─watch<Plan>→ workers: accept → spread → route → pick → connect → relay → log
//! vrrpd ←─link─→   │   ←─applied(n)──┘   └─ beats → pulse → heartbeats and ticks
//! ```

mod accept;
mod access_line;
mod access_log;
mod admin;
mod backend;
pub mod certificate;
pub mod cli;
mod clock;
mod connect;
mod control;
pub mod daemon;
pub mod descriptors;
mod estate;
mod flow;
pub mod health;
pub mod hello;
pub mod latency;
mod link;
mod listen;
mod located;
mod pick;
mod pipe;
mod plan;
mod pool;
mod prepare;
pub mod privilege;
mod proxy_header;
mod pulse;
mod queue;
mod relay;
mod report;
mod route;
mod session;
mod sessions;
mod sources;
mod spread;
pub mod status;
mod watchdog;
mod worker;
