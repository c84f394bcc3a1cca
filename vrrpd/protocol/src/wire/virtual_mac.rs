//! The virtual router's MAC address (RFC 9568 §7.3).

use pnet_base::MacAddr;
use vocabulary::{Family, Vrid};

/// 00-00-5E-00-01-VRID for IPv4, 00-00-5E-00-02-VRID for IPv6.
#[must_use]
pub fn virtual_mac(family: Family, vrid: Vrid) -> MacAddr {
    let kind = match family {
        Family::Ipv4 => 1,
        Family::Ipv6 => 2,
    };
    MacAddr::new(0x00, 0x00, 0x5E, 0x00, kind, vrid.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_in_family_and_vrid() {
        let of = |family, vrid: u8| virtual_mac(family, Vrid::try_from(vrid).unwrap()).to_string();
        assert_eq!(of(Family::Ipv4, 51), "00:00:5e:00:01:33");
        assert_eq!(of(Family::Ipv6, 255), "00:00:5e:00:02:ff");
    }
}
