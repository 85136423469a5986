//! Makes records of lines.

use std::collections::{HashMap, VecDeque};

use super::{
    MappingError,
    bind::{Buffers, Derived, View},
    cells::Cells,
    charset::Charset,
    control::{Ledger, Sum},
    filter::Filter,
    number::whole,
    pairs::{AnyOrder, InOrder, Trip, Values, Waiting},
    plan::{PairPlan, Plan, Step},
    reader::{BadRow, Counts},
    row::MappedRow,
    spec::{Derive, Form, MissingEntry, MissingExit, RowOrder},
};
use crate::tapfile::Column;

/// The Julian day of 2000-01-01.
const FIRST_DAY: i32 = 2_451_545;
/// Rows of a terminal and day that can be numbered.
const COUNT_MAX: u32 = 99_999;

/// Makes records of lines.
pub struct Engine {
    plan: Plan,
    cells: Cells,
    derived: Derived,
    buffers: Buffers,
    held: Vec<u8>,
    open: Option<Open>,
    ready: VecDeque<Trip>,
    /// How many rows each terminal has had on each day.
    numbers: HashMap<([u8; 6], i32), u32>,
    /// What the rows come to.
    pub ledger: Ledger,
    /// What became of rows that are no records.
    pub counts: Counts,
    /// The last record.
    pub row: MappedRow,
    /// The last row that could not be read.
    pub bad: BadRow,
    /// The line of the last trip that waited.
    pub raw: Box<[u8]>,
}

enum Open {
    InOrder(InOrder),
    AnyOrder(AnyOrder),
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A record, in [`Engine::row`].
    Row,
    /// A row that cannot be read, in [`Engine::bad`].
    Bad,
    /// No record.
    Nothing,
}

/// Why a row is none: the column and what is wrong there.
type Fault = (&'static str, String);

/// The half of a trip.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Entry,
    Exit,
}

impl Engine {
    /// For a file.
    pub fn new(plan: Plan, charset: Charset) -> Self {
        let open = plan.pairing.as_ref().map(|pairing| match pairing.rows {
            RowOrder::InOrder => Open::InOrder(InOrder::new(pairing.rule)),
            RowOrder::AnyOrder => Open::AnyOrder(AnyOrder::new(pairing.rule)),
        });
        Self {
            cells: Cells::new(plan.shape.clone(), charset),
            plan,
            derived: Derived::default(),
            buffers: Buffers::default(),
            held: Vec::new(),
            open,
            ready: VecDeque::new(),
            numbers: HashMap::new(),
            ledger: Ledger::default(),
            counts: Counts::default(),
            row: MappedRow::default(),
            bad: BadRow { line: 0, column: "line", reason: String::new() },
            raw: Box::default(),
        }
    }

    /// The columns that are read.
    pub fn used(&self) -> &[usize] {
        &self.plan.used
    }

    /// What a line is.
    ///
    /// # Errors
    /// [`MappingError::TooManyOpen`].
    pub fn take(&mut self, line: &[u8], number: u32) -> Result<Verdict, MappingError> {
        if let Err(why) = self.split(line) {
            return Ok(self.unreadable(number, why));
        }
        let fen = self.amount_of(line);
        add(&mut self.ledger.all, fen);
        match self.is_dropped(line) {
            Ok(true) => {
                self.counts.dropped += 1;
                if fen == Amounts::Unreadable {
                    self.ledger.all.unreadable -= 1;
                }
                return Ok(Verdict::Nothing);
            }
            Ok(false) => add(&mut self.ledger.kept, fen),
            Err(why) => {
                add(&mut self.ledger.kept, fen);
                return Ok(self.fault(number, ("line", why), None));
            }
        }
        match self.half(line) {
            Ok(None) => Ok(self.record(line, number, None)),
            Ok(Some(half)) => self.trip(half, line, number),
            Err(fault) => Ok(self.fault(number, fault, None)),
        }
    }

    /// A line that has no fields.
    pub fn unreadable(&mut self, number: u32, why: String) -> Verdict {
        let fen = if self.plan.amount.is_some() { Amounts::Unreadable } else { Amounts::NotWanted };
        add(&mut self.ledger.all, fen);
        add(&mut self.ledger.kept, fen);
        self.fault(number, ("line", why), None)
    }

    /// At the end of the file: what waits becomes ready.
    pub fn end(&mut self) {
        let trips = match &mut self.open {
            None => return,
            Some(Open::InOrder(open)) => open.end().into_iter().map(Trip::NoExit).collect(),
            Some(Open::AnyOrder(open)) => open.end(),
        };
        trips.into_iter().for_each(|trip| self.decided(trip));
    }

    /// The next trip that has waited; its line is in [`Engine::raw`].
    pub fn next_ready(&mut self) -> Option<Verdict> {
        let (row, entry, end) = match self.ready.pop_front()? {
            Trip::Whole(entry, row) => (row, Some(entry), End::Record),
            Trip::NoEntry(row) => (row, None, self.missing_entry()),
            Trip::NoExit(row) => (row, None, End::Charge),
        };
        let verdict = match (self.split(&row.raw), end) {
            (Ok(()), End::Charge) => self.charge(&row.raw, row.line),
            (Ok(()), End::Record) => self.record(&row.raw, row.line, entry.as_ref()),
            (Ok(()), End::Bad) => self.fault(row.line, ("line", NO_ENTRY.to_owned()), None),
            (Err(why), _) => self.fault(row.line, ("line", why), None),
        };
        self.raw = row.raw;
        Some(verdict)
    }

    fn missing_entry(&self) -> End {
        match &self.plan.pairing {
            Some(pairing) if pairing.missing_entry == MissingEntry::Bad => End::Bad,
            _ => End::Record,
        }
    }

    fn split(&mut self, line: &[u8]) -> Result<(), String> {
        self.cells.split(line)?;
        self.derived.clear();
        for field in &self.plan.fields {
            let view = View {
                line,
                cells: &self.cells,
                derived: &self.derived,
                entry: None,
                empty: &self.plan.empty,
            };
            let read = field.read(view, &mut self.buffers).map(|text| {
                self.held.clear();
                self.held.extend_from_slice(text);
            });
            self.derived.push(read.map(|()| self.held.as_slice()));
        }
        Ok(())
    }

    fn view<'a>(&'a self, line: &'a [u8]) -> View<'a> {
        View { line, cells: &self.cells, derived: &self.derived, entry: None, empty: &self.plan.empty }
    }

    fn is_dropped(&self, line: &[u8]) -> Result<bool, String> {
        let view = self.view(line);
        let matches = |(filter, place): &(Filter, _)| Ok::<_, String>(filter.matches(view.get(*place)?));
        for filter in &self.plan.drops {
            if matches(filter)? {
                return Ok(true);
            }
        }
        for filter in &self.plan.keeps {
            if !matches(filter)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn amount_of(&mut self, line: &[u8]) -> Amounts {
        let Some(step) = &self.plan.amount else { return Amounts::NotWanted };
        let view =
            View { line, cells: &self.cells, derived: &self.derived, entry: None, empty: &self.plan.empty };
        self.row.amount_fen = None;
        drop(step.apply(view, &mut self.buffers, &mut self.row));
        self.row.amount_fen.map_or(Amounts::Unreadable, |fen| Amounts::Fen(u64::from(fen)))
    }

    fn record(&mut self, line: &[u8], number: u32, entry: Option<&Waiting>) -> Verdict {
        let steps = std::mem::take(&mut self.plan.steps);
        let verdict = self.make(&steps, line, number, entry);
        self.plan.steps = steps;
        verdict
    }

    fn charge(&mut self, line: &[u8], number: u32) -> Verdict {
        let steps = std::mem::take(&mut self.plan.charge);
        let verdict = self.make(&steps, line, number, None);
        self.plan.charge = steps;
        verdict
    }

    fn make(&mut self, steps: &[Step], line: &[u8], number: u32, entry: Option<&Waiting>) -> Verdict {
        let values = entry.map(|entry| &entry.values);
        let view =
            View { line, cells: &self.cells, derived: &self.derived, entry: values, empty: &self.plan.empty };
        self.row.line = number;
        for step in steps {
            let made = match step.text.derive() {
                None => step.apply(view, &mut self.buffers, &mut self.row),
                Some(derive) => derived_sequence(derive, &self.row, &mut self.numbers)
                    .map(|sequence| self.row.terminal_seq = Some(sequence)),
            };
            if let Err(why) = made {
                return self.fault(number, (step.target.name(), why), entry.map(|entry| entry.line));
            }
        }
        Verdict::Row
    }

    fn fault(&mut self, line: u32, (column, reason): Fault, entry: Option<u32>) -> Verdict {
        let reason = match entry {
            Some(entry) => format!("{reason} (the entry is line {entry})"),
            None => reason,
        };
        self.bad = BadRow { line, column, reason };
        Verdict::Bad
    }

    /// Which half of a trip a row is, if it is one.
    fn half(&self, line: &[u8]) -> Result<Option<Half>, Fault> {
        let Some(pairing) = &self.plan.pairing else { return Ok(None) };
        let kind =
            self.view(line).get(pairing.kind).map_err(|why| ("line", format!("kind of row: {why}")))?;
        let is = |texts: &[String]| texts.iter().any(|text| text.as_bytes() == kind);
        Ok(if is(&pairing.entry) { Some(Half::Entry) } else { is(&pairing.exit).then_some(Half::Exit) })
    }

    fn trip(&mut self, half: Half, line: &[u8], number: u32) -> Result<Verdict, MappingError> {
        let (Some(pairing), Some(mut open)) = (self.plan.pairing.clone(), self.open.take()) else {
            return Ok(Verdict::Nothing);
        };
        let verdict = match self.waiting(&pairing, &open, half, line, number) {
            Err(fault) => Ok(self.fault(number, fault, None)),
            Ok((card, row)) => match &mut open {
                Open::AnyOrder(open) => {
                    let waits = open.wait(&card, row, half == Half::Exit);
                    let too_many = || MappingError::TooManyOpen(pairing.rule.open_max);
                    waits.then_some(Verdict::Nothing).ok_or_else(too_many)
                }
                Open::InOrder(open) => Ok(self.step_in_order(&pairing, open, half, &card, row, line)),
            },
        };
        self.open = Some(open);
        verdict
    }

    fn step_in_order(
        &mut self,
        pairing: &PairPlan,
        open: &mut InOrder,
        half: Half,
        card: &[u8],
        row: Waiting,
        line: &[u8],
    ) -> Verdict {
        if half == Half::Entry {
            if let Some(before) = open.enter(card, row) {
                self.decide(pairing, Trip::NoExit(before));
            }
            return Verdict::Nothing;
        }
        match open.leave(card, row.at, row.stop) {
            Ok(Some(entry)) => {
                self.counts.pairs += 1;
                return self.record(line, row.line, Some(&entry));
            }
            Ok(None) => {}
            Err(entry) => self.decide(pairing, Trip::NoExit(entry)),
        }
        self.counts.no_entry += 1;
        match pairing.missing_entry {
            MissingEntry::Take => self.record(line, row.line, None),
            MissingEntry::Drop => Verdict::Nothing,
            MissingEntry::Bad => self.fault(row.line, ("line", NO_ENTRY.to_owned()), None),
        }
    }

    /// A trip that is decided outside its own line.
    fn decided(&mut self, trip: Trip) {
        if let Some(pairing) = self.plan.pairing.clone() {
            self.decide(&pairing, trip);
        }
    }

    fn decide(&mut self, pairing: &PairPlan, trip: Trip) {
        let wanted = match trip {
            Trip::Whole(..) => {
                self.counts.pairs += 1;
                true
            }
            Trip::NoExit(_) => {
                self.counts.no_exit += 1;
                pairing.missing_exit == MissingExit::MaxFare
            }
            Trip::NoEntry(_) => {
                self.counts.no_entry += 1;
                pairing.missing_entry != MissingEntry::Drop
            }
        };
        if wanted {
            self.ready.push_back(trip);
        }
    }

    /// A half of a trip with its card.
    fn waiting(
        &mut self,
        pairing: &PairPlan,
        open: &Open,
        half: Half,
        line: &[u8],
        number: u32,
    ) -> Result<(Vec<u8>, Waiting), Fault> {
        let view =
            View { line, cells: &self.cells, derived: &self.derived, entry: None, empty: &self.plan.empty };
        let mut card = Vec::new();
        for place in &pairing.card {
            card.extend_from_slice(
                view.get(*place).map_err(|why| ("line", format!("card of the trip: {why}")))?,
            );
            card.push(0);
        }
        if card.iter().all(|byte| *byte == 0) {
            return Err(("line", "the card of the trip is empty".to_owned()));
        }
        let time = pairing.time.apply(view, &mut self.buffers, &mut self.row);
        time.map_err(|why| (Column::TappedAt.name(), why))?;
        let Some(at) = self.row.tapped_at else { return Err((Column::TappedAt.name(), String::new())) };
        let stop = match pairing.stop {
            None => None,
            Some(place) => {
                let text = view.get(place).map_err(|why| ("line", format!("order of the station: {why}")))?;
                let stop = whole(text, Form::Decimal);
                Some(stop.ok_or_else(|| ("line", "the order of the station is no whole number".to_owned()))?)
            }
        };
        let any_order = matches!(open, Open::AnyOrder(_));
        let (mut texts, mut raw) = (Vec::new(), Box::default());
        if half == Half::Entry {
            for place in &pairing.kept {
                texts.push(view.get(*place).map_err(|why| ("line", why))?);
            }
        }
        if any_order || half == Half::Entry && pairing.missing_exit == MissingExit::MaxFare {
            raw = line.into();
        }
        let values = Values::of(texts.into_iter());
        Ok((card, Waiting { line: number, at, stop, values, raw }))
    }
}

const NO_ENTRY: &str = "an exit without entry";

/// What a trip that has waited becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Record,
    Charge,
    Bad,
}

/// The amount of a line, for control sums.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Amounts {
    NotWanted,
    Unreadable,
    Fen(u64),
}

fn add(sum: &mut Sum, amount: Amounts) {
    sum.lines += 1;
    match amount {
        Amounts::NotWanted => {}
        Amounts::Unreadable => sum.unreadable += 1,
        Amounts::Fen(fen) => sum.fen = sum.fen.saturating_add(fen),
    }
}

/// A sequence for a system that has none.
fn derived_sequence(
    derive: Derive,
    row: &MappedRow,
    numbers: &mut HashMap<([u8; 6], i32), u32>,
) -> Result<u32, String> {
    let (Some(terminal), Some(at)) = (row.terminal, row.tapped_at) else {
        return Err("cannot be derived without terminal and tapped_at".to_owned());
    };
    let days = i64::from(at.date.julian_day() - FIRST_DAY);
    let sequence = match derive {
        Derive::Second => days * 86_400 + i64::from(at.second),
        Derive::Count => {
            let number = numbers.entry((terminal, at.date.julian_day())).or_insert(0);
            if *number >= COUNT_MAX {
                return Err(format!("the terminal has more than {COUNT_MAX} rows on {}", at.date));
            }
            *number += 1;
            days * (i64::from(COUNT_MAX) + 1) + i64::from(*number)
        }
    };
    u32::try_from(sequence).map_err(|_| format!("cannot be derived from a tap on {}", at.date))
}
