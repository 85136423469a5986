//! Running totals: what the book keeps instead of the records.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use crate::{city::City, fees::FeeRates, money::MoneyOverflow, tap::Kind};

/// What records are summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TotalKey {
    /// The city where the card was used.
    pub acquirer: City,
    /// The card's home city.
    pub issuer: City,
    /// The kind of movement.
    pub kind: Kind,
    /// The fee line, and which of the acquirer's accounts: the slot of [`FeeTable`](crate::fees::FeeTable).
    pub fee_line: u16,
}

/// The sums of the cleared records of one [`TotalKey`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records.
    pub count: u64,
    /// Their amounts, fen.
    pub amount_fen: u64,
    /// Interchange of each record, summed; 0 unless fees are computed per record.
    pub interchange_fen: u64,
    /// Switch fee of each record, summed; 0 unless fees are computed per record.
    pub switch_fee_fen: u64,
}

impl Tally {
    /// Adds a record; with `rates` (basis per record) its rounded fees too.
    ///
    /// # Errors
    /// [`MoneyOverflow`] if a sum leaves 64 bits; the tally is then unchanged.
    pub fn add(&mut self, amount_fen: u32, rates: Option<&FeeRates>) -> Result<(), MoneyOverflow> {
        let amount_fen = u64::from(amount_fen);
        self.merge(&Self {
            count: 1,
            amount_fen,
            interchange_fen: rates.map_or(0, |rates| rates.interchange.of(amount_fen)),
            switch_fee_fen: rates.map_or(0, |rates| rates.switch.of(amount_fen)),
        })
    }

    /// Adds another tally.
    ///
    /// # Errors
    /// [`MoneyOverflow`] if a sum leaves 64 bits; the tally is then unchanged.
    pub fn merge(&mut self, other: &Self) -> Result<(), MoneyOverflow> {
        let sum = |a: u64, b: u64| a.checked_add(b).ok_or(MoneyOverflow);
        *self = Self {
            count: sum(self.count, other.count)?,
            amount_fen: sum(self.amount_fen, other.amount_fen)?,
            interchange_fen: sum(self.interchange_fen, other.interchange_fen)?,
            switch_fee_fen: sum(self.switch_fee_fen, other.switch_fee_fen)?,
        };
        Ok(())
    }
}

/// Totals in the order of their keys, those of one key added up.
///
/// # Errors
/// [`MoneyOverflow`] if a sum leaves 64 bits.
pub fn merged(mut totals: Vec<(TotalKey, Tally)>) -> Result<Vec<(TotalKey, Tally)>, MoneyOverflow> {
    // Quick where they come in few sorted runs, as partitions say them.
    totals.sort_by_key(|(key, _)| *key);
    let mut fits = Ok(());
    totals.dedup_by(|(key, tally), (kept_key, kept)| {
        let same = key == kept_key;
        if same && fits.is_ok() {
            fits = kept.merge(tally);
        }
        same
    });
    fits.map(|()| totals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fees::{Fee, Rate, RateError};

    #[test]
    fn per_record_fees_are_rounded_one_by_one() -> Result<(), Box<dyn std::error::Error>> {
        let rate = |text: &str| -> Result<Rate, RateError> { text.parse() };
        let rates = FeeRates { interchange: rate("0.003")?.into(), switch: rate("0.001")?.into() };
        let mut tally = Tally::default();
        for amount_fen in [200, 200, 0, 500, u32::MAX] {
            tally.add(amount_fen, Some(&rates))?;
        }
        let expected = Tally {
            count: 5,
            amount_fen: 900 + 4_294_967_295,
            interchange_fen: 1 + 1 + 2 + 12_884_902,
            switch_fee_fen: 1 + 4_294_967,
        };
        assert_eq!(tally, expected);
        let mut without = Tally::default();
        without.add(500, None)?;
        assert_eq!(without, Tally { count: 1, amount_fen: 500, interchange_fen: 0, switch_fee_fen: 0 });
        Ok(())
    }

    #[test]
    fn the_least_and_the_most_of_a_fee_hold_for_each_record() -> Result<(), Box<dyn std::error::Error>> {
        let rate = |text: &str| -> Result<Rate, RateError> { text.parse() };
        let interchange = Fee { rate: rate("0.01")?, min_fen: 2, max_fen: Some(4) };
        let rates = FeeRates { interchange, switch: Fee { max_fen: Some(1), ..rate("0.01")?.into() } };
        let mut tally = Tally::default();
        for amount_fen in [0, 100, 300, 1000] {
            tally.add(amount_fen, Some(&rates))?;
        }
        // Rounded 0, 1, 3, 10: held 2, 2, 3, 4 and 0, 1, 1, 1.
        assert_eq!(tally, Tally { count: 4, amount_fen: 1400, interchange_fen: 11, switch_fee_fen: 3 });
        Ok(())
    }

    #[test]
    fn an_overflow_changes_nothing() {
        let full = Tally { amount_fen: u64::MAX, ..Tally::default() };
        let mut tally = full;
        assert_eq!(tally.add(1, None), Err(MoneyOverflow));
        assert_eq!(tally, full);
        assert_eq!(tally.merge(&full), Err(MoneyOverflow));
        assert_eq!(tally, full);
    }

    /// Two partitions, each in order; one total stands in both, as of a city that has moved.
    #[test]
    fn totals_of_several_partitions_come_in_order_and_add_up() -> Result<(), Box<dyn std::error::Error>> {
        let key = |acquirer: &str, fee_line| -> Result<TotalKey, crate::city::CityError> {
            Ok(TotalKey {
                acquirer: acquirer.parse()?,
                issuer: "cu-9000".parse()?,
                kind: Kind::Purchase,
                fee_line,
            })
        };
        let tally = |count, amount_fen| Tally { count, amount_fen, ..Tally::default() };
        let first = [(key("cu-2000", 0)?, tally(1, 100)), (key("cu-4000", 1)?, tally(2, 250))];
        let second = [(key("cu-3000", 1)?, tally(3, 30)), (key("cu-4000", 1)?, tally(4, 50))];
        let expected = [first[0], second[0], (key("cu-4000", 1)?, tally(6, 300))];
        assert_eq!(merged([first, second].concat())?, expected);
        let full = (key("cu-4000", 1)?, tally(0, u64::MAX));
        assert_eq!(merged([&first[..], &[full]].concat()), Err(MoneyOverflow));
        Ok(())
    }
}
