//! Fee rates as exact ratios, fee lines, and the one rounding rule: half away from zero.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod table;

use std::{fmt, str::FromStr};

use crate::{
    city::City,
    date::Date,
    tap::{Product, Sector},
};

pub use table::FeeTable;
use table::{PRODUCTS, SECTORS};

/// The most digits a rate may have after its point.
pub const RATE_DECIMALS_MAX: usize = 12;

/// A rate between 0 and 1, kept as the exact ratio its decimal text says.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// At most `denominator`.
    numerator: u64,
    /// A power of ten, 1 to 10^12.
    denominator: u64,
}

/// Why a text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Not plain decimal digits.
    #[error("not a rate: expected decimal text between 0 and 1, such as \"0.003\"")]
    Form,
    /// More digits than are kept exactly.
    #[error("a rate with more than {RATE_DECIMALS_MAX} decimals: round it in the rulebook")]
    TooManyDecimals,
    /// More than the whole amount.
    #[error("a rate above 1: a fee is a part of the amount, such as \"0.003\" for 0.3 per cent")]
    AboveOne,
}

impl Rate {
    /// No fee.
    pub const ZERO: Self = Self { numerator: 0, denominator: 1 };

    /// Reads decimal text: `0`, `1`, `0.003`; no sign, exponent, spaces or leading zeros.
    ///
    /// # Errors
    /// [`RateError`] for any other form, a rate above 1, or more than 12 decimals.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        let (whole, decimals) = match text.split_once('.') {
            Some((_, "")) => return Err(RateError::Form),
            Some((whole, decimals)) => (whole, decimals),
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leading_zero || !digits(whole) || !digits(decimals) {
            return Err(RateError::Form);
        }
        if decimals.len() > RATE_DECIMALS_MAX {
            return Err(RateError::TooManyDecimals);
        }
        if whole != "0" && whole != "1" {
            return Err(RateError::AboveOne);
        }
        let decimals = decimals.trim_end_matches('0');
        let scale = u32::try_from(decimals.len()).map_err(|_| RateError::TooManyDecimals)?;
        let denominator = 10_u64.checked_pow(scale).ok_or(RateError::TooManyDecimals)?;
        let numerator = format!("{whole}{decimals}").parse().map_err(|_| RateError::Form)?;
        if numerator > denominator {
            return Err(RateError::AboveOne);
        }
        Ok(Self { numerator, denominator })
    }

    /// The fee on an amount in fen, rounded to a whole fen, half away from zero.
    #[must_use]
    pub fn of(&self, amount_fen: u64) -> u64 {
        let half = self.denominator >> 1;
        let small = amount_fen.checked_mul(self.numerator).and_then(|product| product.checked_add(half));
        match small {
            Some(scaled) => scaled.checked_div(self.denominator).unwrap_or(0),
            None => self.of_large(amount_fen),
        }
    }

    /// The same in 128 bits, where 64 are too few. A rate is at most 1, so the fee fits again.
    #[cold]
    fn of_large(&self, amount_fen: u64) -> u64 {
        let product = u128::from(amount_fen).saturating_mul(u128::from(self.numerator));
        let scaled = product.saturating_add(u128::from(self.denominator >> 1));
        let fee = scaled.checked_div(u128::from(self.denominator)).unwrap_or(0);
        u64::try_from(fee).unwrap_or(u64::MAX)
    }
}

impl FromStr for Rate {
    type Err = RateError;
    fn from_str(text: &str) -> Result<Self, RateError> {
        Self::parse(text)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = self.denominator.checked_ilog10().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        if scale == 0 {
            return write!(f, "{}", self.numerator);
        }
        // With decimals left after trimming zeros a rate is below 1, so its whole part is 0.
        write!(f, "0.{:0scale$}", self.numerator)
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a fee is computed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Once on the cycle's total of a (pair, kind, fee line): `cycle_bilateral`.
    CycleBilateral,
    /// On each record, then summed: `per_record`.
    PerRecord,
}

impl Basis {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::CycleBilateral, Self::PerRecord];

    /// The word of the rulebook.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::CycleBilateral => "cycle_bilateral",
            Self::PerRecord => "per_record",
        }
    }
}

/// A rate, and the least and the most that it may come to.
///
/// What they hold for is what is rounded: one record, or a cycle's total of a (pair, kind, fee line).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fee {
    /// The rate.
    pub rate: Rate,
    /// The least, fen.
    pub min_fen: u32,
    /// The most, fen; at least `min_fen`.
    pub max_fen: Option<u32>,
}

impl Fee {
    /// The fee on an amount in fen: rounded first, then raised to the least or lowered to the most.
    #[must_use]
    pub fn of(&self, amount_fen: u64) -> u64 {
        let rounded = self.rate.of(amount_fen).max(self.min_fen.into());
        self.max_fen.map_or(rounded, |max_fen| rounded.min(max_fen.into()))
    }
}

impl From<Rate> for Fee {
    fn from(rate: Rate) -> Self {
        Self { rate, min_fen: 0, max_fen: None }
    }
}

/// The two fees that apply to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRates {
    /// What the acquirer pays to the issuer.
    pub interchange: Fee,
    /// What the acquirer pays to the scheme.
    pub switch: Fee,
}

/// Rates for the records that every stated selector matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeLine {
    /// Its name in the rulebook.
    pub name: String,
    /// The city where the card was used, if stated.
    pub acquirer: Option<City>,
    /// The card's home city, if stated.
    pub issuer: Option<City>,
    /// Where the card was used, if stated.
    pub sector: Option<Sector>,
    /// How the fare was made, if stated.
    pub product: Option<Product>,
    /// The first business date, if stated.
    pub from: Option<Date>,
    /// The first business date on which it is over, if stated.
    pub until: Option<Date>,
    /// Its rates.
    pub rates: FeeRates,
}

impl FeeLine {
    /// Whether the line applies to the pair on that business date, sector and product aside.
    #[must_use]
    pub fn matches_pair(&self, acquirer: City, issuer: City, business_date: Date) -> bool {
        self.acquirer.is_none_or(|city| city == acquirer)
            && self.issuer.is_none_or(|city| city == issuer)
            && self.from.is_none_or(|from| from <= business_date)
            && self.until.is_none_or(|until| business_date < until)
    }

    /// Whether the line applies to the sector and product.
    #[must_use]
    pub fn matches_ride(&self, sector: Sector, product: Product) -> bool {
        self.sector.is_none_or(|s| s == sector) && self.product.is_none_or(|p| p == product)
    }
}

/// The table `[fees]` of a rulebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fees {
    /// What fees are computed on.
    pub basis: Basis,
    /// The rates of a record that no line matches.
    pub default: FeeRates,
    /// The lines in the rulebook's order; the first that matches applies.
    pub lines: Vec<FeeLine>,
}

impl Fees {
    /// The rates of a slot, as [`FeeTable::slot`] numbers them.
    #[must_use]
    pub fn rates(&self, slot: u16) -> &FeeRates {
        let at = usize::from(slot);
        // Nearly every slot is a line of a main account.
        let at = if at > self.lines.len() { usize::from(self.line_of(slot)) } else { at };
        self.lines.get(at).map_or(&self.default, |line| &line.rates)
    }

    /// How many slots each account of an acquirer has: one for each line, one for the default rates.
    #[must_use]
    pub fn slots_of_account(&self) -> u16 {
        self.default_line().saturating_add(1)
    }

    /// The fee line of a slot.
    #[must_use]
    pub fn line_of(&self, slot: u16) -> u16 {
        slot.checked_rem(self.slots_of_account()).unwrap_or(slot)
    }

    /// The acquirer's account of a slot, 0 for its main one.
    #[must_use]
    pub fn account_of(&self, slot: u16) -> u8 {
        slot.checked_div(self.slots_of_account()).and_then(|account| u8::try_from(account).ok()).unwrap_or(0)
    }

    /// The number that stands for the default rates.
    #[must_use]
    pub fn default_line(&self) -> u16 {
        u16::try_from(self.lines.len()).unwrap_or(u16::MAX)
    }

    /// The fee lines of a pair on a business date, by sector and product, all over the acquirer's main account.
    #[must_use]
    pub(crate) fn table(&self, acquirer: City, issuer: City, business_date: Date) -> FeeTable {
        let default = self.default_line();
        let mut lines = [[default; PRODUCTS]; SECTORS];
        let matching = (0..default)
            .zip(&self.lines)
            .filter(|(_, line)| line.matches_pair(acquirer, issuer, business_date));
        for (number, line) in matching {
            for (row, sector) in lines.iter_mut().zip(Sector::ALL) {
                for (cell, product) in row.iter_mut().zip(Product::ALL) {
                    if *cell == default && line.matches_ride(*sector, *product) {
                        *cell = number;
                    }
                }
            }
        }
        FeeTable::over_main_account(lines, default)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "the formula to compare with, wide enough by its types")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{city, date};

    fn rate(text: &str) -> Rate {
        Rate::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn halves_go_away_from_zero() {
        let cases = [
            ("0.005", 100, 1),
            ("0.005", 99, 0),
            ("0.005", 101, 1),
            ("0.003", 500, 2),
            ("0.003", 499, 1),
            ("0.5", 1, 1),
            ("0", u64::MAX, 0),
            ("1", u64::MAX, u64::MAX),
            ("1.000", 7, 7),
            ("0.999999999999", u64::MAX, 18_446_744_073_691_104_871),
            ("0.000000000001", 499_999_999_999, 0),
            ("0.000000000001", 500_000_000_000, 1),
        ];
        for (text, amount_fen, fee_fen) in cases {
            assert_eq!(rate(text).of(amount_fen), fee_fen, "{text} of {amount_fen}");
        }
    }

    #[test]
    fn a_fee_is_rounded_and_then_held_between_its_least_and_its_most() {
        let fee = Fee { rate: rate("0.003"), min_fen: 3, max_fen: Some(5) };
        // 0.003 × 1000 = 3, × 1167 = 3.501, × 1500 = 4.5, × 1834 = 5.502.
        for (amount_fen, fee_fen) in
            [(0, 3), (1, 3), (1000, 3), (1167, 4), (1500, 5), (1834, 5), (u64::MAX, 5)]
        {
            assert_eq!(fee.of(amount_fen), fee_fen, "{amount_fen}");
        }
        let free = Fee { max_fen: Some(0), ..Fee::from(rate("0.5")) };
        assert_eq!(free.of(1_000_000), 0, "a most of nothing");
        assert_eq!(Fee::from(rate("0.5")).of(3), 2, "nothing stated, nothing held");
    }

    #[test]
    fn other_texts_are_no_rates() {
        use RateError::{AboveOne, Form, TooManyDecimals};
        let cases = [
            ("", Form),
            (".5", Form),
            ("1.", Form),
            ("00.5", Form),
            ("-0.1", Form),
            ("+0.1", Form),
            ("1e-3", Form),
            (" 0.1", Form),
            ("0,1", Form),
            ("0.1.2", Form),
            ("0.３", Form),
            ("0.0000000000001", TooManyDecimals),
            ("1.1", AboveOne),
            ("1.000000000001", AboveOne),
            ("2", AboveOne),
            ("10", AboveOne),
        ];
        for (text, error) in cases {
            assert_eq!(Rate::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn rounding_is_the_exact_ratio_plus_a_half(amount_fen: u64, decimals in "[0-9]{1,12}") {
            let text = format!("0.{decimals}");
            let scale = 10_u128.pow(u32::try_from(decimals.len()).unwrap_or(0));
            let numerator: u128 = decimals.parse().unwrap_or(0);
            // floor(amount × rate + 1/2), multiplied out; 2 × 2^64 × 10^12 fits in 128 bits.
            let exact = (2 * u128::from(amount_fen) * numerator + scale) / (2 * scale);
            prop_assert_eq!(u128::from(rate(&text).of(amount_fen)), exact);
        }

        #[test]
        fn rates_come_back(decimals in "[0-9]{0,11}[1-9]") {
            let text = format!("0.{decimals}");
            prop_assert_eq!(rate(&text).to_string(), text);
        }
    }

    fn line(name: &str) -> FeeLine {
        FeeLine {
            name: name.to_owned(),
            acquirer: None,
            issuer: None,
            sector: None,
            product: None,
            from: None,
            until: None,
            rates: FeeRates { interchange: Rate::ZERO.into(), switch: Rate::ZERO.into() },
        }
    }

    #[test]
    fn the_first_line_that_matches_applies() {
        let fees = Fees {
            basis: Basis::CycleBilateral,
            default: FeeRates { interchange: rate("0.003").into(), switch: rate("0.001").into() },
            lines: vec![
                FeeLine { product: Some(Product::Pass), issuer: Some(city("cu-3000")), ..line("passes") },
                FeeLine { acquirer: Some(city("cu-2000")), sector: Some(Sector::Metro), ..line("metro") },
                FeeLine { from: Some(date("2018-09-02")), until: Some(date("2018-09-04")), ..line("days") },
            ],
        };
        let of = |acquirer, issuer, day, sector: Sector, product: Product| {
            let table = fees.table(city(acquirer), city(issuer), date(day));
            table.slot(sector.index(), product.index())
        };
        let (metro, bus, pass, flat) = (Sector::Metro, Sector::Bus, Product::Pass, Product::Flat);
        assert_eq!(of("cu-2000", "cu-3000", "2018-09-01", metro, pass), 0, "the first of two that match");
        assert_eq!(of("cu-2000", "cu-3000", "2018-09-01", metro, flat), 1);
        assert_eq!(of("cu-2000", "cu-4000", "2018-09-01", metro, pass), 1, "another issuer");
        assert_eq!(of("cu-4000", "cu-2000", "2018-09-01", metro, pass), 3, "the pair the other way round");
        assert_eq!(of("cu-2000", "cu-3000", "2018-09-01", bus, flat), 3, "the day before");
        assert_eq!(of("cu-2000", "cu-3000", "2018-09-02", bus, flat), 2, "the first day");
        assert_eq!(of("cu-2000", "cu-3000", "2018-09-03", bus, flat), 2, "the last day");
        assert_eq!(of("cu-2000", "cu-3000", "2018-09-04", bus, flat), 3, "until is excluded");
        assert_eq!(fees.rates(3), &fees.default);
        let table = fees.table(city("cu-2000"), city("cu-3000"), date("2018-09-01"));
        assert_eq!(table.slot(200, 0), 3, "an index beyond the list of sectors");
        assert_eq!(table.slot(0, 200), 3, "an index beyond the list of products");
    }
}
