//! Names the operator gives to routers, proxies and servers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Family;

/// A name from the configuration: 1 to 63 letters, digits, `-`, `_`, `.`, `:` or brackets; it stands in logs,
/// in metrics and on command lines without quoting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 63 letters, digits, `-`, `_`, `.`, `:` or brackets")]
pub struct NameError;

impl Name {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for Name {
    type Error = NameError;

    fn try_from(name: &str) -> Result<Self, NameError> {
        let fits = (1..=63).contains(&name.len());
        let clean = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '[' | ']'));
        if fits && clean { Ok(Self(name.to_owned())) } else { Err(NameError) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One virtual router: a `[[vrrp]]` table speaks for IPv4, for IPv6 or, as two routers, for both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouterId {
    /// The table's name.
    pub name: Name,
    /// Whose addresses it elects an owner for.
    pub family: Family,
}

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_quoting() {
        assert_eq!(Name::try_from("k8s-api.v4_1").unwrap().as_str(), "k8s-api.v4_1");
        // A server without a name is called by its address.
        assert!(Name::try_from("[2001:db8::1]:6443").is_ok());
        for wrong in ["", "a b", "a\"b", "ä", "a/b", &"x".repeat(64)] {
            assert_eq!(Name::try_from(wrong), Err(NameError), "{wrong:?}");
        }
    }
}
