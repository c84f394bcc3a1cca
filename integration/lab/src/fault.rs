//! Faults of the network: what a switch, a cable or a path can do to a host.
//!
//! All of them are made through netlink and need no other program. Faults of programs are signals:
//! see [`Running`](crate::node::Running).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{InfoBridgePort, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use netlink_packet_route::route::{RouteMessage, RouteType};
use rtnetlink::{Handle, LinkBridgePort, LinkUnspec, RouteMessageBuilder};

use crate::host::Host;
use crate::namespace::NamespaceError;
use crate::topology::{Lab, LabError, link, wait_for_link};

/// The way frames go on a cable between host and switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the host to everybody else.
    FromHost,
    /// From everybody else to the host.
    ToHost,
}

/// How a path to an address is taken away from a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Packets leave and arrive nowhere, as behind a broken switch or a dropping firewall: the
    /// address's neighbour entry is pinned to a hardware address that nobody has. New connections time
    /// out, and established ones hang until their own time limit.
    Silent,
    /// An `unreachable` route: the host's own kernel refuses. New connections fail at once with
    /// "no route to host"; established ones cannot send any more and hang until their own time
    /// limit, as behind [`Silent`](Self::Silent).
    Unreachable,
}

/// A hardware address of nobody in the lab: a locally administered one outside 02:77:….
const NOBODY: [u8; 6] = [0x02, 0xde, 0xad, 0, 0, 0];

impl Lab {
    /// Takes a host's port out of the switch. The host's carrier stays, and so do its addresses.
    ///
    /// # Errors
    /// There is no such port.
    pub fn cut(&self, host: &str) -> Result<(), LabError> {
        let message = LinkUnspec::new_with_name(host).nocontroller().build();
        self.change_link(&format!("take the port {host} out of the switch"), message)
    }

    /// Stops frames in one direction only. The carrier stays. Undone by [`heal`](Self::heal).
    ///
    /// # Errors
    /// There is no such port, or it is out of the switch.
    pub fn cut_one_way(&self, host: &str, direction: Direction) -> Result<(), LabError> {
        let flags = match direction {
            // A locked port lets in frames of known senders only, and it learns none.
            Direction::FromHost => &[InfoBridgePort::Locked(true)][..],
            // Frames for unknown receivers go nowhere, and none is known behind this port.
            Direction::ToHost => &[
                InfoBridgePort::UnicastFlood(false),
                InfoBridgePort::MulticastFlood(false),
                InfoBridgePort::BroadcastFlood(false),
            ][..],
        };
        let forget = [InfoBridgePort::Learning(false), InfoBridgePort::Flush];
        let tried = format!("cut the port {host} one way");
        self.change_port(&tried, host, [&forget[..], flags].concat())
    }

    /// Undoes [`cut`](Self::cut), [`cut_one_way`](Self::cut_one_way) and a carrier that is down. On
    /// return the port forwards.
    ///
    /// # Errors
    /// There is no such port, or it stays down.
    pub fn heal(&self, host: &str) -> Result<(), LabError> {
        let tried = format!("put the port {host} into the switch");
        let message = LinkUnspec::new_with_name(host).controller(self.bridge()).up().build();
        self.change_link(&tried, message)?;
        let flags = [
            InfoBridgePort::Locked(false),
            InfoBridgePort::Learning(true),
            InfoBridgePort::UnicastFlood(true),
            InfoBridgePort::MulticastFlood(true),
            InfoBridgePort::BroadcastFlood(true),
        ];
        self.change_port(&tried, host, flags.to_vec())?;
        self.wait_for_port(host)
    }

    /// Pulls a host's cable (`false`), so that its `eth0` loses the carrier, or puts it back.
    ///
    /// # Errors
    /// There is no such port, or it stays down.
    pub fn carrier(&self, host: &str, on: bool) -> Result<(), LabError> {
        let port = LinkUnspec::new_with_name(host);
        let message = if on { port.up() } else { port.down() }.build();
        let way = if on { "up" } else { "down" };
        self.change_link(&format!("bring the port {host} {way}"), message)?;
        if on { self.wait_for_port(host) } else { Ok(()) }
    }

    fn wait_for_port(&self, host: &str) -> Result<(), LabError> {
        let index = self.switch().netlink(&format!("find the port {host}"), async |handle| {
            Ok(link(&handle, host).await?.header.index)
        })?;
        wait_for_link(self.switch(), index)
    }

    fn change_link(&self, tried: &str, message: LinkMessage) -> Result<(), LabError> {
        let change = async |handle: Handle| handle.link().set(message).execute().await;
        Ok(self.switch().netlink(tried, change)?)
    }

    fn change_port(
        &self,
        tried: &str,
        host: &str,
        flags: Vec<InfoBridgePort>,
    ) -> Result<(), LabError> {
        let change = async |handle: Handle| {
            let index = link(&handle, host).await?.header.index;
            let port = flags
                .into_iter()
                .fold(LinkBridgePort::new(index), |port, flag| port.append_info_data(flag));
            handle.link().set_port(port.build()).execute().await
        };
        Ok(self.switch().netlink(tried, change)?)
    }
}

impl Host {
    /// Takes the host's interface up or down.
    ///
    /// # Errors
    /// The kernel refused it.
    pub fn set_interface(&self, up: bool) -> Result<(), NamespaceError> {
        let eth0 = LinkUnspec::new_with_index(self.interface_index());
        let (way, message) = if up { ("up", eth0.up()) } else { ("down", eth0.down()) };
        self.change_interface(&format!("bring eth0 {way}"), message.build())
    }

    /// Changes the largest packet of the host's interface, in bytes. Below 1280 it has no IPv6.
    ///
    /// # Errors
    /// The kernel refused it.
    pub fn set_mtu(&self, mtu: u32) -> Result<(), NamespaceError> {
        let message = LinkUnspec::new_with_index(self.interface_index()).mtu(mtu).build();
        self.change_interface(&format!("set the MTU of eth0 to {mtu}"), message)
    }

    fn change_interface(&self, tried: &str, message: LinkMessage) -> Result<(), NamespaceError> {
        let change = async |handle: Handle| handle.link().set(message).execute().await;
        self.namespace().netlink(tried, change)
    }

    /// Takes the path to these addresses of the lab's network away from this host, and from no other:
    /// what comes from there still arrives. Both new and established connections fail, as `how` says.
    ///
    /// # Errors
    /// The kernel refused it, as for an address with an unreachable route already.
    pub fn block(&self, addresses: &[IpAddr], how: Block) -> Result<(), NamespaceError> {
        let tried = format!("block {addresses:?}");
        let index = self.interface_index();
        self.namespace().netlink(&tried, async |handle| {
            for address in addresses {
                match how {
                    Block::Silent => {
                        let neighbour = handle.neighbours().add(index, *address);
                        neighbour.link_layer_address(&NOBODY).replace().execute().await?;
                    }
                    Block::Unreachable => {
                        handle.route().add(unreachable_route(*address)).execute().await?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Undoes [`block`](Self::block).
    ///
    /// # Errors
    /// The kernel refused it, as for an address without an unreachable route.
    pub fn unblock(&self, addresses: &[IpAddr], how: Block) -> Result<(), NamespaceError> {
        let tried = format!("unblock {addresses:?}");
        let index = self.interface_index();
        self.namespace().netlink(&tried, async |handle| {
            for address in addresses {
                match how {
                    Block::Silent => {
                        handle.neighbours().del(neighbour(index, *address)).execute().await?;
                    }
                    Block::Unreachable => {
                        handle.route().del(unreachable_route(*address)).execute().await?;
                    }
                }
            }
            Ok(())
        })
    }
}

fn unreachable_route(address: IpAddr) -> RouteMessage {
    match address {
        IpAddr::V4(ip) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(ip, 32)
            .kind(RouteType::Unreachable)
            .build(),
        IpAddr::V6(ip) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(ip, 128)
            .kind(RouteType::Unreachable)
            .build(),
    }
}

fn neighbour(index: u32, address: IpAddr) -> NeighbourMessage {
    let (family, address) = match address {
        IpAddr::V4(ip) => (AddressFamily::Inet, NeighbourAddress::Inet(ip)),
        IpAddr::V6(ip) => (AddressFamily::Inet6, NeighbourAddress::Inet6(ip)),
    };
    let mut message = NeighbourMessage::default();
    message.header.family = family;
    message.header.ifindex = index;
    message.attributes.push(NeighbourAttribute::Destination(address));
    message
}
