//! What the clients of a proxy may do: how many connections, how soon, and from where.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::{Access, ClientLimits};
use crate::check::{Check, count_in, network};
use crate::code::Code;
use crate::raw::{List, RawProxy};
use crate::spanned::Spanned;

/// How many connections they may have; none where something is wrong.
pub(super) fn limits(raw: &RawProxy, check: &mut Check<'_>) -> Option<ClientLimits> {
    let mut limit = |key, given, help, range: RangeInclusive<u32>| {
        check.optional(key, given, help, None, |count| {
            count_in(range.clone())(count).map(NonZeroU32::new)
        })
    };
    let help = "clients behind one router share an address";
    let connections = limit("max_connections", &raw.max_connections, "", 1..=1_000_000);
    let per_source =
        limit("max_connections_per_source", &raw.max_connections_per_source, help, 1..=1_000_000);
    let rate_per_source = limit("max_rate_per_source", &raw.max_rate_per_source, help, 1..=10_000);
    Some(ClientLimits {
        connections: connections?,
        per_source: per_source?,
        rate_per_source: rate_per_source?,
    })
}

/// Whose connections are served.
pub(super) fn access(raw: &RawProxy, check: &mut Check<'_>) -> Access {
    Access { allow: networks("allow", &raw.allow, check), deny: networks("deny", &raw.deny, check) }
}

/// A list that is left out where it says nothing.
fn networks(key: &str, given: &List, check: &mut Check<'_>) -> Vec<IpNet> {
    if let Some(list) = given.as_ref().filter(|list| list.get_ref().is_empty()) {
        let help = "leave it out, or name a network";
        check.problems.tell(Code::EmptyList, list.span(), format!("`{key}` is empty"), help);
    }
    let networks = check.each(key, given, "such as \"192.168.1.0/24\"", network);
    networks.into_iter().map(Spanned::into_inner).collect()
}

/// The senders whose connections begin with a PROXY header.
pub(super) fn accept_proxy(raw: &RawProxy, check: &mut Check<'_>) -> Vec<IpNet> {
    let help = "the senders to trust, such as \"192.168.1.10\" or \"192.168.1.0/24\"";
    let networks = check.each("accept_proxy", &raw.accept_proxy, help, network);
    if let Some(everybody) = networks.iter().find(|network| network.get_ref().prefix_len() == 0) {
        let title = "`accept_proxy` trusts everybody";
        let help = "any client could then claim to be another; name the senders";
        check.problems.tell(Code::TrustsEverybody, everybody.span(), title, help);
    }
    networks.into_iter().map(Spanned::into_inner).collect()
}
