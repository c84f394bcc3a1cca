//! The open ports, and waiting on all of them.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use vocabulary::{Family, InterfaceName};

use crate::io::port::Port;

/// Every open port.
#[derive(Debug, Default)]
pub(super) struct Ports {
    open: Vec<Port>,
    /// Which port is asked first: each in turn, so that a flood on one does not deafen the others.
    turn: usize,
}

impl Ports {
    /// The port for an interface and family.
    pub(super) fn get(&self, interface: &InterfaceName, family: Family) -> Option<&Port> {
        self.open.iter().find(|port| port.interface() == interface && port.family() == family)
    }

    /// The port at a position given by [`ready`](Self::ready).
    pub(super) fn at(&self, position: usize) -> Option<&Port> {
        self.open.get(position)
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// Opens a port unless it is open; an interface that was made again has another index, and needs
    /// another socket.
    pub(super) fn ensure(
        &mut self,
        interface: &InterfaceName,
        index: u32,
        family: Family,
    ) -> io::Result<()> {
        if self.get(interface, family).is_some_and(|port| port.index() == index) {
            return Ok(());
        }
        self.open.retain(|port| port.interface() != interface || port.family() != family);
        self.open.push(Port::open(interface, index, family)?);
        Ok(())
    }

    /// Closes the ports that `needed` does not want.
    pub(super) fn close_unless(&mut self, needed: impl Fn(&Port) -> bool) {
        self.open.retain(needed);
    }

    /// Waits until a port may have something to receive; returns its position.
    pub(super) async fn ready(&mut self) -> usize {
        let (count, first) = (self.open.len(), self.turn);
        let position = poll_fn(|cx| {
            for offset in 0..count {
                let position = (first + offset) % count;
                if self.open[position].poll_receive_ready(cx).is_ready() {
                    return Poll::Ready(position);
                }
            }
            Poll::Pending
        })
        .await;
        self.turn = (position + 1) % count;
        position
    }
}
