//! Which VRIDs are in use on a link, and which are free.

use std::fmt::Write;
use std::net::IpAddr;

use vrrp::wire::vrids;

use super::super::context::Context;
use super::super::report::Finding;
use super::listen::{Heard, Link};

/// A census. Only Active routers speak.
pub(super) fn look(context: &Context, link: &Link, heard: &Heard) -> Finding {
    let (interface, family) = link;
    let mut seen = String::new();
    for ((source, vrid), speaker) in &heard.speakers {
        let addresses: Vec<String> = speaker.addresses.iter().map(IpAddr::to_string).collect();
        let (priority, addresses) = (speaker.header.priority, addresses.join(" "));
        // Writing to a string cannot fail.
        write!(seen, "{vrid} by {source} (priority {priority}: {addresses}), ").ok();
    }
    if seen.is_empty() {
        seen.push_str("none heard, ");
    }
    let free = free(context, link, heard);
    Finding::ok("vrids", format!("{interface} {family}"), format!("{seen}free: {free}"))
}

/// Those that are free on a link, as ranges.
pub(super) fn free(context: &Context, (interface, family): &Link, heard: &Heard) -> String {
    let ours = context.routers_on(interface).filter(|router| router.id.family == *family);
    let theirs = heard.speakers.keys().map(|(_, vrid)| *vrid);
    vrids::free(&ours.map(|router| router.vrid.get()).chain(theirs).collect())
}
