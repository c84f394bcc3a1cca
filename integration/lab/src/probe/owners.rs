//! Who owns an address, and for how long nobody or more than one node did.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Moment;

/// A node got or lost the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerEvent {
    /// When the kernel said so.
    pub at: Moment,
    /// The node's name.
    pub node: String,
    /// Whether it has the address from now on.
    pub owns: bool,
}

/// A time during which the owners stayed the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// When it began.
    pub from: Moment,
    /// When it ended.
    pub to: Moment,
    /// Who had the address, in alphabetical order.
    pub owners: Vec<String>,
}

/// Ownership of an address during a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// For how long in all two nodes or more had the address.
    pub dual: Duration,
    /// For how long in all nobody had it.
    pub none: Duration,
    /// Who had it, in the order of time.
    pub timeline: Vec<Tenure>,
}

/// Ownership between `from` and `to`, by events in the order of their time. Before its first event a
/// node does not have the address. An event that changes nothing is none: the kernel tells of a renewed
/// lease as of a new address.
#[must_use]
pub fn ownership(events: &[OwnerEvent], from: Moment, to: Moment) -> Ownership {
    let mut owners = BTreeSet::new();
    let mut timeline = Vec::new();
    let mut since = from;
    for event in events.iter().filter(|event| event.at < to) {
        let before = owners.clone();
        if event.owns {
            owners.insert(event.node.as_str());
        } else {
            owners.remove(event.node.as_str());
        }
        if owners != before && event.at > since {
            timeline.push(tenure(since, event.at, &before));
            since = event.at;
        }
    }
    if to > since {
        timeline.push(tenure(since, to, &owners));
    }
    let sum = |counts: fn(usize) -> bool| {
        let tenures = timeline.iter().filter(|tenure| counts(tenure.owners.len()));
        tenures.map(|tenure| tenure.to.since(tenure.from)).sum()
    };
    let (dual, none) = (sum(|owners| owners > 1), sum(|owners| owners == 0));
    Ownership { dual, none, timeline }
}

/// Who has the address after all these events, in alphabetical order.
#[must_use]
pub fn owners_after(events: &[OwnerEvent]) -> Vec<String> {
    let mut owners = BTreeSet::new();
    for event in events {
        if event.owns {
            owners.insert(event.node.clone());
        } else {
            owners.remove(&event.node);
        }
    }
    owners.into_iter().collect()
}

fn tenure(from: Moment, to: Moment, owners: &BTreeSet<&str>) -> Tenure {
    Tenure { from, to, owners: owners.iter().map(|&owner| owner.to_owned()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    /// `+a` at 100: node a gets the address then; `-a`: it loses it.
    fn events(events: &[(u64, &str)]) -> Vec<OwnerEvent> {
        let event = |&(millis, change): &(u64, &str)| OwnerEvent {
            at: at(millis),
            node: change[1..].to_owned(),
            owns: change.starts_with('+'),
        };
        events.iter().map(event).collect()
    }

    /// From 1000 to 2000 ms: time with two owners, with none, and who owned from when.
    fn within(changes: &[(u64, &str)]) -> (u128, u128, Vec<(u64, String)>) {
        let ownership = ownership(&events(changes), at(1_000), at(2_000));
        let begins = |tenure: &Tenure| tenure.from.since(at(0)).as_millis().try_into().unwrap();
        let who = ownership.timeline.iter().map(|t| (begins(t), t.owners.join("+"))).collect();
        for pair in ownership.timeline.windows(2) {
            assert_eq!(pair[0].to, pair[1].from, "no gap in the timeline");
        }
        (ownership.dual.as_millis(), ownership.none.as_millis(), who)
    }

    fn who(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected.iter().map(|&(from, owners)| (from, owners.to_owned())).collect()
    }

    #[test]
    fn adds_up_the_time_with_two_owners_and_with_none() {
        for (changes, dual, none, expected) in [
            (&[][..], 0, 1_000, who(&[(1_000, "")])),
            (&[(10, "+a")], 0, 0, who(&[(1_000, "a")])),
            // Handed over with a gap, then with an overlap.
            (
                &[(10, "+a"), (1_200, "-a"), (1_203, "+b")],
                0,
                3,
                who(&[(1_000, "a"), (1_200, ""), (1_203, "b")]),
            ),
            (
                &[(10, "+a"), (1_200, "+b"), (1_207, "-a")],
                7,
                0,
                who(&[(1_000, "a"), (1_200, "a+b"), (1_207, "b")]),
            ),
            // At the same moment: neither.
            (&[(10, "+a"), (1_200, "-a"), (1_200, "+b")], 0, 0, who(&[(1_000, "a"), (1_200, "b")])),
            // A renewed lease is no change.
            (&[(10, "+a"), (1_100, "+a"), (1_200, "+a")], 0, 0, who(&[(1_000, "a")])),
            (&[(10, "-a"), (1_100, "-b")], 0, 1_000, who(&[(1_000, "")])),
            // Three owners are two or more; what is before and after the time does not count.
            (
                &[(10, "+a"), (20, "+b"), (30, "+c"), (1_400, "-b"), (1_500, "-c"), (2_500, "-a")],
                500,
                0,
                who(&[(1_000, "a+b+c"), (1_400, "a+c"), (1_500, "a")]),
            ),
            (&[(1_000, "+a"), (2_000, "+b")], 0, 0, who(&[(1_000, "a")])),
        ] {
            assert_eq!(within(changes), (dual, none, expected), "{changes:?}");
        }
    }

    #[test]
    fn an_empty_time_has_no_owner_and_no_gap() {
        let ownership = ownership(&events(&[(10, "+a")]), at(1_000), at(1_000));
        assert_eq!((ownership.dual, ownership.none), (Duration::ZERO, Duration::ZERO));
        assert_eq!(ownership.timeline, []);
    }

    #[test]
    fn the_last_word_counts() {
        assert_eq!(owners_after(&events(&[(1, "+b"), (2, "+a"), (3, "+b")])), ["a", "b"]);
        assert_eq!(owners_after(&events(&[(1, "+b"), (2, "+a"), (3, "-b")])), ["a"]);
    }
}
