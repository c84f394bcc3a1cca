//! `vipd drill --chaos 1h`: a pair is disturbed at random, from a seed, and healed; after each storm it
//! is to be perfect again, and nothing may be left behind.

mod apply;
mod disturbance;
mod node;
mod plan;
mod quiet;

use std::collections::BTreeMap;
use std::time::Duration;

use lab::Moment;
use vocabulary::AdvertInterval;

use self::node::Holdings;
use self::plan::{Plan, Step};
use self::quiet::Recovery;
use super::pair::Pair;

/// Rounds that may miss a promise before it is over: more of the same tells nothing new.
const ENOUGH: usize = 5;

/// What a node's memory may grow by, in kB: allocators and caches reach their size late.
const GROWTH: u64 = 8 * 1024;

/// Descriptors that may come and go: connections of clients that end, timers.
const SLACK: usize = 16;

/// What is known at the end.
#[derive(Debug, Default)]
struct Record {
    rounds: usize,
    /// How often each thing happened.
    happened: BTreeMap<&'static str, usize>,
    /// It was to happen and could not: an order to a dead node, say.
    impossible: usize,
    recoveries: Vec<Recovery>,
    missed: usize,
}

/// Disturbs a pair for `time`; tells whether every promise was kept.
pub(super) fn run(seed: u64, time: Duration, interval: AdvertInterval) -> anyhow::Result<bool> {
    say(&format!("seed {seed}: the same again with --seed {seed}"));
    let mut pair = Pair::build(interval)?;
    let before = holdings(&pair)?;
    let mut plan = Plan::new(seed);
    let mut record = Record::default();
    let began = Moment::now();
    while began.elapsed() < time && record.missed < ENOUGH {
        let storm = plan.storm();
        record.rounds += 1;
        weather(&mut pair, &storm, &mut record);
        apply::heal(&mut pair)?;
        let recovery = quiet::watch(&pair)?;
        record.recoveries.push(recovery);
        let left = left_behind(&before, &holdings(&pair)?);
        if !recovery.in_time() || !left.is_empty() {
            record.missed += 1;
            explain(&pair, &storm, recovery, &left, record.rounds);
        }
    }
    report(&record, began.elapsed(), &before, &holdings(&pair)?);
    Ok(record.missed == 0)
}

/// Lets a storm pass over the pair.
fn weather(pair: &mut Pair, storm: &[Step], record: &mut Record) {
    for step in storm {
        std::thread::sleep(step.pause);
        match apply::disturb(pair, *step) {
            Ok(()) => *record.happened.entry(step.what.into()).or_default() += 1,
            Err(_) => record.impossible += 1,
        }
    }
}

fn holdings(pair: &Pair) -> anyhow::Result<[Holdings; 2]> {
    let [lb1, lb2] = &pair.nodes;
    Ok([node::holdings(lb1)?, node::holdings(lb2)?])
}

/// What both nodes together have now and had not before. Together, for the address may have moved.
fn left_behind(before: &[Holdings; 2], now: &[Holdings; 2]) -> Vec<String> {
    let sum = |of: fn(&Holdings) -> usize| {
        let all = |nodes: &[Holdings; 2]| nodes.iter().map(of).sum::<usize>();
        (all(before), all(now))
    };
    let rows = [
        ("processes", sum(|node| node.processes), 0),
        ("descriptors", sum(|node| node.descriptors), SLACK),
        ("addresses", sum(|node| node.addresses), 0),
        ("routes", sum(|node| node.routes), 0),
        ("rules", sum(|node| node.rules), 0),
    ];
    let mut left: Vec<String> = rows
        .into_iter()
        .filter(|(_, (before, now), slack)| *now > before + slack)
        .map(|(what, (before, now), _)| format!("{what}: {before} before, {now} now"))
        .collect();
    for (place, (before, now)) in (1..).zip(before.iter().zip(now)) {
        if now.resident > before.resident + GROWTH {
            left.push(format!(
                "lb{place}: {} kB of memory before, {} now",
                before.resident, now.resident
            ));
        }
    }
    left
}

/// What a round was like that missed a promise.
fn explain(pair: &Pair, storm: &[Step], recovery: Recovery, left: &[String], round: usize) {
    let mut text = format!("round {round} missed its promise: {}", words(recovery));
    for one in left {
        text.push_str(&format!("\nleft behind: {one}"));
    }
    for step in storm {
        let what: &str = step.what.into();
        text.push_str(&format!(
            "\nafter {:?}: {what}, node lb{}, backend {}",
            step.pause,
            step.node + 1,
            step.backend + 1
        ));
    }
    say(&format!("{text}\n{}", pair.log()));
}

fn words(recovery: Recovery) -> String {
    let time = |time: Duration| match time {
        Duration::MAX => "never".to_owned(),
        time => format!("after {} ms", time.as_millis()),
    };
    format!("one owner {}, served {}", time(recovery.one_owner), time(recovery.served))
}

#[expect(clippy::print_stdout, reason = "this is the command's answer")]
fn report(record: &Record, time: Duration, before: &[Holdings; 2], after: &[Holdings; 2]) {
    let worst = |of: fn(&Recovery) -> Duration| {
        let times = record.recoveries.iter().map(of);
        times.max().unwrap_or_default().as_millis()
    };
    let happened: usize = record.happened.values().sum();
    println!(
        "{} rounds in {} s, {happened} disturbances of {} kinds ({} could not happen)",
        record.rounds,
        time.as_secs(),
        record.happened.len(),
        record.impossible,
    );
    println!(
        "missed: {}; worst: one owner after {} ms, served after {} ms (at most 3000)",
        record.missed,
        worst(|recovery| recovery.one_owner),
        worst(|recovery| recovery.served),
    );
    for (place, (before, after)) in (1..).zip(before.iter().zip(after)) {
        println!("lb{place} before: {before:?}\nlb{place} after:  {after:?}");
    }
}

#[expect(clippy::print_stderr, reason = "what is going on is no answer")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_behind_is_named() {
        let node = |processes, descriptors, resident, addresses| Holdings {
            processes,
            descriptors,
            resident,
            addresses,
            routes: 3,
            rules: 5,
        };
        let before = [node(4, 100, 20_000, 5), node(4, 90, 20_000, 4)];
        for (now, expected) in [
            // The address has moved, some descriptors are in use, memory has grown a little.
            ([node(4, 100, 28_192, 4), node(4, 106, 20_000, 5)], vec![]),
            ([node(5, 100, 20_000, 5), node(4, 90, 20_000, 4)], vec!["processes: 8 before, 9 now"]),
            (
                [node(4, 100, 20_000, 5), node(4, 107, 28_193, 5)],
                vec![
                    "descriptors: 190 before, 207 now",
                    "addresses: 9 before, 10 now",
                    "lb2: 20000 kB of memory before, 28193 now",
                ],
            ),
        ] {
            assert_eq!(left_behind(&before, &now), expected);
        }
    }
}
