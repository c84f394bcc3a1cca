//! From the keys of a `[[track]]` table with `gateway` to a neighbour.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::{GatewayConfig, script};
use crate::check::{Check, count_in, duration_in};
use crate::code::Code;
use crate::fault::Fault;
use crate::raw::{Given, RawFile, RawRouter, RawTracker};
use crate::spanned::Spanned;
use vocabulary::InterfaceName;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3600);

/// A lost frame is no lost gateway.
const DEFAULT_FALL: u32 = 3;
const DEFAULT_RISE: u32 = 2;

/// Reads the gateway of a table that has one.
pub(super) fn gateway(
    table: &Spanned<RawTracker>,
    given: &Spanned<String>,
    file: &RawFile,
    check: &mut Check<'_>,
) -> Option<GatewayConfig> {
    let raw = table.get_ref();
    let help = "a neighbour's address, such as \"192.168.1.1\"";
    let address = check
        .optional("gateway", &raw.gateway, help, None, |text| match text.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() || address.is_multicast() => {
                Err(Fault::new(Code::Address, "must be the address of one host"))
            }
            Ok(address) => Ok(Some(address)),
            Err(_) => Err(Fault::new(Code::Address, "must be an IP address")),
        })
        .flatten();
    let interface = interface(raw, given, file, check);
    let limits = SHORTEST..=LONGEST;
    let help = "the time from one question to the next";
    let interval =
        check.optional("interval", &raw.interval, help, DEFAULT_INTERVAL, duration_in(limits));
    let longest = interval.unwrap_or(LONGEST);
    let help = "an answer counts until the next question";
    let timeout =
        check.optional("timeout", &raw.timeout, help, longest, duration_in(SHORTEST..=longest));
    let rise = count("rise", &raw.rise, DEFAULT_RISE, check);
    let fall = count("fall", &raw.fall, DEFAULT_FALL, check);
    script::is_none(raw, check);
    Some(GatewayConfig {
        address: address?,
        interface: interface?,
        interval: interval?,
        timeout: timeout?,
        rise: rise?,
        fall: fall?,
    })
}

fn count(key: &str, raw: &Given<i64>, default: u32, check: &mut Check<'_>) -> Option<NonZeroU32> {
    let help = "results in a row that change the state";
    NonZeroU32::new(check.optional(key, raw, help, default, count_in(1..=1000))?)
}

/// The given one, or that of the routers that track it.
fn interface(
    raw: &RawTracker,
    given: &Spanned<String>,
    file: &RawFile,
    check: &mut Check<'_>,
) -> Option<InterfaceName> {
    if raw.interface.is_some() {
        let help = "the interface that the gateway is reached through";
        let read = |text: &String| InterfaceName::try_from(text.as_str()).map(Some);
        return check.optional("interface", &raw.interface, help, None, read).flatten();
    }
    let name = raw.name.as_ref().map(Spanned::get_ref);
    let tracks = |router: &&Spanned<RawRouter>| {
        let track = router.get_ref().track.iter().flat_map(|list| list.get_ref());
        track.into_iter().any(|tracked| Some(tracked.get_ref()) == name)
    };
    let mut interfaces: Vec<&str> = file
        .vrrp
        .iter()
        .filter(tracks)
        .filter_map(|router| Some(router.get_ref().interface.as_ref()?.get_ref().as_str()))
        .collect();
    interfaces.sort_unstable();
    interfaces.dedup();
    match interfaces[..] {
        // What is wrong with it is told of the router.
        [one] => InterfaceName::try_from(one).ok(),
        _ => {
            let title = "it is not clear through which interface this gateway is reached";
            let help = "add `interface`; only where the routers that track it share theirs, it can be left out";
            check.problems.tell(Code::GatewayInterface, given.span(), title, help);
            None
        }
    }
}
