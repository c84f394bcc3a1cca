//! Whatever is written on a channel, it is a message or an error, and is not held without limit.

use process::messages::{LINE_LIMIT, Lines, ToVrrpd, line};

/// Holds the decoder to that with these bytes.
///
/// # Panics
/// The promise is broken.
pub fn run(bytes: &[u8]) {
    let Some(chunks) = crate::read::<Vec<Vec<u8>>>(bytes) else { return };
    let mut lines = Lines::default();
    for chunk in chunks {
        if lines.push(&chunk).is_err() {
            assert!(!chunk.is_empty());
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
}
