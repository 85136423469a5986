//! What can be asked of a journal.

use domain::city::City;

use super::{Journal, Known, UploadRow, UploadState};

impl Journal {
    /// The city.
    #[must_use]
    pub fn city(&self) -> City {
        self.city
    }

    /// The number that the next batch of the file being taken has to have; `None` if no file is.
    #[must_use]
    pub fn number_of(&self) -> Option<u64> {
        self.taking.as_ref().map(|row| row.first_number + self.cut)
    }

    /// The file of which some batches are journaled, but not all: it has to be taken before any other.
    #[must_use]
    pub fn in_progress(&self) -> Option<&str> {
        let row = self.taking.as_ref().filter(|row| row.first_number <= self.last_number())?;
        Some(&row.name)
    }

    /// The file that is being taken, whether or not a batch of it is journaled.
    #[must_use]
    pub fn taking(&self) -> Option<&UploadRow> {
        self.taking.as_ref()
    }

    /// The highest number that is known to be durable on the log; 0 for none.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// The highest number that was given out; 0 for none.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.batches.len().try_into().unwrap_or(u64::MAX)
    }

    /// All uploads that were taken or refused, by name.
    pub fn uploads(&self) -> impl ExactSizeIterator<Item = &UploadRow> {
        self.uploads.values()
    }

    /// The upload that decided what this name stands for: the one that was taken, else one that was refused.
    #[must_use]
    pub fn upload(&self, name: &str) -> Option<&UploadRow> {
        let range = (name.to_owned(), Vec::new())..=(name.to_owned(), vec![u8::MAX; 33]);
        self.uploads.range(range).map(|(_, row)| row).max_by_key(|row| row.state() == UploadState::Taken)
    }

    /// The upload with this name and these bytes.
    #[must_use]
    pub fn upload_of(&self, name: &str, sha256: [u8; 32]) -> Option<&UploadRow> {
        self.uploads.get(&(name.to_owned(), sha256.to_vec()))
    }

    /// The file that a batch was cut from, once all of that file is taken.
    #[must_use]
    pub fn file_of(&self, number: u64) -> Option<&UploadRow> {
        let (_, key) = self.by_number.range(..=number).next_back()?;
        self.uploads.get(key).filter(|row| number < row.first_number + row.batches)
    }

    /// Whether every record of a taken file has its final result.
    #[must_use]
    pub fn is_complete(&self, upload: &UploadRow) -> bool {
        upload.state() == UploadState::Taken
            && (upload.first_number..upload.first_number + upload.batches)
                .all(|number| self.batch(number).is_some_and(|batch| batch.done))
    }

    /// The result of a batch, its number of records and whether there is any; `None` for a number not given out.
    #[must_use]
    pub fn result_of(&self, number: u64) -> Option<(u32, Option<&Known>)> {
        self.batch(number).map(|batch| (batch.records, batch.result.as_ref()))
    }

    /// The folder name of a cycle that some result named.
    #[must_use]
    pub fn cycle_name(&self, cycle: u32) -> Option<&str> {
        self.cycles.get(&cycle).map(String::as_str)
    }

    /// How many batches were given out but have no result at all yet.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        // Up to `missed` there may be some between others that have one.
        let told =
            |number: &u64| self.batch(*number).is_some_and(|batch| batch.done || batch.result.is_some());
        let between = (1..=self.answered.min(self.missed)).filter(|number| !told(number)).count();
        self.last_number().saturating_sub(self.answered) + u64::try_from(between).unwrap_or(u64::MAX)
    }

    /// The batches whose result has to be asked for again, since what came of them may have been dropped unread:
    /// number, digest and records.
    pub fn to_ask(&self) -> impl Iterator<Item = (u64, [u8; 32], u32)> {
        let missed = self.missed.min(self.durable);
        let open = (1..=missed).zip(&self.batches).filter(|(_, batch)| !batch.done);
        open.map(|(number, batch)| (number, batch.digest, batch.records))
    }

    /// The digest and the number of records of a batch whose final result is still to come.
    #[must_use]
    pub fn open_batch(&self, number: u64) -> Option<([u8; 32], u32)> {
        self.batch(number).filter(|batch| !batch.done).map(|batch| (batch.digest, batch.records))
    }

    /// The numbers of the batches that have to be kept, because some record of them has no final result.
    pub fn unfinished(&self) -> impl Iterator<Item = u64> {
        (1..).zip(&self.batches).filter(|(_, batch)| !batch.done).map(|(number, _)| number)
    }

    /// Where to read on in the city's results log.
    #[must_use]
    pub fn results_offset(&self) -> u64 {
        self.results_offset
    }

    /// Why the city is stopped, if it is.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }
}
