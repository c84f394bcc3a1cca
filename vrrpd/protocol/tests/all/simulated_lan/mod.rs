//! Nodes on a simulated link: small stories, and a hundred thousand random ones.
//!
//! A random story that breaks a promise is made as short as it can be, and printed with its seed.
//!
//! ```sh
//! cargo test -p vrrp --test all simulated_lan                    # 100,000 stories
//! SIM_SEED=4711 cargo test -p vrrp --test all one_story          # one again
//! SIM_HOURS=8 cargo test --release -p vrrp --test all for_hours  # others, by hand
//! ```

mod promises;
mod sense;
mod story;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::ops::Range;
use std::time::{Duration, Instant};

use config::{Lease, RouterConfig};
use vocabulary::{AdvertInterval, Name, Priority};
use vrrp::election::StateName;
use vrrp::simulation::{Conditions, Lan, Member};

use self::story::Story;
use crate::template;

#[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
fn start() -> Instant {
    Instant::now()
}

/// A node's own address, in each family.
fn address(node: usize, family: usize) -> IpAddr {
    let number = u8::try_from(node + 1).unwrap();
    match family {
        0 => IpAddr::from([192, 0, 2, number]),
        _ => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(number)]),
    }
}

fn nodes(lan: &Lan) -> Range<usize> {
    0..lan.nodes().len()
}

/// What every router tracks: without the first a node cannot serve, the second weighs.
fn trackers() -> [Name; 2] {
    ["api", "uplink"].map(|name| Name::try_from(name).unwrap())
}

/// Priorities at an interval of 100 ms; the last node has the highest address.
fn routers(priorities: &[u8]) -> Lan {
    let member = |(node, priority): (usize, &u8)| {
        let config = RouterConfig {
            priority: Priority::try_from(*priority).unwrap(),
            advert_interval: AdvertInterval::from_centiseconds(10).unwrap(),
            lease: Lease::Seconds(NonZeroU32::MIN),
            ..template(0)
        };
        vec![Member { config, source: address(node, 0) }]
    };
    let nodes = priorities.iter().enumerate().map(member).collect();
    let mut lan = Lan::new(nodes, Conditions::default(), 1, start());
    lan.examine(sense::examine);
    lan
}

fn booted(priorities: &[u8]) -> Lan {
    let mut lan = routers(priorities);
    (0..priorities.len()).for_each(|node| lan.boot(node));
    lan.run(millis(2000));
    lan
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs and returns for how long there were several owners, and for how long none.
fn overlap_and_gap(lan: &mut Lan, time: Duration) -> (Duration, Duration) {
    let (mut overlap, mut gap) = (Duration::ZERO, Duration::ZERO);
    let (mut at, mut owners) = (lan.now(), lan.owners().len());
    lan.run_until(lan.now() + time, &mut |lan| {
        let passed = lan.now() - at;
        match owners {
            0 => gap += passed,
            1 => {}
            _ => overlap += passed,
        }
        (at, owners) = (lan.now(), lan.owners().len());
    });
    (overlap, gap)
}

#[test]
fn the_highest_priority_owns_the_addresses() {
    assert_eq!(booted(&[150, 100]).owners(), [0]);
    assert_eq!(booted(&[100, 150, 120]).owners(), [1]);
    // Of equals, the one with the highest address.
    assert_eq!(booted(&[100, 100]).owners(), [1]);
}

#[test]
fn a_crash_is_noticed_after_three_intervals_and_a_skew() {
    let mut lan = booted(&[150, 100]);
    lan.freeze(0);
    // Priority 100: 360.9 ms after the last advert, which was at most 100 ms ago.
    lan.run(millis(255));
    assert_eq!(lan.nodes()[1].state(), StateName::Backup);
    lan.run(millis(110));
    assert_eq!(lan.nodes()[1].state(), StateName::Active);
    // The kernel removes the dead node's addresses when the lease ends.
    lan.run(millis(700));
    assert_eq!(lan.owners(), [1]);
}

#[test]
fn a_planned_stop_leaves_no_gap() {
    for interval_of_the_peer in [&[150, 100][..], &[150, 1]] {
        let mut lan = booted(interval_of_the_peer);
        lan.stop(0);
        let (overlap, gap) = overlap_and_gap(&mut lan, millis(1000));
        assert_eq!(lan.owners(), [1]);
        assert_eq!(gap, Duration::ZERO);
        assert!(overlap <= millis(11), "{overlap:?}");
    }
}

#[test]
fn a_failback_leaves_no_gap() {
    let mut lan = booted(&[150, 100]);
    lan.freeze(0);
    lan.run(millis(2000));
    lan.boot(0);
    let (overlap, gap) = overlap_and_gap(&mut lan, millis(1000));
    assert_eq!(lan.owners(), [0]);
    assert_eq!(gap, Duration::ZERO);
    assert!(overlap <= millis(11), "{overlap:?}");
}

#[test]
fn a_node_that_lost_its_proxy_is_replaced_within_a_packets_flight() {
    let mut lan = booted(&[150, 100]);
    lan.health(0, &trackers()[0], false);
    lan.run(millis(1));
    assert_eq!(lan.nodes()[1].state(), StateName::Active);
    lan.run(millis(20));
    assert_eq!(lan.owners(), [1]);
    // It is mended: the addresses come back with the next advert.
    lan.health(0, &trackers()[0], true);
    lan.run(millis(120));
    assert_eq!(lan.owners(), [0]);
}

#[test]
fn when_both_are_unusable_nobody_moves() {
    let mut lan = booted(&[150, 100]);
    lan.health(1, &trackers()[0], false);
    lan.run(millis(500));
    lan.health(0, &trackers()[0], false);
    lan.run(millis(2000));
    assert_eq!(lan.owners(), [0]);
}

#[test]
fn one_owner_within_an_interval_after_a_partition_heals() {
    let mut lan = booted(&[150, 100]);
    lan.connect(0, 1, false);
    lan.run(millis(2000));
    assert_eq!(lan.owners(), [0, 1]);
    lan.connect(0, 1, true);
    lan.run(millis(100) + millis(11));
    assert_eq!(lan.owners(), [0]);
}

#[test]
fn of_a_one_way_cut_the_deaf_node_becomes_active_and_yields_when_it_hears_again() {
    let mut lan = booted(&[150, 100]);
    lan.cut(0, 1, true);
    lan.run(millis(2000));
    assert_eq!(lan.owners(), [0, 1]);
    lan.cut(0, 1, false);
    lan.run(millis(111));
    assert_eq!(lan.owners(), [0]);
}

#[test]
fn a_frozen_node_that_returns_does_not_fight() {
    let mut lan = booted(&[150, 100]);
    lan.freeze(0);
    lan.run(millis(5000));
    assert_eq!(lan.owners(), [1]);
    lan.thaw(0);
    // It yields, hears the peer's lower priority and takes back what it is entitled to, in order.
    lan.run(millis(120));
    assert_eq!(lan.owners(), [0]);
    assert_eq!(lan.nodes()[1].state(), StateName::Backup);
}

#[test]
fn a_backup_that_overslept_takes_nothing() {
    let mut lan = booted(&[150, 100]);
    lan.freeze(1);
    lan.run(millis(5000));
    lan.thaw(1);
    assert_eq!(lan.nodes()[1].state(), StateName::Backup);
    let adverts = lan.adverts();
    lan.run(millis(1000));
    assert_eq!(lan.owners(), [0]);
    // Ten adverts a second: nobody had to be answered.
    assert!(lan.adverts() - adverts <= 11, "{}", lan.adverts() - adverts);
}

/// Tells these stories; the first that breaks a promise is made short.
fn tell(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        if let Some((story, broken)) = Story::random(seed).shrink() {
            panic!("{}\n{story}{broken}\nagain: SIM_SEED={seed}", story.tale());
        }
    }
}

#[test]
fn a_hundred_thousand_random_stories_keep_their_promises() {
    std::thread::scope(|scope| {
        let halves = [0, 1].map(|first| scope.spawn(move || tell((first..100_000).step_by(2))));
        for half in halves {
            half.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

#[test]
fn one_story() {
    let seed = std::env::var("SIM_SEED").map_or(4711, |seed| seed.parse().unwrap());
    tell(std::iter::once(seed));
}

#[test]
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "it runs for so long")]
fn for_hours() {
    let Ok(hours) = std::env::var("SIM_HOURS") else { return };
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(hours.parse::<f64>().unwrap() * 3600.0);
    let first = std::env::var("SIM_SEED").map_or(100_000, |seed| seed.parse().unwrap());
    let mut told = 0_u64;
    while Instant::now() < end {
        tell(std::iter::once(first + told));
        told += 1;
    }
    println!("{told} stories from seed {first} on kept their promises");
}
