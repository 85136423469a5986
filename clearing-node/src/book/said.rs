//! What the book says to whoever works with it: effects, and why it stops.

use bytes::Bytes;
use domain::city::City;

use crate::store::StoreError;

/// Where a message of the book goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// `cu.results.<city>`.
    Results(City),
    /// `cu.cycles`.
    Cycles,
    /// A partition of `cu.clearing`: what moves to it from this one.
    Clearing(u32),
}

/// What the owner of the book does after the transaction is durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Append to the log; tell [`Book::published`](super::Book::published) when it is durable. Repeats do no harm.
    Publish {
        /// Number in the outbox.
        number: u64,
        /// Where it goes.
        target: Target,
        /// The message.
        payload: Bytes,
    },
    /// A city's traffic is stopped until a person has looked.
    Stopped {
        /// The city.
        city: City,
        /// Why.
        reason: String,
    },
    /// A person should look.
    Alarm(String),
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// It is in the book.
    Done,
    /// It opens a cycle by rules whose bytes are not here yet; nothing has changed, offer it again after
    /// [`Book::learn`](super::Book::learn).
    NeedsRulebook {
        /// The version it names.
        version: u32,
    },
}

/// Why a partition stops until a person has looked.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// Messages are missing from the log.
    #[error(
        "the log goes from offset {expected} to {found}: messages are missing; restore the log, nothing was booked past the hole"
    )]
    Hole {
        /// The next offset.
        expected: u64,
        /// The offset that came.
        found: u64,
    },
    /// Where the last folded message stood, another stands now.
    #[error(
        "the message at offset {offset} is not the one that was folded there: the topic was made anew, or its log was \
         replaced; restore the log, or the store that belongs to this log"
    )]
    AnotherTopic {
        /// Where it stands.
        offset: u64,
    },
    /// The message does not decode.
    #[error(
        "the message at offset {offset} cannot be read ({why}); it was written by something else or by a newer version"
    )]
    Unreadable {
        /// Where it stands.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// A marker for a cycle beyond the next.
    #[error("the marker at offset {offset} {what}")]
    WrongMarker {
        /// Where it stands.
        offset: u64,
        /// What it says and what was expected.
        what: String,
    },
    /// Taps where no cycle is open.
    #[error("batch {number} of {city} stands at offset {offset} where no cycle is open")]
    NoOpenCycle {
        /// Whose batch.
        city: City,
        /// Its number.
        number: u64,
        /// Where it stands.
        offset: u64,
    },
    /// Totals beyond what can be counted.
    #[error("the totals of {acquirer} with {issuer} are beyond 2^64 fen")]
    Overflow {
        /// Who collected.
        acquirer: City,
        /// Who pays.
        issuer: City,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
