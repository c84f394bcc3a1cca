//! Virtual addresses and their families.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// An address family; each has an election of its own (RFC 9568 §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family of `address`.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// An address that follows the Active router, with the prefix it is configured by: a host's own
/// (/32, /128) unless one is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VirtualAddress(IpNet);

/// Why a text or address cannot be a virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VirtualAddressError {
    /// Neither `IP` nor `IP/PREFIX`.
    #[error("must be an IP address, alone or with a prefix length")]
    Syntax,
    /// Unspecified, loopback, multicast or broadcast.
    #[error("must be an address that one host can own")]
    NotUnicast,
}

impl VirtualAddress {
    /// The address.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.0.addr()
    }

    /// The prefix length in bits.
    #[must_use]
    pub fn prefix_len(self) -> u8 {
        self.0.prefix_len()
    }

    /// The network that the prefix makes of the address; its own one host without one.
    #[must_use]
    pub fn network(self) -> IpNet {
        self.0.trunc()
    }

    /// The family of the address.
    #[must_use]
    pub fn family(self) -> Family {
        Family::of(self.ip())
    }

    /// Whether it is an IPv6 link-local address, as the first of a router must be (RFC 9568 §5.2.9).
    #[must_use]
    pub fn is_link_local_v6(self) -> bool {
        matches!(self.ip(), IpAddr::V6(ip) if is_link_local(ip))
    }
}

/// Whether `ip` lies in fe80::/10.
#[must_use]
pub fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfe80
}

/// Whether other hosts can reach one host by it.
fn is_unicast(ip: IpAddr) -> bool {
    let special = match ip {
        // RFC 1122 §3.2.1.3: this network, and everybody on it.
        IpAddr::V4(ip) => ip.octets()[0] == 0 || ip.is_broadcast(),
        // RFC 4291 §2.5.5.2: an IPv4 address, which never travels so.
        IpAddr::V6(ip) => ip.to_ipv4_mapped().is_some(),
    };
    !special && !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast()
}

impl TryFrom<&str> for VirtualAddress {
    type Error = VirtualAddressError;

    fn try_from(text: &str) -> Result<Self, VirtualAddressError> {
        let net = match text.parse::<IpAddr>() {
            Ok(ip) => IpNet::from(ip),
            Err(_) => text.parse::<IpNet>().map_err(|_| VirtualAddressError::Syntax)?,
        };
        if is_unicast(net.addr()) { Ok(Self(net)) } else { Err(VirtualAddressError::NotUnicast) }
    }
}

impl From<VirtualAddress> for IpNet {
    fn from(address: VirtualAddress) -> Self {
        address.0
    }
}

impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<VirtualAddress, VirtualAddressError> {
        VirtualAddress::try_from(text)
    }

    #[test]
    fn a_bare_address_is_a_hosts() {
        assert_eq!(parse("192.168.1.100").unwrap().to_string(), "192.168.1.100/32");
        assert_eq!(parse("2001:db8::100").unwrap().prefix_len(), 128);
        let with_prefix = parse("192.168.1.100/24").unwrap();
        assert_eq!(with_prefix.ip(), "192.168.1.100".parse::<IpAddr>().unwrap());
        assert_eq!(with_prefix.prefix_len(), 24);
    }

    #[test]
    fn what_no_host_can_own_is_refused() {
        for wrong in [
            "0.0.0.0",
            "0.1.2.3/24",
            "127.0.0.1",
            "224.0.0.18",
            "255.255.255.255",
            "::",
            "::1",
            "ff02::12",
            "::ffff:192.0.2.1",
        ] {
            assert_eq!(parse(wrong), Err(VirtualAddressError::NotUnicast), "{wrong}");
        }
        for wrong in ["", "lb1", "192.168.1.300", "10.0.0.1/33", "10.0.0.1/", "fe80::1%eth0"] {
            assert_eq!(parse(wrong), Err(VirtualAddressError::Syntax), "{wrong}");
        }
    }

    #[test]
    fn knows_the_routers_link_local_address() {
        assert!(parse("fe80::1").unwrap().is_link_local_v6());
        assert!(parse("febf::1").unwrap().is_link_local_v6());
        assert!(!parse("fec0::1").unwrap().is_link_local_v6());
        assert!(!parse("169.254.0.1").unwrap().is_link_local_v6());
    }
}
