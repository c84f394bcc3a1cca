//! Whatever a guest writes on the link, it is a message or an error, and is not held without limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use process::messages::{LINE_LIMIT, Lines, ToVrrpd, line};

fuzz_target!(|chunks: Vec<Vec<u8>>| {
    let mut lines = Lines::default();
    for chunk in chunks {
        if lines.push(&chunk).is_err() {
            assert!(chunk.len() > 0);
            return;
        }
        loop {
            match lines.message::<ToVrrpd>() {
                Ok(Some(message)) => {
                    let mut again = Lines::default();
                    again.push(&line(&message)).unwrap();
                    assert_eq!(again.message::<ToVrrpd>().unwrap(), Some(message));
                }
                Ok(None) => break,
                Err(_) => {}
            }
        }
        assert!(lines.waiting() <= LINE_LIMIT);
    }
});
