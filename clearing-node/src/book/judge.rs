//! Judging records: verdict, identity, content, and the totals of what is cleared.

use std::sync::Arc;

use domain::{
    city::City,
    date::Date,
    fees::Basis,
    fees::FeeTable,
    guard::{Rule, holds},
    identity::content_digest,
    result::{RecordResult, Rejection, Verdict},
    rules::CycleRules,
    tap::{Kind, Tap},
    totals::{Tally, TotalKey},
};

use super::{
    Halt, Running,
    batch::{PartView, Place, RECORDS_MAX},
    identities::{Ahead, Claim, Entry, Identities, Key, row},
    rows,
};
use crate::store::Txn;

/// Identities taken by one message, by the day they were tapped: a row of the store each.
#[derive(Debug, Default)]
pub struct Taken(Vec<(Date, Vec<Entry>)>);

impl Taken {
    /// Notes an identity that was tapped on a day.
    pub(super) fn push(&mut self, entry: &Entry, day: Date) {
        // A batch has taps of one day or two.
        if let Some((_, entries)) = self.0.iter_mut().find(|(its, _)| *its == day) {
            entries.push(*entry);
        } else {
            let room = if self.0.is_empty() { RECORDS_MAX } else { 0 };
            let mut entries = Vec::with_capacity(room);
            entries.push(*entry);
            self.0.push((day, entries));
        }
    }

    /// Gathers the rows.
    pub fn write(self, txn: &mut dyn Txn, offset: u64) {
        for (day, entries) in self.0 {
            txn.put(rows::identities(day, offset), row::pack(&entries));
        }
    }
}

/// What one part adds to the totals.
#[derive(Debug)]
pub struct PartTotals {
    acquirer: City,
    issuer: City,
    table: Arc<FeeTable>,
    /// By kind and slot of the table: index = kind × slots + slot.
    tallies: Vec<Tally>,
    slots: usize,
}

impl PartTotals {
    /// No records yet.
    #[must_use]
    pub fn new(acquirer: City, issuer: City, table: Arc<FeeTable>) -> Self {
        let slots = table.slot_count();
        Self { acquirer, issuer, table, tallies: vec![Tally::default(); slots * Kind::ALL.len()], slots }
    }

    fn add(&mut self, rules: &CycleRules, kind: Kind, tap: &Tap) -> Result<(), Halt> {
        let slot = self.table.slot(tap.sector, tap.product);
        let fees = &rules.rulebook().fees;
        let rates = (fees.basis == Basis::PerRecord).then(|| fees.rates(slot));
        // Made only if needed: it is large, and this is done for every tap.
        let overflow = || Halt::Overflow { acquirer: self.acquirer, issuer: self.issuer };
        let place = usize::from(kind as u8) * self.slots + usize::from(slot);
        let Some(tally) = self.tallies.get_mut(place) else { return Err(overflow()) };
        tally.add(tap.amount_fen.get(), rates).map_err(|_| overflow())
    }

    /// Adds them to the running totals of the acquirer.
    ///
    /// # Errors
    /// [`Halt::Overflow`].
    pub fn merge_into(self, running: &mut Running) -> Result<(), Halt> {
        for (place, tally) in self.tallies.iter().enumerate().filter(|(_, tally)| tally.count > 0) {
            let fee_line = u16::try_from(place % self.slots).unwrap_or(u16::MAX);
            let Some(kind) = Kind::ALL.get(place / self.slots).copied() else { continue };
            let key = TotalKey { acquirer: self.acquirer, issuer: self.issuer, kind, fee_line };
            let overflow = |_| Halt::Overflow { acquirer: self.acquirer, issuer: self.issuer };
            running.totals.entry(key).or_default().merge(tally).map_err(overflow)?;
            running.dirty = true;
        }
        Ok(())
    }
}

/// Judges records under the rules of the open cycle.
pub struct Judge<'a> {
    /// The rules.
    pub rules: &'a CycleRules,
    /// The drop line under which the records arrived.
    pub line: Date,
    /// The paid identities.
    pub identities: &'a mut Identities,
    /// What this message takes.
    pub taken: Taken,
}

impl Judge<'_> {
    /// The result of a record whose home city has spoken.
    ///
    /// # Errors
    /// [`Halt::Overflow`].
    pub fn judge(
        &mut self,
        tap: &Tap,
        ahead: &Ahead,
        code: u8,
        totals: &mut PartTotals,
    ) -> Result<RecordResult, Halt> {
        let verdict = Verdict::from_code(code).and_then(Option::<Rejection>::from);
        if let Some(rejection) = verdict {
            if !holds(Rule::RejectedTakesNoIdentity) {
                self.claim(ahead);
            }
            return Ok(RecordResult::Rejected(rejection));
        }
        match self.claim(ahead) {
            Claim::SameContent => Ok(RecordResult::Duplicate),
            Claim::OtherContent if holds(Rule::ConflictUnpaid) => Ok(RecordResult::Conflict),
            Claim::Granted | Claim::OtherContent => {
                if let Some(kind) = Kind::of_type(tap.type_byte) {
                    totals.add(self.rules, kind, tap)?;
                }
                Ok(RecordResult::Cleared)
            }
        }
    }

    fn claim(&mut self, ahead: &Ahead) -> Claim {
        let claim = self.identities.claim_ahead(ahead, self.line);
        if claim == Claim::Granted {
            self.taken.push(ahead.entry(), ahead.entry().day());
        }
        claim
    }

    /// Looks where the identities of a batch's records are, in the order in which they will be judged.
    #[must_use]
    pub fn look_ahead(&self, parts: &[PartView], order: &[Place]) -> Vec<Ahead> {
        let taps: Vec<&[Tap]> = parts.iter().map(PartView::taps).collect();
        self.identities.look_ahead(order.iter().map(|place| {
            let part = usize::from(place.part);
            let (issuer, tap) = (parts[part].issuer, &taps[part][usize::from(place.tap)]);
            let day = Date::from_julian_day(tap.tapped_day.get());
            Entry::new(Key::of(issuer, tap), day, content_digest(issuer, tap))
        }))
    }
}
