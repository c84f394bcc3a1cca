//! Virtual router identifiers that nobody uses.

use std::collections::BTreeSet;

/// Those of 1 to 255 that are not among `used`, as ranges.
#[must_use]
pub fn free(used: &BTreeSet<u8>) -> String {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for vrid in (1..=u8::MAX).filter(|vrid| !used.contains(vrid)) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == vrid => *last = vrid,
            _ => ranges.push((vrid, vrid)),
        }
    }
    let word = |(first, last): (u8, u8)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_told_in_ranges() {
        for (used, expected) in [
            (vec![], "1-255"),
            (vec![51], "1-50, 52-255"),
            (vec![1, 3, 255], "2, 4-254"),
            ((1..=255).collect(), ""),
        ] {
            assert_eq!(free(&used.into_iter().collect()), expected);
        }
    }
}
