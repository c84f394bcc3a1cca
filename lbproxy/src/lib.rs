//! `lbproxy`: a TCP load balancer that checks its servers and tells `vrrpd` how they are.
//!
//! Three kinds of threads. The *check* thread asks servers how they are, and may be held up by what
//! they answer. The *control* thread ([`daemon`](control::daemon)) judges what was found, talks
//! to `vrrpd`, to `vipd`'s watchdog and to whoever asks for the status, and publishes what is to be
//! done as one immutable [`plan`]: nothing that a remote sends may hold it. Each *worker* thread has its own
//! listening sockets, its own connections and its own buffers; it follows the plan and shares
//! nothing on the path of a byte.
//!
//! ```text
//! checks ─mpsc→ control ─watch<Plan>→ workers: accept → spread → route → pick → reach → relay → log
//! vrrpd ←─link─→   │   ←─applied(n)──┘   └─ beats → pulse → heartbeats and ticks
//! ```

pub mod cli;
mod clock;
pub mod control;
pub mod data;
pub mod health;
pub mod net;
mod pick;
pub mod plan;
