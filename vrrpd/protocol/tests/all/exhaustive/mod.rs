//! Every story that a few nodes can live through, breadth first: the shipped code, with every
//! choice of what is lost, who crashes, ends, hands over or becomes unusable, and when.
//!
//! From each state that can be reached, a calm network must find back to one owner, the best, and stay
//! there. The clock jumps from deadline to deadline; adverts arrive at once, in order, or never.

mod world;

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use config::Preempt;
use vrrp::election::{StateName, Version};

use self::world::{Choice, World};

/// All that is tried.
struct Bounds {
    priorities: &'static [u8],
    version: Version,
    preempt: Preempt,
    /// Adverts that may be lost, and faults that may happen, in one story.
    losses: u8,
    faults: u8,
    /// Steps of one story.
    depth: usize,
}

/// Explores; tells how many states there are.
fn explore(bounds: &Bounds) -> usize {
    let first = World::new(bounds.priorities, bounds.version, bounds.preempt);
    let mut seen = HashSet::from([first.key()]);
    let mut queue = VecDeque::from([(first, bounds.losses, bounds.faults, 0)]);
    while let Some((world, losses, faults, depth)) = queue.pop_front() {
        comes_to_rest(&world, bounds);
        if depth == bounds.depth {
            continue;
        }
        for choice in world.choices() {
            let left = match choice {
                Choice::GoOn => Some((losses, faults)),
                Choice::Lose => losses.checked_sub(1).map(|losses| (losses, faults)),
                Choice::Crash(_)
                | Choice::Boot(_)
                | Choice::End(_)
                | Choice::HandOver(_)
                | Choice::Usable(..) => faults.checked_sub(1).map(|faults| (losses, faults)),
            };
            let Some((losses, faults)) = left else { continue };
            let mut next = world.clone();
            next.take(choice);
            let (mut key, budget) = (next.key(), [i64::from(losses), i64::from(faults)]);
            key.extend(budget);
            if seen.insert(key) {
                queue.push_back((next, losses, faults, depth + 1));
            }
        }
    }
    seen.len()
}

/// After a calm of so many intervals there is one owner if any node runs, and nothing changes any more.
fn comes_to_rest(world: &World, bounds: &Bounds) {
    let mut calm = world.clone();
    let settled = calm.now() + Duration::from_secs(9);
    calm.go_on_until(settled);
    let active = calm.active();
    let candidates = calm.candidates();
    let story = || world.story();
    assert_eq!(active.len(), usize::from(!candidates.is_empty()), "{}", story());
    assert_eq!(calm.owners(), active, "the kernels do not follow: {}", story());
    if let (Preempt::After(_), false) = (bounds.preempt, calm.anyone_defers()) {
        assert_eq!(active.first(), candidates.first(), "not the best: {}", story());
    }
    let transitions = calm.transitions();
    calm.go_on_until(settled + Duration::from_secs(9));
    assert_eq!(calm.transitions(), transitions, "it flaps: {}", story());
    assert!(calm.states().all(|state| state != StateName::Releasing), "{}", story());
}

fn two(version: Version, preempt: Preempt) -> Bounds {
    Bounds { priorities: &[150, 100], version, preempt, losses: 3, faults: 3, depth: 22 }
}

const PREEMPT: Preempt = Preempt::After(Duration::ZERO);

#[test]
fn two_nodes() {
    let states = explore(&two(Version::V3, PREEMPT));
    assert!(states > 10_000, "only {states} states: the exploration broke off");
}

#[test]
fn two_nodes_of_version_2() {
    let states = explore(&two(Version::V2, PREEMPT));
    assert!(states > 10_000, "only {states} states: the exploration broke off");
}

#[test]
fn two_nodes_without_preemption() {
    let states = explore(&two(Version::V3, Preempt::Never));
    assert!(states > 10_000, "only {states} states: the exploration broke off");
}

#[test]
fn two_nodes_of_one_priority() {
    let states = explore(&Bounds { priorities: &[100, 100], ..two(Version::V3, PREEMPT) });
    assert!(states > 10_000, "only {states} states: the exploration broke off");
}

#[test]
fn three_nodes() {
    let states = explore(&Bounds {
        priorities: &[150, 100, 50],
        losses: 2,
        faults: 2,
        depth: 18,
        ..two(Version::V3, PREEMPT)
    });
    assert!(states > 10_000, "only {states} states: the exploration broke off");
}
