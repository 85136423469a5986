//! The rules of one open cycle, compiled for the hot path: what the centre checks of each record.

use std::sync::Arc;

use crate::{
    city::City,
    date::Date,
    fees::FeeTable,
    guard::{Rule, holds},
    result::Rejection,
    rulebook::{Rulebook, Standing},
    tap::Tap,
    terminal::OwnedRange,
};

/// The rulebook as it rules one cycle.
#[derive(Clone, Debug)]
pub struct CycleRules {
    rulebook: Arc<Rulebook>,
    business_date: Date,
    drop_line: Date,
    /// The latest tap that may be presented.
    tapped_max: Date,
    /// The earliest tap that may be presented.
    tapped_min: Date,
}

/// What the rules say of one acquirer: the terminals it owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcquirerRules {
    /// First and last terminal numbers, in order and apart.
    ranges: Box<[(u64, u64)]>,
}

impl CycleRules {
    /// Compiles the rules of a cycle.
    #[must_use]
    pub fn new(rulebook: Arc<Rulebook>, business_date: Date, drop_line: Date) -> Self {
        let window_start = crate::calendar::days_before(business_date, rulebook.presentment_days);
        let tapped_min = if holds(Rule::DropLine) { window_start.max(drop_line) } else { window_start };
        Self { rulebook, business_date, drop_line, tapped_max: business_date.plus_days(1), tapped_min }
    }

    /// The rulebook that rules the cycle.
    #[must_use]
    pub fn rulebook(&self) -> &Arc<Rulebook> {
        &self.rulebook
    }

    /// The cycle's business date.
    #[must_use]
    pub fn business_date(&self) -> Date {
        self.business_date
    }

    /// The cycle's drop line: a record tapped before it is late.
    #[must_use]
    pub fn drop_line(&self) -> Date {
        self.drop_line
    }

    /// The rules of one acquirer. Worth keeping: it walks all terminal ranges.
    #[must_use]
    pub fn acquirer(&self, city: City) -> AcquirerRules {
        let owned = |range: &&OwnedRange| range.owner == city;
        let ranges = self.rulebook.ownership().ranges().iter().filter(owned);
        AcquirerRules { ranges: ranges.map(|range| (range.first, range.last)).collect() }
    }

    /// What the centre rejects when a record arrives; `None` if it goes on to its home city.
    #[must_use]
    pub fn arrival(&self, acquirer: &AcquirerRules, issuer: Standing, tap: &Tap) -> Option<Rejection> {
        let tapped = Date::from_julian_day(tap.tapped_day.get());
        if !acquirer.owns(tap) {
            Some(Rejection::ForeignTerminal)
        } else if let Some(gone) = gone(issuer) {
            Some(gone)
        } else if tapped > self.tapped_max {
            Some(Rejection::Future)
        } else if tapped < self.tapped_min {
            Some(Rejection::Late)
        } else {
            None
        }
    }

    /// What ends a record that leaves the park, or still waits at the marker.
    #[must_use]
    pub fn still_member(&self, issuer: City) -> Option<Rejection> {
        gone(self.rulebook.standing(issuer, self.business_date))
    }

    /// The fee lines of a pair in this cycle, and the acquirer's accounts.
    #[must_use]
    pub fn fee_table(&self, acquirer: City, issuer: City) -> FeeTable {
        self.rulebook.fee_table(acquirer, issuer, self.business_date)
    }
}

const fn gone(issuer: Standing) -> Option<Rejection> {
    match issuer {
        Standing::Unknown => Some(Rejection::UnknownIssuer),
        Standing::Suspended => Some(Rejection::IssuerSuspended),
        Standing::Member => None,
    }
}

impl AcquirerRules {
    /// Whether the tap's terminal is one of the acquirer's.
    #[must_use]
    pub fn owns(&self, tap: &Tap) -> bool {
        let terminal = tap.terminal_number();
        // Nearly every acquirer has one prefix, so one range.
        if let [(first, last)] = *self.ranges {
            return first <= terminal && terminal <= last;
        }
        let after = self.ranges.partition_point(|(first, _)| *first <= terminal);
        self.ranges[..after].last().is_some_and(|(_, last)| terminal <= *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        calendar::drop_line,
        testing::{city, date, hex, rulebook, tap},
    };

    const RULES: &str = r#"
version = 1
presentment_days = 10
hotlist_grace_hours = 24
fees = { basis = "cycle_bilateral", interchange_rate = "0.003", switch_rate = "0.001" }
[[participant]]
city = "cu-2000"
name_en = "Shanghai"
name_zh = "上海"
joined = "2018-01-01"
terminal_prefixes = ["2000", "A0"]
[[participant]]
city = "cu-3000"
name_en = "Tianjin"
name_zh = "天津"
joined = "2018-01-01"
suspended_from = "2018-09-10"
terminal_prefixes = ["20001"]
[[participant]]
city = "cu-4000"
name_en = "Chongqing"
name_zh = "重庆"
joined = "2018-01-01"
left = "2018-09-20"
"#;

    fn rules(business_date: &str, drop_line: &str) -> CycleRules {
        CycleRules::new(Arc::new(rulebook(RULES)), date(business_date), date(drop_line))
    }

    fn arrival(rules: &CycleRules, terminal: &str, issuer: &str, tapped: &str) -> Option<Rejection> {
        let mut tap = tap();
        tap.terminal = hex(terminal);
        tap.tapped_day = date(tapped).julian_day().into();
        let standing = rules.rulebook().standing(city(issuer), rules.business_date());
        rules.arrival(&rules.acquirer(city("cu-2000")), standing, &tap)
    }

    const MINE: &str = "200000000001";

    #[test]
    fn the_first_check_that_applies_is_the_result() {
        let rules = rules("2018-09-15", "2018-09-01");
        let (foreign, long_ago) = ("200010000001", "2018-01-01");
        assert_eq!(arrival(&rules, foreign, "cu-9999", long_ago), Some(Rejection::ForeignTerminal));
        assert_eq!(arrival(&rules, MINE, "cu-9999", long_ago), Some(Rejection::UnknownIssuer));
        assert_eq!(arrival(&rules, MINE, "cu-3000", long_ago), Some(Rejection::IssuerSuspended));
        assert_eq!(arrival(&rules, MINE, "cu-4000", long_ago), Some(Rejection::Late));
        assert_eq!(arrival(&rules, MINE, "cu-4000", "2019-01-01"), Some(Rejection::Future));
        assert_eq!(arrival(&rules, MINE, "cu-4000", "2018-09-15"), None);
    }

    #[test]
    fn the_window_ends_to_the_day() {
        let rules = rules("2018-09-15", "2018-09-01");
        let at = |tapped| arrival(&rules, MINE, "cu-4000", tapped);
        assert_eq!(at("2018-09-16"), None);
        assert_eq!(at("2018-09-17"), Some(Rejection::Future));
        assert_eq!(at("2018-09-05"), None);
        assert_eq!(at("2018-09-04"), Some(Rejection::Late));
    }

    #[test]
    fn what_may_have_been_forgotten_is_late_whatever_the_window() {
        let rules = rules("2018-09-15", "2018-09-08");
        assert_eq!(arrival(&rules, MINE, "cu-4000", "2018-09-08"), None);
        assert_eq!(arrival(&rules, MINE, "cu-4000", "2018-09-07"), Some(Rejection::Late));
        assert_eq!(rules.drop_line(), date("2018-09-08"));
    }

    #[test]
    fn an_acquirer_owns_the_terminals_of_all_its_prefixes_but_no_inner_one_of_another() {
        let rules = rules("2018-09-15", "2018-09-01");
        let owns = |acquirer: &str, terminal: &str| {
            let mut tap = tap();
            tap.terminal = hex(terminal);
            rules.acquirer(city(acquirer)).owns(&tap)
        };
        for terminal in ["200000000000", "20000FFFFFFF", "200020000000", "2000FFFFFFFF", "A00000000000"] {
            assert!(owns("cu-2000", terminal), "{terminal}");
        }
        for terminal in ["1FFFFFFFFFFF", "200010000000", "20001FFFFFFF", "200100000000", "A10000000000"] {
            assert!(!owns("cu-2000", terminal), "{terminal}");
        }
        assert!(owns("cu-3000", "20001FFFFFFF") && !owns("cu-3000", "300000000000"));
        assert!(owns("cu-4000", "4000FFFFFFFF"), "the default prefix");
        assert!(!owns("cu-9999", "999900000000"), "no participant");
    }

    #[test]
    fn membership_is_judged_by_the_business_date() {
        let gone = |business_date, issuer| rules(business_date, "2018-01-01").still_member(city(issuer));
        assert_eq!(gone("2017-12-31", "cu-2000"), Some(Rejection::UnknownIssuer));
        assert_eq!(gone("2018-01-01", "cu-2000"), None);
        assert_eq!(gone("2018-09-09", "cu-3000"), None);
        assert_eq!(gone("2018-09-10", "cu-3000"), Some(Rejection::IssuerSuspended));
        assert_eq!(gone("2028-09-10", "cu-3000"), Some(Rejection::IssuerSuspended), "no end is stated");
        assert_eq!(gone("2018-09-19", "cu-4000"), None);
        assert_eq!(gone("2018-09-20", "cu-4000"), Some(Rejection::UnknownIssuer));
    }

    /// A wider window does not bring back what a narrower one already forgot.
    #[test]
    fn the_drop_line_never_goes_back() {
        let first = drop_line(None, date("2018-09-15"), 10);
        assert_eq!(first, date("2018-09-04"));
        assert_eq!(drop_line(Some(first), date("2018-09-16"), 10), date("2018-09-05"));
        assert_eq!(drop_line(Some(first), date("2018-09-16"), 30), first);
    }
}
