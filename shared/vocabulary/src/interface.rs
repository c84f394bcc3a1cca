//! Names of network interfaces.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a network interface, as the kernel allows it: 1 to 15 bytes, no slash, no space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InterfaceName(String);

/// A text that names no interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an interface name: 1 to 15 characters without slash, colon or space")]
pub struct InterfaceNameError;

impl InterfaceName {
    /// What stands for one that is not known yet. No interface has this name.
    #[must_use]
    pub fn unknown() -> Self {
        Self("?".to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for InterfaceName {
    type Error = InterfaceNameError;

    fn try_from(name: &str) -> Result<Self, InterfaceNameError> {
        let fits = (1..=15).contains(&name.len());
        let clean =
            !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control());
        if fits && clean && name != "." && name != ".." {
            Ok(Self(name.to_owned()))
        } else {
            Err(InterfaceNameError)
        }
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_kernels_rule() {
        assert_eq!(InterfaceName::try_from("enp2s0.100").unwrap().as_str(), "enp2s0.100");
        for wrong in ["", "abcdefghijklmnop", "a/b", "a b", "a:0", ".", ".."] {
            assert_eq!(InterfaceName::try_from(wrong), Err(InterfaceNameError), "{wrong:?}");
        }
    }
}
