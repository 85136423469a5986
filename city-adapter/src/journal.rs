//! The adapter's journal of one city, as a pure core: which files were taken, which batches they were cut
//! into, which of these are on the log, and what became of them.
//!
//! [`Journal::step`] takes one input and returns what has to be done, in this order. Everything that it has to
//! remember leaves it as [`Effect::Put`], so that [`Journal::load`] brings it back from these rows alone. After
//! a crash between any two effects the file that was being taken is cut again from its start: what it was
//! journaled as is checked against the digests, and what is not yet known to be on the log is published again.

use std::collections::BTreeMap;

use domain::{
    city::City,
    guard::{Rule, holds},
};
use prost::Message;
use proto::BatchResult;

pub use results::{Known, Outcome};
use rows::{BatchRow, CycleRow, Key, NumberRow, ResultRow};
pub use rows::{UploadRow, UploadState};

mod load;
mod results;
mod rows;
#[cfg(test)]
mod tests;

/// What happens to a city's adapter.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A file begins to be taken, or begins again after a restart.
    Begin {
        /// Its base name with `.csv`.
        name: String,
    },
    /// The next batch of the file that is being taken, from its start.
    Cut(CutBatch),
    /// The log has made everything up to this number durable.
    Durable {
        /// Number of a batch.
        through: u64,
    },
    /// The file that is being taken has been cut to its end and all its batches are durable.
    End(Summary),
    /// A file is refused whole: none of it was published.
    Refuse {
        /// Its base name with `.csv`.
        name: String,
        /// SHA-256 of its bytes.
        sha256: [u8; 32],
        /// Its data lines.
        records: u64,
        /// Why.
        reason: String,
    },
    /// A message of the city's results log.
    Result {
        /// The message.
        message: BatchResult,
        /// The offset after it.
        next_offset: u64,
    },
    /// The results of a file have been written, and they are complete ([`Journal::is_complete`]).
    Close {
        /// Its base name with `.csv`.
        name: String,
    },
}

/// A batch that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutBatch {
    /// The number it was cut for ([`Journal::number_of`]).
    pub number: u64,
    /// Its digest.
    pub digest: [u8; 32],
    /// Its taps.
    pub records: u32,
}

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Data lines.
    pub records: u64,
    /// Quarantined data lines.
    pub malformed: u64,
    /// Data lines of the city's own cards.
    pub local: u64,
    /// Published data lines.
    pub presented: u64,
    /// Amount of the published data lines, fen.
    pub amount_fen: u64,
}

/// What has to be done, in the order in which a step returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Keep a row, in place of one with the same key. Durable before anything behind it is done.
    Put {
        /// Key of the row, unique in the city.
        key: Vec<u8>,
        /// Its bytes.
        value: Vec<u8>,
    },
    /// Keep a row no longer.
    Delete {
        /// Key of the row.
        key: Vec<u8>,
    },
    /// Append the batch that was just cut to the city's tap log.
    Publish {
        /// Its number.
        number: u64,
    },
    /// Stop this city and call a person: what the log says and what was journaled disagree.
    Stop {
        /// What disagrees.
        reason: String,
    },
}

/// Why an input is refused. The state is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The city is stopped.
    #[error("{city} is stopped: {reason}")]
    Stopped {
        /// The city.
        city: City,
        /// Why.
        reason: String,
    },
    /// A file is cut again and gives other batches.
    #[error(
        "{city} file {name} has changed since batch {number} of it was journaled; put the file back as it was, \
         then run again (nothing of it is lost or counted twice)"
    )]
    FileChanged {
        /// The city.
        city: City,
        /// Name of the file.
        name: String,
        /// The batch that differs.
        number: u64,
    },
    /// Another file of the city is still being taken.
    #[error("{city} file {name} is taken only in part; it has to be there and be taken to its end first")]
    InProgress {
        /// The city.
        city: City,
        /// Name of the file that is being taken.
        name: String,
    },
    /// No input of this kind fits the state: an error of the caller.
    #[error("{city} journal: {what}")]
    OutOfOrder {
        /// The city.
        city: City,
        /// What does not fit.
        what: &'static str,
    },
    /// A row is not readable.
    #[error("{city} journal has a row that cannot be read ({0} …); restore the journal", key.escape_ascii())]
    Row {
        /// The city.
        city: City,
        /// Key of the row.
        key: Vec<u8>,
    },
}

/// One batch in memory.
#[derive(Debug)]
struct Batch {
    digest: [u8; 32],
    records: u32,
    done: bool,
    result: Option<Known>,
}

/// The journal of one city.
#[derive(Debug)]
pub struct Journal {
    city: City,
    /// By name and digest: a refused name may have been tried with several contents.
    uploads: BTreeMap<(String, Vec<u8>), UploadRow>,
    /// The keys of uploads that have batches, by the number of the first.
    by_number: BTreeMap<u64, (String, Vec<u8>)>,
    /// The file that is being taken.
    taking: Option<UploadRow>,
    /// How many batches of that file were cut in this run.
    cut: u64,
    /// By number, from 1.
    batches: Vec<Batch>,
    cycles: BTreeMap<u32, String>,
    durable: u64,
    answered: u64,
    results_offset: u64,
    stopped: Option<String>,
}

impl Journal {
    /// The journal of a city that has published nothing yet.
    #[must_use]
    pub fn new(city: City) -> Self {
        Self {
            city,
            uploads: BTreeMap::new(),
            by_number: BTreeMap::new(),
            taking: None,
            cut: 0,
            batches: Vec::new(),
            cycles: BTreeMap::new(),
            durable: 0,
            answered: 0,
            results_offset: 0,
            stopped: None,
        }
    }

    /// Takes one input.
    ///
    /// # Errors
    /// [`JournalError`]; then nothing has changed.
    pub fn step(&mut self, input: Input) -> Result<Vec<Effect>, JournalError> {
        if let (Some(reason), false) = (&self.stopped, matches!(input, Input::Durable { .. })) {
            return match input {
                Input::Result { .. } => Ok(Vec::new()),
                _ => Err(JournalError::Stopped { city: self.city, reason: reason.clone() }),
            };
        }
        match input {
            Input::Begin { name } => self.begin(name),
            Input::Cut(batch) => self.cut(batch),
            Input::Durable { through } => Ok(self.durable_through(through)),
            Input::End(summary) => self.end(summary),
            Input::Refuse { name, sha256, records, reason } => self.refuse(name, sha256, records, reason),
            Input::Result { message, next_offset } => Ok(self.result(&message, next_offset)),
            Input::Close { name } => self.close(&name),
        }
    }

    fn begin(&mut self, name: String) -> Result<Vec<Effect>, JournalError> {
        let mut effects = Vec::new();
        if let Some(row) = &self.taking {
            if row.name != name && row.first_number <= self.last_number() {
                return Err(JournalError::InProgress { city: self.city, name: row.name.clone() });
            }
            if row.name != name {
                effects.push(delete(&Key::Upload(row.name.clone(), Vec::new())));
                self.taking = None;
            }
        }
        if self.upload(&name).is_some() {
            return Err(self.out_of_order("a file of this name was taken or refused before"));
        }
        self.cut = 0;
        if self.taking.is_none() {
            let row = UploadRow { name, first_number: self.last_number() + 1, ..UploadRow::default() };
            if holds(Rule::JournalBeforePublish) {
                effects.push(put(&Key::Upload(row.name.clone(), Vec::new()), &row));
            }
            self.taking = Some(row);
        }
        Ok(effects)
    }

    fn cut(&mut self, batch: CutBatch) -> Result<Vec<Effect>, JournalError> {
        let (Some(row), Some(number)) = (&self.taking, self.number_of_next()) else {
            return Err(self.out_of_order("a batch was cut, but no file is being taken"));
        };
        if number != batch.number {
            return Err(self.out_of_order("a batch was cut for another number"));
        }
        if let Some(known) = self.batch(number) {
            if known.digest != batch.digest || known.records != batch.records {
                return Err(JournalError::FileChanged { city: self.city, name: row.name.clone(), number });
            }
            self.cut += 1;
            return Ok(if number > self.durable { vec![Effect::Publish { number }] } else { Vec::new() });
        }
        let mut effects = Vec::new();
        let kept = BatchRow { digest: batch.digest.to_vec(), records: batch.records, done: false };
        let kept = put(&Key::Batch(number), &kept);
        if holds(Rule::JournalBeforePublish) {
            effects.extend([kept, Effect::Publish { number }]);
        } else {
            let row = put(&Key::Upload(row.name.clone(), Vec::new()), row);
            effects.extend([Effect::Publish { number }, row, kept]);
        }
        self.batches.push(Batch { digest: batch.digest, records: batch.records, done: false, result: None });
        self.cut += 1;
        Ok(effects)
    }

    fn durable_through(&mut self, through: u64) -> Vec<Effect> {
        let through = through.min(self.last_number());
        if through <= self.durable {
            return Vec::new();
        }
        self.durable = through;
        vec![put(&Key::Durable, &NumberRow { number: through })]
    }

    fn end(&mut self, summary: Summary) -> Result<Vec<Effect>, JournalError> {
        let Some(row) = &self.taking else {
            return Err(self.out_of_order("a file ended, but none is being taken"));
        };
        let next = row.first_number + self.cut;
        if next <= self.last_number() {
            let (city, name) = (self.city, row.name.clone());
            return Err(JournalError::FileChanged { city, name, number: next });
        }
        if self.durable < self.last_number() {
            return Err(self.out_of_order("a file ended before all its batches were durable"));
        }
        let row = UploadRow {
            state: UploadState::Taken.into(),
            sha256: summary.sha256.to_vec(),
            records: summary.records,
            malformed: summary.malformed,
            local: summary.local,
            presented: summary.presented,
            amount_fen: summary.amount_fen,
            batches: self.cut,
            ..row.clone()
        };
        self.taking = None;
        let gone = delete(&Key::Upload(row.name.clone(), Vec::new()));
        Ok(vec![self.keep_upload(row), gone])
    }

    fn refuse(
        &mut self,
        name: String,
        sha256: [u8; 32],
        records: u64,
        reason: String,
    ) -> Result<Vec<Effect>, JournalError> {
        if let Some(row) = self.taking.as_ref().filter(|row| row.name == name) {
            if row.first_number <= self.last_number() {
                return Err(self.out_of_order("a file of which batches were published is not refused"));
            }
        }
        let sha256 = sha256.to_vec();
        if self.uploads.contains_key(&(name.clone(), sha256.clone())) {
            return Err(self.out_of_order("this upload was taken or refused before"));
        }
        let begun = self.taking.take_if(|row| row.name == name);
        let gone = begun.map(|row| delete(&Key::Upload(row.name, Vec::new())));
        let state = UploadState::Refused.into();
        let row = UploadRow { name, state, sha256, records, reason, closed: true, ..UploadRow::default() };
        Ok([self.keep_upload(row)].into_iter().chain(gone).collect())
    }

    fn result(&mut self, message: &BatchResult, next_offset: u64) -> Vec<Effect> {
        let number = message.number;
        let says = |what: &str| format!("the result of batch {number} {what}");
        if message.acquirer.parse() != Ok(self.city) {
            return self.stop(says(&format!("is of {}", message.acquirer)));
        }
        let seen = Effect::Put {
            key: Key::ResultsOffset.bytes(),
            value: NumberRow { number: next_offset }.encode_to_vec(),
        };
        let Some(batch) = self.batch(number) else {
            if holds(Rule::DigestKept) {
                return self.stop(says("speaks of a batch that the journal does not have"));
            }
            self.results_offset = next_offset;
            return vec![seen];
        };
        if holds(Rule::DigestKept) && batch.digest != *message.digest {
            return self.stop(says("has another digest than the batch"));
        }
        if number > self.answered + 1 {
            return self.stop(says(&format!("came before the one of batch {}", self.answered + 1)));
        }
        let mut effects = match self.merged(message) {
            Ok(effects) => effects,
            Err(what) => return self.stop(says(&what)),
        };
        self.answered = self.answered.max(number);
        self.results_offset = next_offset;
        effects.push(seen);
        effects
    }

    /// Merges a result that was found to be of one of our batches.
    fn merged(&mut self, message: &BatchResult) -> Result<Vec<Effect>, String> {
        let number = message.number;
        let Some(batch) = place(number).and_then(|place| self.batches.get_mut(place)) else {
            return Err("speaks of a batch that the journal does not have".to_owned());
        };
        if batch.done {
            return Ok(Vec::new());
        }
        let newer = Known::read(message, batch.records)?;
        let mut effects = Vec::new();
        for cycle in &message.cycles {
            if self.cycles.get(&cycle.cycle).is_none_or(|known| *known != cycle.name) {
                effects.push(put(&Key::Cycle(cycle.cycle), &CycleRow { name: cycle.name.clone() }));
                self.cycles.insert(cycle.cycle, cycle.name.clone());
            }
        }
        let named = |outcome: &Outcome| self.cycles.contains_key(&outcome.cycle);
        if !named(&newer.default()) || !newer.exceptions().iter().all(|(_, outcome)| named(outcome)) {
            return Err("does not name its cycles".to_owned());
        }
        let known = match batch.result.take() {
            None => newer,
            Some(mut known) => match known.merge(newer) {
                Ok(()) => known,
                Err(what) => {
                    batch.result = Some(known);
                    return Err(what);
                }
            },
        };
        batch.done = known.is_final() || !holds(Rule::KeepUntilFinal);
        effects.push(put(&Key::Result(number), &known.row()));
        if batch.done {
            let row = BatchRow { digest: batch.digest.to_vec(), records: batch.records, done: true };
            effects.push(put(&Key::Batch(number), &row));
        }
        batch.result = Some(known);
        Ok(effects)
    }

    fn close(&mut self, name: &str) -> Result<Vec<Effect>, JournalError> {
        let Some(row) = self.upload(name).filter(|row| self.is_complete(row)).cloned() else {
            return Err(self.out_of_order("a file is closed before its results are complete"));
        };
        let mut effects = Vec::new();
        for number in row.first_number..row.first_number + row.batches {
            if let Some(batch) = place(number).and_then(|place| self.batches.get_mut(place)) {
                batch.result = None;
                effects.push(delete(&Key::Result(number)));
            }
        }
        effects.insert(0, self.keep_upload(UploadRow { closed: true, ..row }));
        Ok(effects)
    }

    fn keep_upload(&mut self, row: UploadRow) -> Effect {
        let effect = put(&Key::Upload(row.name.clone(), row.sha256.clone()), &row);
        self.know_upload(row);
        effect
    }

    fn know_upload(&mut self, row: UploadRow) {
        let key = (row.name.clone(), row.sha256.clone());
        if row.batches > 0 {
            self.by_number.insert(row.first_number, key.clone());
        }
        self.uploads.insert(key, row);
    }

    fn stop(&mut self, reason: String) -> Vec<Effect> {
        self.stopped = Some(reason.clone());
        vec![Effect::Stop { reason }]
    }

    fn out_of_order(&self, what: &'static str) -> JournalError {
        JournalError::OutOfOrder { city: self.city, what }
    }

    fn batch(&self, number: u64) -> Option<&Batch> {
        self.batches.get(place(number)?)
    }

    fn number_of_next(&self) -> Option<u64> {
        self.taking.as_ref().map(|row| row.first_number + self.cut)
    }
}

/// What is asked of a journal.
impl Journal {
    /// The city.
    #[must_use]
    pub fn city(&self) -> City {
        self.city
    }

    /// The number that the next batch of the file being taken has to have; `None` if no file is.
    #[must_use]
    pub fn number_of(&self) -> Option<u64> {
        self.number_of_next()
    }

    /// The file of which some batches are journaled, but not all: it has to be taken before any other.
    #[must_use]
    pub fn in_progress(&self) -> Option<&str> {
        let row = self.taking.as_ref().filter(|row| row.first_number <= self.last_number())?;
        Some(&row.name)
    }

    /// The highest number that was given out; 0 for none.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.batches.len().try_into().unwrap_or(u64::MAX)
    }

    /// All uploads that were taken or refused, by name.
    pub fn uploads(&self) -> impl Iterator<Item = &UploadRow> {
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
        self.last_number().saturating_sub(self.answered)
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

fn place(number: u64) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}

fn put(key: &Key, row: &impl Message) -> Effect {
    Effect::Put { key: key.bytes(), value: row.encode_to_vec() }
}

fn delete(key: &Key) -> Effect {
    Effect::Delete { key: key.bytes() }
}
