//! Money: integer fen (1/100 yuan), with arithmetic that refuses to wrap.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::fmt;

/// An amount of money in fen, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fen(pub u64);

/// A sum left the range of its type: something upstream counts nonsense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a sum of fen leaves the range of 64 bits; no settlement is that large, so stop and look at its input"
)]
pub struct MoneyOverflow;

impl Fen {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyOverflow`] beyond 64 bits.
    pub const fn checked_add(self, other: Self) -> Result<Self, MoneyOverflow> {
        match self.0.checked_add(other.0) {
            Some(sum) => Ok(Self(sum)),
            None => Err(MoneyOverflow),
        }
    }

    /// The difference.
    ///
    /// # Errors
    /// [`MoneyOverflow`] below zero.
    pub const fn checked_sub(self, other: Self) -> Result<Self, MoneyOverflow> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Ok(Self(difference)),
            None => Err(MoneyOverflow),
        }
    }
}

impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<u32> for Fen {
    fn from(fen: u32) -> Self {
        Self(u64::from(fen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_never_wrap() {
        assert_eq!(Fen(2).checked_add(Fen(3)), Ok(Fen(5)));
        assert_eq!(Fen(u64::MAX).checked_add(Fen(1)), Err(MoneyOverflow));
        assert_eq!(Fen(2).checked_sub(Fen(3)), Err(MoneyOverflow));
        assert_eq!(Fen(3).checked_sub(Fen(3)), Ok(Fen::ZERO));
        assert_eq!(Fen::from(4_294_967_295).to_string(), "4294967295");
    }
}
