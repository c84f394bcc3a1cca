//! Watches the kernel's interfaces and addresses.
//!
//! Owns: a netlink socket that hears of changes. Publishes: the whole picture as a state, and each
//! address that vanished as an occurrence. Stops: with the runtime.
#![expect(clippy::wildcard_enum_match_arm, reason = "of netlink's many messages few concern us")]

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::AsyncSocket;
use rtnetlink::{Handle, MulticastGroup};
use tokio::sync::{broadcast, watch};
use tracing::warn;

use super::interfaces::{Interfaces, address_of};

/// Vanished addresses a slow keeper may have yet to hear of; one that misses some compares afresh.
const GONE_QUEUE: usize = 256;

/// Bytes the kernel keeps for us: with 255 routers that renew their leases, some seconds of messages.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// How long to wait before another try when netlink fails.
const RETRY: Duration = Duration::from_millis(200);

/// An address that vanished from an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The interface's index.
    pub index: u32,
    /// The address.
    pub ip: IpAddr,
}

/// What the watcher publishes.
#[derive(Clone, Debug)]
pub struct Links {
    /// The picture as it is.
    pub interfaces: watch::Receiver<Arc<Interfaces>>,
    gone: broadcast::Sender<Gone>,
}

impl Links {
    /// Starts watching on the current runtime; returns once the first picture is whole.
    ///
    /// # Errors
    /// Netlink cannot be had.
    pub async fn watch() -> io::Result<Self> {
        let mut connection = Connection::open()?;
        let interfaces = connection.dump().await?;
        let (publish, receiver) = watch::channel(Arc::new(interfaces.clone()));
        let (gone, _) = broadcast::channel(GONE_QUEUE);
        let watcher = Watcher { connection, interfaces, publish, gone: gone.clone() };
        tokio::spawn(watcher.run());
        Ok(Self { interfaces: receiver, gone })
    }

    /// Addresses that vanish from now on.
    #[must_use]
    pub fn gone(&self) -> broadcast::Receiver<Gone> {
        self.gone.subscribe()
    }
}

type Messages = futures_util::stream::BoxStream<'static, NetlinkMessage<RouteNetlinkMessage>>;

struct Connection {
    netlink: Handle,
    messages: Messages,
}

impl Connection {
    fn open() -> io::Result<Self> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        let (mut connection, netlink, messages) = rtnetlink::new_multicast_connection(&groups)?;
        connection.socket_mut().socket_mut().set_rx_buf_sz(RECEIVE_BUFFER)?;
        tokio::spawn(connection);
        Ok(Self { netlink, messages: messages.map(|(message, _)| message).boxed() })
    }

    /// The whole picture. Changes meanwhile wait among the messages, and are applied after it.
    async fn dump(&mut self) -> io::Result<Interfaces> {
        let mut interfaces = Interfaces::default();
        let mut links = self.netlink.link().get().execute();
        while let Some(link) = links.try_next().await.map_err(io::Error::other)? {
            interfaces.link_changed(&link);
        }
        let mut addresses = self.netlink.address().get().execute();
        while let Some(address) = addresses.try_next().await.map_err(io::Error::other)? {
            interfaces.address_changed(&address);
        }
        Ok(interfaces)
    }
}

struct Watcher {
    connection: Connection,
    interfaces: Interfaces,
    publish: watch::Sender<Arc<Interfaces>>,
    gone: broadcast::Sender<Gone>,
}

impl Watcher {
    async fn run(mut self) {
        loop {
            match self.connection.messages.next().await.map(|message| message.payload) {
                Some(NetlinkPayload::InnerMessage(message)) => self.apply(&message),
                Some(NetlinkPayload::Overrun(_)) => {
                    warn!("netlink lost messages: reading interfaces and addresses afresh");
                    self.start_afresh().await;
                }
                Some(_) => {}
                None => {
                    warn!("netlink closed: opening it again");
                    self.start_afresh().await;
                }
            }
        }
    }

    fn apply(&mut self, message: &RouteNetlinkMessage) {
        let (mut changed, mut gone) = (false, None);
        let interfaces = &mut self.interfaces;
        match message {
            RouteNetlinkMessage::NewLink(link) => changed = interfaces.link_changed(link),
            RouteNetlinkMessage::DelLink(link) => changed = interfaces.link_removed(link),
            RouteNetlinkMessage::NewAddress(address) => {
                changed = interfaces.address_changed(address);
            }
            RouteNetlinkMessage::DelAddress(address) => {
                changed = interfaces.address_removed(address);
                gone = address_of(address).map(|ip| Gone { index: address.header.index, ip });
            }
            _ => {}
        }
        // A renewed lease is a message as well, many times a second, and changes nothing.
        if changed {
            self.publish.send_replace(Arc::new(self.interfaces.clone()));
        }
        if let Some(gone) = gone {
            // Without keepers there is nobody to tell.
            self.gone.send(gone).ok();
        }
    }

    async fn start_afresh(&mut self) {
        loop {
            match Self::reopen().await {
                Ok((connection, interfaces)) => {
                    self.connection = connection;
                    self.interfaces = interfaces;
                    self.publish.send_replace(Arc::new(self.interfaces.clone()));
                    return;
                }
                Err(error) => {
                    warn!(%error, "cannot read interfaces and addresses; trying again in {RETRY:?}");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn reopen() -> io::Result<(Connection, Interfaces)> {
        let mut connection = Connection::open()?;
        let interfaces = connection.dump().await?;
        Ok((connection, interfaces))
    }
}
