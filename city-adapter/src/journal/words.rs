//! What goes into a step of the journal and what comes out.

use domain::city::City;
use proto::BatchResult;

/// What happens to a city's adapter.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A file begins to be taken, or begins again after a restart.
    Begin {
        /// Its base name with `.csv`.
        name: String,
    },
    /// The next batch of the file that is being taken, from its start.
    Cut(CutBatch),
    /// The log has made everything up to this number durable.
    Durable {
        /// Number of a batch.
        through: u64,
    },
    /// The file that is being taken has been cut to its end and all its batches are durable.
    End(Summary),
    /// A file is refused whole: none of it was published.
    Refuse {
        /// Its base name with `.csv`.
        name: String,
        /// SHA-256 of its bytes.
        sha256: [u8; 32],
        /// Its data lines.
        records: u64,
        /// Why.
        reason: String,
    },
    /// A message of the city's results log.
    Result {
        /// The message.
        message: BatchResult,
        /// The offset after it.
        next_offset: u64,
    },
    /// The log was restored and knows the city's batches up to `known`: results are read again from its beginning,
    /// what was given out behind is taken back.
    Rejoin {
        /// Number of the last batch that the log knows.
        known: u64,
    },
    /// The log no longer holds results that were not read: they are read on from `resume_at`. What is still open
    /// has to be asked for again ([`Journal::to_ask`](super::Journal::to_ask)).
    Missed {
        /// The first offset that the log still holds.
        resume_at: u64,
    },
    /// The results of a file have been written, and they are complete ([`Journal::is_complete`](super::Journal::is_complete)).
    Close {
        /// Its base name with `.csv`.
        name: String,
    },
}

/// A batch that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutBatch {
    /// The number it was cut for ([`Journal::number_of`](super::Journal::number_of)).
    pub number: u64,
    /// Its digest.
    pub digest: [u8; 32],
    /// Its taps.
    pub records: u32,
}

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Data lines.
    pub records: u64,
    /// Quarantined data lines.
    pub malformed: u64,
    /// Data lines of the city's own cards.
    pub local: u64,
    /// Published data lines.
    pub presented: u64,
    /// Amount of the published data lines, fen.
    pub amount_fen: u64,
}

/// What has to be done, in the order in which a step returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Keep a row, in place of one with the same key. Durable before anything behind it is done.
    Put {
        /// Key of the row, unique in the city.
        key: Vec<u8>,
        /// Its bytes.
        value: Vec<u8>,
    },
    /// Keep a row no longer.
    Delete {
        /// Key of the row.
        key: Vec<u8>,
    },
    /// Append the batch that was just cut to the city's tap log.
    Publish {
        /// Its number.
        number: u64,
    },
    /// Stop this city and call a person: what the log says and what was journaled disagree.
    Stop {
        /// What disagrees.
        reason: String,
    },
}

/// Why an input is refused. The state is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The city is stopped.
    #[error("{city} is stopped: {reason}")]
    Stopped {
        /// The city.
        city: City,
        /// Why.
        reason: String,
    },
    /// A file is cut again and gives other batches.
    #[error(
        "{city} file {name} has changed since batch {number} of it was journaled; put the file back as it was, \
         then run again (nothing of it is lost or counted twice)"
    )]
    FileChanged {
        /// The city.
        city: City,
        /// Name of the file.
        name: String,
        /// The batch that differs.
        number: u64,
    },
    /// Another file of the city is still being taken.
    #[error("{city} file {name} is taken only in part; it has to be there and be taken to its end first")]
    InProgress {
        /// The city.
        city: City,
        /// Name of the file that is being taken.
        name: String,
    },
    /// No input of this kind fits the state: an error of the caller.
    #[error("{city} journal: {what}")]
    OutOfOrder {
        /// The city.
        city: City,
        /// What does not fit.
        what: &'static str,
    },
    /// A row is not readable.
    #[error("{city} journal has a row that cannot be read ({0} …); restore the journal", key.escape_ascii())]
    Row {
        /// The city.
        city: City,
        /// Key of the row.
        key: Vec<u8>,
    },
}
