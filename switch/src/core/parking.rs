//! Into the park, through it, and out of it.

use std::collections::BTreeSet;

use bytes::Bytes;
use domain::{
    city::City,
    guard::{Rule, holds},
    result::RecordResult,
};
use proto::{BatchResult, Message, ParkedPart};

use super::{
    Ack, Destination, Effect, Switch,
    acquirer::{Place, Stage},
    batch,
    home::Ref,
    park::{Entry, Wait},
    pipe,
};

impl Switch {
    /// Parks every part whose home city let its time run out.
    pub(super) fn expire(&mut self) {
        let Some(wait_ms) = self.config.park_after_ms else { return };
        let Some(before) = self.now_ms.checked_sub(wait_ms) else { return };
        let acquirers: Vec<City> = self.acquirers.keys().copied().collect();
        for acquirer in acquirers {
            let Some(state) = self.acquirers.get(&acquirer) else { continue };
            let due: Vec<(u64, usize, City, u64)> = state
                .pipe
                .range(state.first_unsent..)
                .take_while(|(_, item)| item.read_ms <= before)
                .filter(|(_, item)| item.stage == Stage::Asking)
                .flat_map(|(seq, item)| {
                    let waits = |part: &super::acquirer::ItemPart| {
                        part.place.is_open() || pipe::is_held(state, item.number, part)
                    };
                    let parts = item.parts.iter().enumerate().filter(move |(_, part)| waits(part));
                    parts.map(|(index, part)| (*seq, index, part.issuer, item.read_ms))
                })
                .collect();
            if due.is_empty() {
                continue;
            }
            for (seq, index, issuer, read_ms) in due {
                self.park_from(acquirer, seq, index);
                let home = self.homes.entry(issuer).or_default();
                if home.answered_ms.is_none_or(|answered_ms| answered_ms < read_ms) {
                    self.darken(issuer);
                }
            }
            self.say(acquirer);
            self.send(acquirer);
        }
    }

    /// Parks a part, and behind it every later part of its pair that is not sent.
    pub(super) fn park_from(&mut self, acquirer: City, seq: u64, index: usize) {
        self.park_part(acquirer, seq, index);
        let Some(state) = self.acquirers.get(&acquirer) else { return };
        let Some(issuer) = state.pipe.get(&seq).map(|item| item.parts[index].issuer) else { return };
        if !holds(Rule::BehindParked) {
            return;
        }
        let behind: Vec<(u64, usize)> = state
            .pipe
            .range(seq + 1..)
            .filter(|(_, item)| item.stage == Stage::Asking)
            .filter_map(|(seq, item)| Some((*seq, item.parts.iter().position(|part| part.issuer == issuer)?)))
            .collect();
        for (seq, index) in behind {
            self.park_part(acquirer, seq, index);
        }
    }

    /// Decides that a part is parked.
    pub(super) fn park_part(&mut self, acquirer: City, seq: u64, index: usize) {
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        let Some(item) = state.pipe.get_mut(&seq) else { return };
        let part = &mut item.parts[index];
        if item.stage != Stage::Asking || matches!(part.place, Place::Parked { .. }) {
            return;
        }
        if part.place.is_open() {
            item.open -= 1;
        }
        let append = state.park.enter(item.number, part.issuer, &item.digest);
        part.place = Place::Parked { append };
        if append {
            item.unparked += 1;
            if !holds(Rule::ParkAfterOutcome) {
                self.append_part(acquirer, seq, index);
            }
        }
    }

    /// Appends a part to the park, if it has no place there yet.
    pub(super) fn append_part(&mut self, acquirer: City, seq: u64, index: usize) {
        let Some(item) = self.acquirers.get(&acquirer).and_then(|state| state.pipe.get(&seq)) else { return };
        let part = &item.parts[index];
        if part.place == (Place::Parked { append: true }) {
            let parked = ParkedPart {
                acquirer: acquirer.to_string(),
                number: item.number,
                digest: item.digest.clone(),
                part: Some(part.part.clone()),
            };
            let payload = parked.encode_to_vec();
            self.append(Destination::Parked(acquirer), payload, Some(Ack::Part { acquirer, seq }));
        }
    }

    /// Reads a message of the park.
    pub(super) fn parked(&mut self, acquirer: City, offset: u64, payload: Bytes) {
        let remind_at_ms = self.now_ms + self.config.remind_ms;
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        if offset < state.park.next {
            return;
        }
        let was_read = state.park.is_read();
        let taps_offset = state.passed.0;
        state.park.next = offset + 1;
        let (number, digest, issuer, taps) = match read(acquirer, payload) {
            Ok(read) => read,
            Err(error) => {
                state.park.offsets.insert(offset, None);
                let reason = format!("failed to read the parked part at offset {offset}: {error}");
                return self.stop(acquirer, taps_offset, reason);
            }
        };
        state.park.enter(number, issuer, &digest);
        state.park.offsets.insert(offset, Some((number, issuer)));
        let Some(entry) = state.park.get_mut(number, issuer) else { return };
        entry.offsets.push(offset);
        let differs = entry.digest != digest && holds(Rule::DigestKept);
        if entry.wait == Wait::Coming {
            entry.wait = Wait::Waiting;
            entry.positions = positions(&taps);
            let home = self.homes.entry(issuer).or_default();
            if home.is_up() && self.park_bytes < self.config.park_bytes_max {
                self.park_bytes += taps.len();
                entry.taps = Some(taps);
            }
            state.park.reminders.insert((remind_at_ms, number, issuer));
        }
        let now_read = state.park.is_read();
        if differs {
            self.stop(acquirer, taps_offset, pipe::other_digest(number));
        }
        if now_read && !was_read {
            self.wake(acquirer);
        } else {
            self.queue(acquirer, number, issuer);
        }
    }

    /// The park has been read: everything in it may be asked about, and the taps may come.
    fn wake(&mut self, acquirer: City) {
        let Some(state) = self.acquirers.get(&acquirer) else { return };
        let all: Vec<(u64, City)> = state.park.all().map(|(number, issuer, _)| (number, issuer)).collect();
        for (number, issuer) in all {
            self.queue(acquirer, number, issuer);
        }
        self.flow(acquirer);
    }

    /// Puts a parked part where it can be asked about, if it is its turn.
    pub(super) fn queue(&mut self, acquirer: City, number: u64, issuer: City) {
        let Some(state) = self.acquirers.get(&acquirer) else { return };
        let home = self.homes.entry(issuer).or_default();
        home.unqueue(number, acquirer);
        let Some(entry) = state.park.get(number, issuer) else { return };
        let failing = state.park.pairs.get(&issuer).is_some_and(|pair| !pair.failing.is_empty());
        if entry.wait != Wait::Waiting || entry.fails > 0 || failing || !state.park.is_read() {
            return;
        }
        if entry.taps.is_some() {
            home.ready.insert((number, acquirer));
        } else {
            home.hungry.insert((number, acquirer));
        }
    }

    /// Queues all parts of a pair anew, after one of them began or ceased to hold the others up.
    pub(super) fn queue_pair(&mut self, acquirer: City, issuer: City) {
        let Some(state) = self.acquirers.get(&acquirer) else { return };
        let Some(pair) = state.park.pairs.get(&issuer) else { return };
        let numbers: Vec<u64> = pair.unsaid.iter().copied().collect();
        for number in numbers {
            self.queue(acquirer, number, issuer);
        }
    }

    /// Fetches the taps of a parked part whose home city can be asked, one fetch at a time.
    pub(super) fn fetch(&mut self) {
        if self.fetching.is_some() {
            return;
        }
        let mut hungry = self.homes.iter().filter(|(_, home)| home.is_up()).filter_map(|(issuer, home)| {
            home.hungry.first().map(|(number, acquirer)| (*issuer, *number, *acquirer))
        });
        let wanted = hungry.find_map(|(issuer, number, acquirer)| {
            let entry = self.acquirers.get(&acquirer)?.park.get(number, issuer)?;
            entry.offsets.first().map(|offset| (acquirer, *offset))
        });
        if let Some((acquirer, offset)) = wanted {
            self.fetching = Some(acquirer);
            let bytes_max = self.config.fetch_bytes_max;
            self.out.push(Effect::Fetch { acquirer, offset, bytes_max });
        }
    }

    /// Takes fetched taps: always the first that is wanted, further ones while there is room.
    pub(super) fn fetched(&mut self, acquirer: City, messages: Vec<(u64, Bytes)>) {
        if self.fetching == Some(acquirer) {
            self.fetching = None;
        }
        let mut first = true;
        for (offset, payload) in messages {
            let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
            let Some(Some((number, issuer))) = state.park.offsets.get(&offset).copied() else { continue };
            let home = self.homes.entry(issuer).or_default();
            let wanted = home.is_up() && home.hungry.contains(&(number, acquirer));
            if !wanted || !(first || self.park_bytes < self.config.park_bytes_max) {
                continue;
            }
            let Ok((stands, digest, home_city, taps)) = read(acquirer, payload) else { continue };
            let Some(entry) = state.park.get_mut(number, issuer) else { continue };
            if (stands, home_city) != (number, issuer) || digest != entry.digest {
                let reason = format!(
                    "offset {offset} of its park holds another part than before: the topic lost its end or was made \
                     anew; restore it"
                );
                let taps_offset = state.passed.0;
                return self.stop(acquirer, taps_offset, reason);
            }
            if entry.taps.is_none() {
                first = false;
                self.park_bytes += taps.len();
                entry.taps = Some(taps);
                home.hungry.remove(&(number, acquirer));
                self.queue(acquirer, number, issuer);
            }
        }
    }

    /// Lets go of a part's taps; they can be fetched again.
    pub(super) fn drop_taps(&mut self, acquirer: City, number: u64, issuer: City) {
        let entry = self.acquirers.get_mut(&acquirer).and_then(|state| state.park.get_mut(number, issuer));
        if let Some(taps) = entry.and_then(|entry| entry.taps.take()) {
            self.park_bytes -= taps.len();
        }
    }

    /// Takes a batch's result: parts of which every tap is final leave the park.
    pub(super) fn result(&mut self, acquirer: City, payload: Bytes) {
        let Some(state) = self.acquirers.get(&acquirer) else { return };
        if state.park.is_empty() {
            return;
        }
        let result = match BatchResult::decode(payload) {
            Ok(result) => result,
            Err(error) => return self.alarm(acquirer, format!("failed to read a batch result: {error}")),
        };
        let number = result.number;
        if state.park.of_batch(number).any(|(_, entry)| entry.digest != result.digest)
            && holds(Rule::DigestKept)
        {
            let taps_offset = state.passed.0;
            return self.stop(acquirer, taps_offset, pipe::other_digest(number));
        }
        if !holds(Rule::ResultUnparks) {
            return;
        }
        let parked = u32::from(RecordResult::Parked.code());
        let waits: BTreeSet<u32> =
            result.exceptions.iter().filter(|e| e.result == parked).map(|e| e.position).collect();
        let is_final = |entry: &Entry| {
            entry.wait != Wait::Coming && !entry.positions.iter().any(|p| waits.contains(&u32::from(*p)))
        };
        let left: Vec<City> = state
            .park
            .of_batch(number)
            .filter(|(_, entry)| is_final(entry))
            .map(|(issuer, _)| issuer)
            .collect();
        if left.is_empty() {
            return;
        }
        for issuer in left {
            self.leave(acquirer, number, issuer);
        }
        self.say(acquirer);
        self.send(acquirer);
    }

    /// A part leaves the park.
    pub(super) fn leave(&mut self, acquirer: City, number: u64, issuer: City) {
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        let Some(gone) = state.park.leave(number, issuer) else { return };
        self.park_bytes -= gone.taps.map_or(0, |taps| taps.len());
        let home = self.homes.entry(issuer).or_default();
        home.unqueue(number, acquirer);
        if gone.fails > 0 {
            home.lone.retain(|(_, part)| *part != Ref::Park { acquirer, number });
            self.queue_pair(acquirer, issuer);
        }
    }
}

/// Reads a parked part: number, digest, home city, taps.
fn read(acquirer: City, payload: Bytes) -> Result<(u64, Bytes, City, Bytes), batch::BatchError> {
    let parked = ParkedPart::decode(payload)?;
    batch::check_header(acquirer, &parked.acquirer, parked.number, &parked.digest)?;
    let part = parked.part.unwrap_or_default();
    let (issuer, _) = batch::check_part(&part)?;
    Ok((parked.number, parked.digest, issuer, part.taps))
}

/// The places of a part's taps in its batch.
fn positions(taps: &Bytes) -> Box<[u16]> {
    domain::tap::Tap::slice(taps).unwrap_or_default().iter().map(|tap| tap.position.get()).collect()
}
