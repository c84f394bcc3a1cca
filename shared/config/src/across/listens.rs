//! Who listens where: one address and port lead to one place.

use std::net::SocketAddr;

use super::known::{Known, Listen};
use crate::check::Check;
use crate::code::Code;
use crate::raw::RawFile;
use crate::spanned::Spanned;

/// Looks at the proxies among each other, and at monitoring beside them.
pub(super) fn look(file: &RawFile, known: &Known, check: &mut Check<'_>) {
    for (position, this) in known.listens.iter().enumerate() {
        let earlier = &known.listens[..position];
        if earlier.iter().any(|other| other.at == this.at) {
            let title = format!("{} is listened on already", this.at);
            check.problems.tell(Code::ListenTaken, this.span.clone(), title, "");
            continue;
        }
        let overlaps = |other: &&Listen| {
            let [one, two] = [(*other, this), (this, *other)].map(|(a, b)| a.takes(b.at));
            other.proxy != this.proxy && (one || two)
        };
        if let Some(other) = earlier.iter().find(overlaps) {
            overlap(file, other, this, check);
        }
    }
    monitoring(file, known, check);
}

/// The kernel prefers the socket that names the address.
fn overlap(file: &RawFile, other: &Listen, this: &Listen, check: &mut Check<'_>) {
    let name = |listen: &Listen| {
        let name = file.proxy[listen.proxy].get_ref().name.as_ref();
        name.map_or_else(|| listen.at.to_string(), |name| name.get_ref().clone())
    };
    let (wide, narrow) = if this.at.ip().is_unspecified() { (this, other) } else { (other, this) };
    let title = format!("{} is a part of {}", narrow.at, wide.at);
    let help = format!(
        "its connections come to {} alone, all others of that port to {}",
        name(narrow),
        name(wide)
    );
    check.problems.tell(Code::ListensOverlap, this.span.clone(), title, &help);
}

/// Another process: both cannot have one port.
fn monitoring(file: &RawFile, known: &Known, check: &mut Check<'_>) {
    let given = file.metrics.as_ref().and_then(|metrics| metrics.get_ref().listen.as_ref());
    let Some((given, at)) =
        given.and_then(|given| Some((given, given.get_ref().parse::<SocketAddr>().ok()?)))
    else {
        return;
    };
    let everywhere = Listen { proxy: 0, span: 0..0, at };
    let taken = |listen: &&Listen| listen.takes(at) || everywhere.takes(listen.at);
    if let Some(listen) = known.listens.iter().find(taken) {
        let title = format!("a proxy listens on {}: monitoring cannot have {at}", listen.at);
        let help = "give monitoring a port of its own, such as 9105";
        check.problems.tell(Code::ListenTaken, Spanned::span(given), title, help);
    }
    if let Some(found) = known.virtual_not_owned(at.ip()) {
        let title = format!("monitoring listens on {}, a virtual address", found.address.ip());
        let help = "a Backup does not have it, and is not monitored: write the node's own address, or \"0.0.0.0:9105\"";
        check.problems.tell(Code::VirtualMonitoring, Spanned::span(given), title, help);
    }
}
