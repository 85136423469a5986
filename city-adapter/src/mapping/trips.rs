//! The engine's part that makes trips of entries and exits.

use super::{
    MappingError,
    bind::View,
    engine::{Engine, Fault, Verdict},
    number::whole,
    pairs::{AnyOrder, InOrder, Trip, Values, Waiting},
    plan::PairPlan,
    spec::{Form, MissingEntry, MissingExit},
};
use crate::tapfile::Column;

const NO_ENTRY: &str = "an exit without entry";

/// The rows that wait.
pub enum Open {
    /// For the other half.
    InOrder(InOrder),
    /// For the end of the file.
    AnyOrder(AnyOrder),
}

/// The half of a trip.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Its beginning.
    Entry,
    /// Its end.
    Exit,
}

/// What a trip that has waited becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Record,
    Charge,
    Bad,
}

impl Engine {
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

    /// Which half of a trip a row is, if it is one.
    ///
    /// # Errors
    /// Why it cannot be told.
    pub fn half(&self, line: &[u8]) -> Result<Option<Half>, Fault> {
        let Some(pairing) = &self.plan.pairing else { return Ok(None) };
        let kind =
            self.view(line).get(pairing.kind).map_err(|why| ("line", format!("kind of row: {why}")))?;
        let is = |texts: &[String]| texts.iter().any(|text| text.as_bytes() == kind);
        Ok(if is(&pairing.entry) { Some(Half::Entry) } else { is(&pairing.exit).then_some(Half::Exit) })
    }

    /// Takes half of a trip.
    ///
    /// # Errors
    /// [`MappingError::TooManyOpen`].
    pub fn trip(&mut self, half: Half, line: &[u8], number: u32) -> Result<Verdict, MappingError> {
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
        // An entry may become a record, or has to be told with its exit.
        if any_order || half == Half::Entry {
            raw = line.into();
        }
        let values = Values::of(texts.into_iter());
        Ok((card, Waiting { line: number, at, stop, values, raw }))
    }
}
