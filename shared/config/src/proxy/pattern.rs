//! Names that TLS clients ask for, told by a pattern.

use std::fmt;

use crate::code::Code;
use crate::fault::Fault;

/// Letters of a name at most (RFC 1035 §2.3.4).
const LONGEST: usize = 253;

/// A name, or several: `*` stands for any characters, dots too, or for none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamePattern(String);

impl NamePattern {
    /// The pattern that is written `text`.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.*".contains(c);
        if text.is_empty() || text.len() > LONGEST || !text.chars().all(known) {
            let must = "must be a name such as \"api.example.com\" or \"*.example.com\"";
            return Err(Fault::new(Code::NotAName, must));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// Whether it fits `name`, which has no upper case.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        // There is always a first part.
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
            return false;
        };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            // The earliest place leaves the most for the parts behind it.
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, fits) in [
            ("api.example.com", "api.example.com", true),
            ("API.Example.com", "api.example.com", true),
            ("api.example.com", "api.example.com.", false),
            ("api.example.com", "xapi.example.com", false),
            ("*.example.com", "api.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", true),
            ("*.example.com", "example.com.evil.org", false),
            ("www.*", "www.example.com", true),
            ("www.*", "ww.example.com", false),
            ("*apps*", "x.apps.example.com", true),
            ("*apps*", "x.app.example.com", false),
            ("a*b*b", "a.b", false),
            ("a*b*b", "abb", true),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("**", "x", true),
        ] {
            let fit = NamePattern::parse(pattern).unwrap().fits(name);
            assert_eq!(fit, fits, "{pattern} {name}");
        }
    }

    #[test]
    fn not_every_text_is_one() {
        for wrong in ["", "a b", "exämple.com", "^api", "a/b", &"x".repeat(254)] {
            assert!(NamePattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    /// What it means, said at length.
    fn fits(pattern: &[u8], name: &[u8]) -> bool {
        match pattern {
            [] => name.is_empty(),
            [b'*', rest @ ..] => (0..=name.len()).any(|cut| fits(rest, &name[cut..])),
            [first, rest @ ..] => {
                name.split_first().is_some_and(|(n, ns)| n == first && fits(rest, ns))
            }
        }
    }

    proptest! {
        #[test]
        fn it_fits_what_its_meaning_says(pattern in "[ab.*]{1,8}", name in "[ab.]{0,10}") {
            let fit = NamePattern::parse(&pattern).unwrap().fits(&name);
            prop_assert_eq!(fit, fits(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
