//! Channels between two programs: pairs of sockets that the supervisor makes, and of which each program gets
//! its end by its [control](crate::control) socket.
//!
//! ```text
//! supervisor ── Order::Channel + an open end ──► vrrpd        the other end ──► lbproxy
//! ```
//! A channel has no name: nobody else can reach it, and which end a program holds decides what it may say
//! there. The end of a channel is the news that the other program died.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use serde::{Deserialize, Serialize};

use crate::control::{Order, order};

/// What a channel between two programs is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// `lbproxy` says how its proxies are, `vrrpd` which addresses are here.
    Health,
    /// `vrrpd` says what happens, the runner what scripts found.
    Scripts,
    /// `vrrpd` says what happens to the console.
    Events,
    /// The console asks `vrrpd`, and passes on what an operator orders.
    AskVrrpd,
    /// The console asks `lbproxy`, and passes on what an operator orders.
    AskLbproxy,
    /// A new `lbproxy` gets the sockets of the one before, and tells it when it serves.
    Handoff,
}

/// Hands a program its end of a channel.
///
/// # Errors
/// The program is gone, or does not read.
pub fn hand_over(program: impl AsFd, channel: Channel, end: BorrowedFd<'_>) -> io::Result<()> {
    order(program, Order::Channel { channel }, Some(end))
}
