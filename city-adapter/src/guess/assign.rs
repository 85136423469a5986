//! Which column of the file is which column of a tap.

use std::collections::BTreeMap;

use super::{
    moments::Moment,
    profile::{Money, Profile},
    words,
};
use crate::tapfile::Column;

/// A column with less is not taken for a target.
const SCORE_MIN: i32 = 3;
/// Of a hundred texts so many must be of a form.
const FITS_PERCENT: usize = 95;
/// Columns of kinds have no more different texts.
const KINDS_MAX: usize = 40;

/// What stands in each column, and which of them are which.
pub(super) struct Assigned {
    /// The columns of the file.
    pub columns: Vec<Profile>,
    /// What the columns say about time.
    pub moments: Vec<Option<Moment>>,
    /// Target columns with the place of their source.
    pub sources: BTreeMap<Column, usize>,
    /// Date and clock, if they stand in two columns.
    pub date_and_clock: Option<(usize, usize)>,
    /// The column with a clock alone that is most like the time of the tap.
    pub clock: Option<usize>,
}

impl Assigned {
    /// Assigns.
    pub fn of(columns: Vec<Profile>) -> Self {
        let moments: Vec<Option<Moment>> = columns.iter().map(Moment::of).collect();
        let mut assigned =
            Self { columns, moments, sources: BTreeMap::new(), date_and_clock: None, clock: None };
        assigned.when();
        assigned.by_score();
        assigned.amounts();
        assigned.sequence();
        assigned
    }

    /// The source of a target column.
    pub fn source(&self, target: Column) -> Option<&Profile> {
        self.sources.get(&target).map(|at| &self.columns[*at])
    }

    /// Whether something is made from a column.
    pub fn is_used(&self, at: usize) -> bool {
        let pair = self.date_and_clock.is_some_and(|(date, clock)| at == date || at == clock);
        pair || self.sources.values().any(|source| *source == at)
    }

    /// Whether the texts of a column increase from row to row within each text of another.
    pub fn increases_within(&self, at: usize, within: usize) -> bool {
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut steps, mut up) = (0_usize, 0_usize);
        for (text, group) in self.columns[at].values.iter().zip(&self.columns[within].values) {
            let Ok(number) = text.parse::<u64>() else { continue };
            if let Some(before) = last.insert(group, number) {
                steps += 1;
                up += usize::from(number > before);
            }
        }
        steps >= 10 && up * 100 >= steps * FITS_PERCENT
    }

    /// Time first: other numbers are more easily mistaken.
    fn when(&mut self) {
        let whole = |moment: &Moment| matches!(moment, Moment::Whole(_) | Moment::Seconds | Moment::Millis);
        let scored = |is: &dyn Fn(&Moment) -> bool| {
            let fitting = self.moments.iter().enumerate().filter_map(|(at, moment)| {
                let moment = moment.as_ref().filter(|moment| is(moment))?;
                let column = &self.columns[at];
                let name = words::weight(Column::TappedAt, &column.name);
                // A clock that always stands at midnight is a date only.
                let still =
                    column.percent(|text| text.ends_with("00:00:00") || text.ends_with(" 00:00")) == 100;
                let number = moment.is_plain_number() && name < SCORE_MIN && !column.name.is_empty();
                let score = name - if still { 6 } else { 0 } - if number { 6 } else { 0 };
                let counted = matches!(moment, Moment::Seconds | Moment::Millis)
                    && name < SCORE_MIN
                    && !column.name.is_empty();
                (score > -3 && !counted).then_some((score, at))
            });
            fitting.rev().max_by_key(|(score, _)| *score).map(|(_, at)| at)
        };
        let date = scored(&|moment| matches!(moment, Moment::Date(_)));
        let clock = scored(&|moment| matches!(moment, Moment::Clock(written) if written.percent >= 95));
        let named = |at: usize| {
            let plain = self.moments[at].as_ref().is_some_and(Moment::is_plain_number);
            !plain
                || self.columns[at].name.is_empty()
                || words::weight(Column::TappedAt, &self.columns[at].name) >= SCORE_MIN
        };
        let clock = clock.filter(|at| named(*at));
        let at = scored(&whole);
        self.clock = clock;
        if let Some(at) = at {
            self.sources.insert(Column::TappedAt, at);
        } else if let Some((date, clock)) = date.zip(clock) {
            self.date_and_clock = Some((date, clock));
        } else if let Some(date) = date {
            self.sources.insert(Column::TappedAt, date);
        }
    }

    fn by_score(&mut self) {
        let mut scores = Vec::new();
        for target in Column::ALL.into_iter().filter(|target| *target != Column::TappedAt) {
            for (at, column) in self.columns.iter().enumerate() {
                let time = matches!(self.moments[at], Some(Moment::Whole(_)))
                    || self.moments[at].as_ref().is_some_and(|moment| !moment.is_plain_number());
                if self.is_used(at) || time || column.filled_len() == 0 {
                    continue;
                }
                let name = words::weight(target, &column.name);
                if let Some(score) = fitness(target, column, name).map(|value| name + value) {
                    scores.push((score, target, at));
                }
            }
        }
        // The best first; among equals the earlier column.
        scores.sort_by(|(a, _, i), (b, _, j)| b.cmp(a).then(i.cmp(j)));
        for (score, target, at) in scores {
            let taken = |other: Column| self.sources.get(&other) == Some(&at);
            let free =
                Column::ALL.into_iter().all(|other| !taken(other) || is_kind(other) && is_kind(target));
            if score >= SCORE_MIN && free && !self.sources.contains_key(&target) {
                self.sources.insert(target, at);
            }
        }
    }

    /// Of two amounts that are never apart the wrong way, the smaller was paid.
    fn amounts(&mut self) {
        let pair =
            (self.sources.get(&Column::AmountFen).copied(), self.sources.get(&Column::FareFen).copied());
        match pair {
            (None, Some(fare)) => {
                self.sources.remove(&Column::FareFen);
                self.sources.insert(Column::AmountFen, fare);
            }
            (Some(paid), Some(full))
                if self.is_less_or_equal(full, paid) && !self.is_less_or_equal(paid, full) =>
            {
                self.sources.insert(Column::AmountFen, full);
                self.sources.insert(Column::FareFen, paid);
            }
            _ => {}
        }
    }

    /// Whether one amount is not above another in nearly all rows.
    pub fn is_less_or_equal(&self, less: usize, more: usize) -> bool {
        let value = |at: usize, row: usize| Money::of(&self.columns[at].values[row])?.hundredths();
        let rows = self.columns[less].values.len();
        let pairs = (0..rows).filter_map(|row| value(less, row).zip(value(more, row)));
        let (all, so) = pairs.fold((0, 0), |(all, so), (a, b)| (all + 1, so + usize::from(a <= b)));
        all > 0 && so * 100 >= all * 99
    }

    /// A column without a telling name whose numbers only grow at each terminal.
    fn sequence(&mut self) {
        let Some(terminal) = self.sources.get(&Column::Terminal).copied() else { return };
        if self.sources.contains_key(&Column::TerminalSeq) {
            return;
        }
        let fits = |at: &usize| {
            !self.is_used(*at)
                && self.moments[*at].as_ref().is_none_or(Moment::is_plain_number)
                && self.columns[*at].percent(is_u32) >= FITS_PERCENT
                && words::weight(Column::TerminalSeq, &self.columns[*at].name) >= 0
                && self.increases_within(*at, terminal)
        };
        if let Some(at) = (0..self.columns.len()).find(fits) {
            self.sources.insert(Column::TerminalSeq, at);
        }
    }
}

/// Columns that may come from the same texts.
const fn is_kind(target: Column) -> bool {
    matches!(target, Column::Type | Column::Medium | Column::Sector | Column::Product)
}

/// How well what stands in a column fits a target; `None` if it does not at all.
fn fitness(target: Column, column: &Profile, name: i32) -> Option<i32> {
    let most = |is: fn(&str) -> bool| column.percent(is) >= FITS_PERCENT;
    let rows = column.filled_len();
    let distinct = column.texts.len();
    let various = rows < 50 || distinct * 20 >= rows;
    let money = most(|text| Money::of(text).is_some());
    let decimals =
        column.percent(|text| Money::of(text).is_some_and(|m| m.decimals.bytes().any(|b| b != b'0')));
    match target {
        Column::AmountFen | Column::FareFen => amount_fitness(column, name, money, decimals),
        Column::Terminal if decimals > 0 || distinct == rows && rows >= 200 => None,
        Column::Terminal if most(|text| text.len() == 12 && is_hex(text)) && distinct * 2 <= rows => Some(3),
        Column::Terminal => (column.len_max() <= 40).then_some(if most(is_hex) { 1 } else { -1 }),
        Column::TerminalSeq => (most(is_whole) && various).then_some(1),
        Column::Card if decimals > 0 || !various => None,
        Column::Card if most(|text| text.len() == 16 && is_hex(text)) => Some(3),
        Column::Card if most(|text| (16..=19).contains(&text.len()) && is_digits(text)) => Some(3),
        Column::Card => (4..=64).contains(&column.len_max()).then_some(0),
        Column::CardCounter => most(|text| whole(text).is_some_and(|n| n <= 65_535)).then_some(0),
        Column::Issuer if most(|text| text.parse::<domain::city::City>().is_ok()) => Some(6),
        Column::Issuer => (distinct <= 400 && decimals == 0).then_some(0),
        Column::Type if most(|text| ["06", "09", "6", "9"].contains(&text)) => {
            Some(if most(|t| t.len() == 2) { 5 } else { 1 })
        }
        Column::Type => (distinct <= KINDS_MAX && decimals == 0).then_some(0),
        Column::Medium | Column::Sector | Column::Product => kind_fitness(target, column, decimals),
        Column::Operator | Column::Line | Column::Station => {
            (decimals == 0 && column.len_max() <= 200).then_some(0)
        }
        Column::KeyVersion => most(|text| whole(text).is_some_and(|n| n <= 255)).then_some(0),
        Column::Algorithm => most(|text| ["3des", "sm4"].contains(&text)).then_some(6),
        Column::Tac => {
            let hex = most(|text| text.len() == 8 && is_hex(text)) && various;
            let letters = column.percent(|text| !is_digits(text)) >= 50;
            hex.then_some(if letters { 3 } else { 0 })
        }
        Column::TappedAt => None,
    }
}

fn amount_fitness(column: &Profile, name: i32, money: bool, decimals: usize) -> Option<i32> {
    let hex = column.percent(|text| text.len() == 8 && is_hex(text)) >= FITS_PERCENT;
    if !money {
        let small = column.percent(|text| text.starts_with("0000") || text.ends_with("0000")) >= FITS_PERCENT;
        let few = column.texts.len() * 3 <= column.filled_len();
        return match () {
            () if hex && name >= SCORE_MIN => Some(0),
            () if hex && small && few && column.name.is_empty() => Some(4),
            () => None,
        };
    }
    let largest =
        column.filled().filter_map(|text| Money::of(text)?.whole.parse::<u64>().ok()).max().unwrap_or(0);
    let two = column.percent(|text| Money::of(text).is_some_and(|m| m.decimals.len() == 2)) >= FITS_PERCENT;
    let signed = column.filled().any(|text| Money::of(text).is_some_and(|m| m.currency.is_some()));
    // Four and more decimals are a place on the map or a ratio.
    let fine =
        column.percent(|text| Money::of(text).is_some_and(|m| m.decimals.trim_end_matches('0').len() > 3));
    let filled_up = column.name.is_empty()
        && column.percent(|text| (5..=10).contains(&text.len()) && text.starts_with("00")) >= FITS_PERCENT
        && column.texts.len() * 2 <= column.filled_len().max(9);
    match () {
        () if largest > 10_000_000 || fine > 20 => None,
        () if signed => Some(3),
        () if decimals > 0 || two => Some(if name > 0 || column.name.is_empty() { 3 } else { 0 }),
        () if filled_up && largest > 0 => Some(3),
        () => Some(0),
    }
}

fn kind_fitness(target: Column, column: &Profile, decimals: usize) -> Option<i32> {
    if column.texts.len() > KINDS_MAX || decimals > 0 {
        return None;
    }
    let meant = column.percent(|text| words::meaning(target, text).is_some());
    Some(if meant >= 50 { 4 } else { 0 })
}

/// Hex digits in either case.
pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Decimal digits.
pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A whole number, perhaps written as a float.
fn whole(text: &str) -> Option<u64> {
    let digits = text.split_once('.').map_or(text, |(whole, zeros)| {
        if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') { whole } else { "" }
    });
    if is_digits(digits) { digits.parse().ok() } else { None }
}

fn is_whole(text: &str) -> bool {
    whole(text).is_some()
}

fn is_u32(text: &str) -> bool {
    whole(text).is_some_and(|number| u32::try_from(number).is_ok())
}
