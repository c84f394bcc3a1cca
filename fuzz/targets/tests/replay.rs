//! Everything that earlier runs of the fuzzers found, once more: without a fuzzer, in a second.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use targets::{advert, config, frame, hello, import, link, packet};

/// Puts every seed of a target to the test; there are as many at least.
fn replay(target: &str, least: usize, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds").join(target);
    let seeds = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let seeds: Vec<PathBuf> = seeds.collect();
    assert!(seeds.len() >= least, "{} seeds of {target}", seeds.len());
    for seed in seeds {
        let bytes = fs::read(&seed).unwrap();
        assert!(catch_unwind(|| run(&bytes)).is_ok(), "{}", seed.display());
    }
}

#[test]
fn adverts() {
    replay("advert", 100, advert::run);
}

#[test]
fn configurations() {
    replay("config", 60, config::run);
}

#[test]
fn frames() {
    replay("frame", 45, frame::run);
}

#[test]
fn client_hellos() {
    replay("hello", 8, hello::run);
}

#[test]
fn files_of_other_programs() {
    replay("import", 90, import::run);
}

#[test]
fn messages() {
    replay("link", 100, link::run);
}

#[test]
fn packets() {
    replay("packet", 11, packet::run);
}
