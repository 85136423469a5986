//! The switch as a step function: no thread, no clock, no socket.
//!
//! A numbered batch is split by home city; parts for one home city are asked about together, over
//! many batches and acquirers; the outcome is written in the acquirer's batch order. What a home
//! city does not answer is parked: the outcome says so at its place, then the part stands in
//! `cu.parked`, then the tap offset is committed. Its verdict follows as a message of its own.
//!
//! Memory is bounded by [`SwitchConfig`]: batches in work a city and bytes over all of them; of the
//! park an index of a few dozen bytes a part and two bytes a tap, and bodies only of parts that can
//! be asked about now, up to a budget. Bodies that are not held are fetched from the log again when
//! their home city can be asked.

mod acquirer;
mod answering;
mod asking;
mod batch;
mod home;
mod late;
mod park;
mod parking;
mod pipe;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::city::City;
use proto::{Clearing, Message, SwitchStop, Verdicts, clearing::Body};

use self::{acquirer::Acquirer, home::Home};
pub use self::{
    batch::{BATCH_TAPS_MAX, BatchError},
    status::{AcquirerStatus, HomeStatus, Status},
};

/// Limits and waits of the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchConfig {
    /// How long a part waits for its home city before it is parked; `None`: only a home city without an
    /// endpoint, or a part that fails again and again, is parked, never by time.
    pub park_after_ms: Option<u64>,
    /// Taps in one request to a home city, at most.
    pub request_taps_max: usize,
    /// Bytes of taps in one request to a home city, at most.
    pub request_bytes_max: usize,
    /// Requests that one home city has before it unanswered, at most.
    pub requests_in_flight_max: usize,
    /// How long a request may stay unanswered before it counts as failed.
    pub request_deadline_ms: u64,
    /// First wait before something that failed is tried again; doubles with each failure.
    pub retry_ms: u64,
    /// The longest such wait.
    pub retry_ms_max: u64,
    /// How often a part is asked about, the last times alone, before it is set aside with an alarm.
    pub attempts_max: u32,
    /// Wait between attempts for a part that was set aside.
    pub set_aside_retry_ms: u64,
    /// How long a parked part waits without news before the book is asked for its result, and how long a
    /// late verdict waits to be reported final before it is said again (doubling, to an hour).
    pub remind_ms: u64,
    /// Batches of one acquirer in work, at most.
    pub batches_max: usize,
    /// Bytes of batches in work over all acquirers beyond which no more taps are read.
    pub batch_bytes_max: usize,
    /// Bytes of parked parts held in memory, beyond which they are fetched again when needed.
    pub park_bytes_max: usize,
    /// Bytes fetched from a park at once.
    pub fetch_bytes_max: usize,
    /// While at most so many parts of a pair are still parked and its home city answers, a later part
    /// waits for them in its batch; behind more it is parked too.
    pub catch_up_parts_max: usize,
    /// Digests of read batches that are remembered for each acquirer.
    pub digests_max: usize,
}

impl Default for SwitchConfig {
    fn default() -> Self {
        Self {
            park_after_ms: Some(2_000),
            request_taps_max: 65_536,
            request_bytes_max: 3 << 20,
            requests_in_flight_max: 4,
            request_deadline_ms: 30_000,
            retry_ms: 200,
            retry_ms_max: 10_000,
            attempts_max: 5,
            set_aside_retry_ms: 60_000,
            remind_ms: 30_000,
            batches_max: 32,
            batch_bytes_max: 128 << 20,
            park_bytes_max: 64 << 20,
            fetch_bytes_max: 4 << 20,
            catch_up_parts_max: 16,
            digests_max: 1_024,
        }
    }
}

/// What happens to the switch.
#[derive(Clone, Debug)]
pub enum Input {
    /// This switch owns an acquirer's taps and park from now on. Its taps are not read before
    /// [`Effect::Resume`]; its park is read from `park_offset`, its results from their present end.
    Assigned(Assignment),
    /// This switch no longer owns the acquirer; whatever it had sent may still land.
    Revoked {
        /// The acquirer.
        acquirer: City,
    },
    /// A message of `cu.taps.<acquirer>`.
    Tap {
        /// The acquirer.
        acquirer: City,
        /// Its offset.
        offset: u64,
        /// A `TapBatch`.
        payload: Bytes,
    },
    /// A message of `cu.parked.<acquirer>`, read in order from the assignment's offset on.
    Parked {
        /// The acquirer.
        acquirer: City,
        /// Its offset.
        offset: u64,
        /// A `ParkedPart`.
        payload: Bytes,
    },
    /// Answers [`Effect::Fetch`] with messages of `cu.parked.<acquirer>`, some that were read before.
    Fetched {
        /// The acquirer.
        acquirer: City,
        /// Offset and `ParkedPart`, in order; empty if they could not be read now.
        messages: Vec<(u64, Bytes)>,
    },
    /// A message of `cu.results.<acquirer>`.
    Result {
        /// The acquirer.
        acquirer: City,
        /// A `BatchResult`.
        payload: Bytes,
    },
    /// A home city answered, or will not.
    Answer {
        /// The home city.
        issuer: City,
        /// The request's id.
        id: u64,
        /// One for each part, or why there is none.
        answer: Result<Vec<Verdicts>, NoAnswer>,
    },
    /// The directory says whether a home city has an endpoint. Until it does, a home city has none.
    Endpoint {
        /// The home city.
        issuer: City,
        /// Whether it has one.
        up: bool,
    },
    /// What was appended under this token is durable.
    Durable {
        /// The token.
        token: u64,
    },
    /// Time passes. Requests, commits and everything timed happen here: call it after each burst of other
    /// inputs and at least every few dozen milliseconds.
    Tick,
}

/// What the log holds for an acquirer at the moment of its assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The acquirer.
    pub acquirer: City,
    /// The next tap offset to read: the committed one, or the first.
    pub tap_offset: u64,
    /// The highest batch number, committed with it; 0 if nothing was.
    pub number: u64,
    /// The next park offset to read: the committed one, or the first.
    pub park_offset: u64,
    /// Where the park ends now. It is read to here before the first tap.
    pub park_end: u64,
}

/// Why there is no answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The home city cannot be reached, or the connection broke.
    Unreachable(String),
    /// The home city refuses this request.
    Refused(String),
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// The acquirer's partition of `cu.clearing`.
    Clearing(City),
    /// `cu.parked.<acquirer>`.
    Parked(City),
}

/// What the switch wants done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask a home city. No parts at all: only whether it answers.
    Ask {
        /// The home city.
        issuer: City,
        /// Chosen by the switch; unique in its life.
        id: u64,
        /// Taps of many batches and acquirers.
        parts: Vec<Bytes>,
    },
    /// Append a message. Appends to one destination keep their order.
    Append {
        /// Where.
        to: Destination,
        /// Its bytes.
        payload: Bytes,
        /// Returns in [`Input::Durable`].
        token: u64,
    },
    /// Commit the position in the taps.
    CommitTaps {
        /// The acquirer.
        acquirer: City,
        /// The next offset to read.
        offset: u64,
        /// The highest batch number, to be committed with it.
        number: u64,
    },
    /// Commit the position in the park.
    CommitPark {
        /// The acquirer.
        acquirer: City,
        /// The next offset to read.
        offset: u64,
    },
    /// Deliver no more taps of the acquirer.
    Pause {
        /// The acquirer.
        acquirer: City,
    },
    /// Deliver taps of the acquirer.
    Resume {
        /// The acquirer.
        acquirer: City,
    },
    /// Read parked parts again, from this offset on; answered by [`Input::Fetched`].
    Fetch {
        /// The acquirer.
        acquirer: City,
        /// First offset.
        offset: u64,
        /// About how many bytes.
        bytes_max: usize,
    },
    /// A person should look.
    Alarm {
        /// The city it is about.
        city: City,
        /// What happened and what follows.
        text: String,
    },
    /// No more taps of the acquirer are taken; what was read before goes on.
    Stopped {
        /// The acquirer.
        acquirer: City,
        /// Why.
        reason: String,
    },
}

/// What waits for a durable append.
#[derive(Clone, Copy, Debug)]
enum Ack {
    /// The outcome or repeated header of the item `seq`.
    Item { acquirer: City, seq: u64 },
    /// A parked part of the item `seq`.
    Part { acquirer: City, seq: u64 },
}

/// The switch's whole state.
#[derive(Debug)]
pub struct Switch {
    config: SwitchConfig,
    now_ms: u64,
    /// Source of tokens, request ids and item numbers.
    serial: u64,
    acquirers: BTreeMap<City, Acquirer>,
    homes: BTreeMap<City, Home>,
    acks: BTreeMap<u64, Ack>,
    /// Bytes of batches in work.
    batch_bytes: usize,
    /// Bytes of parked parts held.
    park_bytes: usize,
    /// Whose park is being fetched from.
    fetching: Option<City>,
    taps_routed: u64,
    out: Vec<Effect>,
}

impl Switch {
    /// A switch that owns nothing yet.
    #[must_use]
    pub fn new(config: SwitchConfig) -> Self {
        Self {
            config,
            now_ms: 0,
            serial: 0,
            acquirers: BTreeMap::new(),
            homes: BTreeMap::new(),
            acks: BTreeMap::new(),
            batch_bytes: 0,
            park_bytes: 0,
            fetching: None,
            taps_routed: 0,
            out: Vec::new(),
        }
    }

    /// Takes one input at a time that never runs backwards, in milliseconds of any clock.
    pub fn step(&mut self, now_ms: u64, input: Input) -> Vec<Effect> {
        self.now_ms = self.now_ms.max(now_ms);
        match input {
            Input::Assigned(assignment) => self.assigned(assignment),
            Input::Revoked { acquirer } => self.revoked(acquirer),
            Input::Tap { acquirer, offset, payload } => self.tap(acquirer, offset, payload),
            Input::Parked { acquirer, offset, payload } => self.parked(acquirer, offset, payload),
            Input::Fetched { acquirer, messages } => self.fetched(acquirer, messages),
            Input::Result { acquirer, payload } => self.result(acquirer, payload),
            Input::Answer { issuer, id, answer } => self.answer(issuer, id, answer),
            Input::Endpoint { issuer, up } => self.endpoint(issuer, up),
            Input::Durable { token } => self.durable(token),
            Input::Tick => self.tick(),
        }
        std::mem::take(&mut self.out)
    }

    fn assigned(&mut self, assignment: Assignment) {
        self.revoked(assignment.acquirer);
        self.acquirers.insert(assignment.acquirer, Acquirer::new(assignment));
        self.flow(assignment.acquirer);
    }

    fn revoked(&mut self, acquirer: City) {
        let Some(gone) = self.acquirers.remove(&acquirer) else { return };
        self.batch_bytes -= gone.batch_bytes();
        self.park_bytes -= gone.park.bytes();
        self.acks.retain(|_, ack| match ack {
            Ack::Item { acquirer: of, .. } | Ack::Part { acquirer: of, .. } => *of != acquirer,
        });
        if self.fetching == Some(acquirer) {
            self.fetching = None;
        }
        for home in self.homes.values_mut() {
            home.forget(acquirer);
        }
    }

    fn durable(&mut self, token: u64) {
        match self.acks.remove(&token) {
            Some(Ack::Item { acquirer, seq }) => self.item_durable(acquirer, seq),
            Some(Ack::Part { acquirer, seq }) => self.part_durable(acquirer, seq),
            None => {}
        }
    }

    fn tick(&mut self) {
        self.expire();
        self.remind();
        let acquirers: Vec<City> = self.acquirers.keys().copied().collect();
        for acquirer in &acquirers {
            self.say(*acquirer);
            self.send(*acquirer);
        }
        self.ask();
        self.fetch();
        for acquirer in acquirers {
            self.commit(acquirer);
            self.flow(acquirer);
        }
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn append(&mut self, to: Destination, payload: Vec<u8>, ack: Option<Ack>) {
        let token = self.next_serial();
        if let Some(ack) = ack {
            self.acks.insert(token, ack);
        }
        self.out.push(Effect::Append { to, payload: Bytes::from(payload), token });
    }

    fn alarm(&mut self, city: City, text: String) {
        self.out.push(Effect::Alarm { city, text });
    }

    /// Takes no more taps of the acquirer, and tells the book; what was read before goes on. `taps_offset` is where
    /// the message stands that is wrong.
    fn stop(&mut self, acquirer: City, taps_offset: u64, reason: String) {
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        if state.stopped.is_some() {
            return;
        }
        state.stopped = Some(reason.clone());
        self.alarm(acquirer, format!("stopped {acquirer}: {reason}"));
        let stop = SwitchStop { acquirer: acquirer.to_string(), taps_offset, reason: reason.clone() };
        let message = Clearing { body: Some(Body::SwitchStop(stop)) };
        self.append(Destination::Clearing(acquirer), message.encode_to_vec(), None);
        self.out.push(Effect::Stopped { acquirer, reason });
        self.flow(acquirer);
    }

    /// An operator lets an acquirer's taps go on: `next` is due, and whatever was read from it on comes again.
    fn resume(&mut self, acquirer: City, offset: u64, next: u64) {
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        let highest = state.highest.unwrap_or_default();
        let was_stopped = state.stopped.take().is_some();
        if !was_stopped && next == highest + 1 {
            return;
        }
        if highest >= next {
            state.owe(highest, offset);
        }
        state.highest = Some(next.saturating_sub(1));
        drop(state.digests.split_off(&next));
        self.alarm(acquirer, format!("{acquirer} goes on: batch {next} is due"));
        self.flow(acquirer);
    }
}
