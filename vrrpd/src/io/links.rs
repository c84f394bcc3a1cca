//! Watches the kernel's interfaces and addresses.
//!
//! Owns: a netlink socket that hears of changes. Publishes: the whole picture as a state, and each
//! address, route and rule that vanished as an occurrence. Stops: with the runtime.
#![expect(clippy::wildcard_enum_match_arm, reason = "of netlink's many messages few concern us")]

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::RuleAttribute;
use netlink_sys::AsyncSocket;
use process::throttle::{MINUTE, SharedThrottle, Throttle};
use rtnetlink::{Handle, MulticastGroup};
use tokio::sync::{broadcast, watch};
use tracing::warn;

use super::address_message::virtual_address_of;
use super::addresses::PROTOCOL;
use super::interfaces::{address_changed, address_removed, link_changed, link_removed};
use crate::clock::now;
use vrrp::interfaces::Interfaces;

/// Vanished things a slow reconciler may have yet to hear of; one that misses some compares afresh.
const GONE_QUEUE: usize = 256;

/// Bytes the kernel keeps for us: with 255 routers that renew their leases, some seconds of messages.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// How long to wait before another try when netlink fails.
const RETRY: Duration = Duration::from_millis(200);

/// What the log takes, once a minute each.
static LOST: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));
static CLOSED: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));
static UNREAD: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));
static UNWATCHED: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// What a picture of the interfaces follows from.
const LINKS: [MulticastGroup; 3] =
    [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];

const ROUTING: [MulticastGroup; 4] = [
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];

/// What vanished from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// A virtual or any other address.
    Address {
        /// The interface's index.
        index: u32,
        /// The address.
        ip: IpAddr,
        /// The netlink port of whoever asked for that; 0 is the kernel itself.
        by: u32,
    },
    /// A route or a rule of ours.
    Routing,
    /// Nobody knows what: messages were lost.
    Anything,
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
        let mut connection = Connection::open(&LINKS)?;
        let interfaces = connection.dump().await?;
        let (publish, receiver) = watch::channel(Arc::new(interfaces.clone()));
        let (gone, _) = broadcast::channel(GONE_QUEUE);
        let watcher = Watcher { connection, interfaces, publish, gone: gone.clone() };
        tokio::spawn(watcher.run());
        Ok(Self { interfaces: receiver, gone })
    }

    /// Starts to watch routes and rules as well. That is asked for where there are some of ours: on a
    /// router with many routes each change is a message.
    pub fn watch_routing(&self) {
        tokio::spawn(watch_routing(self.gone.clone()));
    }

    /// What vanishes from now on.
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
    fn open(groups: &[MulticastGroup]) -> io::Result<Self> {
        let (mut connection, netlink, messages) = rtnetlink::new_multicast_connection(groups)?;
        connection.socket_mut().socket_mut().set_rx_buf_sz(RECEIVE_BUFFER)?;
        tokio::spawn(connection);
        Ok(Self { netlink, messages: messages.map(|(message, _)| message).boxed() })
    }

    /// The whole picture. Changes meanwhile wait among the messages, and are applied after it.
    async fn dump(&mut self) -> io::Result<Interfaces> {
        let mut interfaces = Interfaces::default();
        let mut links = self.netlink.link().get().execute();
        while let Some(link) = links.try_next().await.map_err(io::Error::other)? {
            link_changed(&mut interfaces, &link);
        }
        let mut addresses = self.netlink.address().get().execute();
        while let Some(address) = addresses.try_next().await.map_err(io::Error::other)? {
            address_changed(&mut interfaces, &address);
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
            let next = self.connection.messages.next().await;
            let port = next.as_ref().map_or(0, |message| message.header.port_number);
            match next.map(|message| message.payload) {
                Some(NetlinkPayload::InnerMessage(message)) => self.apply(&message, port),
                Some(NetlinkPayload::Overrun(_)) => {
                    if let Some(times) = LOST.take(now()) {
                        warn!(
                            times,
                            "netlink lost messages: reading interfaces and addresses afresh"
                        );
                    }
                    self.start_afresh().await;
                }
                Some(_) => {}
                None => {
                    if let Some(times) = CLOSED.take(now()) {
                        warn!(times, "netlink closed: opening it again");
                    }
                    self.start_afresh().await;
                }
            }
        }
    }

    fn apply(&mut self, message: &RouteNetlinkMessage, by: u32) {
        let (mut changed, mut gone) = (false, None);
        let interfaces = &mut self.interfaces;
        match message {
            RouteNetlinkMessage::NewLink(link) => changed = link_changed(interfaces, link),
            RouteNetlinkMessage::DelLink(link) => changed = link_removed(interfaces, link),
            RouteNetlinkMessage::NewAddress(address) => {
                changed = address_changed(interfaces, address);
            }
            RouteNetlinkMessage::DelAddress(address) => {
                changed = address_removed(interfaces, address);
                let index = address.header.index;
                gone = virtual_address_of(address).map(|ip| Gone::Address { index, ip, by });
            }
            _ => {}
        }
        // A renewed lease is a message as well, many times a second, and changes nothing.
        if changed {
            self.publish.send_replace(Arc::new(self.interfaces.clone()));
        }
        if let Some(gone) = gone {
            // Without reconcilers there is nobody to tell.
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
                    self.gone.send(Gone::Anything).ok();
                    return;
                }
                Err(error) => {
                    if let Some(times) = UNREAD.take(now()) {
                        warn!(%error, times, retry_in = ?RETRY, "cannot read interfaces and addresses");
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn reopen() -> io::Result<(Connection, Interfaces)> {
        let mut connection = Connection::open(&LINKS)?;
        let interfaces = connection.dump().await?;
        Ok((connection, interfaces))
    }
}

/// Tells of our routes and rules that vanish; what becomes of others' concerns nobody.
async fn watch_routing(gone: broadcast::Sender<Gone>) {
    loop {
        match Connection::open(&ROUTING) {
            Ok(mut connection) => {
                while let Some(message) = connection.messages.next().await {
                    if concerns_our_routing(&message.payload) {
                        gone.send(Gone::Routing).ok();
                    }
                }
                if let Some(times) = CLOSED.take(now()) {
                    warn!(times, "netlink closed: opening it again");
                }
            }
            Err(error) => {
                if let Some(times) = UNWATCHED.take(now()) {
                    warn!(%error, times, retry_in = ?RETRY, "cannot watch the routes");
                }
            }
        }
        tokio::time::sleep(RETRY).await;
        // Nobody knows what vanished meanwhile.
        gone.send(Gone::Routing).ok();
    }
}

fn concerns_our_routing(payload: &NetlinkPayload<RouteNetlinkMessage>) -> bool {
    let tag = RouteProtocol::Other(PROTOCOL);
    match payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelRoute(route)) => {
            route.header.protocol == tag
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelRule(rule)) => {
            rule.attributes.contains(&RuleAttribute::Protocol(tag))
        }
        NetlinkPayload::Overrun(_) => true,
        _ => false,
    }
}
