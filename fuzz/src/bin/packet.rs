//! Fuzzes [`targets::packet`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::packet::run(bytes));
