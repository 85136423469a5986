//! What the log tells of a tap: a fold over messages, without a clock, a file or a socket.
//!
//! Feed it whole topics in this order: `cu.rulebook`, `cu.taps.<city>`, `cu.clearing`, `cu.parked.<city>`,
//! `cu.results.<city>`, `cu.cycles`. Each later one is read to an end that is not before that of the earlier.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    city::City,
    result::{RecordResult, Verdict},
    tap::Tap,
};
use proto::{
    BatchResult, Bytes, Clearing, LateVerdicts, Marker, Message, Outcome, ParkedPart, Part, TapBatch,
    Verdicts, clearing::Body,
};

use super::{
    life::Offsets,
    near::Nearby,
    query::{Fit, Query},
};

/// Records that are kept; more are counted.
const RECORDS_MAX: usize = 1_000;

/// A batch that holds a record that is meant.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Its file.
    pub file: String,
    /// Records in it.
    pub records: u32,
    /// Its digest.
    pub digest: Bytes,
    /// Where it stands on `cu.taps.<city>`.
    pub taps: Offsets,
    /// Where it arrived.
    pub arrival: Option<Arrival>,
    /// The records that are meant.
    pub found: Vec<Record>,
    /// Whether another batch came under its number.
    pub contradicted: bool,
}

/// Where a batch was judged.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Partition of `cu.clearing`.
    pub partition: u32,
    /// Offset of the outcome.
    pub offset: u64,
    /// Ordinal of the open cycle.
    pub cycle: Option<u32>,
    /// Later outcomes of the same number.
    pub again: Offsets,
    /// Repeated headers.
    pub headers: Offsets,
}

/// A record that is meant.
#[derive(Clone, Debug)]
pub struct Record {
    /// Home city of its card.
    pub issuer: City,
    /// The record.
    pub tap: Tap,
    /// Place in its part.
    pub index: usize,
    /// Operator, line and station.
    pub texts: Option<[String; 3]>,
    /// Whether its part stood in the outcome without verdicts.
    pub parked: bool,
    /// Where its part stands on `cu.parked.<city>`.
    pub park: Offsets,
    /// What its home city said.
    pub verdicts: Vec<Said>,
    /// What was said to its city.
    pub results: Vec<Told>,
}

/// What a home city said.
#[derive(Clone, Debug)]
pub struct Said {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it came after the outcome.
    pub late: bool,
    /// Partition of `cu.clearing`.
    pub partition: u32,
    /// Where.
    pub offsets: Offsets,
    /// Ordinal of the open cycle.
    pub cycle: Option<u32>,
}

/// What was said to the acquirer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The result.
    pub result: RecordResult,
    /// Ordinal of its cycle.
    pub cycle: u32,
    /// Where it was said first.
    pub offset: u64,
}

/// The fold.
#[derive(Debug)]
pub struct Fold {
    query: Query,
    /// Batches with records that are meant, by city and number.
    pub batches: BTreeMap<(City, u64), Batch>,
    /// Records of the same terminal nearest to what is meant.
    pub near: Nearby,
    /// Names of cycles that results told.
    pub cycle_names: BTreeMap<u32, String>,
    /// Records beyond [`RECORDS_MAX`].
    pub left_out: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    found: usize,
    open: Option<u32>,
    last: u32,
}

impl Fold {
    /// Nothing read yet.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self {
            query,
            batches: BTreeMap::new(),
            near: Nearby::default(),
            cycle_names: BTreeMap::new(),
            left_out: 0,
            unreadable: 0,
            found: 0,
            open: None,
            last: 0,
        }
    }

    /// Whether a record that is meant was seen.
    #[must_use]
    pub fn found(&self) -> bool {
        !self.batches.is_empty()
    }

    /// Cities that presented it.
    #[must_use]
    pub fn acquirers(&self) -> BTreeSet<City> {
        self.batches.keys().map(|(city, _)| *city).collect()
    }

    /// Whether a record of this city stood in an outcome without a verdict.
    #[must_use]
    pub fn parked(&self, city: City) -> bool {
        let batches = self.batches.range((city, 0)..=(city, u64::MAX));
        batches.flat_map(|(_, batch)| &batch.found).any(|record| record.parked)
    }

    fn read<M: Message + Default>(&mut self, payload: Bytes) -> Option<M> {
        let message = M::decode(payload).ok();
        self.unreadable += u64::from(message.is_none());
        message
    }

    /// A message of `cu.taps.<city>`.
    pub fn taps(&mut self, city: City, offset: u64, payload: Bytes) {
        let Some(message) = self.read::<TapBatch>(payload) else { return };
        let key = (city, message.number);
        if !self.batches.contains_key(&key) {
            self.look(key, &message.file, message.records, &message.digest, message.parts.iter());
        }
        if let Some(batch) = self.batches.get_mut(&key) {
            batch.taps.push(offset);
            batch.contradicted |= batch.digest != message.digest;
        }
    }

    /// Keeps a batch if it holds a record that is meant.
    fn look<'a>(
        &mut self,
        key: (City, u64),
        file: &str,
        records: u32,
        digest: &Bytes,
        parts: impl Iterator<Item = &'a Part>,
    ) {
        let mut found = Vec::new();
        for part in parts {
            let Ok(issuer) = City::parse(part.issuer.as_bytes()) else { continue };
            for (index, tap) in Tap::slice(&part.taps).unwrap_or_default().iter().enumerate() {
                match self.query.fit(issuer, tap) {
                    Fit::Other => {}
                    Fit::Near => self.near.see(&self.query, key.0, file, issuer, tap),
                    Fit::Meant if self.found >= RECORDS_MAX => self.left_out += 1,
                    Fit::Meant => {
                        self.found += 1;
                        found.push(Record::new(issuer, tap, index, &part.texts));
                    }
                }
            }
        }
        if !found.is_empty() {
            found.sort_by_key(|record| record.tap.position.get());
            let batch =
                Batch { file: file.to_owned(), records, digest: digest.clone(), found, ..Batch::default() };
            self.batches.insert(key, batch);
        }
    }

    /// A partition of `cu.clearing` is read from its start.
    pub fn begin_partition(&mut self) {
        (self.open, self.last) = (None, 0);
    }

    /// A message of `cu.clearing`; only batches of `cities` are looked at.
    pub fn clearing(&mut self, cities: &BTreeSet<City>, partition: u32, offset: u64, payload: Bytes) {
        let Some(message) = self.read::<Clearing>(payload) else { return };
        match message.body {
            Some(Body::Outcome(outcome)) => {
                let city = City::parse(outcome.acquirer.as_bytes());
                if let Some(city) = city.ok().filter(|city| cities.contains(city)) {
                    self.outcome(city, partition, offset, &outcome);
                }
            }
            Some(Body::Late(late)) => self.late(partition, offset, &late),
            Some(Body::Repeat(repeat)) => {
                let city = City::parse(repeat.acquirer.as_bytes());
                let batch = city.ok().and_then(|city| self.batches.get_mut(&(city, repeat.number)));
                if let Some(arrival) = batch.and_then(|batch| batch.arrival.as_mut()) {
                    arrival.headers.push(offset);
                }
            }
            Some(Body::Marker(marker)) => self.mark(&marker),
            Some(
                Body::Adjustment(_)
                | Body::Resume(_)
                | Body::Import(_)
                | Body::Moved(_)
                | Body::SwitchStop(_),
            )
            | None => {}
        }
    }

    /// As the book takes markers: one of the past is ignored.
    fn mark(&mut self, marker: &Marker) {
        if marker.closes > 0 && self.open == Some(marker.closes) {
            self.open = None;
        }
        if let Some(opening) = marker.opens.as_ref().filter(|opening| opening.cycle == self.last + 1) {
            (self.open, self.last) = (Some(opening.cycle), opening.cycle);
        }
    }

    fn outcome(&mut self, city: City, partition: u32, offset: u64, outcome: &Outcome) {
        let key = (city, outcome.number);
        if !self.batches.contains_key(&key) {
            let parts = outcome.parts.iter().filter_map(|judged| judged.part.as_ref());
            self.look(key, &outcome.file, outcome.records, &outcome.digest, parts);
        }
        let open = self.open;
        let Some(batch) = self.batches.get_mut(&key) else { return };
        batch.contradicted |= batch.digest != outcome.digest;
        let again = batch.arrival.is_some();
        match &mut batch.arrival {
            Some(arrival) => arrival.again.push(offset),
            None => {
                let (again, headers) = (Offsets::default(), Offsets::default());
                batch.arrival = Some(Arrival { partition, offset, cycle: open, again, headers });
            }
        }
        for judged in &outcome.parts {
            let Some(part) = &judged.part else { continue };
            for record in batch.of_issuer(&part.issuer) {
                match &judged.verdicts {
                    Some(verdicts) => record.hear(verdicts, again, partition, offset, open),
                    None => record.parked |= !again,
                }
            }
        }
    }

    fn late(&mut self, partition: u32, offset: u64, late: &LateVerdicts) {
        let Ok(city) = City::parse(late.acquirer.as_bytes()) else { return };
        let open = self.open;
        let Some(batch) = self.batches.get_mut(&(city, late.number)) else { return };
        for part in &late.parts {
            let Some(verdicts) = &part.verdicts else { continue };
            for record in batch.of_issuer(&part.issuer) {
                record.hear(verdicts, true, partition, offset, open);
            }
        }
    }

    /// A message of `cu.parked.<city>`.
    pub fn parked_part(&mut self, city: City, offset: u64, payload: Bytes) {
        let Some(message) = self.read::<ParkedPart>(payload) else { return };
        let Some(part) = &message.part else { return };
        let Some(batch) = self.batches.get_mut(&(city, message.number)) else { return };
        for record in batch.of_issuer(&part.issuer) {
            record.park.push(offset);
        }
    }

    /// A message of `cu.results.<city>`.
    pub fn result(&mut self, city: City, offset: u64, payload: Bytes) {
        let Some(message) = self.read::<BatchResult>(payload) else { return };
        let Some(batch) = self.batches.get_mut(&(city, message.number)) else { return };
        for record in &mut batch.found {
            let position = u32::from(record.tap.position.get());
            let exception = message.exceptions.iter().find(|exception| exception.position == position);
            let (code, cycle) = exception
                .map_or((u32::from(RecordResult::Cleared.code()), message.cycle), |e| (e.result, e.cycle));
            let Some(result) = u8::try_from(code).ok().and_then(RecordResult::from_code) else { continue };
            if record.results.last().is_none_or(|last| (last.result, last.cycle) != (result, cycle)) {
                record.results.push(Told { result, cycle, offset });
            }
        }
        for named in message.cycles {
            self.cycle_names.insert(named.cycle, named.name);
        }
    }
}

impl Batch {
    fn of_issuer(&mut self, issuer: &str) -> impl Iterator<Item = &mut Record> {
        let issuer = City::parse(issuer.as_bytes()).ok();
        self.found.iter_mut().filter(move |record| Some(record.issuer) == issuer)
    }
}

impl Record {
    fn new(issuer: City, tap: &Tap, index: usize, texts: &[u8]) -> Self {
        Self {
            issuer,
            tap: *tap,
            index,
            texts: texts_at(texts, index),
            parked: false,
            park: Offsets::default(),
            verdicts: Vec::new(),
            results: Vec::new(),
        }
    }

    /// A verdict: one that is said again is counted where it was said first.
    fn hear(&mut self, verdicts: &Verdicts, late: bool, partition: u32, offset: u64, cycle: Option<u32>) {
        let code = verdicts.codes.get(self.index).copied();
        let Some(verdict) = code.and_then(Verdict::from_code) else { return };
        match self.verdicts.last_mut() {
            Some(last) if last.verdict == verdict && last.cycle.is_some() => last.offsets.push(offset),
            _ => {
                let mut offsets = Offsets::default();
                offsets.push(offset);
                self.verdicts.push(Said { verdict, late, partition, offsets, cycle });
            }
        }
    }
}

/// Operator, line and station of the record at `index`.
fn texts_at(mut texts: &[u8], index: usize) -> Option<[String; 3]> {
    let mut next = || {
        let (len, rest) = texts.split_first()?;
        let (text, rest) = rest.split_at_checked(usize::from(*len))?;
        texts = rest;
        Some(text)
    };
    for _ in 0..index.checked_mul(3)? {
        next()?;
    }
    let mut text = || next().map(|text| String::from_utf8_lossy(text).into_owned());
    Some([text()?, text()?, text()?])
}

#[cfg(test)]
mod tests;
