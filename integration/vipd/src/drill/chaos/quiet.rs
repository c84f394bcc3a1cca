//! A quiet: everything is healed, and the pair is to be perfect in time and to stay so.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use lab::probe::owners::Tenure;
use lab::probe::service::ServiceRequest;
use lab::{Moment, OwnerWatch, Service};

use super::super::pair::{Pair, VIP};

/// How long the pair may take to have one owner and to serve.
const SETTLE: Duration = Duration::from_secs(3);

/// How long it is to stay perfect then.
const CALM: Duration = Duration::from_secs(2);

/// How long the pair took, from the end of the healing on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recovery {
    /// Until the address had one owner, for good.
    pub(super) one_owner: Duration,
    /// Until every new client was served, for good.
    pub(super) served: Duration,
}

impl Recovery {
    /// Whether the promise was kept.
    pub(super) fn in_time(self) -> bool {
        self.one_owner <= SETTLE && self.served <= SETTLE
    }
}

/// Watches the pair while nothing happens to it.
pub(super) fn watch(pair: &Pair) -> anyhow::Result<Recovery> {
    let healed = Moment::now();
    let [lb1, lb2] = &pair.nodes;
    let hosts = [&lb1.host, &lb2.host, &pair.client];
    let owners = OwnerWatch::start(&hosts, IpAddr::V4(VIP))?;
    let service = Service::start(&pair.client, &pair.endpoint)?;
    thread::sleep(SETTLE + CALM);
    let service = service.stop()?;
    let owners = owners.stop()?;
    let timeline = owners.ownership_between(healed, owners.end).timeline;
    Ok(Recovery {
        one_owner: one_owner_since(&timeline, healed),
        served: served_since(&service.requests, healed),
    })
}

/// The time after `healed` from which on one and the same node had the address to the end.
fn one_owner_since(timeline: &[Tenure], healed: Moment) -> Duration {
    match timeline.last() {
        Some(last) if last.owners.len() == 1 => last.from.since(healed),
        Some(_) | None => Duration::MAX,
    }
}

/// The time after `healed` from which on every request was answered, sooner or later: a busy machine is
/// no fault of the pair.
fn served_since(requests: &[ServiceRequest], healed: Moment) -> Duration {
    let bad = requests.iter().rposition(|request| request.outcome.is_err());
    let first_good = bad.map_or(0, |place| place + 1);
    requests.get(first_good).map_or(Duration::MAX, |request| request.start.since(healed))
}

#[cfg(test)]
mod tests {
    use lab::Failure;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    fn tenure(from: u64, to: u64, owners: &[&str]) -> Tenure {
        let owners = owners.iter().map(|&owner| owner.to_owned()).collect();
        Tenure { from: at(from), to: at(to), owners }
    }

    #[test]
    fn the_last_owner_counts_from_when_it_is_alone() {
        let millis = Duration::from_millis;
        for (timeline, expected) in [
            (vec![tenure(100, 900, &["a"])], millis(0)),
            (vec![tenure(100, 300, &["a", "b"]), tenure(300, 900, &["b"])], millis(200)),
            (vec![tenure(100, 300, &["a"]), tenure(300, 900, &["a", "b"])], Duration::MAX),
            (vec![tenure(100, 300, &["a"]), tenure(300, 900, &[])], Duration::MAX),
            (vec![], Duration::MAX),
        ] {
            assert_eq!(one_owner_since(&timeline, at(100)), expected, "{timeline:?}");
        }
    }

    #[test]
    fn service_counts_from_after_the_last_failure() {
        let requests = |good: &[bool]| -> Vec<ServiceRequest> {
            let request = |(n, &good): (u64, &bool)| ServiceRequest {
                start: at(100 + 10 * n),
                end: at(1_000),
                outcome: if good { Ok("web1".to_owned()) } else { Err(Failure::Reset) },
            };
            (0..).zip(good).map(request).collect()
        };
        for (good, expected) in [
            (&[true, true][..], Duration::ZERO),
            (&[false, true, false, true], Duration::from_millis(30)),
            (&[true, false], Duration::MAX),
            (&[], Duration::MAX),
        ] {
            assert_eq!(served_since(&requests(good), at(100)), expected, "{good:?}");
        }
    }
}
