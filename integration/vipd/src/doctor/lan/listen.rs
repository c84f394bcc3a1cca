//! Listens for adverts for a while, twice on each interface: behind the host's firewall, where `vrrpd` hears,
//! and before it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use pnet_base::MacAddr;
use tokio::time::{Instant, timeout_at};
use vocabulary::{Family, InterfaceName};
use vrrp::interfaces::Interface;
use vrrp::wire::excerpt::Header;
use vrrp::wire::{Datagram, Discard, Excerpt};
use vrrpd::io::eavesdrop::Eavesdrop;
use vrrpd::io::port::Port;

use super::super::context::Context;
use crate::clock;

/// keepalived's usual adverts come once a second: so long at least, to hear them three times.
const LEAST: Duration = Duration::from_millis(3_300);

/// Longer than that nobody waits; who is slower may be missed.
const MOST: Duration = Duration::from_secs(15);

/// Senders that are kept of a link: whoever invents more is not to exhaust us.
const SENDERS: usize = 256;

/// Who was heard on a link, of one family.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// By sender and VRID.
    pub(super) speakers: BTreeMap<(IpAddr, u8), Speaker>,
    /// How long was listened, and until when.
    pub(super) time: Duration,
    pub(super) until: Option<Instant>,
}

/// One router that advertises.
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    /// Packets before the firewall.
    pub(super) arrived: u32,
    /// Of these, behind it.
    pub(super) passed: u32,
    /// When the last one came.
    pub(super) last: Instant,
    /// Where its frames come from.
    pub(super) mac: Option<MacAddr>,
    /// The last packet, as it came.
    pub(super) packet: Packet,
    /// What it says.
    pub(super) header: Header,
    /// The addresses that it lists.
    pub(super) addresses: Vec<IpAddr>,
}

/// A datagram that can be kept.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    source: IpAddr,
    destination: IpAddr,
    hops: u8,
    message: Vec<u8>,
}

impl Packet {
    fn of(datagram: &Datagram<'_>) -> Self {
        let Datagram { source, destination, hops, message } = *datagram;
        Self { source, destination, hops, message: message.to_vec() }
    }

    /// As the receive checks take it.
    pub(super) fn datagram(&self) -> Datagram<'_> {
        let Self { source, destination, hops, message } = self;
        Datagram { source: *source, destination: *destination, hops: *hops, message }
    }
}

/// The links and families of the routers.
pub(super) type Link = (InterfaceName, Family);

/// Listens on all links at once, for three of the longest intervals.
pub(super) async fn listen(context: &Context) -> BTreeMap<Link, io::Result<Heard>> {
    let routers = &context.config.routers;
    let longest = routers.iter().map(|router| router.advert_interval.duration()).max();
    let time = (longest.unwrap_or_default() * 3 + Duration::from_millis(300)).clamp(LEAST, MOST);
    let until = Instant::from_std(clock::now()) + time;
    let links: std::collections::BTreeSet<Link> =
        routers.iter().map(|router| (router.interface.clone(), router.id.family)).collect();
    let all = links.into_iter().map(|link| async move {
        let heard = on_link(context, &link, until, time).await;
        (link, heard)
    });
    futures_util::future::join_all(all).await.into_iter().collect()
}

async fn on_link(
    context: &Context,
    link: &Link,
    until: Instant,
    time: Duration,
) -> io::Result<Heard> {
    let (name, family) = link;
    let interface = context.network.interfaces.named(name).ok_or(io::ErrorKind::NotFound)?;
    // The port joins the group, for both.
    let port = Port::open(name, interface.index, *family)?;
    let wire = Eavesdrop::open(name, *family)?;
    let mut heard = Heard { time, until: Some(until), ..Heard::default() };
    loop {
        let next = async {
            tokio::select! {
                ready = poll_fn(|cx| port.poll_receive_ready(cx)) => {
                    ready?;
                    port.receive(|datagram| packet(None, datagram)).map(Option::flatten)
                }
                heard = wire.next(|mac, datagram| packet(Some(mac), datagram)) => heard,
            }
        };
        match timeout_at(until, next).await {
            Err(_) => return Ok(heard),
            // A switch may flood what is another host's.
            Ok(Ok(Some((mac, packet)))) if concerns(interface, &packet) => heard.note(mac, packet),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
        }
    }
}

fn concerns(interface: &Interface, packet: &Packet) -> bool {
    packet.destination.is_multicast() || interface.has(packet.destination)
}

fn packet(
    mac: Option<MacAddr>,
    datagram: Result<Datagram<'_>, Discard>,
) -> Option<(Option<MacAddr>, Packet)> {
    datagram.ok().map(|datagram| (mac, Packet::of(&datagram)))
}

impl Heard {
    /// Notes a packet: one with a MAC address came from before the firewall.
    fn note(&mut self, mac: Option<MacAddr>, packet: Packet) {
        let family = Family::of(packet.source);
        let Excerpt { header: Some(header), addresses } = Excerpt::of(&packet.message, family)
        else {
            return;
        };
        let key = (packet.source, header.vrid);
        if self.speakers.len() >= SENDERS && !self.speakers.contains_key(&key) {
            return;
        }
        let last = Instant::from_std(clock::now());
        let new = Speaker {
            arrived: 0,
            passed: 0,
            last,
            mac,
            packet: packet.clone(),
            header,
            addresses: vec![],
        };
        let speaker = self.speakers.entry(key).or_insert(new);
        match mac {
            Some(_) => speaker.arrived += 1,
            None => speaker.passed += 1,
        }
        speaker.mac = mac.or(speaker.mac);
        (speaker.last, speaker.packet, speaker.header, speaker.addresses) =
            (last, packet, header, addresses);
    }
}
