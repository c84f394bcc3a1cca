//! Fuzzes [`targets::link`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::link::run(bytes));
