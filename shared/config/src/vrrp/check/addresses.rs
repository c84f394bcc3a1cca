//! `addresses`, `excluded` and `[[vrrp.address]]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Check, Given, RawRouter, Span, scope};
use crate::code::Code;
use crate::fault::Fault;
use crate::raw::RawAddress;
use crate::spanned::Spanned;
use crate::vrrp::{AddressConfig, Scope};
use ipnet::IpNet;
use vocabulary::{Family, InterfaceName, VirtualAddress};

const HELP: &str = "such as \"192.168.1.100\" or \"192.168.1.100/24\"";

/// An address as the file has it.
pub(super) struct Wanted {
    pub(super) address: Spanned<VirtualAddress>,
    pub(super) advertised: bool,
    interface: Option<InterfaceName>,
    label: Option<String>,
    scope: Scope,
    broadcast: Option<Ipv4Addr>,
}

impl Wanted {
    fn plain(address: Spanned<VirtualAddress>, advertised: bool) -> Self {
        let (interface, label, broadcast) = (None, None, None);
        Self { address, advertised, interface, label, scope: Scope::Global, broadcast }
    }

    pub(super) fn ip(&self) -> IpAddr {
        self.address.get_ref().ip()
    }

    pub(super) fn family(&self) -> Family {
        self.address.get_ref().family()
    }

    /// Ready to run, on the router's interface unless it has one of its own.
    pub(super) fn config(&self, interface: &InterfaceName) -> AddressConfig {
        AddressConfig {
            address: *self.address.get_ref(),
            interface: self.interface.clone().unwrap_or_else(|| interface.clone()),
            label: self.label.clone(),
            scope: self.scope,
            broadcast: self.broadcast,
        }
    }
}

/// Every address of a table, those of the adverts first.
pub(super) fn wanted(raw: &RawRouter, table: &Span, check: &mut Check<'_>) -> Vec<Wanted> {
    let parse = |text: &str| VirtualAddress::try_from(text);
    let listed = check.each("addresses", &raw.addresses, HELP, parse);
    let excluded = check.each("excluded", &raw.excluded, HELP, parse);
    let mut wanted: Vec<Wanted> =
        listed.into_iter().map(|address| Wanted::plain(address, true)).collect();
    wanted.extend(excluded.into_iter().map(|address| Wanted::plain(address, false)));
    wanted.extend(raw.address.iter().filter_map(|address| in_full(address, raw, check)));
    // What is left of a table whose every address is wrong has its problems already.
    let advertise = |full: &Spanned<RawAddress>| {
        full.get_ref().advertise.as_ref().is_none_or(|given| *given.get_ref())
    };
    if !raw.address.iter().any(advertise) {
        match &raw.addresses {
            None => check.missing(table, "addresses", HELP),
            Some(list) if list.get_ref().is_empty() => {
                check.problems.tell(Code::EmptyList, list.span(), "`addresses` is empty", HELP);
            }
            Some(_) => {}
        }
    }
    for (position, this) in wanted.iter().enumerate() {
        if wanted[..position].iter().any(|earlier| earlier.ip() == this.ip()) {
            let title = format!("the address {} stands here twice", this.ip());
            check.problems.tell(Code::StandsTwice, this.address.span(), title, "");
        }
    }
    of_hosts(&wanted, check);
    wanted.sort_by_key(|this| !this.advertised);
    wanted
}

/// By its own prefix, or for one without by those of the same table, an address is a host's.
fn of_hosts(wanted: &[Wanted], check: &mut Check<'_>) {
    let networks = || wanted.iter().map(|other| other.address.get_ref().network());
    for this in wanted {
        let address = this.address.get_ref();
        let own = address.network();
        let alone = own.prefix_len() == own.max_prefix_len();
        let fault = networks()
            .filter(|network| alone || *network == own)
            .find_map(|network| not_of_a_host(address.ip(), network))
            .or_else(|| {
                let broadcast = this.broadcast.map(IpAddr::V4) == Some(address.ip());
                broadcast.then(|| format!("{} is its own broadcast address", address.ip()))
            });
        if let Some(title) = fault {
            let help = "no host can have it: write an address of the network that nobody has";
            check.problems.tell(Code::NotOfAHost, this.address.span(), title, help);
        }
    }
}

/// Why `ip` is no host's in `network`; RFC 3021 gives both addresses of a /31 to hosts, RFC 6164 those of a
/// /127.
fn not_of_a_host(ip: IpAddr, network: IpNet) -> Option<String> {
    if network.prefix_len() == 0 {
        return Some(format!("{ip}/0 makes every address a neighbour's"));
    }
    if network.max_prefix_len() - network.prefix_len() < 2 {
        return None;
    }
    match ip {
        IpAddr::V4(_) if ip == network.network() => {
            Some(format!("{ip} is the address of the network {network} itself"))
        }
        IpAddr::V4(_) if ip == network.broadcast() => {
            Some(format!("{ip} is the broadcast address of {network}"))
        }
        // RFC 4291 §2.6.1.
        IpAddr::V6(_) if ip == network.network() => {
            Some(format!("{ip} is the anycast address of the routers of {network}"))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

fn in_full(
    table: &Spanned<RawAddress>,
    router: &RawRouter,
    check: &mut Check<'_>,
) -> Option<Wanted> {
    let (span, raw) = (table.span(), table.get_ref());
    let parse = |text: &String| VirtualAddress::try_from(text.as_str());
    let address = check.required(&span, "address", &raw.address, HELP, parse);
    let help = "such as \"eth1\"; without it the address is on the router's";
    let interface = check.optional("interface", &raw.interface, help, None, |text| {
        InterfaceName::try_from(text.as_str()).map(Some)
    });
    let on = raw.interface.as_ref().or(router.interface.as_ref());
    let on = on.map_or("", |given| given.get_ref().as_str());
    let label = check.optional("label", &raw.label, "", None, |text| label(text, on).map(Some));
    let scope = check.optional("scope", &raw.scope, "", Scope::Global, scope);
    let help = "the last address of the network, such as \"192.168.1.255\"";
    let broadcast = check.optional("broadcast", &raw.broadcast, help, None, |text| {
        text.parse().map(Some).map_err(|_| Fault::new(Code::Address, "must be an IPv4 address"))
    });
    let address = Spanned::new(raw.address.as_ref()?.span(), address?);
    if address.get_ref().family() == Family::Ipv6 {
        not_for_ipv6("label", &raw.label, check);
        not_for_ipv6("scope", &raw.scope, check);
        not_for_ipv6("broadcast", &raw.broadcast, check);
    }
    let advertised = raw.advertise.as_ref().is_none_or(|given| *given.get_ref());
    Some(Wanted {
        address,
        advertised,
        interface: interface?,
        label: label?,
        scope: scope?,
        broadcast: broadcast?,
    })
}

/// A label as `ifconfig` can show it.
fn label(text: &str, interface: &str) -> Result<String, Fault> {
    let rest = text.strip_prefix(interface);
    let fits =
        rest.is_some_and(|rest| rest.is_empty() || (rest.starts_with(':') && rest.len() > 1));
    let clean = !text.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control());
    if fits && clean && (1..=15).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    let words = format!("must be `{interface}` or `{interface}:WORD`, 15 characters at most");
    Err(Fault::new(Code::NotAName, words))
}

pub(super) fn not_for_ipv6(key: &str, given: &Given<String>, check: &mut Check<'_>) {
    if let Some(given) = given {
        let title = format!("`{key}` has no meaning with IPv6");
        check.problems.tell(Code::NotForIpv6, given.span(), title, "remove it");
    }
}

/// What the protocol demands of the addresses of one family that are in its adverts.
pub(super) fn check_advertised(
    family: Family,
    addresses: &[&Spanned<VirtualAddress>],
    raw: &RawRouter,
    check: &mut Check<'_>,
) {
    // An advert counts its addresses in one byte, and must fit an Ethernet frame of 1500 bytes.
    let most = if family == Family::Ipv4 { 255 } else { 90 };
    if let Some(beyond) = addresses.get(most) {
        let title = format!("an advert holds at most {most} {family} addresses");
        let help =
            "put the others into `excluded`, on every node: they move along, and are in no advert";
        check.problems.tell(Code::TooManyAddresses, beyond.span(), title, help);
    }
    let Some(first) = addresses.first().filter(|_| family == Family::Ipv6) else { return };
    if let Some(version) = raw.version.as_ref().filter(|version| *version.get_ref() == 2) {
        let title = "version 2 has no IPv6, but `addresses` has";
        let help = "use version 3, or put them into `excluded`";
        check.problems.tell(Code::NotInVersion, version.span(), title, help);
    }
    if !first.get_ref().is_link_local_v6() {
        let vrid = raw.vrid.as_ref().map_or(51, |vrid| *vrid.get_ref());
        let suffix = suggested_suffix(vrid);
        let suggestion = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x200, 0x5eff, 0xfe00, suffix);
        let title = "the first IPv6 address must be link-local (RFC 9568 §5.2.9)";
        let help = format!("put \"{suggestion}\" before it, the same on every node");
        check.problems.tell(Code::NotLinkLocal, first.span(), title, &help);
    }
}

/// The last group of the link-local address that belongs to a VRID's virtual MAC address.
fn suggested_suffix(vrid: i64) -> u16 {
    0x0200 | u16::from(u8::try_from(vrid).unwrap_or(51))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_and_its_broadcast_address_are_no_hosts() {
        for (ip, network, expected) in [
            (
                "10.77.0.0",
                "10.77.0.0/24",
                Some("10.77.0.0 is the address of the network 10.77.0.0/24 itself"),
            ),
            (
                "10.77.0.255",
                "10.77.0.0/24",
                Some("10.77.0.255 is the broadcast address of 10.77.0.0/24"),
            ),
            ("10.77.0.255", "10.77.0.0/16", None),
            (
                "10.77.255.255",
                "10.77.0.0/16",
                Some("10.77.255.255 is the broadcast address of 10.77.0.0/16"),
            ),
            (
                "10.77.0.3",
                "10.77.0.0/30",
                Some("10.77.0.3 is the broadcast address of 10.77.0.0/30"),
            ),
            ("10.77.0.0", "10.77.0.0/31", None),
            ("10.77.0.1", "10.77.0.0/31", None),
            ("10.77.0.0", "10.77.0.0/32", None),
            ("10.77.0.1", "0.0.0.0/0", Some("10.77.0.1/0 makes every address a neighbour's")),
            (
                "fd77::",
                "fd77::/64",
                Some("fd77:: is the anycast address of the routers of fd77::/64"),
            ),
            ("fd77::", "fd77::/127", None),
            ("fd77::ffff:ffff:ffff:ffff", "fd77::/64", None),
        ] {
            let found = not_of_a_host(ip.parse().unwrap(), network.parse().unwrap());
            assert_eq!(found.as_deref(), expected, "{ip} {network}");
        }
    }

    #[test]
    fn a_label_begins_with_its_interface() {
        for right in ["eth0", "eth0:1", "eth0:vip", "eth0:abcdefghij"] {
            assert_eq!(label(right, "eth0"), Ok(right.to_owned()));
        }
        for wrong in ["", "vip", "eth01", "eth0:", "eth0:a b", "eth0:abcdefghijk"] {
            assert!(label(wrong, "eth0").is_err(), "{wrong}");
        }
    }
}
