//! One host of the lab: a namespace with `eth0` on the switch.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, CacheInfo};

use crate::namespace::{Namespace, NamespaceError};
use crate::node::{self, NodeError, Running};
use crate::work::WorkDir;

/// The name of every host's interface.
pub const INTERFACE: &str = "eth0";

/// Prefix length of the lab's IPv4 network, 10.77.0.0/24.
pub const IPV4_PREFIX: u8 = 24;

/// Prefix length of the lab's IPv6 network, fd77::/64.
pub const IPV6_PREFIX: u8 = 64;

/// How long an address of the lab is valid that has no lifetime of its own (`INFINITY_LIFE_TIME`).
const FOREVER: u32 = u32::MAX;

/// A host. Clones are the same host; its namespace goes with the last of them, and with the last
/// program that runs on it.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    name: String,
    number: u8,
    index: u32,
    namespace: Namespace,
    work: Arc<WorkDir>,
}

/// The IPv4 address of the host with this number: 11 has 10.77.0.11.
#[must_use]
pub fn ipv4(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, number)
}

/// The IPv6 address of the host with this number, written with the same digits: 11 has fd77::11.
#[must_use]
pub fn ipv6(number: u8) -> Ipv6Addr {
    let number = u16::from(number);
    let digits = ((number / 100) << 8) | ((number / 10 % 10) << 4) | (number % 10);
    Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, digits)
}

impl Host {
    pub(crate) fn new(
        name: &str,
        number: u8,
        index: u32,
        namespace: Namespace,
        work: Arc<WorkDir>,
    ) -> Self {
        Self(Arc::new(Inner { name: name.to_owned(), number, index, namespace, work }))
    }

    /// Its name, which is also its port's name on the switch.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its address in 10.77.0.0/24.
    #[must_use]
    pub fn ipv4(&self) -> Ipv4Addr {
        ipv4(self.0.number)
    }

    /// Its address in fd77::/64. It has a link-local one as well.
    #[must_use]
    pub fn ipv6(&self) -> Ipv6Addr {
        ipv6(self.0.number)
    }

    /// Both its addresses.
    #[must_use]
    pub fn addresses(&self) -> [IpAddr; 2] {
        [self.ipv4().into(), self.ipv6().into()]
    }

    /// The index of `eth0`.
    #[must_use]
    pub fn interface_index(&self) -> u32 {
        self.0.index
    }

    /// Its network namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.0.namespace
    }

    /// Starts a program. `name` stands for it in errors and in its log's file name. The command is
    /// used up: it has to be built anew to be started again.
    ///
    /// # Errors
    /// It could not be started, or its log not be opened.
    pub fn start(&self, name: &str, command: &mut Command) -> Result<Running, NodeError> {
        Running::start(self, name, command, self.0.work.path())
    }

    /// Runs a program to its end and returns what it wrote. The command is used up. What it leaves in
    /// its process group is killed.
    ///
    /// # Errors
    /// It could not be started, or did not end within `limit` and was killed.
    pub fn output(&self, command: &mut Command, limit: Duration) -> Result<Output, NodeError> {
        node::output(self, command, limit)
    }

    /// Runs `work` on a thread in the host's namespace and waits for its value.
    ///
    /// # Errors
    /// No thread could be started there.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        self.0.namespace.run(work)
    }

    /// Gives `eth0` an address, or renews it: for ever, or for so many whole seconds, after which the
    /// kernel takes it away. There is no duplicate address detection.
    ///
    /// # Errors
    /// The kernel refused it.
    pub fn add_address(
        &self,
        address: IpAddr,
        prefix_len: u8,
        lifetime_seconds: Option<u32>,
    ) -> Result<(), NamespaceError> {
        let tried = format!("add {address}/{prefix_len} to {INTERFACE}");
        let index = self.0.index;
        self.0.namespace.netlink(&tried, async |handle| {
            let mut request = handle.address().add(index, address, prefix_len).replace();
            request.message_mut().attributes.extend(attributes(lifetime_seconds));
            request.execute().await
        })
    }

    /// Takes an address away from `eth0`.
    ///
    /// # Errors
    /// It was not there.
    pub fn remove_address(&self, address: IpAddr, prefix_len: u8) -> Result<(), NamespaceError> {
        let tried = format!("remove {address}/{prefix_len} from {INTERFACE}");
        let index = self.0.index;
        self.0.namespace.netlink(&tried, async |handle| {
            let message = handle.address().add(index, address, prefix_len).message_mut().clone();
            handle.address().del(message).execute().await
        })
    }

    /// All addresses of all its interfaces.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn kernel_addresses(&self) -> Result<Vec<IpAddr>, NamespaceError> {
        self.0.namespace.netlink("list addresses", async |handle| {
            let messages: Vec<_> = handle.address().get().execute().try_collect().await?;
            Ok(messages.iter().filter_map(address_of).collect())
        })
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", self.0.name)
    }
}

/// The address that an address message speaks of.
pub(crate) fn address_of(message: &AddressMessage) -> Option<IpAddr> {
    let mut address = None;
    for attribute in &message.attributes {
        if let AddressAttribute::Local(local) = attribute {
            // Where both are there, `IFA_ADDRESS` is the far end's.
            return Some(*local);
        }
        if let AddressAttribute::Address(either) = attribute {
            address = Some(*either);
        }
    }
    address
}

fn attributes(lifetime_seconds: Option<u32>) -> [AddressAttribute; 2] {
    let mut lifetime = CacheInfo::default();
    lifetime.ifa_valid = lifetime_seconds.unwrap_or(FOREVER);
    lifetime.ifa_preferred = lifetime.ifa_valid;
    [AddressAttribute::CacheInfo(lifetime), AddressAttribute::Flags(AddressFlags::Nodad)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_carry_the_hosts_number() {
        for (number, v4, v6) in [
            (1, "10.77.0.1", "fd77::1"),
            (11, "10.77.0.11", "fd77::11"),
            (100, "10.77.0.100", "fd77::100"),
            (254, "10.77.0.254", "fd77::254"),
        ] {
            assert_eq!(ipv4(number).to_string(), v4);
            assert_eq!(ipv6(number).to_string(), v6);
        }
    }
}
