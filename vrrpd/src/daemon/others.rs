//! Other pairs that have a virtual router identifier of ours: their adverts are no peer's.

use std::collections::BTreeSet;
use std::net::IpAddr;

use config::RouterConfig;
use vocabulary::Family;
use vrrp::wire::vrids;

use crate::status::{Rejected, RejectedAdvert, RejectedSender};

/// What was discarded, with the advice that fits: adverts of addresses of which we have none are another
/// pair's, and no setting brings the two together.
pub(super) fn explained(mut rejected: Rejected, routers: &[RouterConfig]) -> Rejected {
    let used = |sender: &RejectedSender, all: &Rejected| -> BTreeSet<u8> {
        let here = |other: &&RejectedSender| other.interface == sender.interface;
        let senders = all.ours.iter().chain(&all.foreign).filter(here);
        let heard = senders.flat_map(|sender| &sender.adverts).filter_map(|advert| advert.vrid);
        let own = routers.iter().filter(|router| router.interface == sender.interface);
        heard.chain(own.map(|router| router.vrid.get())).collect()
    };
    let free: Vec<String> =
        rejected.ours.iter().map(|sender| vrids::free(&used(sender, &rejected))).collect();
    for (sender, free) in rejected.ours.iter_mut().zip(free) {
        let family = Family::of(sender.address);
        for advert in &mut sender.adverts {
            let mut own = routers.iter().filter(|router| {
                router.interface == sender.interface
                    && router.id.family == family
                    && Some(router.vrid.get()) == advert.vrid
            });
            if let Some(vrid) = advert.vrid
                && own.next().is_some_and(|router| is_of_others(advert, router))
            {
                advert.explanation = format!(
                    "another pair uses VRID {vrid}: choose another; free here are {free} ({})",
                    advert.explanation
                );
            }
        }
    }
    rejected
}

fn is_of_others(advert: &RejectedAdvert, router: &RouterConfig) -> bool {
    let ours = |ip: &IpAddr| router.addresses.iter().any(|address| address.ip() == *ip);
    // An advert that cannot be read whole says nothing about whose it is.
    let splits = ["other_version", "auth_type", "password", "interval"];
    let is_whole = splits.contains(&advert.reason.as_str()) && !advert.addresses.is_empty();
    is_whole && !advert.addresses.iter().any(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(reason: &str, vrid: u8, address: [u8; 4]) -> RejectedSender {
        let advert = RejectedAdvert {
            reason: reason.to_owned(),
            explanation: "set the same `version` on both nodes".to_owned(),
            times: 1,
            ago_ms: 0,
            version: Some(2),
            vrid: Some(vrid),
            priority: Some(100),
            interval_ms: Some(1_000),
            auth_type: Some(0),
            count: Some(1),
            addresses: vec![address.into()],
        };
        RejectedSender {
            interface: "eth0".try_into().unwrap(),
            address: [10, 77, 0, 21].into(),
            total: 1,
            adverts: vec![advert],
        }
    }

    #[test]
    fn another_pair_is_told_from_a_peer_by_its_addresses() {
        let text = "[[vrrp]]\nname = \"a\"\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"10.77.0.100\"]\n";
        let routers = config::parse("x", text).unwrap().config.routers;
        let peers = "set the same `version` on both nodes";
        let others = "another pair uses VRID 51: choose another; free here are 1-6, 8-50, 52-255 (set the same `version` on both nodes)";
        for (reason, address, expected) in [
            ("other_version", [10, 77, 0, 100], peers),
            ("other_version", [10, 77, 0, 150], others),
            ("password", [10, 77, 0, 150], others),
            ("checksum", [10, 77, 0, 150], peers),
        ] {
            let ours = vec![sender(reason, 51, address)];
            let foreign = vec![sender("vrid", 7, [10, 77, 0, 7])];
            let found = explained(Rejected { ours, foreign }, &routers);
            assert_eq!(found.ours[0].adverts[0].explanation, expected, "{reason} {address:?}");
        }
    }
}
