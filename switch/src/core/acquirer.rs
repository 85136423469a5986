//! What the switch knows of one acquirer: the batches in work and its park.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::{
    city::City,
    guard::{Rule, holds},
};
use proto::{Part, Verdicts};

use super::{Assignment, park::Park};

/// An acquirer this switch owns.
#[derive(Debug)]
pub(super) struct Acquirer {
    /// The highest batch number read so far; `None` where nothing is known of it.
    pub(super) highest: Option<u64>,
    /// Digests of the latest batches read.
    pub(super) digests: BTreeMap<u64, Bytes>,
    /// Batches in work, in the order in which they were read.
    pub(super) pipe: BTreeMap<u64, Item>,
    /// Everything before this item has been sent.
    pub(super) first_unsent: u64,
    /// The position that may be committed: next offset and highest number.
    pub(super) passed: (u64, u64),
    /// The position that was committed last.
    pub(super) committed: (u64, u64),
    /// Whether its taps are held back.
    pub(super) paused: bool,
    /// Why no more taps are taken.
    pub(super) stopped: Option<String>,
    /// Batches up to this number come again: they were passed over, or the book never got them.
    pub(super) owed: u64,
    /// Where the first of them was passed over: after a crash it is read again from here.
    pub(super) owed_from: Option<u64>,
    /// Its park.
    pub(super) park: Park,
}

impl Acquirer {
    pub(super) fn new(assignment: Assignment) -> Self {
        let position = (assignment.tap_offset, assignment.number);
        let known = holds(Rule::NumberInCommit) || assignment.tap_offset == 0;
        Self {
            highest: known.then_some(assignment.number),
            digests: BTreeMap::new(),
            pipe: BTreeMap::new(),
            first_unsent: 0,
            passed: position,
            committed: position,
            paused: true,
            stopped: None,
            owed: 0,
            owed_from: None,
            park: Park::new(assignment.park_offset, assignment.park_end),
        }
    }

    /// A batch at this offset is passed over; it comes again.
    pub(super) fn owe(&mut self, number: u64, offset: u64) {
        self.owed = self.owed.max(number);
        self.owed_from.get_or_insert(offset);
    }

    /// Bytes of its batches in work.
    pub(super) fn batch_bytes(&self) -> usize {
        self.pipe.values().map(|item| item.bytes).sum()
    }
}

/// A message of the taps in work.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) number: u64,
    pub(super) digest: Bytes,
    pub(super) file: String,
    pub(super) records: u32,
    pub(super) parts: Vec<ItemPart>,
    pub(super) offset: u64,
    /// The highest number read up to here.
    pub(super) highest: u64,
    /// Size of the message.
    pub(super) bytes: usize,
    pub(super) read_ms: u64,
    pub(super) stage: Stage,
    /// Parts without a verdict and not parked.
    pub(super) open: usize,
    /// Parked parts whose place in the park is not durable yet.
    pub(super) unparked: usize,
}

/// How far an item has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its home cities are asked.
    Asking,
    /// A redelivered number, which goes on as a header.
    Repeat,
    /// Appended.
    Sent,
    /// Durable.
    Durable,
}

/// The taps of one home city in an item.
#[derive(Debug)]
pub(super) struct ItemPart {
    pub(super) issuer: City,
    pub(super) part: Part,
    pub(super) place: Place,
    /// Failed attempts.
    pub(super) fails: u32,
}

/// What is known of a part in work.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// Not asked about yet.
    Waiting,
    /// Asked about in the request of this id.
    Asked(u64),
    /// The home city has spoken.
    Judged(Verdicts),
    /// It goes to the park once the outcome is durable; without `append` it stands there already.
    Parked { append: bool },
    /// Its verdict went out with the outcome.
    Told,
}

impl Place {
    /// Whether the home city's word is missing.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Waiting | Self::Asked(_))
    }
}
