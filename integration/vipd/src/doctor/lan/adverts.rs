//! Whether this node hears its peers, and what can be concluded about their hearing it.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use config::{Audience, Dialect, RouterConfig};
use vrrp::election::StateName;
use vrrp::wire::validate::accept;
use vrrp::wire::{Claim, Expectation};

use super::super::context::Context;
use super::super::report::Finding;
use super::listen::{Heard, Speaker};
use super::{namesakes, peers, vrids};

const ITEM: &str = "adverts";

/// Without a socket there is nothing to hear.
pub(super) fn deaf(context: &Context, router: &RouterConfig, error: &io::Error) -> Finding {
    let seen = format!("not heard on {}: {error}", router.interface);
    let why = "whether the nodes hear each other is not known";
    let again = format!("sudo vipd doctor --config {}", context.path.display());
    Finding::warning(ITEM, &router.id, seen, why).remedy(again)
}

/// Judges what was heard with a router's VRID; `later` is its state after listening.
pub(super) fn look(
    context: &Context,
    router: &RouterConfig,
    heard: &Heard,
    later: Option<StateName>,
) -> Vec<Finding> {
    let interface = context.network.interfaces.named(&router.interface);
    let source = interface.and_then(|interface| interface.source_for(router));
    let Some((interface, own)) = interface.zip(source) else { return Vec::new() };
    let status = context.status(&router.id);
    // A state counts that lasted all the while.
    let state = status.map(|status| status.state).filter(|state| Some(*state) == later);
    let priority = status.map_or(router.priority, |status| status.effective_priority).get();
    let node = Node { router, own, prefix_len: interface.prefix_len(own), state, priority };
    let others = |(ip, _): &(IpAddr, &Speaker)| *ip != own;
    let mut found: Vec<Finding> = peers(router, heard)
        .filter(others)
        .map(|(ip, speaker)| node.peer(ip, speaker, heard))
        .collect();
    if found.is_empty() {
        found.push(node.nobody(heard.time));
    }
    let strangers = namesakes(router, heard).filter(others);
    let ours =
        |speaker: &Speaker| peers(router, heard).any(|(_, peer)| std::ptr::eq(peer, speaker));
    // Who has named its peers listens to nobody else.
    let is_alone = matches!(router.audience, Audience::Peers(_)) && router.virtual_mac.is_none();
    let strangers = strangers.filter(|(_, speaker)| !is_alone && !ours(speaker));
    let link = (router.interface.clone(), router.id.family);
    let free = vrids::free(context, &link, heard);
    found.extend(strangers.map(|(ip, speaker)| node.stranger(ip, speaker, &free)));
    found
}

/// A router of this node.
struct Node<'a> {
    router: &'a RouterConfig,
    /// The address it speaks from, and bits of its prefix.
    own: IpAddr,
    prefix_len: u8,
    /// The state it was in all the while; none if it does not run or changed.
    state: Option<StateName>,
    /// Its effective priority.
    priority: u8,
}

impl Node<'_> {
    fn peer(&self, ip: IpAddr, speaker: &Speaker, heard: &Heard) -> Finding {
        let router = self.router;
        if speaker.passed == 0 && speaker.arrived >= 2 {
            let name = &router.interface;
            let seen = format!(
                "adverts of {ip} reach {name}, but not vrrpd: they are dropped on this host, by its firewall or rp_filter"
            );
            return Finding::failure(ITEM, &router.id, seen, "both nodes would be Active")
                .remedy("# see `firewall` and `rp_filter` above; in general:")
                .remedy("sudo nft list ruleset | grep -n drop")
                .remedy("nstat -az TcpExtIPReversePathFilter");
        }
        let expectation = Expectation::of(router, self.own, self.prefix_len);
        let ours = |vrid| (vrid == router.vrid).then_some((0, &expectation));
        let advert = match accept(&speaker.packet.datagram(), ours) {
            Ok((_, advert)) => advert,
            Err(rejected) => {
                let seen = format!("adverts of {ip} are rejected: {}", rejected.discard);
                let why = "neither counts for the other: both nodes would be Active";
                return Finding::failure(ITEM, &router.id, seen, why)
                    .remedy(format!("grep -n -A12 'vrrp' /etc/vipd/vipd.toml # and on {ip}"));
            }
        };
        let theirs = match advert.advert.claim {
            Claim::Lead(priority) => priority.get(),
            Claim::Resign => 0,
        };
        if let Some(finding) = self.both_active(ip, speaker, theirs, heard) {
            return finding;
        }
        let seen = format!("{ip} is Active with priority {theirs}, and heard");
        match advert.other_addresses {
            Some(other) => Finding::warning(
                ITEM,
                &router.id,
                format!("{seen}; {other}"),
                "after a takeover some addresses would be missing, or on both nodes",
            ),
            None => Finding::ok(
                ITEM,
                &router.id,
                format!("{seen}: {} adverts in {:.1?}", speaker.passed, heard.time),
            ),
        }
    }

    /// We are Active and so is another. Whoever hears a better router falls silent (RFC 9568 §6.4.3).
    fn both_active(
        &self,
        ip: IpAddr,
        speaker: &Speaker,
        theirs: u8,
        heard: &Heard,
    ) -> Option<Finding> {
        let late = 3 * self.router.advert_interval.duration().max(Duration::from_secs(1));
        let lasts = heard.until.is_some_and(|until| until.duration_since(speaker.last) < late);
        if self.state != Some(StateName::Active) || theirs == 0 || speaker.passed < 2 || !lasts {
            return None;
        }
        let (router, own, priority) = (self.router, self.own, self.priority);
        let why = "both nodes are Active: clients reach now one, now the other";
        if (theirs, ip) > (priority, own) {
            let seen = format!(
                "{ip} and this node are both Active, and {theirs} > {priority}: this node does not go by its adverts"
            );
            return Some(Finding::failure(ITEM, &router.id, seen, why).remedy("sudo vipd status"));
        }
        let protocol = match router.dialect {
            Dialect::V2(_) => "version 2, with the same auth_pass and advert_interval",
            Dialect::V3(_) => "version 3",
        };
        let seen = format!(
            "{ip} does not hear this node, or does not believe it: it goes on to advertise {theirs} although we advertise {priority}"
        );
        Some(
            Finding::failure(ITEM, &router.id, seen, why)
                .remedy(format!(
                    "# on {ip}, whether they arrive, and whether its firewall lets them through:"
                ))
                .remedy(format!("sudo tcpdump -nvi any 'ip proto 112 and src {own}'"))
                .remedy("sudo nft insert rule inet filter input meta l4proto 112 accept")
                .remedy(format!("# its configuration must say: {protocol}"))
                .remedy("# a switch with IGMP snooping: peers = [\"…\"] on both nodes"),
        )
    }

    fn nobody(&self, time: Duration) -> Finding {
        let id = &self.router.id;
        let (vrid, interface) = (self.router.vrid, &self.router.interface);
        let silence =
            format!("nobody else advertised VRID {vrid} on {interface} within {time:.1?}");
        match self.state {
            Some(StateName::Active) => Finding::ok(
                ITEM,
                id,
                format!(
                    "{silence}: a peer that takes part hears this node, or is itself not heard here"
                ),
            ),
            Some(StateName::Backup) => {
                let why = "this node is a Backup of somebody whose adverts were not heard here";
                Finding::warning(ITEM, id, silence, why).remedy("sudo vipd why")
            }
            Some(StateName::Initialize | StateName::Releasing) | None => {
                let why = "either no peer runs, or its adverts do not arrive: nothing is proven";
                Finding::warning(ITEM, id, silence, why)
                    .remedy("# start vipd on the other node, then ask again:")
                    .remedy("sudo vipd doctor")
            }
        }
    }

    fn stranger(&self, ip: IpAddr, speaker: &Speaker, free: &str) -> Finding {
        let addresses: Vec<String> = speaker.addresses.iter().map(IpAddr::to_string).collect();
        let seen = format!(
            "VRID {} belongs to another pair on this link: {ip}, priority {}, addresses {}",
            self.router.vrid,
            speaker.header.priority,
            addresses.join(" ")
        );
        let why = "whoever has the lower priority gives its addresses up";
        Finding::failure("vrid", &self.router.id, seen, why).remedy(format!(
            "# choose another on all nodes of this pair: vrid = …; free here are {free}"
        ))
    }
}
