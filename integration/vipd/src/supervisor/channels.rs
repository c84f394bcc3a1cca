//! Which programs talk with each other, and over what. Pure but for
//! [`make`] and what calls it.
//!
//! A channel is a pair of sockets; each end is sent to its program over the supervisor's socket, and none
//! stays here. Who is started anew gets new channels, and so do those that it talks with.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use process::channels::{Channel, hand_over};
use tracing::debug;

use super::Supervisor;
use super::child::{Child, Program};

/// As what a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It does its work.
    Serving,
    /// It takes over from the one that serves.
    Successor,
    /// It has a successor, and serves the clients that it has.
    Retired,
}

/// A running program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) program: Program,
    pub(super) pid: i32,
    pub(super) role: Role,
}

/// A channel between two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    channel: Channel,
    ends: [i32; 2],
}

/// The channels that were made, as long as both of their programs live.
#[derive(Debug, Default)]
pub(super) struct Channels {
    made: Vec<Pair>,
}

impl Channels {
    /// What is missing between these; from now on it counts as made.
    pub(super) fn missing(&mut self, running: &[Running]) -> Vec<Pair> {
        let wanted = wanted(running);
        self.made.retain(|pair| pair.ends.iter().all(|pid| running.iter().any(|r| r.pid == *pid)));
        let missing: Vec<Pair> =
            wanted.into_iter().filter(|pair| !self.made.contains(pair)).collect();
        self.made.extend(&missing);
        missing
    }
}

/// Every channel that there should be.
fn wanted(running: &[Running]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (place, one) in running.iter().enumerate() {
        for other in &running[place + 1..] {
            let ends = [one.pid, other.pid];
            pairs.extend(
                between(*one, *other).iter().map(|channel| Pair { channel: *channel, ends }),
            );
        }
    }
    pairs
}

/// What two programs talk over.
fn between(one: Running, other: Running) -> &'static [Channel] {
    use Program::{Console, Lbproxy, Runner, Vrrpd};
    match ((one.program, one.role), (other.program, other.role)) {
        // Also what has retired resets its clients when their address leaves.
        ((Vrrpd, _), (Lbproxy, _)) | ((Lbproxy, _), (Vrrpd, _)) => &[Channel::Health],
        ((Vrrpd, _), (Runner, _)) | ((Runner, _), (Vrrpd, _)) => &[Channel::Scripts],
        ((Vrrpd, _), (Console, _)) | ((Console, _), (Vrrpd, _)) => {
            &[Channel::AskVrrpd, Channel::Events]
        }
        ((Lbproxy, Role::Serving), (Console, _)) | ((Console, _), (Lbproxy, Role::Serving)) => {
            &[Channel::AskLbproxy]
        }
        ((Lbproxy, Role::Serving), (Lbproxy, Role::Successor))
        | ((Lbproxy, Role::Successor), (Lbproxy, Role::Serving)) => &[Channel::Handoff],
        _ => &[],
    }
}

/// Makes a channel, and sends each of its ends to its program. One that is gone gets none, and the other
/// one reads the end of it.
pub(super) fn make<'a>(pair: Pair, socket_of: impl Fn(i32) -> Option<BorrowedFd<'a>>) {
    let made = UnixStream::pair().and_then(|(one, other)| {
        for (pid, end) in pair.ends.into_iter().zip([one, other]) {
            let socket = socket_of(pid).ok_or(io::ErrorKind::NotFound)?;
            hand_over(socket, pair.channel, end.as_fd())?;
        }
        Ok(())
    });
    if let Err(error) = made {
        // Whoever comes in its place is connected then.
        debug!(channel = ?pair.channel, %error, "cannot connect two programs; one of them is gone or hangs");
    }
}

impl Supervisor {
    /// Makes the channels that are missing between the programs.
    pub(super) fn connect(&mut self) {
        let missing = self.channels.missing(&self.running());
        let children = self.children();
        let all = children.iter().map(|(_, child, _)| *child).chain(&self.lbproxy.elder);
        let sockets: Vec<_> = all.map(|child| (child.id(), child.watchdog_socket())).collect();
        let socket_of = |pid| sockets.iter().find(|(id, _)| *id == pid).map(|(_, socket)| *socket);
        missing.into_iter().for_each(|pair| make(pair, socket_of));
    }

    /// Every program that runs, and as what.
    pub(super) fn running(&self) -> Vec<Running> {
        let upgrades = self.lbproxy.elder.is_some();
        let child = |(program, child, retired): &(Program, &Child, bool)| {
            let role = match (program, retired) {
                (_, true) => Role::Retired,
                (Program::Lbproxy, _) if upgrades => Role::Successor,
                _ => Role::Serving,
            };
            Running { program: *program, pid: child.id(), role }
        };
        let elder = self.lbproxy.elder.iter().map(|elder| {
            let (program, role) = (Program::Lbproxy, Role::Serving);
            Running { program, pid: elder.id(), role }
        });
        self.children().iter().map(child).chain(elder).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(program: Program, pid: i32, role: Role) -> Running {
        Running { program, pid, role }
    }

    fn words(pairs: &[Pair]) -> Vec<String> {
        pairs.iter().map(|pair| format!("{:?} {:?}", pair.channel, pair.ends)).collect()
    }

    #[test]
    fn everybody_is_connected_once_and_a_successor_anew() {
        let mut channels = Channels::default();
        let vrrpd = running(Program::Vrrpd, 1, Role::Serving);
        let lbproxy = running(Program::Lbproxy, 2, Role::Serving);
        let runner = running(Program::Runner, 3, Role::Serving);
        let console = running(Program::Console, 4, Role::Serving);
        let all = [vrrpd, lbproxy, runner, console];
        assert_eq!(
            words(&channels.missing(&all)),
            [
                "Health [1, 2]",
                "Scripts [1, 3]",
                "AskVrrpd [1, 4]",
                "Events [1, 4]",
                "AskLbproxy [2, 4]",
            ]
        );
        assert_eq!(channels.missing(&all), []);
        assert_eq!(channels.missing(&all[1..]), [], "vrrpd died");
        let vrrpd = running(Program::Vrrpd, 5, Role::Serving);
        assert_eq!(
            words(&channels.missing(&[vrrpd, lbproxy, runner, console])),
            ["Health [5, 2]", "Scripts [5, 3]", "AskVrrpd [5, 4]", "Events [5, 4]"]
        );
    }

    #[test]
    fn a_successor_is_asked_once_it_serves_and_the_retired_still_hear_vrrpd() {
        let mut channels = Channels::default();
        let vrrpd = running(Program::Vrrpd, 1, Role::Serving);
        let console = running(Program::Console, 4, Role::Serving);
        let old = running(Program::Lbproxy, 2, Role::Serving);
        channels.missing(&[vrrpd, old, console]);
        let new = running(Program::Lbproxy, 3, Role::Successor);
        assert_eq!(
            words(&channels.missing(&[vrrpd, old, new, console])),
            ["Health [1, 3]", "Handoff [2, 3]"]
        );
        let old = Running { role: Role::Retired, ..old };
        let new = Running { role: Role::Serving, ..new };
        assert_eq!(words(&channels.missing(&[vrrpd, old, new, console])), ["AskLbproxy [3, 4]"]);
        let vrrpd = running(Program::Vrrpd, 9, Role::Serving);
        assert_eq!(
            words(&channels.missing(&[vrrpd, old, new, console])),
            ["Health [9, 2]", "Health [9, 3]", "AskVrrpd [9, 4]", "Events [9, 4]"]
        );
    }
}
