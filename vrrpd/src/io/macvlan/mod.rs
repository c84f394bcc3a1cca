//! Links that bear virtual MAC addresses. Nothing else makes or deletes a link.
//!
//! Ours is known by its alias. Over IPv4 that also says which ARP settings the parent had before:
//! whoever removes the last of the parent's links puts them back, be it a successor.

mod mark;

use std::io;

use futures_util::TryStreamExt;
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, LinkAttribute, LinkMessage, MacVlanMode,
};
use nix::libc;
use rtnetlink::{Handle, LinkMacVlan, LinkUnspec};
use vocabulary::{Family, InterfaceName};
use vrrp::reconciler::Macvlan;

use self::mark::{
    ARP_ANNOUNCE, ARP_IGNORE, Arp, Mark, RP_FILTER, ipv4_settings, is_upon, mark_of, name_of,
};
pub(super) use self::mark::{mac_of, mtu_of, upon};

/// A change that the kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum MacvlanError {
    /// A netlink request failed.
    #[error("{tried}: {source}")]
    Refused {
        /// What was tried.
        tried: String,
        /// The kernel's word.
        source: rtnetlink::Error,
    },
    /// The name belongs to somebody else.
    #[error(
        "there is an interface {0} that vipd did not make; remove it, or name another one with `virtual_mac_interface`"
    )]
    Taken(InterfaceName),
    /// The interface below is not there.
    #[error("there is no interface {0} to make one for a virtual MAC address upon")]
    NoParent(InterfaceName),
    /// A netlink socket could not be opened.
    #[error("open a netlink socket: {0}")]
    Open(#[source] io::Error),
}

/// Makes, changes and deletes links through netlink.
#[derive(Clone, Debug)]
pub struct Macvlans {
    netlink: Handle,
}

impl Macvlans {
    /// Opens a connection to the kernel and drives it on the current tokio runtime.
    ///
    /// # Errors
    /// No netlink socket is to be had.
    pub fn open() -> Result<Self, MacvlanError> {
        let (connection, netlink, _) = rtnetlink::new_connection().map_err(MacvlanError::Open)?;
        tokio::spawn(connection);
        Ok(Self { netlink })
    }

    /// Sees to it that the link is there; tells whether it had to be made. A new one is down, and so
    /// silent; one that is there already stays, with its parent's MTU.
    ///
    /// # Errors
    /// The parent is gone, the name is taken, or what the kernel says.
    pub async fn ensure(&self, wanted: &Macvlan) -> Result<bool, MacvlanError> {
        let links = self.list().await?;
        let parent = links.iter().find(|link| name_of(link) == Some(wanted.parent.as_str()));
        let parent = parent.ok_or_else(|| MacvlanError::NoParent(wanted.parent.clone()))?;
        if let Some(found) = links.iter().find(|link| name_of(link) == Some(wanted.name.as_str())) {
            let fits = is_upon(found, parent) && mac_of(found) == Some(wanted.mac);
            let ours = mark_of(found).is_some();
            match (fits, ours) {
                (true, true) => {
                    self.follow_mtu(found, parent).await?;
                    return Ok(false);
                }
                // Of an earlier configuration, or of somebody who had the same in mind.
                (true, false) | (false, true) => self.delete(found).await?,
                (false, false) => return Err(MacvlanError::Taken(wanted.name.clone())),
            }
        }
        // Somebody renamed it; the kernel takes the MAC address once.
        let renamed = |link: &&LinkMessage| {
            is_upon(link, parent) && mac_of(link) == Some(wanted.mac) && mark_of(link).is_some()
        };
        if let Some(renamed) =
            links.iter().filter(renamed).find(|link| name_of(link) != Some(wanted.name.as_str()))
        {
            self.delete(renamed).await?;
        }
        let mut siblings = links.iter().filter(|link| is_upon(link, parent)).filter_map(mark_of);
        let before = match wanted.family {
            // A sibling has changed the parent already.
            Family::Ipv4 => siblings.find_map(|mark| mark.before).or(Some(Arp::of(parent))),
            Family::Ipv6 => None,
        };
        self.make(wanted, parent.header.index, Mark { before }).await?;
        Ok(true)
    }

    /// The kernel lowers it along with the parent's, and does not raise it again.
    async fn follow_mtu(
        &self,
        link: &LinkMessage,
        parent: &LinkMessage,
    ) -> Result<(), MacvlanError> {
        let (is, wanted) = (mtu_of(link), mtu_of(parent));
        let (Some(name), Some(mtu)) = (name_of(link), wanted) else { return Ok(()) };
        if is == wanted {
            return Ok(());
        }
        let message = LinkUnspec::new_with_name(name).mtu(mtu).build();
        let tried = || format!("set the MTU of {name} to {mtu}");
        self.netlink.link().set(message).execute().await.map_err(refused(tried))
    }

    async fn make(&self, wanted: &Macvlan, parent: u32, mark: Mark) -> Result<(), MacvlanError> {
        let Macvlan { name, parent: upon, mac, .. } = wanted;
        // Bridge mode: in the others the parent does not hear adverts of a peer, which have the same
        // MAC address.
        let message = LinkMacVlan::new(name.as_str(), parent, MacVlanMode::Bridge)
            .address(vec![mac.0, mac.1, mac.2, mac.3, mac.4, mac.5])
            .build();
        let tried = || format!("make the interface {name} with {mac} upon {upon}");
        self.netlink.link().add(message).execute().await.map_err(refused(tried))?;
        let settings = vec![
            // It answers for its own addresses only, and hears hosts whose way back is the parent.
            ipv4_settings(&[(ARP_IGNORE, 1), (RP_FILTER, 2)]),
            // A link-local address made of the virtual MAC address would be every node's.
            AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]),
        ];
        let message = LinkUnspec::new_with_name(name.as_str())
            .alias(mark.to_string())
            .append_extra_attribute(LinkAttribute::AfSpecUnspec(settings))
            .build();
        let tried = || format!("configure the interface {name} for a virtual MAC address");
        self.netlink.link().set(message).execute().await.map_err(refused(tried))
    }

    /// Brings the link up, with the parent's ARP settings as it needs them.
    ///
    /// # Errors
    /// What the kernel says; above all that another link upon the parent has the same MAC address.
    pub async fn raise(&self, link: &Macvlan) -> Result<(), MacvlanError> {
        if link.family == Family::Ipv4 {
            self.silence(&link.parent).await?;
        }
        let message = LinkUnspec::new_with_name(link.name.as_str()).up().build();
        let Macvlan { name, parent, mac, .. } = link;
        let tried =
            || format!("bring {name} up (is there another interface with {mac} upon {parent}?)");
        self.netlink.link().set(message).execute().await.map_err(refused(tried))
    }

    /// Has the parent neither answer for addresses of others, nor ask with them: its MAC address would
    /// take the place of the virtual one in the neighbours' caches.
    async fn silence(&self, parent: &InterfaceName) -> Result<(), MacvlanError> {
        let links = self.list().await?;
        let found = links.iter().find(|link| name_of(link) == Some(parent.as_str()));
        let now = Arp::of(found.ok_or_else(|| MacvlanError::NoParent(parent.clone()))?);
        // 0 answers for every address of the host, 3 for all but those of scope host.
        let ignore = if [0, 3].contains(&now.ignore) { 1 } else { now.ignore };
        let wanted = Arp { ignore, announce: 2 };
        if wanted == now { Ok(()) } else { self.set_arp(parent.as_str(), wanted).await }
    }

    async fn set_arp(&self, parent: &str, arp: Arp) -> Result<(), MacvlanError> {
        let settings = ipv4_settings(&[(ARP_IGNORE, arp.ignore), (ARP_ANNOUNCE, arp.announce)]);
        let message = LinkUnspec::new_with_name(parent)
            .append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![settings]))
            .build();
        let tried = || format!("set arp_ignore and arp_announce of {parent}");
        self.netlink.link().set(message).execute().await.map_err(refused(tried))
    }

    /// Brings the link down: it is silent, whatever its parent goes through.
    ///
    /// # Errors
    /// What the kernel says; a link that is gone is no error.
    pub async fn lower(&self, name: &InterfaceName) -> Result<(), MacvlanError> {
        let message = LinkUnspec::new_with_name(name.as_str()).down().build();
        let tried = || format!("bring {name} down");
        unless_gone(self.netlink.link().set(message).execute().await).map_err(refused(tried))
    }

    /// Removes our links but for those `kept`, and returns their names.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn remove_unless(
        &self,
        kept: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, MacvlanError> {
        let mut links = self.list().await?;
        let mut removed = Vec::new();
        while let Some(position) = links.iter().position(|link| {
            mark_of(link).is_some() && name_of(link).is_some_and(|name| !kept(name))
        }) {
            let link = links.swap_remove(position);
            self.delete(&link).await?;
            self.restore(&link, &links).await?;
            removed.extend(name_of(&link).map(str::to_owned));
        }
        Ok(removed)
    }

    async fn delete(&self, link: &LinkMessage) -> Result<(), MacvlanError> {
        let tried = || format!("remove the interface {}", name_of(link).unwrap_or_default());
        let deleted = self.netlink.link().del(link.header.index).execute().await;
        unless_gone(deleted).map_err(refused(tried))
    }

    /// The last link is gone: its parent does as it did before.
    async fn restore(&self, gone: &LinkMessage, left: &[LinkMessage]) -> Result<(), MacvlanError> {
        let before = mark_of(gone).and_then(|mark| mark.before);
        let parent = left.iter().find(|link| is_upon(gone, link));
        let (Some(before), Some(parent)) = (before, parent) else { return Ok(()) };
        let siblings = left.iter().filter(|link| is_upon(link, parent));
        let needed = siblings.filter_map(mark_of).any(|mark| mark.before.is_some());
        match name_of(parent) {
            Some(name) if !needed => self.set_arp(name, before).await,
            _ => Ok(()),
        }
    }

    /// Every link, asked for through a socket of its own: on one that all share, the kernel refuses a
    /// second list while the first is being written.
    async fn list(&self) -> Result<Vec<LinkMessage>, MacvlanError> {
        let (connection, netlink, _) = rtnetlink::new_connection().map_err(MacvlanError::Open)?;
        tokio::spawn(connection);
        let tried = || "list the interfaces of this host".to_owned();
        netlink.link().get().execute().try_collect().await.map_err(refused(tried))
    }
}

fn refused(tried: impl FnOnce() -> String) -> impl FnOnce(rtnetlink::Error) -> MacvlanError {
    |source| MacvlanError::Refused { tried: tried(), source }
}

fn unless_gone(result: Result<(), rtnetlink::Error>) -> Result<(), rtnetlink::Error> {
    match result {
        Err(rtnetlink::Error::NetlinkError(message)) if -message.raw_code() == libc::ENODEV => {
            Ok(())
        }
        result => result,
    }
}
