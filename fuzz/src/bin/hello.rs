//! Fuzzes [`targets::hello`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::hello::run(bytes));
