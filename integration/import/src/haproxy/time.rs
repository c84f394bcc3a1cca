//! Times as HAProxy writes them.

use std::time::Duration;

/// A time: milliseconds unless it has a unit.
pub(super) fn time(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let seconds = |factor: u64| number.checked_mul(factor).map(Duration::from_secs);
    match unit {
        "us" => Some(Duration::from_micros(number)),
        "" | "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3600),
        "d" => seconds(86_400),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_haproxys_units() {
        for (text, expected) in [
            ("5000", Some(Duration::from_secs(5))),
            ("5000ms", Some(Duration::from_secs(5))),
            ("1m", Some(Duration::from_secs(60))),
            ("8h", Some(Duration::from_secs(28_800))),
            ("1d", Some(Duration::from_secs(86_400))),
            ("1500us", Some(Duration::from_micros(1500))),
            ("", None),
            ("5x", None),
            ("99999999999999999999", None),
            ("18446744073709551615d", None),
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
    }
}
