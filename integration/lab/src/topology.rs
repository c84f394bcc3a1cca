//! The lab's network: one switch, and hosts attached to it.
//!
//! The switch is a namespace with a Linux bridge in it. A host is a namespace whose `eth0` is one end
//! of a veth pair; the other end, named after the host, is a port of the bridge.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use netlink_packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkMessage, State};
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth};
use vocabulary::InterfaceName;

use crate::host::{Host, INTERFACE, IPV4_PREFIX, IPV6_PREFIX};
use crate::namespace::{Namespace, NamespaceError};
use crate::wait::TimedOut;
use crate::work::WorkDir;

/// The bridge's name. It cannot be a host's: hosts' names are lower-case words.
const BRIDGE: &str = "br-lab";

/// Largest packet in bytes, as on any Ethernet.
const MTU: u32 = 1500;

/// How long a link may take to come up. The kernel does it in a millisecond.
const LINK_UP_LIMIT: Duration = Duration::from_secs(5);

/// A network lab. Dropping it takes the switch away; hosts go with their own last clone.
#[derive(Debug)]
pub struct Lab {
    switch: Namespace,
    bridge: u32,
    work: Arc<WorkDir>,
}

/// Why the lab could not be built or changed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A name that no interface, and so no host, can have.
    #[error(
        "`{0}` cannot be a host's name: it is its switch port's as well, 15 characters at most"
    )]
    HostName(String),
    /// Something in a namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A link stayed down.
    #[error(transparent)]
    LinkDown(#[from] TimedOut),
    /// The work directory.
    #[error("{tried} {path}")]
    Work {
        /// What was to be done.
        tried: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Lab {
    /// Builds a lab without hosts, and a work directory that goes with it.
    ///
    /// # Errors
    /// No directory, or network namespaces are not permitted: see [`crate::enter()`].
    pub fn new() -> Result<Self, LabError> {
        let temporary = WorkDir::temporary();
        Self::build(temporary.map_err(|source| LabError::Work {
            tried: "make a directory in",
            path: std::env::temp_dir(),
            source,
        })?)
    }

    /// Builds a lab without hosts whose work directory is `path`, which stays when the lab goes.
    ///
    /// # Errors
    /// No directory, or network namespaces are not permitted: see [`crate::enter()`].
    pub fn kept_in(path: &Path) -> Result<Self, LabError> {
        let kept = WorkDir::kept(path);
        Self::build(kept.map_err(|source| LabError::Work {
            tried: "make the directory",
            path: path.to_owned(),
            source,
        })?)
    }

    /// Adds a host: `eth0` with 10.77.0.`number`/24, fd77::`number`/64 and a link-local address, all
    /// usable on return. Give each host a number of its own.
    ///
    /// # Errors
    /// The name is no interface's or is taken, or the kernel refused something.
    pub fn host(&self, name: &str, number: u8) -> Result<Host, LabError> {
        InterfaceName::try_from(name).map_err(|_| LabError::HostName(name.to_owned()))?;
        let namespace = Namespace::new(name)?;
        for (key, value) in HOST_SETTINGS {
            namespace.sysctl(key, value)?;
        }
        let port = self.plug_in(name, number, &namespace)?;
        let index = namespace.netlink("find eth0", async |handle| {
            Ok(link(&handle, INTERFACE).await?.header.index)
        })?;
        wait_for_link(&namespace, index)?;
        wait_for_link(&self.switch, port)?;
        let host = Host::new(name, number, index, namespace, Arc::clone(&self.work));
        host.add_address(host.ipv4().into(), IPV4_PREFIX, None)?;
        host.add_address(host.ipv6().into(), IPV6_PREFIX, None)?;
        Ok(host)
    }

    /// The directory for configurations, certificates and logs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.work.path()
    }

    /// Writes a file into the work directory, and says where it is.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf, LabError> {
        let path = self.directory().join(name);
        match fs::write(&path, content) {
            Ok(()) => Ok(path),
            Err(source) => Err(LabError::Work { tried: "write", path, source }),
        }
    }

    /// The switch's namespace: its bridge's ports are named after the hosts.
    #[must_use]
    pub fn switch(&self) -> &Namespace {
        &self.switch
    }

    /// The bridge's index.
    pub(crate) fn bridge(&self) -> u32 {
        self.bridge
    }

    fn build(work: WorkDir) -> Result<Self, LabError> {
        let switch = Namespace::new("switch")?;
        for (key, value) in SWITCH_SETTINGS {
            switch.sysctl(key, value)?;
        }
        let bridge = switch.netlink("make the bridge", async |handle| {
            // A plain switch: it floods multicast to every port instead of learning who listens.
            let message = LinkBridge::new(BRIDGE).mtu(MTU).mcast_snooping(false).build();
            handle.link().add(message).execute().await?;
            Ok(link(&handle, BRIDGE).await?.header.index)
        })?;
        Ok(Self { switch, bridge, work: Arc::new(work) })
    }

    /// Makes the cable between a host and the switch, and returns the port's index.
    fn plug_in(&self, name: &str, number: u8, host: &Namespace) -> Result<u32, NamespaceError> {
        let eth0 = LinkMessageBuilder::<LinkUnspec>::new()
            .name(INTERFACE)
            .address(vec![0x02, 0x77, 0, 0, 0, number])
            .mtu(MTU)
            .setns_by_fd(host.as_raw_fd())
            .build();
        let cable = LinkVeth::new(name, INTERFACE)
            .mtu(MTU)
            .controller(self.bridge)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(eth0)))
            .up()
            .build();
        let port = self.switch.netlink(&format!("attach {name}"), async |handle| {
            handle.link().add(cable).execute().await?;
            Ok(link(&handle, name).await?.header.index)
        })?;
        host.netlink("bring eth0 up", async |handle| {
            let up = LinkUnspec::new_with_name(INTERFACE).up().build();
            handle.link().set(up).execute().await
        })?;
        Ok(port)
    }
}

/// What a host is set to, whatever the machine is: IPv4 settings of a new namespace are copied from
/// the machine's own.
const HOST_SETTINGS: &[(&str, &str)] = &[
    // Link-local and other IPv6 addresses are usable at once.
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/disable_ipv6", "0"),
    // No router is there to be asked for.
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
    // The kernel's defaults, which distributions and container engines change.
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv4/conf/all/arp_ignore", "0"),
    ("net/ipv4/conf/default/arp_ignore", "0"),
    ("net/ipv4/conf/all/arp_announce", "0"),
    ("net/ipv4/conf/default/arp_announce", "0"),
    ("net/ipv4/conf/all/forwarding", "0"),
    ("net/ipv4/ip_nonlocal_bind", "0"),
];

/// The switch has no address, so that it never answers in a host's place.
const SWITCH_SETTINGS: &[(&str, &str)] =
    &[("net/ipv6/conf/all/disable_ipv6", "1"), ("net/ipv6/conf/default/disable_ipv6", "1")];

/// The link of this name.
pub(crate) async fn link(handle: &Handle, name: &str) -> Result<LinkMessage, rtnetlink::Error> {
    let mut links = std::pin::pin!(handle.link().get().match_name(name).execute());
    links.try_next().await?.ok_or(rtnetlink::Error::RequestFailed)
}

/// Waits until a link is up and its other end as well.
pub(crate) fn wait_for_link(namespace: &Namespace, index: u32) -> Result<(), LabError> {
    let name = namespace.name();
    let up = namespace.netlink("watch a link come up", async |handle| {
        let watch = async {
            while !is_up(&handle, index).await? {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        };
        match tokio::time::timeout(LINK_UP_LIMIT, watch).await {
            Ok(done) => done.map(|()| true),
            Err(_) => Ok(false),
        }
    })?;
    if up {
        return Ok(());
    }
    let what = format!("link {index} in `{name}` was up");
    Err(TimedOut { what, limit: LINK_UP_LIMIT }.into())
}

async fn is_up(handle: &Handle, index: u32) -> Result<bool, rtnetlink::Error> {
    let mut links = std::pin::pin!(handle.link().get().match_index(index).execute());
    let link = links.try_next().await?.ok_or(rtnetlink::Error::RequestFailed)?;
    Ok(link.attributes.contains(&LinkAttribute::OperState(State::Up)))
}
