//! Who answers for the virtual addresses.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use config::{AddressConfig, RouterConfig};
use futures_util::future::join_all;
use pnet_base::MacAddr;
use tokio::time::{Instant, timeout_at};
use vocabulary::{Family, address::is_link_local};
use vrrp::wire::virtual_mac::virtual_mac;
use vrrpd::io::tap::Tap;

use super::super::context::Context;
use super::super::report::Finding;
use super::listen::Heard;
use super::peers;
use crate::clock;

const ITEM: &str = "address";

/// Each address is asked for so often, and an answer waited for so long.
const TIMES: u32 = 2;
const PATIENCE: Duration = Duration::from_millis(300);

/// Asks the link for each address of a router, and judges who answers.
pub(super) async fn look(context: &Context, router: &RouterConfig, heard: &Heard) -> Vec<Finding> {
    let addresses = router.managed.addresses.iter();
    let all = join_all(addresses.map(|address| one(context, router, heard, address)));
    all.await
}

async fn one(
    context: &Context,
    router: &RouterConfig,
    heard: &Heard,
    address: &AddressConfig,
) -> Finding {
    let ip = address.address.ip();
    let interface = context.network.interfaces.named(&address.interface);
    if interface.is_some_and(|interface| interface.has_from_others(ip)) {
        return configured_here(address);
    }
    match claims(context, address).await {
        Ok(claims) => judge(context, router, heard, address, &claims),
        Err(error) => {
            let seen = format!("not asked for on {}: {error}", address.interface);
            Finding::warning(ITEM, ip, seen, "whether others have it is not known")
        }
    }
}

/// Somebody has written it into the node's own configuration, or another program keeps it.
fn configured_here(address: &AddressConfig) -> Finding {
    let (address, name) = (address.address, &address.interface);
    let seen = format!("{name} has it, and not from vipd");
    let why = "the node has it whether it is Active or not: remove it from the node's own network configuration";
    Finding::failure(ITEM, address.ip(), seen, why)
        .remedy(format!("sudo ip address del {address} dev {name}"))
        .remedy(format!("grep -rn '{}' /etc/netplan /etc/network /etc/systemd/network /etc/NetworkManager /etc/keepalived", address.ip()))
}

/// The stations but ourselves that say they have an address.
async fn claims(context: &Context, address: &AddressConfig) -> io::Result<BTreeMap<MacAddr, u32>> {
    let (name, ip) = (&address.interface, address.address.ip());
    let family = Family::of(ip);
    let interface = context.network.interfaces.named(name).ok_or(io::ErrorKind::NotFound)?;
    let mac = interface.mac.ok_or(io::ErrorKind::Unsupported)?;
    let tap = Tap::open(name, family, &[ip])?;
    let source = interface.source(family, &[], false);
    let mut claims = BTreeMap::new();
    for _ in 0..TIMES {
        tap.ask(mac, source, ip)?;
        let until = Instant::from_std(clock::now()) + PATIENCE;
        while let Ok(heard) = timeout_at(until, tap.claims()).await {
            let others = heard?.into_iter().filter(|claim| claim.address == ip);
            for claim in others.filter(|claim| !context.network.interfaces.has_mac(claim.mac)) {
                *claims.entry(claim.mac).or_default() += 1;
            }
        }
    }
    Ok(claims)
}

fn judge(
    context: &Context,
    router: &RouterConfig,
    heard: &Heard,
    address: &AddressConfig,
    claims: &BTreeMap<MacAddr, u32>,
) -> Finding {
    let (ip, name) = (address.address.ip(), &address.interface);
    let peer = peers(router, heard).next();
    let macs: Vec<MacAddr> = peers(router, heard).filter_map(|(_, speaker)| speaker.mac).collect();
    let virtual_one = virtual_mac(router.id.family, router.vrid);
    let is_peer = |mac: &MacAddr| peer.is_some() && (macs.contains(mac) || *mac == virtual_one);
    let strangers: Vec<String> =
        claims.keys().filter(|mac| !is_peer(mac)).map(MacAddr::to_string).collect();
    if !strangers.is_empty() {
        let seen =
            format!("answered on {name} by {}, who does not advertise it", strangers.join(" and "));
        let why = "another station has it: clients reach now the one, now the other";
        return Finding::failure(ITEM, ip, seen, why)
            .remedy(format!("sudo arping -c 3 -I {name} {ip}"))
            .remedy("# a peer whose daemon was killed keeps its address; there:")
            .remedy(format!("sudo ip address del {} dev {name}", address.address));
    }
    let here = context.network.interfaces.named(name).is_some_and(|interface| interface.has(ip));
    match peer {
        Some((source, _)) if claims.is_empty() && !here && !is_link_local_v6(ip) => {
            let seen = format!("nobody answers for it on {name}, though {source} advertises it");
            Finding::warning(ITEM, ip, seen, "clients of this link cannot reach it").remedy(
                format!(
                    "# on {source}: ip address show dev {name}; sysctl net.ipv4.conf.all.arp_ignore"
                ),
            )
        }
        Some((source, _)) if !claims.is_empty() => {
            Finding::ok(ITEM, ip, format!("answered on {name} by {source}, who is Active"))
        }
        _ if here => {
            Finding::ok(ITEM, ip, format!("held here, and nobody else answers for it on {name}"))
        }
        _ => Finding::ok(ITEM, ip, format!("nobody answers for it on {name}: it is free")),
    }
}

/// Of a peer's link-local address nothing has to be reached from here.
fn is_link_local_v6(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if is_link_local(ip))
}
