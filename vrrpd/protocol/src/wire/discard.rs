//! Why a received packet was discarded.

use std::fmt;
use std::net::IpAddr;

use strum::IntoStaticStr;
use vocabulary::AdvertInterval;

use super::advert::AUTH_PASS;

/// A packet that counts for nothing, and what was wrong with it. It touches no timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Discard {
    /// The IP header is not whole.
    IpHeader,
    /// It crossed a router: TTL or hop limit below 255 (RFC 9568 §7.1).
    Hops(u8),
    /// A version that is neither 2 nor 3.
    Version(u8),
    /// A packet type other than ADVERTISEMENT (RFC 9568 §5.2.2).
    Type(u8),
    /// Not the length that version and count ask for, in bytes.
    Length {
        /// What came.
        actual: usize,
        /// What the packet says of itself.
        expected: usize,
    },
    /// The checksum fits neither form.
    Checksum {
        /// As received.
        found: u16,
    },
    /// No router with this VRID here: another pair's advert.
    Vrid(u8),
    /// The peer speaks the other version; until that is mended both sides stay Active.
    OtherVersion {
        /// What the peer speaks.
        theirs: u8,
        /// What we speak.
        ours: u8,
    },
    /// Our own advert came back.
    Own,
    /// Sent to a group where peers are configured, or the other way round.
    Audience(IpAddr),
    /// Not one of the configured peers.
    Stranger(IpAddr),
    /// Version 2: another authentication type than ours.
    AuthType {
        /// What the peer says.
        theirs: u8,
        /// What we have.
        ours: u8,
    },
    /// Version 2: the password differs.
    Password,
    /// Version 3: an interval of zero (erratum 8301).
    ZeroInterval,
    /// Version 2: another interval than ours, in seconds (RFC 3768 §7.1).
    Interval {
        /// What the peer says.
        theirs: u8,
        /// What we have.
        ours: AdvertInterval,
    },
    /// It lists no address (erratum 8299).
    NoAddress,
    /// IPv6: the first address is not link-local (erratum 8300).
    NotLinkLocal,
}

impl Discard {
    /// The reason alone: what is counted, by the name it has in status and metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        self.into()
    }

    /// Whether it tells of two nodes that should be a pair and are configured differently: each
    /// will go on as if alone.
    #[must_use]
    pub fn splits_the_pair(self) -> bool {
        match self {
            Self::OtherVersion { .. }
            | Self::AuthType { .. }
            | Self::Password
            | Self::Interval { .. }
            | Self::Audience(_)
            | Self::Stranger(_) => true,
            Self::IpHeader
            | Self::Hops(_)
            | Self::Version(_)
            | Self::Type(_)
            | Self::Length { .. }
            | Self::Checksum { .. }
            | Self::Vrid(_)
            | Self::Own
            | Self::ZeroInterval
            | Self::NoAddress
            | Self::NotLinkLocal => false,
        }
    }
}

impl fmt::Display for Discard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IpHeader => f.write_str("the IP header is not whole"),
            Self::Hops(hops) => write!(f, "TTL {hops} instead of 255: it crossed a router"),
            Self::Version(version) => write!(f, "there is no VRRP version {version}"),
            Self::Type(kind) => write!(f, "type {kind} is not an advertisement"),
            Self::Length { actual, expected } => {
                write!(f, "{actual} bytes instead of the {expected} it should have")
            }
            Self::Checksum { found } => write!(f, "the checksum {found:#06x} is wrong"),
            Self::Vrid(vrid) => write!(f, "VRID {vrid} is not ours"),
            Self::OtherVersion { theirs, ours } => {
                write!(f, "the peer speaks version {theirs}, we speak version {ours}; set the same `version` on both nodes")
            }
            Self::Own => f.write_str("our own advert came back"),
            Self::Audience(destination) => {
                write!(f, "it was sent to {destination}; set `peers` on both nodes or on none")
            }
            Self::Stranger(source) => write!(f, "{source} is not among `peers`"),
            Self::AuthType { theirs, .. } => write_auth_type(f, *theirs),
            Self::Password => f.write_str("the peer's password is not ours; set the same `auth_pass` on both nodes (only 8 characters count)"),
            Self::ZeroInterval => f.write_str("an advertisement interval of zero"),
            Self::Interval { theirs, ours } => {
                write!(f, "the peer advertises every {theirs}s, we every {ours}; version 2 needs the same `advert_interval` on both nodes")
            }
            Self::NoAddress => f.write_str("it lists no address"),
            Self::NotLinkLocal => f.write_str("its first address is not link-local"),
        }
    }
}

/// Authentication types: 0 none, 1 a password, 2 the IP Authentication Header (RFC 2338 §5.3.6).
fn write_auth_type(f: &mut fmt::Formatter<'_>, theirs: u8) -> fmt::Result {
    match theirs {
        0 => f.write_str("the peer sends no password, we do; set our `auth_pass` there as well, or remove it here"),
        AUTH_PASS => f.write_str("the peer sends a password, we have none; set its password as `auth_pass` here, or remove it there"),
        _ => write!(f, "the peer uses authentication type {theirs}, which we do not have; use the same `auth_pass` on both nodes, or none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_says_what_both_have_and_what_to_change() {
        let ours = AdvertInterval::DEFAULT;
        for (discard, words) in [
            (
                Discard::OtherVersion { theirs: 2, ours: 3 },
                "the peer speaks version 2, we speak version 3; set the same `version` on both nodes",
            ),
            (
                Discard::AuthType { theirs: 0, ours: 1 },
                "the peer sends no password, we do; set our `auth_pass` there as well, or remove it here",
            ),
            (
                Discard::AuthType { theirs: 1, ours: 0 },
                "the peer sends a password, we have none; set its password as `auth_pass` here, or remove it there",
            ),
            (
                Discard::AuthType { theirs: 2, ours: 1 },
                "the peer uses authentication type 2, which we do not have; use the same `auth_pass` on both nodes, or none",
            ),
            (
                Discard::Password,
                "the peer's password is not ours; set the same `auth_pass` on both nodes (only 8 characters count)",
            ),
            (
                Discard::Interval { theirs: 2, ours },
                "the peer advertises every 2s, we every 1s; version 2 needs the same `advert_interval` on both nodes",
            ),
        ] {
            assert_eq!(discard.to_string(), words);
            assert!(discard.splits_the_pair());
        }
    }
}
