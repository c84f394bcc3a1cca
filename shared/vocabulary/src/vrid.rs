//! Virtual router identifiers.

use std::fmt;
use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};

/// Virtual Router Identifier, 1 to 255 (RFC 9568 §5.2.3); unique on a LAN for each address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vrid(NonZeroU8);

/// A number that is no virtual router identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255")]
pub struct VridError;

impl Vrid {
    /// The number, as it stands in the packet's second byte.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0.get()
    }
}

impl TryFrom<i64> for Vrid {
    type Error = VridError;

    fn try_from(number: i64) -> Result<Self, VridError> {
        let byte = u8::try_from(number).map_err(|_| VridError)?;
        NonZeroU8::new(byte).map(Self).ok_or(VridError)
    }
}

impl TryFrom<u8> for Vrid {
    type Error = VridError;

    fn try_from(byte: u8) -> Result<Self, VridError> {
        Self::try_from(i64::from(byte))
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_1_to_255_and_nothing_else() {
        assert_eq!(Vrid::try_from(1_i64).unwrap().get(), 1);
        assert_eq!(Vrid::try_from(255_i64).unwrap().get(), 255);
        for wrong in [-1_i64, 0, 256, i64::MAX] {
            assert_eq!(Vrid::try_from(wrong), Err(VridError), "{wrong}");
        }
    }
}
