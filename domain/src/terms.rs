//! When and through whom a cycle's nets are paid: the rulebook's `[settlement]` and the participants' accounts.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{
    cycle::CycleName,
    date::{Date, LocalTime},
    tap::Sector,
};

/// The currency of every settlement.
pub const CURRENCY: &str = "CNY";
/// The longest account number: what ISO 20022 allows.
pub const ACCOUNT_CHARS_MAX: usize = 34;
/// The longest name of an account: what ISO 20022 allows.
pub const ACCOUNT_NAME_CHARS_MAX: usize = 70;

/// The last second of a day.
const LAST_SECOND: u32 = 86_399;

/// A bank, by one of the two ids that banks in China go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bank {
    /// Its BIC, 8 or 11 characters.
    Bic(String),
    /// Its clearing member id in CNAPS, 12 digits.
    Cnaps(String),
}

/// Why a text is no bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a bank: expected a BIC such as ICBKCNBJ, or the 12 digits of a CNAPS clearing member")]
pub struct BankError;

impl FromStr for Bank {
    type Err = BankError;
    fn from_str(text: &str) -> Result<Self, BankError> {
        let upper = |b: u8| b.is_ascii_uppercase();
        let either = |b: u8| upper(b) || b.is_ascii_digit();
        let bytes = text.as_bytes();
        if bytes.len() == 12 && bytes.iter().all(u8::is_ascii_digit) {
            return Ok(Self::Cnaps(text.to_owned()));
        }
        let bic = matches!(bytes.len(), 8 | 11)
            && bytes
                .iter()
                .enumerate()
                .all(|(at, b)| if matches!(at, 4 | 5) { upper(*b) } else { either(*b) });
        if bic { Ok(Self::Bic(text.to_owned())) } else { Err(BankError) }
    }
}

impl fmt::Display for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Bic(id) | Self::Cnaps(id)) = self;
        f.write_str(id)
    }
}

/// An account number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountNumber(String);

/// Why a text is no account number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an account number: expected 1 to {ACCOUNT_CHARS_MAX} letters, digits or hyphens")]
pub struct AccountNumberError;

impl FromStr for AccountNumber {
    type Err = AccountNumberError;
    fn from_str(text: &str) -> Result<Self, AccountNumberError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let fits = (1..=ACCOUNT_CHARS_MAX).contains(&text.len());
        if fits && text.bytes().all(allowed) { Ok(Self(text.to_owned())) } else { Err(AccountNumberError) }
    }
}

impl fmt::Display for AccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where somebody is paid; what is not stated is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The bank.
    pub bank: Option<Bank>,
    /// The number. Messages fall back on the name of its holder's city.
    pub number: Option<AccountNumber>,
    /// The name it is held under.
    pub name: Option<String>,
}

/// Where a city is paid for what it takes in some of its sectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectorAccount {
    /// The sectors; at least one.
    pub sectors: BTreeSet<Sector>,
    /// The account; its bank and number are stated.
    pub account: Account,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    /// All of them, Monday first.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// Its English word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }

    /// That of a date. Day 0 of the Julian count was a Monday.
    #[must_use]
    pub fn of(date: Date) -> Self {
        let place = usize::try_from(date.julian_day().rem_euclid(7)).unwrap_or_default();
        Self::ALL.get(place).copied().unwrap_or(Self::Monday)
    }
}

/// Until when cities may dispute what was settled, and until when they must answer: the table `[disputes]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisputeTerms {
    /// How many days after the business date of its cycle a record may be disputed or refunded.
    pub dispute_days: u32,
    /// How many days after the business date of its opening a dispute may be answered; silence accepts it.
    pub answer_days: u32,
}

impl Default for DisputeTerms {
    fn default() -> Self {
        Self { dispute_days: 30, answer_days: 10 }
    }
}

/// How the nets of a cycle are paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The scheme's name.
    pub name: Option<String>,
    /// The account over which everybody pays and is paid.
    pub account: Account,
    /// Days of every week on which banks do not settle; never all seven.
    pub days_off: BTreeSet<Weekday>,
    /// Further days on which they do not.
    pub holidays: BTreeSet<Date>,
    /// Days on which they do, though they are days off: made up for a long holiday.
    pub working_days: BTreeSet<Date>,
    /// How many working days after the business date the nets are paid.
    pub settle_after_days: u32,
    /// Days after its business date in which home cities may agree with a cycle before it can be released without them.
    pub agreement_days: u32,
    /// The times of day at which the cycles of a business date end, in seconds since midnight, in order; empty where
    /// a rulebook states none, and a business date then ends with its day.
    pub cut_off_times: Vec<u32>,
    /// Until when a settled record may be disputed.
    pub disputes: DisputeTerms,
}

impl Default for Terms {
    /// What holds where a rulebook says nothing.
    fn default() -> Self {
        Self {
            name: None,
            account: Account::default(),
            days_off: BTreeSet::from([Weekday::Saturday, Weekday::Sunday]),
            holidays: BTreeSet::new(),
            working_days: BTreeSet::new(),
            settle_after_days: 1,
            agreement_days: 1,
            cut_off_times: Vec::new(),
            disputes: DisputeTerms::default(),
        }
    }
}

impl Terms {
    /// Whether banks settle on a day.
    #[must_use]
    pub fn is_working_day(&self, date: Date) -> bool {
        let off = self.days_off.contains(&Weekday::of(date)) || self.holidays.contains(&date);
        self.working_days.contains(&date) || !off
    }

    /// The day on which the nets of a business date are paid: the `settle_after_days`-th working day after it; if that
    /// is 0, the business date itself or else the next working day. Holidays move this day and nothing else.
    #[must_use]
    pub fn settlement_date(&self, business_date: Date) -> Date {
        let mut day = business_date;
        let mut left = self.settle_after_days;
        // Ends: not all seven days of the week are off, and holidays are finite.
        while left > 0 || !self.is_working_day(day) {
            day = day.plus_days(1);
            if self.is_working_day(day) {
                left = left.saturating_sub(1);
            }
        }
        day
    }

    /// When a cycle ends: the first of its business date at the first time, the second at the second, and every
    /// further one at the last. Without stated times, in the last second of its day.
    #[must_use]
    pub fn cut_off(&self, cycle: CycleName) -> LocalTime {
        let at = usize::try_from(cycle.sequence.saturating_sub(1)).unwrap_or(usize::MAX);
        let time = self.cut_off_times.get(at).or(self.cut_off_times.last());
        LocalTime { date: cycle.business_date, second: time.copied().unwrap_or(LAST_SECOND) }
    }

    /// The business date of the cycle that follows: the same while it has a cut-off time left, else the next day.
    #[must_use]
    pub fn date_after(&self, cycle: CycleName) -> Date {
        let cycles = u32::try_from(self.cut_off_times.len()).unwrap_or(u32::MAX);
        if cycle.sequence < cycles { cycle.business_date } else { cycle.business_date.plus_days(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::date;

    /// The National Day of 2018: 1 to 7 October off, the Saturday and Sunday before are worked instead.
    fn national_day(settle_after_days: u32) -> Terms {
        let dates = |days: &[&str]| days.iter().map(|day| date(day)).collect();
        Terms {
            holidays: dates(&[
                "2018-10-01",
                "2018-10-02",
                "2018-10-03",
                "2018-10-04",
                "2018-10-05",
                "2018-10-06",
                "2018-10-07",
            ]),
            working_days: dates(&["2018-09-29", "2018-09-30"]),
            settle_after_days,
            agreement_days: 1,
            ..Terms::default()
        }
    }

    #[test]
    fn a_long_holiday_and_its_make_up_days_move_the_settlement() {
        for (after, business_date, settled) in [
            (1, "2018-09-27", "2018-09-28"), // Thursday → Friday
            (1, "2018-09-28", "2018-09-29"), // Friday → the Saturday that is worked
            (1, "2018-09-29", "2018-09-30"),
            (1, "2018-09-30", "2018-10-08"), // over the whole week to Monday
            (1, "2018-10-01", "2018-10-08"),
            (1, "2018-10-07", "2018-10-08"),
            (1, "2018-10-08", "2018-10-09"),
            (1, "2018-10-12", "2018-10-15"), // an ordinary weekend
            (2, "2018-09-28", "2018-09-30"),
            (2, "2018-09-29", "2018-10-08"),
            (2, "2018-09-30", "2018-10-09"),
            (0, "2018-09-30", "2018-09-30"),
            (0, "2018-10-01", "2018-10-08"),
            (0, "2018-10-13", "2018-10-15"),
        ] {
            let found = national_day(after).settlement_date(date(business_date));
            assert_eq!(found, date(settled), "{after} after {business_date}");
        }
    }

    #[test]
    fn without_terms_the_next_working_day_counts() {
        let terms = Terms::default();
        assert_eq!(terms.settlement_date(date("2018-09-01")), date("2018-09-03"), "Saturday → Monday");
        assert_eq!(terms.settlement_date(date("2018-10-01")), date("2018-10-02"));
        let first = CycleName { business_date: date("2018-09-01"), sequence: 1 };
        assert_eq!(terms.cut_off(first).to_string(), "2018-09-01T23:59:59");
        assert_eq!(terms.date_after(first), date("2018-09-02"));
    }

    #[test]
    fn each_cycle_of_a_date_ends_at_its_own_time_and_what_follows_the_last_is_the_next_date() {
        let terms = Terms { cut_off_times: vec![4 * 3600, 16 * 3600], ..Terms::default() };
        for (sequence, ends, follows) in [
            (1, "2018-09-01T04:00:00", "2018-09-01"),
            (2, "2018-09-01T16:00:00", "2018-09-02"),
            (3, "2018-09-01T16:00:00", "2018-09-02"),
        ] {
            let cycle = CycleName { business_date: date("2018-09-01"), sequence };
            assert_eq!(terms.cut_off(cycle).to_string(), ends, "{cycle}");
            assert_eq!(terms.date_after(cycle), date(follows), "{cycle}");
        }
    }

    #[test]
    fn banks_and_accounts_have_their_forms() {
        for text in ["ICBKCNBJ", "ICBKCNBJSHI", "1CBKCNBJ"] {
            assert_eq!(text.parse(), Ok(Bank::Bic(text.to_owned())));
        }
        assert_eq!("102100099996".parse(), Ok(Bank::Cnaps("102100099996".to_owned())));
        for text in
            ["", "ICBKCNB", "icbkcnbj", "ICBK1NBJ", "ICBKCNBJX", "10210009999", "1021000999961", "ICBKCNBJÄ"]
        {
            assert_eq!(text.parse::<Bank>(), Err(BankError), "{text}");
        }
        for text in ["1", "6222-0000-1", &"9".repeat(34)] {
            assert_eq!(text.parse::<AccountNumber>().map(|number| number.to_string()), Ok(text.to_owned()));
        }
        for text in ["", " 1", "1/2", "账号", &"9".repeat(35)] {
            assert_eq!(text.parse::<AccountNumber>(), Err(AccountNumberError), "{text}");
        }
    }
}
