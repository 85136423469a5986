//! An adapter that was away for longer than the log keeps its results makes up for what it missed: from the
//! files of the cycles published meanwhile, and what they do not tell it asks the centre for again.

use std::{path::PathBuf, sync::Arc, time::Duration};

use cu_log::{Partition, append_and_wait};
use domain::{city::City, cycle::CycleName};
use proto::{Bytes, Message, TapBatch};

use super::{AcquirerError, AcquirerHost, Shared, lock, published};
use crate::journal::Input;

/// How long the log may take for a question.
const ASK_WAIT: Duration = Duration::from_secs(60);

/// Finds the ordinal of a cycle by its folder's name; `None` if the log knows no such cycle.
pub type OrdinalOf = Arc<dyn Fn(&CycleName) -> Option<u32> + Send + Sync>;

/// Where published cycles are found.
#[derive(Clone)]
pub(super) struct Published {
    folder: PathBuf,
    ordinal_of: OrdinalOf,
}

impl AcquirerHost {
    /// Names the folder that holds the folders of published cycles, in which `acquirer/<city>.csv` tells what
    /// became of each record.
    pub fn missed_results_from(&self, folder: PathBuf, ordinal_of: OrdinalOf) {
        *lock(&self.shared.published) = Some(Published { folder, ordinal_of });
    }
}

impl Shared {
    /// Makes up for results of a city that its log dropped unread, if it did.
    pub(super) fn make_up(&self, city: City) -> Result<(), AcquirerError> {
        let results = self.topics.results(city);
        let resume_at = self.log.bounds(&results)?.start;
        let desk = self.desk(city);
        if lock(&desk).journal.results_offset() < resume_at {
            self.miss(city, resume_at)?;
        }
        self.ask_again(city)
    }

    fn miss(&self, city: City, resume_at: u64) -> Result<(), AcquirerError> {
        let desk = self.desk(city);
        let offset = lock(&desk).journal.results_offset();
        tracing::warn!(
            %city,
            "the log no longer holds the results from {offset} to {resume_at}: they are made up for"
        );
        let published = lock(&self.published).clone();
        let told = match published {
            Some(Published { folder, ordinal_of }) => published::read(&folder, city, &*ordinal_of)?,
            None => published::Told::default(),
        };
        let mut desk = lock(&desk);
        // The journal goes past the hole with the last of them, so a crash between begins again.
        let results: Vec<_> =
            told.results(&desk.journal).into_iter().map(|message| (message, offset)).collect();
        tracing::info!(%city, "{} batches are told of by published cycles", results.len());
        self.learn(&mut desk, results)?;
        let effects = desk.journal.step(Input::Missed { resume_at })?;
        desk.keep(&self.store, &effects, true)
    }

    /// Presents the numbers again of which the result may be lost, without their records: the centre answers a
    /// number that it knows with the batch's whole result.
    fn ask_again(&self, city: City) -> Result<(), AcquirerError> {
        let asked: Vec<_> = lock(&self.desk(city)).journal.to_ask().collect();
        if asked.is_empty() {
            return Ok(());
        }
        let taps = self.topics.taps(city);
        let mut writer = self.log.writer()?;
        let (last, others) = match asked.split_last() {
            Some((last, others)) => (last, others),
            None => return Ok(()),
        };
        for batch in others {
            let group: Vec<(Partition, Bytes)> = vec![(taps.clone(), header(city, batch))];
            writer.append(group, Box::new(drop))?;
        }
        append_and_wait(writer.as_mut(), &taps, header(city, last), ASK_WAIT)?;
        tracing::info!(%city, "{} batches are asked for again", asked.len());
        Ok(())
    }
}

/// A known number without its records.
fn header(city: City, (number, digest, records): &(u64, [u8; 32], u32)) -> Bytes {
    let batch = TapBatch {
        acquirer: city.to_string(),
        number: *number,
        digest: digest.to_vec().into(),
        file: String::new(),
        records: *records,
        parts: Vec::new(),
        resume: None,
    };
    batch.encode_to_vec().into()
}
