//! The book is put together from its store.

use std::sync::Arc;

use domain::{city::City, date::Date, rulebook::Rulebook};

use super::{
    Book, Halt, Running, Waiting,
    identities::{Identities, Restoring},
    lane::Lane,
    opening_name,
    rows::{self, BatchRow, Exceptions, StateRow},
    tip::Tip,
};
use crate::store::{StoreError, Txn};

impl Book {
    /// Puts the book together from its store. `rulebooks` must hold the version that rules the open cycle.
    ///
    /// # Errors
    /// [`Halt::Store`] if the store is damaged or names a rulebook that is not there.
    pub fn load(partition: u32, txn: &dyn Txn, rulebooks: &[Arc<Rulebook>]) -> Result<Self, Halt> {
        rows::check_format(txn)?;
        let (restoring, mut entries) = (Restoring::default(), Vec::new());
        txn.scan(rows::IDENTITIES, &mut |key, row| {
            entries.clear();
            rows::unpack_identities(key, row, &mut entries)?;
            restoring.restore(&entries);
            Ok(())
        })?;
        Self::load_around(restoring.finish(), partition, txn, rulebooks)
    }

    /// As [`Book::load`], with identities that somebody else has read from the same store.
    ///
    /// # Errors
    /// As [`Book::load`].
    pub fn load_around(
        identities: Identities,
        partition: u32,
        txn: &dyn Txn,
        rulebooks: &[Arc<Rulebook>],
    ) -> Result<Self, Halt> {
        rows::check_format(txn)?;
        let mut book = Self { identities, ..Self::new(partition) };
        for rulebook in rulebooks {
            book.learn(Arc::clone(rulebook));
        }
        book.next_offset = rows::next_offset(txn)?;
        book.tip = txn.get(rows::TIP)?.map(|bytes| Tip::unpack(&bytes)).transpose()?;
        let state: StateRow = rows::load(txn, rows::STATE, "state")?.unwrap_or_default();
        book.last_cycle = state.last_cycle;
        book.drop_line = state.drop_line.map(Date::from_julian_day);
        book.outbox_next = state.outbox_next;
        book.adjustments = state.adjustments.into_iter().map(|a| (a.id.clone(), a)).collect();
        book.load_cycles(txn, state.open)?;
        book.load_lanes(txn)?;
        txn.scan(b"o/", &mut |key, value| {
            let number = key.get(2..).and_then(|n| n.try_into().ok()).map(u64::from_be_bytes);
            let number = number.ok_or(StoreError::Damaged { row: "outbox" })?;
            book.outbox.insert(number, rows::decode(value, "outbox")?);
            Ok(())
        })?;
        book.state_dirty = false;
        Ok(book)
    }

    fn load_cycles(&mut self, txn: &dyn Txn, open: bool) -> Result<(), Halt> {
        let mut last = None;
        let names = &mut self.names;
        txn.scan(b"c/", &mut |_, value| {
            let row: rows::CycleRow = rows::decode(value, "cycle")?;
            let opening = row.opening.ok_or(StoreError::Damaged { row: "cycle" })?;
            names.insert(opening.cycle, opening_name(&opening));
            last = Some(opening);
            Ok(())
        })?;
        if let (true, Some(opening)) = (open, last) {
            let rulebook = self.rulebook(&opening).ok_or(StoreError::Damaged { row: "rulebook" })?;
            self.open = Some(self.open_cycle(&opening, rulebook));
        }
        Ok(())
    }

    fn load_lanes(&mut self, txn: &dyn Txn) -> Result<(), Halt> {
        let Self { lanes, waiting, running, .. } = self;
        txn.scan(b"l/", &mut |key, value| {
            lanes.insert(rows::city_of(key)?, Lane::of_row(rows::decode(value, "lane")?));
            Ok(())
        })?;
        txn.scan(b"p/", &mut |key, value| {
            let row: rows::ParkedRow = rows::decode(value, "parked")?;
            let issuer = |part: &proto::Part| City::parse(part.issuer.as_bytes());
            let issuers = row.parts.iter().map(issuer).collect::<Result<_, _>>();
            let issuers = issuers.map_err(|_| StoreError::Damaged { row: "parked" })?;
            let (city, number) = rows::city_and_number(key)?;
            let batch: BatchRow = rows::load(txn, &rows::batch(city, number), "batch")?.unwrap_or_default();
            let records = Exceptions::unpack(&batch.exceptions)?.parked();
            waiting
                .insert((city, number), Waiting { records, line: Date::from_julian_day(row.line), issuers });
            Ok(())
        })?;
        txn.scan(b"t/", &mut |key, value| {
            let row: rows::TotalsRow = rows::decode(value, "totals")?;
            let totals = row.totals.iter().map(crate::wire::total_from_wire).collect::<Option<_>>();
            let totals = totals.ok_or(StoreError::Damaged { row: "totals" })?;
            running.insert(rows::city_of(key)?, Running { totals, dirty: false });
            Ok(())
        })?;
        Ok(())
    }
}
