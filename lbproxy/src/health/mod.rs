//! How servers are: what checks them, and what is made of the results.
//!
//! ```text
//! check_loop, agent ─Report→ registry (pure) ─Effect→ plan · log · runner ─→ check_loop, agent
//! ```

mod agent;
mod answer;
mod bounded;
pub(crate) mod check;
mod check_loop;
pub(crate) mod event_log;
mod examine;
mod look_up;
pub(crate) mod outcome;
pub(crate) mod registry;
pub(crate) mod runner;
pub(crate) mod score;
pub(crate) mod thread;
pub(crate) mod tls;
mod verifier;

pub use self::check::CheckError;
pub use self::examine::{Examination, examine};
pub use self::tls::Distrust;
