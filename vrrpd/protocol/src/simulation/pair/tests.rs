//! Worked examples.

use config::parse;

use super::*;

/// The routers of a node with these keys, whose proxy `p` it tracks.
fn node(keys: &str) -> Vec<RouterConfig> {
    let text = format!(
        "[[vrrp]]\nname = \"a\"\ninterface = \"eth0\"\nvrid = 7\naddresses = [\"10.0.0.1\"]\n{keys}\n\
         [[proxy]]\nname = \"p\"\nlisten = [\"10.0.0.1:80\"]\nservers = [\"10.0.0.2:80\"]\n\
         [[track]]\nname = \"light\"\nproxy = \"p\"\nweight = -20\n"
    );
    parse("a.toml", &text).unwrap().config.routers
}

/// Microseconds of downtime.
#[expect(clippy::disallowed_methods, reason = "some instant to begin with")]
fn down(first: &str, second: &str, fault: &Fault) -> Option<u128> {
    let now = Instant::now();
    let nodes = [node(first), node(second)];
    let pair = Pair { nodes: [&nodes[0], &nodes[1]], start: now };
    pair.downtime(fault).map(|time| time.as_micros())
}

fn proxy_dies() -> Fault {
    Fault::Unusable(vec![Name::try_from("p").unwrap()])
}

const FAST: [&str; 2] = [
    "priority = 150\nadvert_interval = \"100ms\"\ntrack = [\"p\"]",
    "priority = 100\nadvert_interval = \"100ms\"\ntrack = [\"p\"]",
];

#[test]
fn a_planned_stop_and_a_return_cost_nothing() {
    assert_eq!(down(FAST[0], FAST[1], &Fault::Stopped), Some(0));
    assert_eq!(down(FAST[0], FAST[1], &Fault::Returned), Some(0));
    // It does not matter which node is named first.
    assert_eq!(down(FAST[1], FAST[0], &Fault::Stopped), Some(0));
}

#[test]
fn a_death_costs_three_intervals_and_a_skew() {
    // By hand: 3 × 100 ms + (256 − 100) / 256 × 100 ms = 360.938 ms from the last advert's arrival, 0.2 ms
    // after it was sent; the fault is 1 µs after that; then the kernel's 0.3 ms.
    assert_eq!(down(FAST[0], FAST[1], &Fault::Lost), Some(361_436));
    // Version 2, a second: 3 s + 156 / 256 s.
    let old = ["version = 2\npriority = 101", "version = 2\npriority = 100"];
    assert_eq!(down(old[0], old[1], &Fault::Lost), Some(3_609_874));
}

#[test]
fn a_proxys_death_costs_a_packets_flight() {
    // The advert's flight and the kernel.
    assert_eq!(down(FAST[0], FAST[1], &proxy_dies()), Some(500));
}

#[test]
fn what_never_moves_is_told() {
    let light = |priority: u8| format!("priority = {priority}\ntrack = [\"light\"]");
    // 150 − 20 is above 100; 110 − 20 is not. The tracker's state is the proxy's.
    assert_eq!(down(&light(150), &light(100), &proxy_dies()), None);
    assert_eq!(down(&light(110), &light(100), &proxy_dies()), Some(500));
    let stubborn = "priority = 100\ntrack = [\"p\"]\npreempt = false";
    assert_eq!(down("priority = 150\ntrack = [\"p\"]", stubborn, &proxy_dies()), None);
}

#[test]
fn a_patient_peer_takes_its_time() {
    let patient = "priority = 100\ntrack = [\"p\"]\npreempt_delay = \"10s\"";
    let down = down("priority = 150\ntrack = [\"p\"]", patient, &proxy_dies()).unwrap();
    // With the first advert, one a second, after 10 s.
    assert!((10_000_000..=11_001_000).contains(&down), "{down}");
}
