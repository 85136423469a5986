//! Entries and exits become trips: a pure core with a bound on what waits.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    mem,
};

use domain::date::LocalTime;

/// The longest trip in minutes, if the mapping does not say it.
pub const MINUTES_MAX: u32 = 24 * 60;
/// The most rows that wait, if the mapping does not say it.
pub const OPEN_MAX: usize = 1_000_000;

/// When two rows are one trip.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The longest trip.
    pub minutes_max: u32,
    /// The most rows that wait.
    pub open_max: usize,
}

impl Rule {
    fn fits(self, entry: &Waiting, at: LocalTime, stop: Option<u64>) -> bool {
        let seconds = at.seconds() - entry.at.seconds();
        let in_time = (0..=i64::from(self.minutes_max) * 60).contains(&seconds);
        in_time && entry.stop.zip(stop).is_none_or(|(entry, exit)| entry < exit)
    }

    /// Which of the sorted rows comes next: of rows at one time and stop the exit of an earlier entry, else the first.
    fn next(self, open: Option<&Waiting>, rows: &VecDeque<(Waiting, bool)>) -> usize {
        let (Some(entry), Some((first, _))) = (open, rows.front()) else { return 0 };
        if entry.at >= first.at {
            return 0;
        }
        let mut same = rows.iter().take_while(|(row, _)| (row.at, row.stop) == (first.at, first.stop));
        same.position(|(row, is_exit)| *is_exit && self.fits(entry, row.at, row.stop)).unwrap_or(0)
    }
}

/// A row that waits for the other half of its trip.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its line.
    pub line: u32,
    /// When it was.
    pub at: LocalTime,
    /// Its place in the order of stations, if the mapping has one.
    pub stop: Option<u64>,
    /// What the other half wants to know of it.
    pub values: Values,
    /// The line itself, if it may be wanted again.
    pub raw: Box<[u8]>,
}

/// Texts one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Values {
    bytes: Box<[u8]>,
    ends: Box<[u32]>,
}

impl Values {
    /// Keeps texts.
    pub fn of<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for text in texts {
            bytes.extend_from_slice(text);
            ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        Self { bytes: bytes.into(), ends: ends.into() }
    }

    /// Text `place`.
    pub fn get(&self, place: usize) -> &[u8] {
        let end = |place: usize| self.ends.get(place).map_or(0, |end| *end as usize);
        let start = place.checked_sub(1).map_or(0, end);
        self.bytes.get(start..end(place)).unwrap_or_default()
    }
}

/// Trips of a file whose rows of a card stand in their order.
#[derive(Debug)]
pub struct InOrder {
    rule: Rule,
    open: HashMap<Box<[u8]>, Waiting>,
    /// The cards by the lines of their entries.
    lines: BTreeMap<u32, Box<[u8]>>,
}

impl InOrder {
    /// Without rows so far.
    pub fn new(rule: Rule) -> Self {
        Self { rule, open: HashMap::new(), lines: BTreeMap::new() }
    }

    /// An entry waits from now on. Returns the entry of that card that has waited in vain, or the oldest one if too
    /// many wait.
    pub fn enter(&mut self, card: &[u8], entry: Waiting) -> Option<Waiting> {
        self.lines.insert(entry.line, card.into());
        match self.open.insert(card.into(), entry) {
            Some(before) => {
                self.lines.remove(&before.line);
                Some(before)
            }
            None if self.open.len() > self.rule.open_max => {
                let (_, oldest) = self.lines.pop_first()?;
                self.open.remove(&oldest)
            }
            None => None,
        }
    }

    /// The entry that an exit ends. The error is an entry of that card that no exit can end any more.
    pub fn leave(
        &mut self,
        card: &[u8],
        at: LocalTime,
        stop: Option<u64>,
    ) -> Result<Option<Waiting>, Waiting> {
        let Some(entry) = self.open.remove(card) else { return Ok(None) };
        self.lines.remove(&entry.line);
        if self.rule.fits(&entry, at, stop) { Ok(Some(entry)) } else { Err(entry) }
    }

    /// The entries without exit, in line order, at the end of the file.
    pub fn end(&mut self) -> Vec<Waiting> {
        let lines = mem::take(&mut self.lines);
        lines.into_values().filter_map(|card| self.open.remove(&card)).collect()
    }
}

/// Trips of a file whose rows stand in any order.
#[derive(Debug)]
pub struct AnyOrder {
    rule: Rule,
    rows: BTreeMap<Box<[u8]>, Vec<(Waiting, bool)>>,
    count: usize,
}

/// What became of rows.
#[derive(Debug)]
pub enum Trip {
    /// An entry and its exit.
    Whole(Waiting, Waiting),
    /// An entry without exit.
    NoExit(Waiting),
    /// An exit without entry.
    NoEntry(Waiting),
}

impl Trip {
    /// The line of its record.
    pub const fn line(&self) -> u32 {
        match self {
            Self::Whole(_, row) | Self::NoExit(row) | Self::NoEntry(row) => row.line,
        }
    }
}

impl AnyOrder {
    /// Without rows so far.
    pub const fn new(rule: Rule) -> Self {
        Self { rule, rows: BTreeMap::new(), count: 0 }
    }

    /// A row waits for the end of the file; false if there is no room for it.
    pub fn wait(&mut self, card: &[u8], row: Waiting, is_exit: bool) -> bool {
        self.count += 1;
        if self.count > self.rule.open_max {
            return false;
        }
        match self.rows.get_mut(card) {
            Some(rows) => rows.push((row, is_exit)),
            None => drop(self.rows.insert(card.into(), vec![(row, is_exit)])),
        }
        true
    }

    /// All trips, in the order of their records' lines.
    pub fn end(&mut self) -> Vec<Trip> {
        let mut trips = Vec::new();
        for mut rows in mem::take(&mut self.rows).into_values() {
            rows.sort_by_key(|(row, _)| (row.at, row.stop, row.line));
            let mut rows = VecDeque::from(rows);
            let mut open: Option<Waiting> = None;
            while let Some((row, is_exit)) = rows.remove(self.rule.next(open.as_ref(), &rows)) {
                match (open.take(), is_exit) {
                    (before, false) => {
                        trips.extend(before.map(Trip::NoExit));
                        open = Some(row);
                    }
                    (Some(entry), true) if self.rule.fits(&entry, row.at, row.stop) => {
                        trips.push(Trip::Whole(entry, row));
                    }
                    (before, true) => {
                        trips.extend(before.map(Trip::NoExit));
                        trips.push(Trip::NoEntry(row));
                    }
                }
            }
            trips.extend(open.map(Trip::NoExit));
        }
        trips.sort_by_key(Trip::line);
        trips
    }
}
