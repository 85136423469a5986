//! The log and the way to it: order per writer and partition, a prefix lands after a crash, a client's retry
//! may land later as a copy.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use domain::{
    city::City,
    guard::{Rule, holds},
};

use super::dice::Dice;

/// A partition of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    Taps(City),
    Parked(City),
    Results(City),
    Clearing(u32),
    Cycles,
}

/// Names one life of a process.
pub type Writer = u64;

struct Flight {
    payload: Bytes,
    ack: Option<u64>,
}

/// What has landed, by the network's choice.
pub struct Landed {
    pub topic: Topic,
    pub payload: Bytes,
    /// Whom to tell, and what.
    pub ack: Option<(Writer, u64)>,
}

/// Messages on their way.
#[derive(Default)]
pub struct Net {
    flights: BTreeMap<(Writer, Topic), VecDeque<Flight>>,
    writers: Writer,
    /// How often, in a thousand, a copy of a landed message lands again.
    copies: u32,
    /// Every third process is of a newer version.
    upgrades: bool,
}

/// What a newer version writes and this one does not know: field 2047.
const UNKNOWN_FIELD: [u8; 6] = [0xFA, 0x7F, 3, b'n', b'e', b'w'];

impl Net {
    pub fn new(copies: u32, upgrades: bool) -> Self {
        Self { copies, upgrades, ..Self::default() }
    }

    /// A name for a new life.
    pub fn writer(&mut self) -> Writer {
        self.writers += 1;
        self.writers
    }

    pub fn send(&mut self, writer: Writer, topic: Topic, payload: Bytes, ack: Option<u64>) {
        let newer = self.upgrades && writer.is_multiple_of(3);
        let payload = if newer { [payload.as_ref(), &UNKNOWN_FIELD].concat().into() } else { payload };
        self.flights.entry((writer, topic)).or_default().push_back(Flight { payload, ack });
    }

    /// How many messages of a writer are on their way to a partition.
    pub fn in_flight(&self, writer: Writer, topic: Topic) -> usize {
        self.flights.get(&(writer, topic)).map_or(0, VecDeque::len)
    }

    /// Lands one message of a random writer and partition.
    pub fn land(&mut self, dice: &mut Dice, calm: bool) -> Option<Landed> {
        if self.flights.is_empty() {
            return None;
        }
        let key = *self.flights.keys().nth(dice.below(self.flights.len()))?;
        let queue = self.flights.get_mut(&key)?;
        if !holds(Rule::WriterOrder) && !calm && queue.len() > 1 && dice.permille(50) {
            queue.swap(0, 1);
        }
        let flight = queue.pop_front()?;
        if queue.is_empty() {
            self.flights.remove(&key);
        }
        let (writer, topic) = key;
        if !calm && dice.permille(self.copies) {
            let retry = self.writer();
            let copy = Flight { payload: flight.payload.clone(), ack: None };
            self.flights.entry((retry, topic)).or_default().push_back(copy);
        }
        let ack = flight.ack.map(|ack| (writer, ack));
        Some(Landed { topic, payload: flight.payload, ack })
    }

    /// The writer is gone; of what it had sent a prefix of each partition still lands, unacknowledged.
    pub fn orphan(&mut self, writer: Writer, dice: &mut Dice) {
        let from = (writer, Topic::Taps(super::scheme::city(0)));
        let keys: Vec<_> =
            self.flights.range(from..).map(|(key, _)| *key).take_while(|key| key.0 == writer).collect();
        for key in keys {
            let mut queue = self.flights.remove(&key).unwrap_or_default();
            queue.truncate(dice.below(queue.len() + 1));
            for flight in &mut queue {
                flight.ack = None;
            }
            if !queue.is_empty() {
                let ghost = self.writer();
                self.flights.insert((ghost, key.1), queue);
            }
        }
    }
}

/// Everything that stands on the log, and what retention has taken from it.
#[derive(Default)]
pub struct Log {
    messages: BTreeMap<Topic, Vec<Bytes>>,
    starts: BTreeMap<Topic, u64>,
}

impl Log {
    /// Where the partition ends.
    pub fn end(&self, topic: Topic) -> u64 {
        self.messages.get(&topic).map_or(0, |messages| messages.len() as u64)
    }

    pub fn append(&mut self, topic: Topic, payload: Bytes) -> u64 {
        let messages = self.messages.entry(topic).or_default();
        messages.push(payload);
        messages.len() as u64 - 1
    }

    pub fn read(&self, topic: Topic, offset: u64) -> Option<Bytes> {
        if offset < self.start(topic) { None } else { self.archived(topic, offset) }
    }

    /// The first offset that is still there.
    pub fn start(&self, topic: Topic) -> u64 {
        self.starts.get(&topic).copied().unwrap_or(0)
    }

    /// Retention takes everything before an offset.
    pub fn retain_from(&mut self, topic: Topic, offset: u64) {
        let start = self.starts.entry(topic).or_default();
        *start = offset.max(*start);
    }

    /// The last messages of a partition were never on a disk, and the power failed.
    pub fn lose_tail(&mut self, topic: Topic, count: usize) -> Vec<Bytes> {
        let Some(messages) = self.messages.get_mut(&topic) else { return Vec::new() };
        messages.split_off(messages.len().saturating_sub(count))
    }

    /// A message, also one that retention has taken: as the archive has it.
    pub fn archived(&self, topic: Topic, offset: u64) -> Option<Bytes> {
        self.messages.get(&topic)?.get(usize::try_from(offset).ok()?).cloned()
    }
}
