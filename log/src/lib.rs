//! The log port: every fact of the system, in order, durable.
//!
//! A log holds topics; a topic holds partitions; a partition is a sequence of messages with
//! consecutive offsets from 0. A reader sees each message once, in order, or hears of a hole. Nothing
//! above this port knows whether Kafka or the embedded log stands below it.
//!
//! The port is synchronous: services read on a thread of their own and are told of durable appends
//! by a callback, so their cores stay plain functions.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "kafka")]
pub mod kafka;
mod range;
#[cfg(feature = "testing")]
pub mod testing;
pub mod topics;

pub use range::visit_range;

/// Largest message that a log takes, bytes: 8 MiB, the broker's limit for a batch, less room for its
/// envelope.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024 - 64 * 1024;

/// Longest note of a [`Commit`], bytes.
pub const NOTE_BYTES_MAX: usize = 1024;

/// A partition of a topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// Full name of the topic, prefix included.
    pub topic: Arc<str>,
    /// Number of the partition, 0-based.
    pub number: u32,
}

impl Partition {
    /// Partition `number` of `topic`.
    #[must_use]
    pub fn new(topic: &str, number: u32) -> Self {
        Self { topic: Arc::from(topic), number }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.number)
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message as it stands on the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it stands.
    pub partition: Partition,
    /// Its offset in the partition.
    pub offset: u64,
    /// Its bytes.
    pub payload: Bytes,
}

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Full name, prefix included.
    pub name: String,
    /// Number of partitions, fixed for ever.
    pub partitions: u32,
}

/// A consumer's position, kept by the log for a named group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The next offset to read.
    pub offset: u64,
    /// The consumer's own note, at most 1 KiB (the switch keeps its highest batch number here).
    pub note: String,
}

/// What can go wrong below the port.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The topic does not exist.
    #[error("topic {0} does not exist; create the topics first")]
    NoTopic(String),
    /// The topic exists with another number of partitions.
    #[error(
        "topic {topic} has {found} partitions, the rulebook says {wanted}; a topic's partitions never change"
    )]
    Partitions {
        /// Name of the topic.
        topic: String,
        /// What the log has.
        found: u32,
        /// What was asked for.
        wanted: u32,
    },
    /// The log begins after the offset or ends before it: something is missing.
    #[error("{partition} holds offsets {have:?}, {wanted} was asked for: messages are missing")]
    Hole {
        /// The partition.
        partition: Partition,
        /// The offset that was asked for.
        wanted: u64,
        /// First retained offset and end.
        have: Range<u64>,
    },
    /// A message is larger than the log takes.
    #[error("a message of {bytes} bytes for {partition} is over the limit of {limit} bytes")]
    TooLarge {
        /// The partition.
        partition: Partition,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The log did not answer in time; the same call may succeed later.
    #[error("the log did not answer within {0:?}")]
    Timeout(Duration),
    /// Another process has the embedded log open.
    #[error("{0} is in use by another process; one process at a time may use an embedded log")]
    InUse(String),
    /// The store or the broker failed.
    #[error("{context}")]
    Backend {
        /// What was being done.
        context: String,
        /// What the library below said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Called once when a group of messages is durable (with the offset of each, in the group's order), or when
/// the log has stopped: then the group may or may not stand on the log. A writer's callbacks come in the
/// order of its appends. Runs on a thread of the log; it must not block.
pub type OnDurable = Box<dyn FnOnce(Result<Vec<u64>, LogError>) + Send>;

/// The log.
pub trait Log: Send + Sync {
    /// Creates the topics that do not exist yet.
    ///
    /// # Errors
    /// [`LogError::Partitions`] if one exists with another number of partitions.
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError>;

    /// First retained offset and end (the offset that the next message gets) of a partition.
    ///
    /// # Errors
    /// [`LogError::NoTopic`], or a failure below the port.
    fn bounds(&self, partition: &Partition) -> Result<Range<u64>, LogError>;

    /// Opens a reader over partitions, each from the offset given.
    ///
    /// # Errors
    /// [`LogError::Hole`] if an offset lies before the first retained one or after the end.
    fn reader(&self, starts: &[(Partition, u64)]) -> Result<Box<dyn Reader>, LogError>;

    /// Opens a writer. Each writer keeps its own order.
    ///
    /// # Errors
    /// A failure below the port.
    fn writer(&self) -> Result<Box<dyn Writer>, LogError>;

    /// Keeps positions for a group, durably, all or none where the log can.
    ///
    /// # Errors
    /// A failure below the port.
    fn commit(&self, group: &str, positions: &[(Partition, Commit)]) -> Result<(), LogError>;

    /// The positions kept for a group; `None` where nothing was ever committed.
    ///
    /// # Errors
    /// A failure below the port.
    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Commit>>, LogError>;

    /// Joins the members of a group, who share the partitions of the topics that they name: each partition
    /// has one owner, and as few move as a fair share needs. A topic that does not exist yet is shared once it
    /// does. Returns at once; `owner` is told later, on a thread of the membership's own.
    ///
    /// A member only owns: it reads and writes as everybody does. A group with members keeps no positions:
    /// [`Log::commit`] needs a group of another name.
    ///
    /// # Errors
    /// A failure below the port.
    fn join(
        &self,
        group: &str,
        topics: &[String],
        owner: Box<dyn Owner>,
    ) -> Result<Box<dyn Membership>, LogError>;
}

/// Is told what a member of a group owns. Called on the membership's own thread, one call at a time; the
/// others of the group may wait for its answer, and one that takes too long loses what it owns.
pub trait Owner: Send {
    /// It owns these too from now on. Told with none, it has joined, or the group has changed, and nothing new
    /// is its own.
    fn assigned(&mut self, partitions: &[Partition]);

    /// It gives these up: another may own them as soon as this returns.
    fn revoked(&mut self, partitions: &[Partition]);

    /// It has lost these: others may own them already.
    fn lost(&mut self, partitions: &[Partition]);
}

/// A member of a group. Dropped, it leaves: its [`Owner`] gives up what it owns first, so the drop waits for
/// that call. It must not be dropped by a thread for which the owner waits.
pub trait Membership: Send + Sync {
    /// Shares the partitions of these topics from now on, in place of those before.
    ///
    /// # Errors
    /// A failure below the port.
    fn subscribe(&self, topics: &[String]) -> Result<(), LogError>;

    /// What it owns, in order: a partition is among them before its owner is told that it is assigned, and
    /// until the owner has given it up.
    fn owned(&self) -> Vec<Partition>;

    /// Why it is a member no longer, if it ended by itself.
    fn failed(&self) -> Option<String>;
}

/// Reads messages of some partitions, in offset order within each.
pub trait Reader: Send {
    /// The next messages, at most about `bytes_max` (at least one message if there is any), waiting up to
    /// `timeout` for the first. Empty when there is none. A message counts for its bytes and 64 more, so that a poll of
    /// empty ones ends too.
    ///
    /// # Errors
    /// [`LogError::Hole`] if messages are missing (retention overtook the reader, say), and again at every
    /// later poll; or a failure below the port.
    fn poll(&mut self, bytes_max: usize, timeout: Duration) -> Result<Vec<Entry>, LogError>;

    /// Stops delivering a partition until [`Reader::resume`]; nothing is lost.
    ///
    /// # Errors
    /// A failure below the port.
    fn pause(&mut self, partition: &Partition) -> Result<(), LogError>;

    /// Delivers a paused partition again, where it was left.
    ///
    /// # Errors
    /// A failure below the port.
    fn resume(&mut self, partition: &Partition) -> Result<(), LogError>;

    /// Reads these too from now on, each from the offset given; one that is read already starts anew there.
    ///
    /// # Errors
    /// As [`Log::reader`]; then the reader is as it was.
    fn add(&mut self, starts: &[(Partition, u64)]) -> Result<(), LogError>;

    /// Reads these no more. Those that miss messages hold the others up no longer.
    ///
    /// # Errors
    /// A failure below the port.
    fn remove(&mut self, partitions: &[Partition]) -> Result<(), LogError>;
}

/// Appends groups of messages.
pub trait Writer: Send {
    /// Queues a group and returns; waits only while the writer's queue is full. Messages for one partition
    /// land in the order of the calls: nothing lands behind a failed append before that is retried.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] and [`LogError::NoTopic`] at once, before anything of the group is queued, and a
    /// failure below the port once the log has stopped. Then the callback is not called.
    fn append(&mut self, group: Vec<(Partition, Bytes)>, on_durable: OnDurable) -> Result<(), LogError>;

    /// Waits until everything queued is durable.
    ///
    /// # Errors
    /// [`LogError::Timeout`] if it is not within `timeout`, or a failure below the port.
    fn flush(&mut self, timeout: Duration) -> Result<(), LogError>;
}

/// Appends one message and waits until it is durable: for operators' commands and rare events.
///
/// # Errors
/// As [`Writer::append`], and [`LogError::Timeout`].
pub fn append_and_wait(
    writer: &mut dyn Writer,
    partition: &Partition,
    payload: Bytes,
    timeout: Duration,
) -> Result<u64, LogError> {
    let offsets = append_all_and_wait(writer, vec![(partition.clone(), payload)], timeout)?;
    Ok(offsets.first().copied().unwrap_or_default())
}

/// Appends messages together and waits until all are durable. Returns their offsets.
///
/// # Errors
/// As [`append_and_wait`]; some of them may be durable then.
pub fn append_all_and_wait(
    writer: &mut dyn Writer,
    messages: Vec<(Partition, Bytes)>,
    timeout: Duration,
) -> Result<Vec<u64>, LogError> {
    let (told, hear) = crossbeam_channel::bounded(1);
    writer.append(
        messages,
        Box::new(move |durable| {
            // The waiter may have given up: nobody is left to tell.
            drop(told.send(durable));
        }),
    )?;
    hear.recv_timeout(timeout).map_err(|_| LogError::Timeout(timeout))?
}

/// What a message counts for where a poll is bounded: its bytes, and what an [`Entry`] takes in memory beside them.
#[cfg(any(feature = "embedded", feature = "kafka"))]
const fn weight(payload: &[u8]) -> usize {
    payload.len() + 64
}

/// Refuses a message that no log takes.
#[cfg(any(feature = "embedded", feature = "kafka"))]
fn check_size(partition: &Partition, payload: &Bytes) -> Result<(), LogError> {
    within(partition, payload.len(), MESSAGE_BYTES_MAX)
}

/// Refuses a note that no log takes.
#[cfg(any(feature = "embedded", feature = "kafka"))]
fn check_note(partition: &Partition, commit: &Commit) -> Result<(), LogError> {
    within(partition, commit.note.len(), NOTE_BYTES_MAX)
}

#[cfg(any(feature = "embedded", feature = "kafka"))]
fn within(partition: &Partition, bytes: usize, limit: usize) -> Result<(), LogError> {
    if bytes <= limit {
        Ok(())
    } else {
        Err(LogError::TooLarge { partition: partition.clone(), bytes, limit })
    }
}
