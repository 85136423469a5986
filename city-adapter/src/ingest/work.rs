//! What streams hand to the thread that owns the spool, and what they hear.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::{
    Uploads,
    core::{Progress, Refusal},
    line::Lines,
    source::Source,
};

/// What tells the streams of a source how far it is, or why it cannot begin one.
pub type Opened = Result<watch::Receiver<Progress>, Failure>;

/// Why something was not taken.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The spool refuses it.
    Refused(Source, Refusal),
    /// The spool cannot be written now.
    Unavailable(String),
}

/// What streams hand over.
pub enum Work {
    /// A source begins a stream.
    Open {
        source: Source,
        /// Gets what tells how far the source is.
        reply: oneshot::Sender<Opened>,
    },
    /// Consecutive records.
    Present {
        source: Source,
        first: u64,
        lines: Lines,
        /// Gets the first failure of the stream.
        failed: mpsc::Sender<Failure>,
        /// The room that this takes among what is on its way.
        room: OwnedSemaphorePermit,
    },
    /// The adapter ends.
    Stop,
}

/// Where the spool is, and where it puts uploads.
pub struct Places {
    /// Folder of the store.
    pub store: PathBuf,
    /// Folder of the inbox.
    pub inbox: PathBuf,
    /// What the city's journal says.
    pub uploads: Arc<dyn Uploads>,
}

/// How the spool is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Bytes of lines that are journaled but not on the log.
    pub spool_bytes: u64,
    /// How many may be.
    pub spool_bytes_max: u64,
    /// How many sources are known.
    pub sources: usize,
    /// Sealed uploads that are not on the log.
    pub uploads_waiting: usize,
    /// How long nothing of the spool has reached the log, in ms; 0 for an empty one.
    pub silent_ms: u64,
    /// Why the journal or the inbox cannot be written now, if so.
    pub trouble: Option<String>,
}
