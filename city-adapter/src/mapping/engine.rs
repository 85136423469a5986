//! Makes records of lines.

use std::collections::VecDeque;

use super::{
    MappingError,
    bind::{Buffers, Derived, View},
    cells::Cells,
    charset::Charset,
    control::{Ledger, Sum},
    filter::Filter,
    pairs::{AnyOrder, InOrder, Trip, Waiting},
    plan::{Plan, Step},
    reader::{BadRow, Counts},
    row::MappedRow,
    sequence::{Numbers, derived_sequence},
    spec::RowOrder,
    trips::Open,
};
use crate::lines::KeptLine;

/// Makes records of lines.
pub struct Engine {
    pub(super) plan: Plan,
    pub(super) cells: Cells,
    pub(super) derived: Derived,
    pub(super) buffers: Buffers,
    held: Vec<u8>,
    pub(super) open: Option<Open>,
    pub(super) ready: VecDeque<Trip>,
    numbers: Numbers,
    /// What the rows come to.
    pub ledger: Ledger,
    /// What became of rows that are no records.
    pub counts: Counts,
    /// The last record.
    pub row: MappedRow,
    /// The last row that could not be read.
    pub bad: BadRow,
    /// The entry of the last trip that could not be read.
    pub entry: Option<KeptLine>,
    /// The line of the last trip that waited.
    pub raw: Box<[u8]>,
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
pub type Fault = (&'static str, String);

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
            numbers: Numbers::new(),
            ledger: Ledger::default(),
            counts: Counts::default(),
            row: MappedRow::default(),
            bad: BadRow { line: 0, column: "line", reason: String::new() },
            entry: None,
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
        add(&mut self.ledger.all, fen, number);
        match self.is_dropped(line) {
            Ok(true) => {
                self.counts.dropped += 1;
                return Ok(Verdict::Nothing);
            }
            Ok(false) => add(&mut self.ledger.kept, fen, number),
            Err(why) => {
                add(&mut self.ledger.kept, fen, number);
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
        add(&mut self.ledger.all, fen, number);
        add(&mut self.ledger.kept, fen, number);
        self.fault(number, ("line", why), None)
    }

    pub(super) fn split(&mut self, line: &[u8]) -> Result<(), String> {
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

    pub(super) fn view<'a>(&'a self, line: &'a [u8]) -> View<'a> {
        View { line, cells: &self.cells, derived: &self.derived, entry: None, empty: &self.plan.empty }
    }

    fn is_dropped(&self, line: &[u8]) -> Result<bool, String> {
        let view = self.view(line);
        let matches = |(filter, place): &(Filter, _)| filter.matches(view.get(*place)?);
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

    pub(super) fn record(&mut self, line: &[u8], number: u32, entry: Option<&Waiting>) -> Verdict {
        let steps = std::mem::take(&mut self.plan.steps);
        let verdict = self.make(&steps, line, number, entry);
        self.plan.steps = steps;
        verdict
    }

    pub(super) fn charge(&mut self, line: &[u8], number: u32) -> Verdict {
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
                return self.fault(number, (step.target.name(), why), entry);
            }
        }
        Verdict::Row
    }

    pub(super) fn fault(&mut self, line: u32, (column, reason): Fault, entry: Option<&Waiting>) -> Verdict {
        let reason = match entry {
            Some(entry) => format!("{reason} (the entry is line {})", entry.line),
            None => reason,
        };
        self.entry = entry.map(|entry| KeptLine { number: entry.line, bytes: entry.raw.to_vec() });
        self.bad = BadRow { line, column, reason };
        Verdict::Bad
    }
}

/// The amount of a line, for control sums.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Amounts {
    NotWanted,
    Unreadable,
    Fen(u64),
}

fn add(sum: &mut Sum, amount: Amounts, line: u32) {
    sum.lines += 1;
    match amount {
        Amounts::NotWanted => {}
        Amounts::Unreadable => {
            sum.unreadable += 1;
            sum.first_unreadable.get_or_insert(line);
        }
        Amounts::Fen(fen) => sum.fen = sum.fen.saturating_add(fen),
    }
}
