//! From a batch on the tap log to its outcome, in the acquirer's order.

use bytes::Bytes;
use domain::{
    city::City,
    guard::{Rule, holds},
};
use proto::{Clearing, JudgedPart, Message, Outcome, Repeat, TapBatch, clearing::Body};

use super::{
    Ack, Destination, Effect, Switch,
    acquirer::{Acquirer, Item, ItemPart, Place, Stage},
    batch,
    home::Ref,
};

impl Switch {
    /// Takes a message of the taps into work.
    pub(super) fn tap(&mut self, acquirer: City, offset: u64, payload: Bytes) {
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        if !may_flow(state) {
            return;
        }
        let bytes = payload.len();
        let read = batch::read(acquirer, payload)
            .map_err(|error| format!("failed to read the batch at offset {offset} of its taps: {error}"));
        if let Ok(batch) = &read {
            if let Some(resume) = &batch.resume {
                return self.resume(acquirer, offset, resume.next);
            }
            if passes_over(state, batch.number) {
                state.owe(batch.number, offset);
                return;
            }
        }
        if state.stopped.is_some() {
            return;
        }
        let number = read.as_ref().map_or(0, |batch| batch.number);
        let mut item = match read.and_then(|batch| take(state, batch)) {
            Ok(item) => item,
            Err(reason) => {
                if state.highest.is_some_and(|highest| number > highest) {
                    state.owe(number, offset);
                }
                return self.stop(acquirer, offset, reason);
            }
        };
        item.offset = offset;
        item.bytes = bytes;
        item.read_ms = self.now_ms;
        if item.stage == Stage::Asking {
            state.digests.insert(item.number, Bytes::copy_from_slice(&item.digest));
            if state.digests.len() > self.config.digests_max {
                state.digests.pop_first();
            }
            self.taps_routed += u64::from(item.records);
        }
        self.batch_bytes += bytes;
        self.serial += 1;
        let seq = self.serial;
        state.pipe.insert(seq, item);
        self.route(acquirer, seq);
        self.send(acquirer);
        self.flow(acquirer);
    }

    /// Decides for each part of a new item whether its home city is asked or it is parked.
    fn route(&mut self, acquirer: City, seq: u64) {
        let Some(item) = self.acquirers.get(&acquirer).and_then(|state| state.pipe.get(&seq)) else { return };
        let number = item.number;
        let issuers: Vec<City> = item.parts.iter().map(|part| part.issuer).collect();
        for (index, issuer) in issuers.into_iter().enumerate() {
            let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
            let home = self.homes.entry(issuer).or_default();
            let in_park = state.park.get(number, issuer).is_some();
            if !in_park && !home.endpoint && !holds(Rule::NoEndpointParks) {
                if let Some(item) = state.pipe.get_mut(&seq) {
                    item.open -= 1;
                    item.parts[index].place = Place::Parked { append: false };
                }
            } else if in_park
                || !home.endpoint
                || home.is_dark()
                || behind_many(state, issuer, home.is_up(), self.config.catch_up_parts_max)
            {
                self.park_part(acquirer, seq, index);
            } else {
                home.fresh.push_back(Ref::Pipe { acquirer, seq, index });
            }
        }
    }

    /// Appends, in order, every item whose parts have all been decided.
    pub(super) fn send(&mut self, acquirer: City) {
        while let Some(state) = self.acquirers.get_mut(&acquirer) {
            let mut unsent = state
                .pipe
                .range(state.first_unsent..)
                .filter(|(_, item)| matches!(item.stage, Stage::Asking | Stage::Repeat));
            let next = if holds(Rule::RejoinInOrder) {
                unsent.next().filter(|(_, item)| is_decided(state, item))
            } else {
                unsent.rev().find(|(_, item)| is_decided(state, item))
            };
            let Some(seq) = next.map(|(seq, _)| *seq) else { return };
            if holds(Rule::RejoinInOrder) {
                state.first_unsent = seq + 1;
            }
            let Some(item) = state.pipe.get_mut(&seq) else { return };
            let payload = message(acquirer, item).encode_to_vec();
            item.stage = Stage::Sent;
            self.append(Destination::Clearing(acquirer), payload, Some(Ack::Item { acquirer, seq }));
        }
    }

    /// The outcome is durable: what it calls parked may now stand in the park.
    pub(super) fn item_durable(&mut self, acquirer: City, seq: u64) {
        let Some(item) = self.acquirers.get_mut(&acquirer).and_then(|state| state.pipe.get_mut(&seq)) else {
            return;
        };
        item.stage = Stage::Durable;
        if holds(Rule::ParkAfterOutcome) {
            for index in 0..item.parts.len() {
                self.append_part(acquirer, seq, index);
            }
        }
    }

    /// A parked part stands in the park.
    pub(super) fn part_durable(&mut self, acquirer: City, seq: u64) {
        if let Some(item) = self.acquirers.get_mut(&acquirer).and_then(|state| state.pipe.get_mut(&seq)) {
            item.unparked -= 1;
        }
    }

    /// Lets go of items that are done, in order, and commits the positions behind them.
    pub(super) fn commit(&mut self, acquirer: City) {
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        while let Some(first) = state.pipe.first_entry() {
            let item = first.get();
            let outcome_stands = if holds(Rule::CommitAfterOutcome) {
                item.stage == Stage::Durable
            } else {
                matches!(item.stage, Stage::Sent | Stage::Durable)
            };
            let parts_stand =
                item.unparked == 0 || !holds(Rule::CommitAfterParked) || !holds(Rule::CommitAfterOutcome);
            if !outcome_stands || !parts_stand {
                break;
            }
            if item.highest >= state.owed {
                state.owed_from = None;
            }
            if state.owed_from.is_none_or(|from| item.offset < from) {
                state.passed = (item.offset + 1, item.highest);
            }
            self.batch_bytes -= item.bytes;
            first.remove();
        }
        if state.committed != state.passed {
            state.committed = state.passed;
            let (offset, number) = state.passed;
            self.out.push(Effect::CommitTaps { acquirer, offset, number });
        }
        if state.park.committed != state.park.passed() {
            let offset = state.park.passed();
            state.park.committed = offset;
            self.out.push(Effect::CommitPark { acquirer, offset });
        }
    }

    /// Holds the acquirer's taps back or lets them come.
    pub(super) fn flow(&mut self, acquirer: City) {
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        let (batches_max, bytes_max) = (self.config.batches_max, self.config.batch_bytes_max);
        // Of a stopped city's taps the message that lets it go on is looked for.
        let open = may_flow(state);
        if state.paused {
            if open && state.pipe.len() <= batches_max / 2 && self.batch_bytes <= bytes_max / 2 {
                state.paused = false;
                self.out.push(Effect::Resume { acquirer });
            }
        } else if !open || state.pipe.len() >= batches_max || self.batch_bytes >= bytes_max {
            state.paused = true;
            self.out.push(Effect::Pause { acquirer });
        }
    }
}

/// Whether a batch is passed over: it comes again, behind the message that lets the city go on.
fn passes_over(state: &Acquirer, number: u64) -> bool {
    let catching_up = |highest: u64| number > highest + 1 && state.owed > highest;
    state.stopped.is_some() || state.highest.is_some_and(catching_up)
}

/// Makes an item of a batch, if its number and its records are right.
fn take(state: &mut Acquirer, batch: TapBatch) -> Result<Item, String> {
    let number = batch.number;
    let mut item = Item {
        number,
        highest: number,
        stage: Stage::Repeat,
        parts: Vec::new(),
        digest: batch.digest.clone(),
        file: String::new(),
        records: batch.records,
        offset: 0,
        bytes: 0,
        read_ms: 0,
        open: 0,
        unparked: 0,
    };
    if let Some(highest) = state.highest.filter(|highest| number <= *highest) {
        let known = state.digests.get(&number);
        if known.is_some_and(|known| *known != batch.digest) && holds(Rule::DigestKept) {
            return Err(other_digest(number));
        }
        item.highest = highest;
        if !holds(Rule::RedeliveryForwarded) {
            item.stage = Stage::Durable;
        }
        return Ok(item);
    }
    // Only a question, without file and records: it goes on as a header and moves nothing.
    if let Some(highest) = state.highest
        && batch.parts.is_empty()
        && batch.file.is_empty()
    {
        item.highest = highest;
        return Ok(item);
    }
    if let Some(highest) = state.highest
        && number > highest + 1
        && holds(Rule::SkippedNumberStops)
    {
        return Err(format!(
            "batch {number} follows batch {highest}: numbers were skipped; restore the city's journal or \
             publish what is missing"
        ));
    }
    let issuers = batch::check_parts(&batch).map_err(|e| format!("batch {number} is unusable: {e}"))?;
    if state.park.of_batch(number).any(|(_, entry)| entry.digest != batch.digest) && holds(Rule::DigestKept) {
        return Err(other_digest(number));
    }
    state.highest = Some(number);
    item.stage = Stage::Asking;
    item.open = issuers.len();
    item.file = batch.file;
    item.parts = issuers
        .into_iter()
        .zip(batch.parts)
        .map(|(issuer, part)| ItemPart { issuer, part, place: Place::Waiting, fails: 0 })
        .collect();
    Ok(item)
}

/// Whether taps may come: the park is read first.
fn may_flow(state: &Acquirer) -> bool {
    state.park.is_read() || !holds(Rule::ParkBeforeTaps)
}

/// Two contents under one number.
pub(super) fn other_digest(number: u64) -> String {
    format!(
        "batch {number} came twice with different contents; compare the city's journal with the log before it \
         goes on"
    )
}

/// Whether a new part has to go into the park behind others of its pair.
fn behind_many(state: &Acquirer, issuer: City, up: bool, catch_up_parts_max: usize) -> bool {
    let Some(pair) = state.park.pairs.get(&issuer) else { return false };
    let flows = up && pair.failing.is_empty() && pair.unsaid.len() <= catch_up_parts_max;
    !flows && holds(Rule::BehindParked)
}

/// Whether a judged part still waits for parked ones before it.
pub(super) fn is_held(state: &Acquirer, number: u64, part: &ItemPart) -> bool {
    matches!(part.place, Place::Judged(_))
        && holds(Rule::BehindParked)
        && state.park.holds_back(part.issuer, number)
}

fn is_decided(state: &Acquirer, item: &Item) -> bool {
    item.open == 0
        && (state.park.is_empty() || !item.parts.iter().any(|part| is_held(state, item.number, part)))
}

/// What the book is told about an item. Parts that need no place in the park move out.
fn message(acquirer: City, item: &mut Item) -> Clearing {
    let (number, digest) = (item.number, item.digest.clone());
    let acquirer = acquirer.to_string();
    if item.stage == Stage::Repeat {
        return Clearing { body: Some(Body::Repeat(Repeat { acquirer, number, digest })) };
    }
    let parts = item.parts.iter_mut().map(|part| match std::mem::replace(&mut part.place, Place::Told) {
        Place::Judged(verdicts) => {
            JudgedPart { part: Some(std::mem::take(&mut part.part)), verdicts: Some(verdicts) }
        }
        place => {
            part.place = place;
            JudgedPart { part: Some(part.part.clone()), verdicts: None }
        }
    });
    let parts = parts.collect();
    let file = std::mem::take(&mut item.file);
    let outcome = Outcome { acquirer, number, digest, file, records: item.records, parts };
    Clearing { body: Some(Body::Outcome(outcome)) }
}
