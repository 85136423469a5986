//! A city's adapter: takes files, journals, publishes, follows its results.

use std::collections::{BTreeMap, VecDeque};

use city_adapter::journal::{CutBatch, Effect, Input, Journal, JournalError, Summary};
use domain::{city::City, result::RecordResult};
use proto::{BatchResult, Message, TapBatch};

use super::{
    env::Env,
    net::{Topic, Writer},
    records::{Record, batch, bytes_of},
    reference::Check,
};

/// A tap file, cut where its batches will be.
#[derive(Clone, Debug)]
pub struct File {
    pub name: String,
    pub batches: Vec<Vec<Record>>,
}

/// What survives a crash of the adapter.
#[derive(Clone, Default)]
struct Disk {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    files: Vec<File>,
    /// The result files: what every record was last said to be, by batch and place.
    shown: BTreeMap<(u64, u16), (RecordResult, u32)>,
}

/// One city's adapter.
pub struct Adapting {
    pub city: City,
    pub writer: Writer,
    journal: Journal,
    disk: Disk,
    /// What an older copy of the disk holds.
    older: Vec<Disk>,
    files_made: u64,
    batches_made: u64,
    /// The file that is being taken: its place, and how many batches were cut in this life.
    taking: Option<(usize, usize)>,
    todo: VecDeque<Effect>,
}

impl Adapting {
    pub fn new(env: &mut Env, city: City) -> Self {
        Self {
            city,
            writer: env.net.writer(),
            journal: Journal::new(city),
            disk: Disk::default(),
            older: Vec::new(),
            files_made: 0,
            batches_made: 0,
            taking: None,
            todo: VecDeque::new(),
        }
    }

    /// Does one thing; whether there was anything to do.
    pub fn act(&mut self, env: &mut Env) -> Result<bool, String> {
        if let Some(effect) = self.todo.pop_front() {
            return self.perform(env, effect).map(|()| true);
        }
        match env.dice.below(20) {
            0..7 => self.follow(env),
            7..15 => self.take(env),
            15 if !env.calm => self.resend(env),
            16 => Ok(self.close()),
            17 if !env.calm => {
                self.older.push(self.disk.clone());
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// What an input leads to is done before the next: only a crash comes between.
    fn step(&mut self, env: &mut Env, input: Input) -> Check {
        while let Some(effect) = self.todo.pop_front() {
            self.perform(env, effect)?;
        }
        env.trace(|| {
            format!("adapter {} {}", self.city, format!("{input:?}").chars().take(80).collect::<String>())
        });
        match self.journal.step(input) {
            Ok(effects) => self.todo.extend(effects),
            Err(JournalError::Stopped { .. }) => {}
            Err(error) => env.stop(self.city, &error.to_string())?,
        }
        Ok(())
    }

    fn perform(&mut self, env: &mut Env, effect: Effect) -> Check {
        env.trace(|| {
            format!(
                "adapter {} does {}",
                self.city,
                format!("{effect:?}").chars().take(60).collect::<String>()
            )
        });
        match effect {
            Effect::Put { key, value } => {
                self.disk.rows.insert(key, value);
            }
            Effect::Delete { key } => {
                self.disk.rows.remove(&key);
            }
            Effect::Publish { number } => {
                if let Some(batch) = self.batch(number) {
                    env.net.send(self.writer, Topic::Taps(self.city), bytes_of(&batch), Some(number));
                }
            }
            Effect::Stop { reason } => env.stop(self.city, &reason)?,
        }
        Ok(())
    }

    /// A batch it published is durable, and all before it.
    pub fn acknowledged(&mut self, env: &mut Env, number: u64) -> Check {
        self.step(env, Input::Durable { through: number })
    }

    /// Reads the next result and checks that nothing final changes.
    fn follow(&mut self, env: &mut Env) -> Result<bool, String> {
        let offset = self.journal.results_offset();
        if self.journal.stopped().is_some() {
            return Ok(false);
        }
        if offset > env.log.end(Topic::Results(self.city)) {
            return env.stop(self.city, "the log of its results is shorter than it was").map(|()| false);
        }
        let Some(payload) = env.log.read(Topic::Results(self.city), offset) else { return Ok(false) };
        let message = BatchResult::decode(payload).map_err(|e| e.to_string())?;
        let number = message.number;
        self.step(env, Input::Result { message, next_offset: offset + 1 })?;
        let Some((records, Some(known))) = self.journal.result_of(number) else { return Ok(true) };
        for position in 0..u16::try_from(records).unwrap() {
            let now = known.at(position);
            let now = (now.result, now.cycle);
            let before = self.disk.shown.insert((number, position), now);
            if before.is_some_and(|before| before.0.is_final() && before != now) {
                return Err(format!(
                    "{} shows {now:?} for record {position} of batch {number}, before {before:?}",
                    self.city
                ));
            }
        }
        Ok(true)
    }

    /// Goes on with a file, or begins one: whichever is there, in no order, unless the journal knows one begun.
    fn take(&mut self, env: &mut Env) -> Result<bool, String> {
        if self.journal.stopped().is_some() || env.stopped().contains(&self.city) || !env.is_open() {
            return Ok(false);
        }
        let Some((place, cut)) = self.taking else { return self.begin(env) };
        if env.net.in_flight(self.writer, Topic::Taps(self.city)) >= env.profile.in_flight_max {
            return Ok(false);
        }
        let file = &self.disk.files[place];
        if let Some(records) = file.batches.get(cut) {
            let Some(number) = self.journal.number_of() else { return Ok(false) };
            let batch = batch(self.city, number, &file.name, records);
            let digest = batch.digest.as_ref().try_into().unwrap();
            self.step(env, Input::Cut(CutBatch { number, digest, records: batch.records }))?;
            self.taking = Some((place, cut + 1));
            return Ok(true);
        }
        let presented = u64::try_from(file.batches.iter().map(Vec::len).sum::<usize>()).unwrap();
        let sha256 = proto::digest::bytes(file.name.as_bytes());
        let summary = Summary { sha256, records: presented, presented, ..Summary::default() };
        match self.journal.step(Input::End(summary)) {
            Ok(effects) => {
                self.todo.extend(effects);
                self.taking = None;
                Ok(true)
            }
            Err(JournalError::OutOfOrder { .. }) => Ok(false),
            Err(error) => env.stop(self.city, &error.to_string()).map(|()| false),
        }
    }

    fn begin(&mut self, env: &mut Env) -> Result<bool, String> {
        if !env.calm && self.batches_made < env.profile.batches_max && env.dice.permille(600) {
            for _ in 0..env.dice.pick(&[1, 1, 2]) {
                self.new_file(env);
            }
        }
        let begun = self.journal.in_progress().map(str::to_owned);
        let untaken: Vec<usize> = self
            .disk
            .files
            .iter()
            .enumerate()
            .filter_map(|(place, file)| {
                let wanted = begun.as_ref().is_none_or(|name| *name == file.name);
                (wanted && self.journal.upload(&file.name).is_none()).then_some(place)
            })
            .collect();
        if untaken.is_empty() {
            return Ok(false);
        }
        let place = env.dice.pick(&untaken);
        let name = self.disk.files[place].name.clone();
        self.step(env, Input::Begin { name })?;
        self.taking = Some((place, 0));
        Ok(true)
    }

    fn new_file(&mut self, env: &mut Env) {
        let batches = u64::try_from(env.dice.pick(&[1, 1, 1, 2, 3])).unwrap();
        self.files_made += 1;
        self.batches_made += batches;
        let batches = (0..batches).map(|_| env.new_records(self.city)).collect();
        self.disk.files.push(File { name: format!("{}.csv", self.files_made), batches });
    }

    /// Publishes again a batch without a final result, as an adapter may at any time.
    fn resend(&mut self, env: &mut Env) -> Result<bool, String> {
        let unfinished: Vec<u64> = self.journal.unfinished().collect();
        if unfinished.is_empty() {
            return Ok(false);
        }
        let number = env.dice.pick(&unfinished);
        // Only what is on its way already: nothing overtakes what a new life has not yet cut again.
        let published = self.journal.file_of(number).is_some() || self.journal.number_of() > Some(number);
        let Some(batch) = self.batch(number).filter(|_| published) else { return Ok(false) };
        env.net.send(self.writer, Topic::Taps(self.city), bytes_of(&batch), None);
        Ok(true)
    }

    fn close(&mut self) -> bool {
        let complete = self.journal.uploads().find(|row| !row.closed && self.journal.is_complete(row));
        let Some(name) = complete.map(|row| row.name.clone()) else { return false };
        let effects = self.journal.step(Input::Close { name });
        self.todo.extend(effects.unwrap_or_default());
        true
    }

    /// The batch of a number as its file gives it.
    fn batch(&self, number: u64) -> Option<TapBatch> {
        let (name, first) = match self.journal.file_of(number) {
            Some(row) => (row.name.clone(), row.first_number),
            None => {
                let (place, cut) = self.taking?;
                let next = self.journal.number_of()?;
                (self.disk.files[place].name.clone(), next - u64::try_from(cut).unwrap())
            }
        };
        let file = self.disk.files.iter().find(|file| file.name == name)?;
        let records = file.batches.get(usize::try_from(number.checked_sub(first)?).unwrap())?;
        Some(batch(self.city, number, &name, records))
    }

    /// The process dies and starts again on its disk.
    pub fn crash(&mut self, env: &mut Env) -> Check {
        env.trace(|| format!("adapter {} dies", self.city));
        env.net.orphan(self.writer, &mut env.dice);
        self.writer = env.net.writer();
        self.todo.clear();
        self.taking = None;
        let rows = self.disk.rows.clone();
        self.journal =
            Journal::load(self.city, rows).map_err(|e| format!("a journal cannot be loaded: {e}"))?;
        Ok(())
    }

    /// The disk comes back as it was earlier; files that came since then come again with other content.
    pub fn roll_back(&mut self, env: &mut Env) {
        if self.older.is_empty() {
            return;
        }
        env.trace(|| format!("adapter {} gets an older disk", self.city));
        env.checks.rolled_back.insert(self.city);
        let place = env.dice.below(self.older.len());
        let older = self.older.swap_remove(place);
        self.older.clear();
        let lost = self.disk.files.len() - older.files.len();
        self.disk = older;
        let taken: Vec<String> = self.disk.files.iter().map(|file| file.name.clone()).collect();
        for _ in 0..lost {
            self.new_file(env);
        }
        if env.dice.permille(500) {
            for file in &mut self.disk.files {
                if taken.contains(&file.name) && !Self::is_known(&self.disk.rows, &file.name) {
                    file.batches = (0..file.batches.len()).map(|_| env.new_records(self.city)).collect();
                }
            }
        }
    }

    fn is_known(rows: &BTreeMap<Vec<u8>, Vec<u8>>, name: &str) -> bool {
        rows.keys().any(|key| key.windows(name.len()).any(|part| part == name.as_bytes()))
    }

    /// Whether it says that a batch is not answered.
    pub fn waits(&self) -> bool {
        self.journal.unfinished().next().is_some() || self.taking.is_some() || !self.has_taken_all()
    }

    /// Whether no file waits.
    pub fn has_taken_all(&self) -> bool {
        self.disk.files.iter().all(|file| self.journal.upload(&file.name).is_some())
    }

    /// At the end: every record of every file has a final result, the one in the book, and no batch is kept.
    pub fn check_end(&self, env: &Env) -> Check {
        let city = self.city;
        for file in &self.disk.files {
            let Some(upload) = self.journal.upload(&file.name) else {
                return Err(format!("{city}: file {} was never taken", file.name));
            };
            for (number, records) in (upload.first_number..).zip(&file.batches) {
                let batch = batch(city, number, &file.name, records);
                let partition = &env.partitions[usize::try_from(super::scheme::partition_of(city)).unwrap()];
                let Some(booked) = partition.reference.batches.get(&(city, number)) else {
                    return Err(format!("lost: batch {number} of {city} is not in the book"));
                };
                if booked.digest != batch.digest {
                    return Err(format!("lost: batch {number} of {city} is another one in the book"));
                }
                for (position, row) in (0_u16..).zip(&booked.rows) {
                    if !row.result.is_final() {
                        return Err(format!(
                            "for ever open: {city} batch {number} record {position}: {row:?}"
                        ));
                    }
                    let shown = self.disk.shown.get(&(number, position));
                    if shown != Some(&(row.result, row.cycle)) {
                        return Err(format!(
                            "{city} batch {number} record {position}: the adapter has {shown:?}, the book {:?} in {}",
                            row.result, row.cycle
                        ));
                    }
                }
            }
        }
        match self.journal.unfinished().next() {
            Some(number) => Err(format!("{city} keeps batch {number} for ever")),
            None => Ok(()),
        }
    }
}
