//! Money: integer fen (1/100 yuan), with arithmetic that refuses to wrap.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::{cmp::Reverse, fmt};

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

/// Shares a whole among parts in proportion to their weights, to the fen: each is rounded down, and what is left over goes
/// fen by fen to those whose rounding took most, the first among equals. Where all weights are 0, the first has all.
#[must_use]
pub fn apportion(whole: u64, weights: &[u64]) -> Vec<u64> {
    let all = weights.iter().fold(0_u128, |sum, weight| sum.saturating_add(u128::from(*weight)));
    // Whole fen, and the rest of the division; no product of two 64-bit figures leaves 128 bits.
    let part = |weight: &u64| {
        let product = u128::from(whole).saturating_mul(u128::from(*weight));
        let fen = product.checked_div(all).and_then(|fen| u64::try_from(fen).ok()).unwrap_or(0);
        (fen, product.checked_rem(all).unwrap_or(0))
    };
    let (mut parts, rests): (Vec<u64>, Vec<u128>) = weights.iter().map(part).unzip();
    let mut left = parts.iter().fold(whole, |left, fen| left.saturating_sub(*fen));
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| Reverse(rests.get(*at).copied()));
    for (place, at) in order.into_iter().enumerate() {
        // Less than a fen for each part is left, but where there are no weights.
        let more = if all == 0 && place == 0 { left } else { left.min(1) };
        if let Some(fen) = parts.get_mut(at) {
            *fen = fen.saturating_add(more);
            left = left.saturating_sub(more);
        }
    }
    parts
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
#[expect(clippy::arithmetic_side_effects, reason = "the formula to compare with, wide enough by its types")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sums_never_wrap() {
        assert_eq!(Fen(2).checked_add(Fen(3)), Ok(Fen(5)));
        assert_eq!(Fen(u64::MAX).checked_add(Fen(1)), Err(MoneyOverflow));
        assert_eq!(Fen(2).checked_sub(Fen(3)), Err(MoneyOverflow));
        assert_eq!(Fen(3).checked_sub(Fen(3)), Ok(Fen::ZERO));
        assert_eq!(Fen::from(4_294_967_295).to_string(), "4294967295");
    }

    #[test]
    fn a_whole_is_shared_to_the_fen() {
        let cases: [(u64, &[u64], &[u64]); 9] = [
            // 33.22, 33.22, 33.55: the one fen left goes to the last.
            (100, &[100, 100, 101], &[33, 33, 34]),
            (1, &[100, 100], &[1, 0]),
            (5, &[500, 1000], &[2, 3]),
            (5, &[0, 1000], &[0, 5]),
            (2, &[1, 1, 1], &[1, 1, 0]),
            (0, &[3, 4], &[0, 0]),
            (7, &[0, 0], &[7, 0]),
            (7, &[], &[]),
            (u64::MAX, &[u64::MAX, u64::MAX], &[1 << 63, u64::MAX >> 1]),
        ];
        for (whole, weights, shares) in cases {
            assert_eq!(apportion(whole, weights), shares, "{whole} {weights:?}");
        }
    }

    proptest! {
        #[test]
        fn shares_come_to_the_whole_and_none_is_off_by_a_fen(
            whole: u64,
            weights in prop::collection::vec(0..1_u64 << 50, 1..12),
        ) {
            let shares = apportion(whole, &weights);
            prop_assert_eq!(shares.iter().map(|fen| u128::from(*fen)).sum::<u128>(), u128::from(whole));
            let all: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
            for (share, weight) in shares.iter().zip(&weights).filter(|_| all > 0) {
                let exact = u128::from(whole) * u128::from(*weight) / all;
                prop_assert!((exact..=exact + 1).contains(&u128::from(*share)), "{share} {exact}");
            }
        }
    }
}
