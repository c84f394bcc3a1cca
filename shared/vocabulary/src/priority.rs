//! Priorities in the election.

use std::fmt;
use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};

/// A router's priority, 1 to 255 (RFC 9568 §5.2.4). Zero is no priority: it says "I resign", and has
/// a word of its own in the packet type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(NonZeroU8);

/// A number that is no priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255")]
pub struct PriorityError;

impl Priority {
    /// Of the router that owns the addresses (RFC 9568 §5.2.4): tracking never changes it.
    pub const OWNER: Self = Self(NonZeroU8::MAX);
    /// What a router has that was told nothing else (RFC 9568 §6.1).
    pub const DEFAULT: Self = Self::literal(100);
    /// Shared by every node that cannot serve, so that among such nodes nobody moves.
    pub const UNUSABLE: Self = Self(NonZeroU8::MIN);

    const fn literal(number: u8) -> Self {
        match NonZeroU8::new(number) {
            Some(number) => Self(number),
            None => Self::UNUSABLE,
        }
    }

    /// The priority nearest to `number` that is neither a resignation nor the owner's.
    #[must_use]
    pub fn clamped(number: i32) -> Self {
        u8::try_from(number.clamp(1, 254)).map_or(Self::UNUSABLE, Self::literal)
    }

    /// The number, as it stands in the packet's third byte.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0.get()
    }

    /// Whether this is the address owner's priority.
    #[must_use]
    pub fn is_owner(self) -> bool {
        self == Self::OWNER
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<i64> for Priority {
    type Error = PriorityError;

    fn try_from(number: i64) -> Result<Self, PriorityError> {
        let byte = u8::try_from(number).map_err(|_| PriorityError)?;
        NonZeroU8::new(byte).map(Self).ok_or(PriorityError)
    }
}

impl TryFrom<u8> for Priority {
    type Error = PriorityError;

    fn try_from(byte: u8) -> Result<Self, PriorityError> {
        Self::try_from(i64::from(byte))
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_1_to_255_and_orders_unsigned() {
        assert!(Priority::try_from(200_i64).unwrap() > Priority::try_from(100_i64).unwrap());
        assert!(Priority::try_from(255_i64).unwrap().is_owner());
        assert_eq!(Priority::DEFAULT.get(), 100);
        assert_eq!(Priority::UNUSABLE.get(), 1);
        for wrong in [-1_i64, 0, 256] {
            assert_eq!(Priority::try_from(wrong), Err(PriorityError), "{wrong}");
        }
    }
}
