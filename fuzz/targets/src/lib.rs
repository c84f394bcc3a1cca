//! What is fuzzed: one function for each decoder that strangers can reach. Each takes bytes and panics when a
//! promise is broken.
//!
//! The fuzzers (`fuzz/run`) call them with what they invent, the test of this crate with
//! `fuzz/seeds`, which earlier runs found.
#![expect(clippy::unwrap_used, reason = "whoever fuzzes wants to see it fail")]

pub mod advert;
pub mod config;
pub mod frame;
pub mod hello;
pub mod import;
pub mod link;
pub mod packet;

use arbitrary::{Arbitrary, Unstructured};

/// What the bytes stand for, as `libfuzzer-sys` reads them; none if they are too few.
fn read<'a, T: Arbitrary<'a>>(bytes: &'a [u8]) -> Option<T> {
    let enough = bytes.len() >= T::size_hint(0).0;
    enough.then(|| T::arbitrary_take_rest(Unstructured::new(bytes)).ok()).flatten()
}
