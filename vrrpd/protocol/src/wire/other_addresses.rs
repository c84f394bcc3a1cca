//! Two address lists that should be the same set.

use std::fmt;
use std::net::IpAddr;

use vocabulary::VirtualAddress;

/// Addresses that a sentence names; it is a line of a log.
const NAMED: usize = 10;

/// How a peer's addresses differ from ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherAddresses {
    /// The peer lists them and we do not.
    pub only_theirs: Vec<IpAddr>,
    /// We have them and the peer does not list them.
    pub only_ours: Vec<IpAddr>,
    /// How many the peer lists.
    pub their_count: usize,
    /// How many we have.
    pub our_count: usize,
}

impl OtherAddresses {
    /// Compares the sets; the order means nothing. None where they are the same.
    #[must_use]
    pub fn between(theirs: &[IpAddr], ours: &[VirtualAddress]) -> Option<Self> {
        let all_there = ours.iter().all(|address| theirs.contains(&address.ip()));
        if theirs.len() == ours.len() && all_there {
            return None;
        }
        let ours: Vec<IpAddr> = ours.iter().map(|address| address.ip()).collect();
        let lacking = |from: &[IpAddr], other: &[IpAddr]| {
            from.iter().copied().filter(|address| !other.contains(address)).collect()
        };
        Some(Self {
            only_theirs: lacking(theirs, &ours),
            only_ours: lacking(&ours, theirs),
            their_count: theirs.len(),
            our_count: ours.len(),
        })
    }
}

impl fmt::Display for OtherAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { only_theirs, only_ours, their_count, our_count } = self;
        write!(f, "other addresses: its list has {their_count} and ours {our_count}")?;
        if !only_theirs.is_empty() {
            write!(f, "; only the peer has {}", names(only_theirs))?;
        }
        if !only_ours.is_empty() {
            write!(f, "; only we have {}", names(only_ours))?;
        }
        f.write_str("; set the same `addresses` on both nodes (keepalived ignores adverts that differ, and both would be Active)")
    }
}

fn names(addresses: &[IpAddr]) -> String {
    let named: Vec<String> = addresses.iter().take(NAMED).map(IpAddr::to_string).collect();
    let more = addresses.len().saturating_sub(NAMED);
    let text = named.join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(theirs: &[&str], ours: &[&str]) -> Option<String> {
        let theirs: Vec<IpAddr> = theirs.iter().map(|a| a.parse().unwrap()).collect();
        let ours: Vec<_> = ours.iter().map(|a| VirtualAddress::try_from(*a).unwrap()).collect();
        OtherAddresses::between(&theirs, &ours).map(|other| other.to_string())
    }

    #[test]
    fn the_order_means_nothing() {
        assert_eq!(between(&["192.0.2.1", "192.0.2.2"], &["192.0.2.2/24", "192.0.2.1"]), None);
    }

    #[test]
    fn says_what_each_side_has_and_what_to_change() {
        const ADVICE: &str = "; set the same `addresses` on both nodes (keepalived ignores adverts that differ, and both would be Active)";
        for (theirs, ours, words) in [
            (
                &["192.0.2.1", "192.0.2.2"][..],
                &["192.0.2.1"][..],
                "other addresses: its list has 2 and ours 1; only the peer has 192.0.2.2",
            ),
            (
                &["192.0.2.9"],
                &["192.0.2.1", "192.0.2.2"],
                "other addresses: its list has 1 and ours 2; only the peer has 192.0.2.9; only we have 192.0.2.1, 192.0.2.2",
            ),
            // Listed twice.
            (
                &["192.0.2.1", "192.0.2.1"],
                &["192.0.2.1"],
                "other addresses: its list has 2 and ours 1",
            ),
        ] {
            assert_eq!(between(theirs, ours), Some(format!("{words}{ADVICE}")));
        }
    }

    #[test]
    fn a_long_list_stays_a_line() {
        let theirs: Vec<IpAddr> = (0..=255).map(|last| IpAddr::from([10, 0, 0, last])).collect();
        let ours = [VirtualAddress::try_from("10.0.1.1").unwrap()];
        let text = OtherAddresses::between(&theirs, &ours).unwrap().to_string();
        assert!(text.contains("10.0.0.8, 10.0.0.9 and 246 more; only we have 10.0.1.1"), "{text}");
    }
}
