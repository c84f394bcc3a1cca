//! Names the operator gives to routers, proxies and servers.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::Family;

/// A name from the configuration: 1 to 63 letters, digits, `-`, `_`, `.`, `:` or brackets; it stands in logs,
/// in metrics and on command lines without quoting. One of several that come of one name has its address
/// behind it: `cp@10.0.0.1`.
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

    /// The one of those of this name that is at `address`.
    #[must_use]
    pub fn at(&self, address: IpAddr) -> Self {
        Self(format!("{self}@{address}"))
    }

    /// Whether it is `other`, or one of those of that name.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(&other.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
    }
}

impl TryFrom<&str> for Name {
    type Error = NameError;

    fn try_from(name: &str) -> Result<Self, NameError> {
        let own = match name.split_once('@') {
            Some((own, address)) if address.parse::<IpAddr>().is_ok() => own,
            _ => name,
        };
        let fits = (1..=63).contains(&own.len());
        let clean = own
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
        let cp = Name::try_from("cp:6443").unwrap();
        let one = cp.at("fd00::1".parse().unwrap());
        assert_eq!(one.as_str(), "cp:6443@fd00::1");
        assert_eq!(Name::try_from(one.as_str()), Ok(one.clone()));
        assert!(one.is_of(&cp) && cp.is_of(&cp) && !cp.is_of(&one));
        assert!(!Name::try_from("cp:64430").unwrap().is_of(&cp));
        for wrong in [
            "",
            "a b",
            "a@",
            "a@b",
            "@10.0.0.1",
            "a@10.0.0.1@10.0.0.2",
            "a\"b",
            "ä",
            "a/b",
            &"x".repeat(64),
        ] {
            assert_eq!(Name::try_from(wrong), Err(NameError), "{wrong:?}");
        }
    }
}
