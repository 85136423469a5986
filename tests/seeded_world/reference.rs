//! The naive reference: what the log of one partition means, record by record, with nothing ever forgotten.
//!
//! It shares no code with the book: terms instead of rulebooks, maps by identity, sums over rows.

mod operator;
mod said;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use clearing_node::book::Effect;
use domain::{
    city::City,
    identity::Identity,
    result::{RecordResult, Rejection},
    tap::Tap,
};
use proto::{Adjustment, BatchResult, Clearing, JudgedPart, Marker, clearing};

use zerocopy::IntoBytes;

use super::scheme::{Document, Standing, index_of, parse, terminal_byte};
use operator::Operators;
use said::{Said, Told};

/// A disagreement, or something that must never be.
pub type Check = Result<(), String>;

/// What one record has become.
#[derive(Clone, Debug)]
pub struct Row {
    pub issuer: City,
    pub tap: Tap,
    pub result: RecordResult,
    pub cycle: u32,
    /// Business date and drop line when it arrived.
    pub arrival: (i32, i32),
}

/// A batch as first booked.
#[derive(Clone, Debug)]
pub struct Batch {
    pub digest: Bytes,
    pub rows: Vec<Row>,
    /// Booked in this partition, and not in one from which the city came.
    here: bool,
}

#[derive(Clone, Debug)]
struct Open {
    ordinal: u32,
    date: i32,
    document: Arc<Document>,
}

/// A paid record as its identity remembers it.
#[derive(Clone, Debug)]
struct Holder {
    content: Vec<u8>,
    tapped: i32,
}

/// A record that was paid, for the checks over all partitions.
#[derive(Clone, Debug)]
pub struct Paid {
    pub identity: Identity,
    pub content: Vec<u8>,
    pub tapped: i32,
    pub arrival_date: i32,
}

/// What a message did.
#[derive(Clone, Debug, Default)]
pub struct Did {
    pub paid: Vec<Paid>,
    /// The batch that was booked now, and in which cycle.
    pub booked: Option<(City, u64, Bytes, u32)>,
    pub marker: Option<Marker>,
    pub stopped: Vec<City>,
    /// How often a person is asked to look.
    alarms: usize,
    told: Vec<(City, Told)>,
}

type Sums = BTreeMap<(City, City, u32), [u64; 4]>;

/// The reference of one partition.
#[derive(Debug, Default)]
pub struct Reference {
    number: u32,
    open: Option<Open>,
    last_cycle: u32,
    /// Drop line.
    line: Option<i32>,
    next: BTreeMap<City, u64>,
    stopped: BTreeSet<City>,
    /// Stopped at their switch.
    held_at_switch: BTreeSet<City>,
    pub batches: BTreeMap<(City, u64), Batch>,
    held: BTreeMap<Identity, Vec<Holder>>,
    sums: Sums,
    adjustments: BTreeMap<String, Adjustment>,
    known_adjustments: BTreeSet<String>,
    /// By closed cycle: what each of its records showed in it.
    pub closed: BTreeMap<u32, super::rendering::Shown>,
    /// Nothing is ever set aside in this world: a pair's verdicts come in the order of its batches.
    pub pairs_in_order: bool,
    pub operators: Operators,
}

/// The bytes that say what a record is.
fn content(issuer: City, tap: &Tap) -> Vec<u8> {
    [issuer.spelling().as_slice(), tap.content_bytes()].concat()
}

impl Reference {
    pub fn of(number: u32) -> Self {
        Self { number, ..Self::default() }
    }

    /// Ordinal of the open cycle.
    pub fn open_cycle(&self) -> Option<u32> {
        self.open.as_ref().map(|open| open.ordinal)
    }

    /// Business date of the open cycle.
    pub fn date(&self) -> Option<i32> {
        self.open.as_ref().map(|open| open.date)
    }

    /// What the rules of the open cycle say.
    pub fn document(&self) -> Option<&Arc<Document>> {
        self.open.as_ref().map(|open| &open.document)
    }

    /// Parts that wait: city, number, digest, home city and its taps.
    pub fn parked(&self) -> Vec<(City, u64, Bytes, City, Vec<u8>)> {
        let mut parts = Vec::new();
        for ((city, number), batch) in &self.batches {
            let waits = batch.rows.iter().filter(|row| row.result == RecordResult::Parked);
            for issuer in waits.map(|row| row.issuer).collect::<BTreeSet<_>>() {
                let part = batch.rows.iter().filter(|row| row.issuer == issuer);
                parts.push((
                    *city,
                    *number,
                    batch.digest.clone(),
                    issuer,
                    part.flat_map(|row| row.tap.as_bytes().to_vec()).collect(),
                ));
            }
        }
        parts
    }

    /// Folds a message and compares with what the book did with it.
    pub fn step(
        &mut self,
        message: &Clearing,
        said: &[Effect],
        documents: &[Arc<Document>],
    ) -> Result<Did, String> {
        let said = Said::read(said)?;
        let mut did = Did::default();
        let mut touched = BTreeSet::new();
        let mut held = Vec::new();
        match message.body.as_ref().ok_or("a message without a body")? {
            clearing::Body::Outcome(outcome) => {
                let (city, number) = (parse(&outcome.acquirer), outcome.number);
                let next = self.next_of(city);
                if self.stands(city) {
                    self.pass_over(city, number, &mut did);
                } else if number < next {
                    if self.same_digest(city, number, &outcome.digest, &mut did) {
                        let parts = outcome.parts.iter().filter_map(|judged| {
                            Some((parse(&judged.part.as_ref()?.issuer), &judged.verdicts.as_ref()?.codes))
                        });
                        self.settle(city, number, parts.collect(), &mut did, &mut touched)?;
                    }
                } else if self.is_elsewhere(city) {
                    did.stopped.push(city);
                    self.owe(city, number);
                } else if number > next {
                    if self.operators.owed(city) < next {
                        did.stopped.push(city);
                        self.owe(city, number);
                    } else {
                        self.pass_over(city, number, &mut did);
                    }
                } else {
                    self.book(city, number, &outcome.digest, &outcome.parts, &mut did)?;
                    touched.insert((city, number));
                }
            }
            clearing::Body::Late(late) => {
                let (city, number) = (parse(&late.acquirer), late.number);
                if !self.stands(city) && self.same_digest(city, number, &late.digest, &mut did) {
                    let parts = late
                        .parts
                        .iter()
                        .filter_map(|part| Some((parse(&part.issuer), &part.verdicts.as_ref()?.codes)));
                    self.settle(city, number, parts.collect(), &mut did, &mut touched)?;
                }
            }
            clearing::Body::Repeat(repeat) => {
                let city = parse(&repeat.acquirer);
                if !self.stands(city) {
                    self.same_digest(city, repeat.number, &repeat.digest, &mut did);
                }
            }
            clearing::Body::Adjustment(adjustment) => {
                if self.known_adjustments.insert(adjustment.id.clone()) {
                    self.adjustments.insert(adjustment.id.clone(), adjustment.clone());
                }
            }
            clearing::Body::SwitchStop(stop) => {
                // It is told; what the switch read before is booked as ever.
                let city = parse(&stop.acquirer);
                held.extend(self.held_at_switch.insert(city).then_some(city));
            }
            clearing::Body::Resume(resume) => self.resume(resume, &mut did),
            clearing::Body::Import(import) => self.import(import, &mut did)?,
            clearing::Body::Moved(moved) => self.depart(moved, &mut did),
            clearing::Body::Marker(marker) => {
                let totals = self.mark(marker, documents, &mut touched, &mut did)?;
                said.totals_are(totals.as_ref())?;
            }
        }
        self.stopped.extend(&did.stopped);
        held.extend(&did.stopped);
        if said.stopped != held {
            return Err(format!("the book stops {:?}, the reference {held:?}", said.stopped));
        }
        said.told_is(&did)?;
        self.compare(&said, &touched)?;
        Ok(did)
    }

    /// No verdict on a batch overtakes a parked part of the same pair.
    fn in_order(&self, city: City, number: u64, issuer: City) -> Check {
        let parked = |row: &Row| row.issuer == issuer && row.result == RecordResult::Parked;
        let mut earlier = self.batches.range((city, 0)..(city, number));
        match earlier.find(|(_, batch)| self.pairs_in_order && batch.rows.iter().any(parked)) {
            Some(((_, before), _)) => Err(format!(
                "{issuer} on batch {number} of {city} overtakes its parked part of batch {before}"
            )),
            None => Ok(()),
        }
    }

    /// Whether the batch is known and this is it; another digest stops the city.
    fn same_digest(&self, city: City, number: u64, digest: &Bytes, did: &mut Did) -> bool {
        let Some(batch) = self.batches.get(&(city, number)) else { return false };
        if batch.digest != digest {
            did.stopped.push(city);
        }
        batch.digest == digest
    }

    fn book(
        &mut self,
        city: City,
        number: u64,
        digest: &Bytes,
        parts: &[JudgedPart],
        did: &mut Did,
    ) -> Check {
        let open = self.open.clone().ok_or("a batch while no cycle is open")?;
        let line = self.line.ok_or("no drop line")?;
        let mut records: Vec<(City, Tap, Option<u8>)> = Vec::new();
        for judged in parts {
            let part = judged.part.as_ref().ok_or("a part is missing")?;
            let taps = Tap::slice(&part.taps).ok_or("taps of odd length")?;
            if judged.verdicts.is_some() {
                self.in_order(city, number, parse(&part.issuer))?;
            }
            for (place, tap) in taps.iter().enumerate() {
                let code = match &judged.verdicts {
                    Some(verdicts) => Some(*verdicts.codes.get(place).ok_or("a verdict is missing")?),
                    None => None,
                };
                records.push((parse(&part.issuer), *tap, code));
            }
        }
        records.sort_by_key(|(_, tap, _)| tap.position.get());
        let mut rows = Vec::new();
        for (issuer, tap, code) in records {
            let arrival = (open.date, line);
            let mut row = Row { issuer, tap, result: RecordResult::Parked, cycle: open.ordinal, arrival };
            let tapped = tap.tapped_day.get();
            let terms = &open.document.terms;
            let days = i32::try_from(terms.days).unwrap();
            let prefix = (0..3).find(|prefix| terminal_byte(*prefix) == tap.terminal[0]);
            let owner = prefix.and_then(|prefix| terms.owners[prefix]).map(super::scheme::city);
            row.result = if owner != Some(city) {
                RecordResult::Rejected(Rejection::ForeignTerminal)
            } else if let Some(gone) = gone(&open, issuer) {
                gone
            } else if tapped > open.date + 1 {
                RecordResult::Rejected(Rejection::Future)
            } else if open.date > tapped + days || tapped < line {
                RecordResult::Rejected(Rejection::Late)
            } else if let Some(code) = code {
                self.judge(city, &row, code, did)?
            } else {
                RecordResult::Parked
            };
            rows.push(row);
        }
        self.next.insert(city, number + 1);
        self.batches.insert((city, number), Batch { digest: digest.clone(), rows, here: true });
        did.booked = Some((city, number, digest.clone(), open.ordinal));
        Ok(())
    }

    /// Verdicts for parked parts of a batch, judged together in file order.
    fn settle(
        &mut self,
        city: City,
        number: u64,
        parts: Vec<(City, &Bytes)>,
        did: &mut Did,
        touched: &mut BTreeSet<(City, u64)>,
    ) -> Check {
        let Some(open) = self.open.clone() else { return Ok(()) };
        let Some(mut batch) = self.batches.get(&(city, number)).cloned() else { return Ok(()) };
        let mut given: BTreeMap<City, usize> = BTreeMap::new();
        for row in &mut batch.rows {
            let Some((_, codes)) = parts.iter().find(|(issuer, _)| *issuer == row.issuer) else { continue };
            let place = given.entry(row.issuer).or_default();
            let code = *codes.get(*place).ok_or("a late verdict is missing")?;
            *place += 1;
            if row.result.is_final() {
                continue;
            }
            self.in_order(city, number, row.issuer)?;
            row.result = match gone(&open, row.issuer) {
                Some(gone) => gone,
                None => self.judge(city, row, code, did)?,
            };
            row.cycle = open.ordinal;
            touched.insert((city, number));
        }
        self.batches.insert((city, number), batch);
        Ok(())
    }

    /// What a record becomes whose home city has spoken.
    fn judge(&mut self, acquirer: City, row: &Row, code: u8, did: &mut Did) -> Result<RecordResult, String> {
        match code {
            0 => {}
            1 => return Ok(RecordResult::Rejected(Rejection::UnknownKey)),
            2 => return Ok(RecordResult::Rejected(Rejection::TacInvalid)),
            3 => return Ok(RecordResult::Rejected(Rejection::Hotlisted)),
            _ => return Err(format!("verdict {code} stands on the log")),
        }
        if row.tap.tac[0] != code {
            return Err("a verdict that the home city never gave".to_owned());
        }
        let identity = Identity::of(row.issuer, &row.tap);
        let content = content(row.issuer, &row.tap);
        let holders = self.held.entry(identity).or_default();
        // A holder from before the drop line under which the record arrived does not count.
        if let Some(holder) = holders.last().filter(|holder| holder.tapped >= row.arrival.1) {
            let same = holder.content == content;
            return Ok(if same { RecordResult::Duplicate } else { RecordResult::Conflict });
        }
        let tapped = row.tap.tapped_day.get();
        holders.push(Holder { content: content.clone(), tapped });
        did.paid.push(Paid { identity, content, tapped, arrival_date: row.arrival.0 });
        self.add(acquirer, row);
        Ok(RecordResult::Cleared)
    }

    fn add(&mut self, acquirer: City, row: &Row) {
        let metro = row.tap.sector == 1;
        // Two slots for each account: the line of the metro, and the default rates.
        let line = match metro {
            true if acquirer == super::scheme::city(super::scheme::BY_SECTOR) => 2,
            true => 0,
            false => 1,
        };
        let amount = u64::from(row.tap.amount_fen.get());
        let per_record = self.document().is_some_and(|document| document.terms.per_record);
        let (interchange, switch) = fees(amount, metro);
        let sums = self.sums.entry((acquirer, row.issuer, line)).or_default();
        sums[0] += 1;
        sums[1] += amount;
        if per_record {
            sums[2] += interchange;
            sums[3] += switch;
        }
    }

    /// A marker; the totals of what it closed.
    fn mark(
        &mut self,
        marker: &Marker,
        documents: &[Arc<Document>],
        touched: &mut BTreeSet<(City, u64)>,
        did: &mut Did,
    ) -> Result<Option<(u32, Sums, Vec<Adjustment>)>, String> {
        let mut totals = None;
        if let Some(open) = self.open.clone()
            && marker.closes == open.ordinal
        {
            for ((city, number), batch) in &mut self.batches {
                for row in batch.rows.iter_mut().filter(|row| row.result == RecordResult::Parked) {
                    row.cycle = open.ordinal;
                    row.result = gone(&open, row.issuer).unwrap_or(RecordResult::Parked);
                    touched.insert((*city, *number));
                }
            }
            let adjustments = std::mem::take(&mut self.adjustments).into_values().collect();
            totals = Some((open.ordinal, std::mem::take(&mut self.sums), adjustments));
            self.closed.insert(open.ordinal, self.shown_in(open.ordinal));
            self.open = None;
            did.marker = Some(marker.clone());
        }
        if let Some(opening) = &marker.opens
            && opening.cycle == self.last_cycle + 1
        {
            if self.open.is_some() {
                return Err(format!("cycle {} opens while another is open", opening.cycle));
            }
            let digest = opening.rulebook_digest.as_ref();
            let document = documents.iter().find(|d| d.rulebook.digest().as_slice() == digest);
            let document = Arc::clone(document.ok_or("a cycle by rules that nobody published")?);
            let date = opening.business_date;
            let line = date - i32::try_from(document.terms.days).unwrap() - 1;
            self.line = Some(self.line.map_or(line, |before| before.max(line)));
            self.last_cycle = opening.cycle;
            self.open = Some(Open { ordinal: opening.cycle, date, document });
            did.marker = Some(marker.clone());
        }
        Ok(totals)
    }

    /// The records that arrived, became final or waited in a cycle that ends now.
    fn shown_in(&self, cycle: u32) -> super::rendering::Shown {
        let here = self.batches.iter().filter(|(_, batch)| batch.here);
        let rows = here.flat_map(|((city, number), batch)| {
            (0_u16..).zip(&batch.rows).map(move |(position, row)| ((*city, *number, position), row))
        });
        rows.filter(|(_, row)| row.cycle == cycle).map(|(key, row)| (key, row.result)).collect()
    }

    /// Everything said of a batch is what the reference has; what changed was said.
    fn compare(&self, said: &Said, touched: &BTreeSet<(City, u64)>) -> Check {
        for result in &said.results {
            let key = (parse(&result.acquirer), result.number);
            let batch = self.batches.get(&key).ok_or("a result for an unknown batch")?;
            same(batch, result).map_err(|why| format!("batch {} of {}: {why}", key.1, key.0))?;
        }
        match touched.iter().find(|(city, number)| said.find(*city, *number).is_none()) {
            Some((city, number)) => Err(format!("nothing said of batch {number} of {city}, which changed")),
            None => Ok(()),
        }
    }
}

/// Whether a result says of every record what the batch has.
fn same(batch: &Batch, result: &BatchResult) -> Check {
    if result.digest != batch.digest || Ok(batch.rows.len()) != usize::try_from(result.records) {
        return Err("digest or number of records differs".to_owned());
    }
    for (position, row) in (0_u32..).zip(&batch.rows) {
        let stated = result.exceptions.iter().find(|e| e.position == position);
        let stated = stated.map_or((1, result.cycle), |e| (e.result, e.cycle));
        let is = (u32::from(row.result.code()), row.cycle);
        if stated != is {
            return Err(format!(
                "record {position} is {:?} in cycle {}, the book says code {} in cycle {}: {row:?}",
                row.result, row.cycle, stated.0, stated.1
            ));
        }
    }
    Ok(())
}

fn gone(open: &Open, issuer: City) -> Option<RecordResult> {
    match open.document.terms.standing[index_of(issuer)] {
        Standing::Member => None,
        Standing::Left => Some(RecordResult::Rejected(Rejection::UnknownIssuer)),
        Standing::Suspended => Some(RecordResult::Rejected(Rejection::IssuerSuspended)),
    }
}

/// Interchange and switch fee of an amount, by the rates of every rulebook here.
pub fn fees(amount_fen: u64, metro: bool) -> (u64, u64) {
    if metro {
        ((amount_fen + 50) / 100, 0)
    } else {
        ((amount_fen * 3 + 500) / 1000, (amount_fen + 500) / 1000)
    }
}
