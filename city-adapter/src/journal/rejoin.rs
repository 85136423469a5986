//! Going on with a log that was restored and may know less than the journal.

use prost::Message;

use super::{Effect, Journal, JournalError, Key, NumberRow, UploadRow, delete, put};

impl Journal {
    /// Results are read again from the log's beginning, and whatever was given out behind batch `known` is taken
    /// back: the files it came from are to be handed in again, the first of them perhaps from its middle on.
    ///
    /// # Errors
    /// [`JournalError::OutOfOrder`] if the log knows batches that the journal does not have.
    pub(super) fn rejoin(&mut self, known: u64) -> Result<Vec<Effect>, JournalError> {
        if known > self.last_number() {
            let what = "the log knows batches that this journal does not have; it is older than the log, or another city's";
            return Err(self.out_of_order(what));
        }
        let mut effects = Vec::new();
        for number in known + 1..=self.last_number() {
            effects.extend([delete(&Key::Batch(number)), delete(&Key::Result(number))]);
        }
        self.batches.truncate(usize::try_from(known).unwrap_or(usize::MAX));
        let mut begun: Option<UploadRow> = None;
        if let Some(row) = self.taking.take() {
            if row.first_number <= known + 1 {
                begun = Some(row);
            } else {
                effects.push(delete(&Key::Upload(row.name, Vec::new())));
            }
        }
        let behind = |row: &&UploadRow| row.batches > 0 && row.first_number + row.batches > known + 1;
        let gone: Vec<UploadRow> = self.uploads.values().filter(behind).cloned().collect();
        for row in gone {
            self.uploads.remove(&(row.name.clone(), row.sha256.clone()));
            self.by_number.remove(&row.first_number);
            effects.push(delete(&Key::Upload(row.name.clone(), row.sha256)));
            if row.first_number <= known {
                let row =
                    UploadRow { name: row.name, first_number: row.first_number, ..UploadRow::default() };
                effects.push(put(&Key::Upload(row.name.clone(), Vec::new()), &row));
                begun = Some(row);
            }
        }
        self.taking = begun;
        self.cut = 0;
        self.durable = self.durable.min(known);
        self.answered = self.answered.min(known);
        self.results_offset = 0;
        self.missed = 0;
        let row = |number| NumberRow { number };
        effects.push(put(&Key::Durable, &row(self.durable)));
        effects.push(put(&Key::Missed, &row(0)));
        effects.push(Effect::Put { key: Key::ResultsOffset.bytes(), value: row(0).encode_to_vec() });
        Ok(effects)
    }
}
