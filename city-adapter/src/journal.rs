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
pub use words::{CutBatch, Effect, Input, JournalError, Summary};

mod load;
mod rejoin;
mod results;
mod rows;
#[cfg(test)]
mod tests;
mod view;
mod words;

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
    /// The highest number whose results may be missing on the log.
    missed: u64,
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
            missed: 0,
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
            Input::Rejoin { known } => self.rejoin(known),
            Input::Missed { resume_at } => Ok(self.miss(resume_at)),
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
        let (Some(row), Some(number)) = (&self.taking, self.number_of()) else {
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
        if self.in_progress() == Some(&name) {
            return Err(self.out_of_order("a file of which batches were published is not refused"));
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
        let told = self.answered.max(self.missed);
        if number > told + 1 && holds(Rule::SkippedNumberStops) {
            return self.stop(says(&format!("came before the one of batch {}", told + 1)));
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

    /// Results were dropped unread: whatever was given out so far may have had some among them.
    fn miss(&mut self, resume_at: u64) -> Vec<Effect> {
        if resume_at <= self.results_offset {
            return Vec::new();
        }
        self.results_offset = resume_at;
        self.missed = self.last_number();
        let row = |number| NumberRow { number };
        vec![put(&Key::ResultsOffset, &row(resume_at)), put(&Key::Missed, &row(self.missed))]
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
