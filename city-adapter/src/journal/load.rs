//! Brings a journal back from its rows.

use std::collections::BTreeMap;

use domain::city::City;
use prost::Message;

use super::{
    Batch, BatchRow, CycleRow, Journal, JournalError, Key, Known, NumberRow, ResultRow, UploadRow,
    UploadState,
};

impl Journal {
    /// The journal that put these rows, in any order.
    ///
    /// # Errors
    /// [`JournalError::Row`] for a row that is none, or a hole in the numbers of its batches.
    pub fn load(
        city: City,
        rows: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, JournalError> {
        let mut journal = Self::new(city);
        let mut batches = BTreeMap::new();
        let mut results = BTreeMap::new();
        let mut begun = Vec::new();
        for (key, value) in rows {
            let read = journal.load_row(&key, &value, &mut begun, &mut batches, &mut results);
            read.ok_or(JournalError::Row { city, key })?;
        }
        for (number, row) in batches {
            let key = || Key::Batch(number).bytes();
            let digest = row.digest.as_slice().try_into();
            match digest {
                Ok(digest) if number == journal.last_number() + 1 => {
                    let result = results.remove(&number);
                    journal.batches.push(Batch { digest, records: row.records, done: row.done, result });
                }
                _ => return Err(JournalError::Row { city, key: key() }),
            }
        }
        let answered = |batch: &Batch| batch.done || batch.result.is_some();
        let unanswered = journal.batches.iter().rev().take_while(|batch| !answered(batch)).count();
        journal.answered = journal.last_number() - u64::try_from(unanswered).unwrap_or(u64::MAX);
        journal.durable = journal.durable.min(journal.last_number());
        // A crash may have left the row of a file that was decided since, beside the one that is being taken.
        journal.taking = begun.into_iter().find(|row| journal.upload(&row.name).is_none());
        Ok(journal)
    }

    fn load_row(
        &mut self,
        key: &[u8],
        value: &[u8],
        begun: &mut Vec<UploadRow>,
        batches: &mut BTreeMap<u64, BatchRow>,
        results: &mut BTreeMap<u64, Known>,
    ) -> Option<()> {
        match Key::parse(key)? {
            Key::Upload(..) => {
                let row = UploadRow::decode(value).ok()?;
                if row.state() == UploadState::Taking {
                    begun.push(row);
                } else {
                    self.know_upload(row);
                }
            }
            Key::Batch(number) => {
                batches.insert(number, BatchRow::decode(value).ok()?);
            }
            Key::Result(number) => {
                results.insert(number, Known::of_row(&ResultRow::decode(value).ok()?)?);
            }
            Key::Cycle(cycle) => {
                self.cycles.insert(cycle, CycleRow::decode(value).ok()?.name);
            }
            Key::Durable => self.durable = NumberRow::decode(value).ok()?.number,
            Key::ResultsOffset => self.results_offset = NumberRow::decode(value).ok()?.number,
            Key::Missed => self.missed = NumberRow::decode(value).ok()?.number,
        }
        Some(())
    }
}
