//! Going on with a log that was restored from an archive.

use cu_log::topics::SWITCH_GROUP;
use domain::city::City;
use proto::{Message, TapBatch};

use super::{AcquirerError, AcquirerHost, lock};
use crate::journal::Input;

/// Bytes of messages read at once.
const READ_BYTES: usize = 4 << 20;
/// How long a message that must be there is waited for.
const READ_WAIT: std::time::Duration = std::time::Duration::from_secs(30);

/// What became of a city's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejoined {
    /// The last batch that the log knows.
    pub known: u64,
    /// How many batches were taken back.
    pub batches: u64,
    /// The uploads they came from, to be handed in again in this order; the first may be on the log in part.
    pub again: Vec<String>,
}

impl AcquirerHost {
    /// Fits a city's journal to a log that was restored: its results are read again from their beginning, and
    /// batches that the log does not know are taken back.
    ///
    /// # Errors
    /// [`AcquirerError::Log`]; [`AcquirerError::Journal`] if the log knows more than the journal.
    pub fn rejoin(&self, city: City) -> Result<Rejoined, AcquirerError> {
        let known = self.known(city)?;
        let desk = self.shared.desk(city);
        let mut desk = lock(&desk);
        let last = desk.journal.last_number();
        let mut again: Vec<(u64, String)> = desk
            .journal
            .uploads()
            .filter(|row| row.batches > 0 && row.first_number + row.batches > known + 1)
            .map(|row| (row.first_number, row.name.clone()))
            .collect();
        again.sort();
        let effects = desk.journal.step(Input::Rejoin { known })?;
        desk.keep(&self.shared.store, &effects, true)?;
        desk.reload(&self.shared.store)?;
        let again = again.into_iter().map(|(_, name)| name).collect();
        Ok(Rejoined { known, batches: last.saturating_sub(known), again })
    }

    /// The highest batch number of a city on the log: passed on by the switches, or waiting for them.
    fn known(&self, city: City) -> Result<u64, AcquirerError> {
        let taps = self.shared.topics.taps(city);
        let log = &self.shared.log;
        let group = self.shared.topics.group(SWITCH_GROUP);
        let commit = log.committed(&group, std::slice::from_ref(&taps))?.into_iter().next().flatten();
        let have = log.bounds(&taps)?;
        let mut next = commit.as_ref().map_or(have.start, |commit| commit.offset).clamp(have.start, have.end);
        let mut known = commit.and_then(|commit| commit.note.parse().ok()).unwrap_or(0);
        let mut reader = log.reader(&[(taps, next)])?;
        while next < have.end {
            let entries = reader.poll(READ_BYTES, READ_WAIT)?;
            if entries.is_empty() {
                return Err(cu_log::LogError::Timeout(READ_WAIT).into());
            }
            for entry in entries {
                next = entry.offset + 1;
                // What cannot be read is no batch of this journal.
                known = known.max(TapBatch::decode(entry.payload).map_or(0, |batch| batch.number));
            }
        }
        Ok(known)
    }
}
