//! From `servers` and `[[proxy.server]]` to servers.

use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};

use super::ServerConfig;
use crate::check::{Check, count_in};
use crate::code::Code;
use crate::fault::Fault;
use crate::problem::Span;
use crate::raw::{RawProxy, RawServer};
use crate::spanned::Spanned;
use vocabulary::{Endpoint, Name};

/// Addresses of a name that are used.
const MAX_ADDRESSES: NonZeroU16 = NonZeroU16::MIN.saturating_add(31);

const TOO_LONG: &str =
    "must have at most 63 letters, for it is a name too: write a [[proxy.server]] with a `name`";
const SERVERS_HELP: &str = "such as servers = [\"192.168.1.1:6443\", \"192.168.1.3:6443\"]";

/// Checks both lists; what is wrong is left out.
pub(super) fn servers(raw: &RawProxy, table: &Span, check: &mut Check<'_>) -> Vec<ServerConfig> {
    match &raw.servers {
        None if raw.server.is_empty() && !raw.route.is_empty() => {}
        None if raw.server.is_empty() => check.missing(table, "servers", SERVERS_HELP),
        Some(list) if list.get_ref().is_empty() && raw.server.is_empty() => {
            check.problems.tell(Code::EmptyList, list.span(), "`servers` is empty", SERVERS_HELP);
        }
        _ => {}
    }
    let listed =
        check.each("servers", &raw.servers, SERVERS_HELP, |text| endpoint(text).and_then(unnamed));
    let mut servers: Vec<Spanned<ServerConfig>> = listed;
    servers.extend(raw.server.iter().filter_map(|raw| {
        let server = server(raw, check)?;
        Some(Spanned::new(raw.span(), server))
    }));
    for (position, server) in servers.iter().enumerate() {
        let same = |earlier: &&Spanned<ServerConfig>| {
            let (earlier, server) = (earlier.get_ref(), server.get_ref());
            earlier.address == server.address || earlier.name == server.name
        };
        if let Some(earlier) = servers[..position].iter().find(same) {
            let title = format!("{} is a server of this proxy already", earlier.get_ref().name);
            check.problems.tell(
                Code::ServerTwice,
                server.span(),
                title,
                "names and addresses must differ",
            );
        }
    }
    let servers: Vec<ServerConfig> = servers.into_iter().map(Spanned::into_inner).collect();
    if !servers.is_empty() {
        somebody_serves(&servers, table, check);
    }
    servers
}

/// What leaves a proxy without a server for ordinary times.
fn somebody_serves(servers: &[ServerConfig], table: &Span, check: &mut Check<'_>) {
    if servers.iter().all(|server| server.weight == 0) {
        let help = "give one a weight of 1 to 256; `vipd server drain` takes one out for a while";
        check.problems.tell(
            Code::NobodyServes,
            table.clone(),
            "every server has the weight 0",
            help,
        );
    }
    if servers.iter().all(|server| server.backup) {
        let help = "leave `backup` out on at least one";
        check.problems.tell(Code::NobodyServes, table.clone(), "every server is a backup", help);
    }
}

/// Where one host listens.
fn endpoint(text: &str) -> Result<Endpoint, Fault> {
    match Endpoint::try_from(text)? {
        Endpoint::Address(at) if at.ip().is_unspecified() || at.ip().is_multicast() => {
            Err(Fault::new(Code::Address, "must be the address of one host"))
        }
        endpoint @ (Endpoint::Address(_) | Endpoint::Name { .. }) => Ok(endpoint),
    }
}

/// A server with nothing but an address, after which it is called.
fn unnamed(address: Endpoint) -> Result<ServerConfig, Fault> {
    let name = Name::try_from(address.to_string().as_str());
    let name = name.map_err(|_| Fault::new(Code::NotAName, TOO_LONG))?;
    let (backup, max_connections, source, follows) = (false, None, None, None);
    let max_addresses = MAX_ADDRESSES;
    Ok(ServerConfig {
        name,
        address,
        weight: 1,
        backup,
        max_connections,
        max_addresses,
        source,
        follows,
    })
}

fn server(raw: &Spanned<RawServer>, check: &mut Check<'_>) -> Option<ServerConfig> {
    let (table, raw) = (raw.span(), raw.get_ref());
    let help = "such as address = \"192.168.1.1:6443\"";
    let address = check.required(&table, "address", &raw.address, help, |text| endpoint(text));
    let named =
        check.optional("name", &raw.name, "", None, |text| Name::try_from(text.as_str()).map(Some));
    let help = "its share of the connections; with 0 it gets none";
    let weight = check.optional("weight", &raw.weight, help, 1, |weight| {
        count_in(0..=256)(weight).map(|weight| u16::try_from(weight).unwrap_or(u16::MAX))
    });
    let limit = check.optional("max_connections", &raw.max_connections, "", None, |count| {
        count_in(1..=1_000_000)(count).map(NonZeroU32::new)
    });
    let max_addresses =
        check.optional("max_addresses", &raw.max_addresses, "", MAX_ADDRESSES, |count| {
            let count = count_in(1..=256)(count).map(|count| u16::try_from(count).ok());
            count.map(|count| count.and_then(NonZeroU16::new).unwrap_or(MAX_ADDRESSES))
        });
    let source = check
        .optional("source", &raw.source, "", None, |text| source(text, address.as_ref()).map(Some));
    let (address, named) = (address?, named?);
    let name = named.or_else(|| Name::try_from(address.to_string().as_str()).ok());
    if name.is_none() {
        check.missing(&table, "name", TOO_LONG);
    }
    Some(ServerConfig {
        name: name?,
        address,
        weight: weight?,
        backup: raw.backup.as_ref().is_some_and(|backup| *backup.get_ref()),
        max_connections: limit?,
        max_addresses: max_addresses?,
        source: source?,
        follows: None,
    })
}

fn source(text: &str, server: Option<&Endpoint>) -> Result<IpAddr, Fault> {
    let address: IpAddr = text
        .parse()
        .map_err(|_| Fault::new(Code::Address, "must be an IP address of this node"))?;
    if let Some(Endpoint::Address(server)) = server
        && server.is_ipv4() != address.is_ipv4()
    {
        return Err(Fault::new(Code::OtherFamily, "must be of the same family as `address`"));
    }
    Ok(address)
}
