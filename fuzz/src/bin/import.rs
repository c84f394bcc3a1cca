//! Fuzzes [`targets::import`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::import::run(bytes));
