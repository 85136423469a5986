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

    /// The fee lines of a pair in this cycle.
    #[must_use]
    pub fn fee_table(&self, acquirer: City, issuer: City) -> FeeTable {
        self.rulebook.fees.table(acquirer, issuer, self.business_date)
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
