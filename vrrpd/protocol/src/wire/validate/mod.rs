//! The receive checks (RFC 9568 §7.1, RFC 3768 §7.1): one check, one clause, one reason.

use std::net::IpAddr;

use config::{Audience, Auth, Dialect, RouterConfig};
use ipnet::IpNet;
use vocabulary::{AdvertInterval, Family, Priority, VirtualAddress, Vrid, address::is_link_local};

use super::advert::{AUTH_PASS, AUTH_TRAILER, Advert, Claim, HEADER, TYPE};
use super::checksum::{Coverage, checksum};
use super::discard::Discard;
use super::other_addresses::OtherAddresses;
use super::{HOPS, group};

/// A received IP packet of protocol 112, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// TTL or hop limit on arrival.
    pub hops: u8,
    /// The VRRP message, by the IP header's length.
    pub message: &'a [u8],
}

/// What a router of ours expects of its peers' adverts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Version, and authentication in version 2.
    pub dialect: Dialect,
    /// Our interval; in version 2 the peer's must be the same.
    pub interval: AdvertInterval,
    /// Who may speak.
    pub audience: Audience,
    /// Our own source address, by which our own packets are known.
    pub own: IpAddr,
    /// Bits of its prefix: who shares them is on this link.
    pub own_prefix: u8,
    /// Our addresses.
    pub addresses: Vec<VirtualAddress>,
}

impl Expectation {
    /// What a router expects that speaks from `own`, an address with `own_prefix` bits of prefix.
    #[must_use]
    pub fn of(config: &RouterConfig, own: IpAddr, own_prefix: u8) -> Self {
        Self {
            dialect: config.dialect,
            interval: config.advert_interval,
            audience: config.audience.clone(),
            own,
            own_prefix,
            addresses: config.addresses.clone(),
        }
    }

    /// Whether `address` shares our own address's prefix.
    fn is_on_link(&self, address: IpAddr) -> bool {
        IpNet::new(self.own, self.own_prefix).is_ok_and(|subnet| subnet.contains(&address))
    }
}

/// An advert that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who sent it.
    pub source: IpAddr,
    /// What it says.
    pub advert: Advert,
    /// What its checksum covers.
    pub coverage: Coverage,
    /// How its addresses differ from ours: worth a word, no reason to be deaf (RFC 9568 §7.1).
    pub other_addresses: Option<OtherAddresses>,
}

/// A packet that failed a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The position of the router whose VRID it bears, as `find` named it; none: no router of ours has
    /// that VRID.
    pub router: Option<usize>,
    /// The first check that failed.
    pub discard: Discard,
}

/// Receive checks in order; the first that fails names the discard. `find` names the router with a VRID,
/// on the interface and in the family the packet arrived by: its position, and what it expects.
///
/// # Errors
/// The first check that failed, and the router the packet was meant for.
pub fn accept<'r>(
    datagram: &Datagram<'_>,
    find: impl FnOnce(Vrid) -> Option<(usize, &'r Expectation)>,
) -> Result<(usize, Heard), Rejected> {
    let vrid = datagram.message.get(1).copied().unwrap_or_default();
    let found = Vrid::try_from(vrid).ok().and_then(|vrid| Some((vrid, find(vrid)?)));
    let router = found.map(|(_, (position, _))| position);
    let rejected = |discard| Rejected { router, discard };
    let message = Message::check(datagram).map_err(rejected)?;
    // §7.1: the VRID is configured here.
    let (vrid, (position, expectation)) = found.ok_or(rejected(Discard::Vrid(vrid)))?;
    let heard = message.check_for(vrid, expectation).map_err(rejected)?;
    Ok((position, heard))
}

/// A message that is whole, whoever it is for.
struct Message<'a> {
    datagram: &'a Datagram<'a>,
    version: u8,
    priority: u8,
    /// Bytes 4 and 5: authentication type and seconds in version 2, centiseconds in version 3.
    interval: [u8; 2],
    coverage: Coverage,
    addresses: &'a [u8],
    trailer: &'a [u8],
}

impl<'a> Message<'a> {
    /// The checks that ask no configuration.
    fn check(datagram: &'a Datagram<'a>) -> Result<Self, Discard> {
        let message = datagram.message;
        // §5.1.1.3: a packet that crossed a router is not from this link. Unicast peers may be further.
        if datagram.destination.is_multicast() && datagram.hops != HOPS {
            return Err(Discard::Hops(datagram.hops));
        }
        let short = Discard::Length { actual: message.len(), expected: HEADER };
        let header: &[u8; HEADER] = message.first_chunk().ok_or(short)?;
        let [version_type, _, priority, count, interval_high, interval_low, ..] = *header;
        // §5.2.1, §5.2.2.
        let (version, kind) = (version_type >> 4, version_type & 0x0F);
        if !(version == 3 || version == 2 && datagram.source.is_ipv4()) {
            return Err(Discard::Version(version));
        }
        if kind != TYPE {
            return Err(Discard::Type(kind));
        }
        // The complete packet, no more and no less.
        let family = Family::of(datagram.source);
        let addresses_end = HEADER + usize::from(count) * address_length(family);
        let expected = addresses_end + if version == 2 { AUTH_TRAILER } else { 0 };
        if message.len() != expected {
            return Err(Discard::Length { actual: message.len(), expected });
        }
        let coverage = verify_checksum(datagram, version)?;
        let interval = [interval_high, interval_low];
        let (addresses, trailer) = (&message[HEADER..addresses_end], &message[addresses_end..]);
        Ok(Self { datagram, version, priority, interval, coverage, addresses, trailer })
    }

    /// The checks of the router with its VRID.
    fn check_for(&self, vrid: Vrid, router: &Expectation) -> Result<Heard, Discard> {
        check_sender(self.datagram, self.version, router)?;
        let [high, low] = self.interval;
        let interval = match router.dialect {
            Dialect::V2(auth) => {
                check_auth(auth, high, self.trailer)?;
                check_interval_v2(low, router.interval)?
            }
            // §5.2.6: the four reserved bits are ignored. §5.2.7: the rest counts centiseconds.
            Dialect::V3(_) => {
                let field = u16::from_be_bytes([high & 0x0F, low]);
                AdvertInterval::from_centiseconds(field).map_err(|_| Discard::ZeroInterval)?
            }
        };
        let source = self.datagram.source;
        let addresses = addresses(self.addresses, Family::of(source));
        check_addresses(&addresses)?;
        let other_addresses = OtherAddresses::between(&addresses, &router.addresses);
        let claim = Priority::try_from(self.priority).map_or(Claim::Resign, Claim::Lead);
        let advert = Advert { vrid, claim, interval, addresses };
        Ok(Heard { source, advert, coverage: self.coverage, other_addresses })
    }
}

fn address_length(family: Family) -> usize {
    match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 16,
    }
}

/// §5.2.8: IPv6 has the pseudo-header, version 2 has none; in version 3 over IPv4 both are in use.
fn verify_checksum(datagram: &Datagram<'_>, version: u8) -> Result<Coverage, Discard> {
    let found = u16::from_be_bytes([datagram.message[6], datagram.message[7]]);
    let allowed: &[Coverage] = match (version, datagram.source) {
        (2, _) => &[Coverage::Message],
        (_, IpAddr::V4(_)) => &[Coverage::Message, Coverage::PseudoHeader],
        (_, IpAddr::V6(_)) => &[Coverage::PseudoHeader],
    };
    allowed
        .iter()
        .copied()
        .find(|coverage| {
            let sum = checksum(datagram.message, *coverage, datagram.source, datagram.destination);
            sum == found
        })
        .ok_or(Discard::Checksum { found })
}

fn check_sender(datagram: &Datagram<'_>, version: u8, router: &Expectation) -> Result<(), Discard> {
    if datagram.source == router.own {
        return Err(Discard::Own);
    }
    match &router.audience {
        Audience::Multicast
            if datagram.destination != group(Family::of(router.own))
                && !resigns_to_us_alone(datagram) =>
        {
            return Err(Discard::Audience(datagram.destination));
        }
        Audience::Peers(_) if datagram.destination.is_multicast() => {
            return Err(Discard::Audience(datagram.destination));
        }
        Audience::Peers(peers) if !peers.contains(&datagram.source) => {
            return Err(Discard::Stranger(datagram.source));
        }
        // §5.1.1.3 in spirit: the peer is on this link, and whoever forged its address is not.
        Audience::Peers(_) if datagram.hops != HOPS && router.is_on_link(datagram.source) => {
            return Err(Discard::Hops(datagram.hops));
        }
        Audience::Multicast | Audience::Peers(_) => {}
    }
    let ours = match router.dialect {
        Dialect::V2(_) => 2,
        Dialect::V3(_) => 3,
    };
    if version == ours { Ok(()) } else { Err(Discard::OtherVersion { theirs: version, ours }) }
}

/// A handover to one peer: its neighbour resigns, and nobody else is to hear it.
fn resigns_to_us_alone(datagram: &Datagram<'_>) -> bool {
    !datagram.destination.is_multicast() && datagram.message[2] == 0 && datagram.hops == HOPS
}

/// RFC 3768 §7.1, with the password of RFC 2338 §5.3.6.
fn check_auth(ours: Auth, auth_type: u8, trailer: &[u8]) -> Result<(), Discard> {
    let our_type = match ours {
        Auth::None => 0,
        Auth::Pass(_) => AUTH_PASS,
    };
    if auth_type != our_type {
        return Err(Discard::AuthType { theirs: auth_type, ours: our_type });
    }
    match ours {
        Auth::Pass(password) if trailer != password.bytes() => Err(Discard::Password),
        Auth::Pass(_) | Auth::None => Ok(()),
    }
}

/// RFC 3768 §7.1: the interval must be the one configured here.
fn check_interval_v2(seconds: u8, ours: AdvertInterval) -> Result<AdvertInterval, Discard> {
    if ours.whole_seconds() == Some(seconds) {
        Ok(ours)
    } else {
        Err(Discard::Interval { theirs: seconds, ours })
    }
}

/// The addresses in `bytes`; a rest that is shorter than one is none.
pub(super) fn addresses(bytes: &[u8], family: Family) -> Vec<IpAddr> {
    match family {
        Family::Ipv4 => bytes.as_chunks::<4>().0.iter().copied().map(IpAddr::from).collect(),
        Family::Ipv6 => bytes.as_chunks::<16>().0.iter().copied().map(IpAddr::from).collect(),
    }
}

/// Errata 8299 and 8300.
fn check_addresses(addresses: &[IpAddr]) -> Result<(), Discard> {
    match addresses.first() {
        None => Err(Discard::NoAddress),
        Some(IpAddr::V6(first)) if !is_link_local(*first) => Err(Discard::NotLinkLocal),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
