//! Which VRIDs are in use on a link, and which are free.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

use super::super::context::Context;
use super::super::report::Finding;
use super::listen::{Heard, Link};

/// A census. Only Active routers speak.
pub(super) fn look(context: &Context, link: &Link, heard: &Heard) -> Finding {
    let (interface, family) = link;
    let ours = context.routers_on(interface).filter(|router| router.id.family == *family);
    let mut used: BTreeSet<u8> = ours.map(|router| router.vrid.get()).collect();
    let mut seen = String::new();
    for ((source, vrid), speaker) in &heard.speakers {
        used.insert(*vrid);
        let addresses: Vec<String> = speaker.addresses.iter().map(IpAddr::to_string).collect();
        let (priority, addresses) = (speaker.header.priority, addresses.join(" "));
        // Writing to a string cannot fail.
        write!(seen, "{vrid} by {source} (priority {priority}: {addresses}), ").ok();
    }
    if seen.is_empty() {
        seen.push_str("none heard, ");
    }
    let free = ranges(&used);
    Finding::ok("vrids", format!("{interface} {family}"), format!("{seen}free: {free}"))
}

/// Those of 1 to 255 that are not among `used`.
fn ranges(used: &BTreeSet<u8>) -> String {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for vrid in (1..=u8::MAX).filter(|vrid| !used.contains(vrid)) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == vrid => *last = vrid,
            _ => ranges.push((vrid, vrid)),
        }
    }
    let word = |(first, last): (u8, u8)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_told_in_ranges() {
        for (used, free) in [
            (vec![], "1-255"),
            (vec![51], "1-50, 52-255"),
            (vec![1, 3, 255], "2, 4-254"),
            ((1..=255).collect(), ""),
        ] {
            assert_eq!(ranges(&used.into_iter().collect()), free);
        }
    }
}
