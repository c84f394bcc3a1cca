//! Nodes on a simulated network, and a clock that only the caller moves.
//!
//! Every node runs the shipped code: [`router::Core`](crate::router::Core) with its election, sync
//! groups and tracking, and the [`Reconciler`](crate::reconciler::Reconciler). The network loses,
//! doubles, delays, reorders and cuts, one way or both, one router's packets or all; a node may be
//! frozen (its addresses stay, as a hung daemon's do), die, be replaced by a successor and come back.
//! The kernel takes its time, and removes addresses whose lease ends.
//!
//! `vipd check A B` plays a pair of files through ([`Pair`]); the crate's tests tell it random stories of
//! faults, and every story that a few nodes can live through.

mod conditions;
mod effects;
mod faults;
mod kernel;
mod lan;
mod node;
mod pair;
mod random;
mod way;

pub use self::conditions::Conditions;
pub use self::lan::{Fed, Lan, Packet, Stepped};
pub use self::node::{Member, Node, Router};
pub use self::pair::{Fault, Pair};
pub use self::random::Random;
pub use self::way::Way;
