//! How far an upload is, for people who ask.

use std::path::Path;

use domain::city::City;

use super::{AcquirerError, AcquirerHost, JOURNAL, lock, store::Store};
use crate::journal::{Journal, UploadState};

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is being cut, journaled and published.
    Taking,
    /// All of it is on the log.
    Taken,
    /// None of it was published.
    Refused,
    /// Every line has its final result, and the results are written.
    Done,
}

/// How far an upload is. Numbers of batches count from 1 over all files of the city.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its stage.
    pub stage: Stage,
    /// Why it is refused; empty otherwise.
    pub reason: String,
    /// Data lines; 0 until it is taken.
    pub records: u64,
    /// Quarantined data lines.
    pub malformed: u64,
    /// Data lines of the city's own cards.
    pub local: u64,
    /// Lines that are presented; while it is being taken, so far.
    pub presented: u64,
    /// Number of its first batch.
    pub first_batch: u64,
    /// Batches, so far.
    pub batches: u64,
    /// How many of them are known to be on the log.
    pub published: u64,
    /// Presented lines that have a result.
    pub answered: u64,
    /// Presented lines whose result is final.
    pub settled: u64,
}

impl AcquirerHost {
    /// How far the upload of this name is; `None` if nothing of it is journaled.
    #[must_use]
    pub fn progress(&self, city: City, name: &str) -> Option<Progress> {
        let desk = self.shared.desk(city);
        let desk = lock(&desk);
        of(&desk.journal, name)
    }

    /// Whether every line of the upload of this name has its final result, and the results are written.
    #[must_use]
    pub fn is_done(&self, city: City, name: &str) -> bool {
        let desk = self.shared.desk(city);
        lock(&desk).journal.upload(name).is_some_and(|row| row.closed)
    }

    /// The upload of which some batches are journaled, but not all: it has to be taken before any other.
    #[must_use]
    pub fn in_progress(&self, city: City) -> Option<String> {
        let desk = self.shared.desk(city);
        lock(&desk).journal.in_progress().map(str::to_owned)
    }
}

/// What stands in the state folder of a host that does not run.
pub struct Snapshot {
    journal: Journal,
    inbox: Vec<Vec<u8>>,
}

impl Snapshot {
    /// Reads what stands there of a city.
    ///
    /// # Errors
    /// [`AcquirerError::Store`], or [`AcquirerError::Journal`] for rows that cannot be read.
    pub fn read(state: &Path, city: City) -> Result<Self, AcquirerError> {
        let store = Store::look(&state.join(JOURNAL))?;
        let journal = Journal::load(city, store.rows(city)?)?;
        let inbox = store.files(city)?;
        Ok(Self { journal, inbox })
    }

    /// What was kept for the city's inbox, by the number of the file.
    #[must_use]
    pub fn inbox_rows(&self) -> Vec<Vec<u8>> {
        self.inbox.clone()
    }

    /// How far the upload of this name is; `None` if nothing of it is journaled.
    #[must_use]
    pub fn progress(&self, name: &str) -> Option<Progress> {
        of(&self.journal, name)
    }
}

/// What the journal says of an upload.
fn of(journal: &Journal, name: &str) -> Option<Progress> {
    let row = match journal.upload(name) {
        Some(row) => row.clone(),
        None => {
            let mut row = journal.taking().filter(|row| row.name == name)?.clone();
            row.batches = (journal.last_number() + 1).saturating_sub(row.first_number);
            row
        }
    };
    let stage = match row.state() {
        UploadState::Taking => Stage::Taking,
        UploadState::Refused => Stage::Refused,
        UploadState::Taken if row.closed => Stage::Done,
        UploadState::Taken => Stage::Taken,
    };
    let mut progress = Progress {
        stage,
        reason: row.reason.clone(),
        records: row.records,
        malformed: row.malformed,
        local: row.local,
        presented: 0,
        first_batch: row.first_number,
        batches: row.batches,
        published: (journal.durable() + 1).saturating_sub(row.first_number).min(row.batches),
        answered: 0,
        settled: 0,
    };
    if stage == Stage::Done {
        let all = row.presented;
        return Some(Progress { presented: all, answered: all, settled: all, ..progress });
    }
    for number in row.first_number..row.first_number + row.batches {
        let Some((records, known)) = journal.result_of(number) else { continue };
        let records = u64::from(records);
        progress.presented += records;
        if let Some(known) = known {
            let open = known.exceptions().iter().filter(|(_, outcome)| !outcome.result.is_final()).count();
            progress.answered += records;
            progress.settled += records.saturating_sub(u64::try_from(open).unwrap_or(u64::MAX));
        }
    }
    Some(progress)
}
