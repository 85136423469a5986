//! What goes into a step of the spool and what comes out.

use std::fmt;

use crate::ingest::{line::Lines, source::Source};

/// The highest sequence: fifteen digits, as names of uploads have room for.
pub const SEQUENCE_MAX: u64 = 999_999_999_999_999;

/// What the names of all uploads of the ingest begin with.
const NAME_PREFIX: &str = "ingest-";

/// What bounds the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of lines that are kept, over all sources.
    pub spool_bytes_max: u64,
    /// How many sources there may ever be.
    pub sources_max: usize,
    /// Taps that make an upload.
    pub seal_taps: u64,
    /// Bytes that make an upload.
    pub seal_bytes: u64,
    /// Age of its oldest tap that makes an upload, ms.
    pub seal_after_ms: u64,
    /// Taps of each source on the log whose content is remembered, to tell a repeat from another record.
    pub remember_taps: u64,
}

/// What happens to the spool.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A source begins a stream.
    Open {
        /// The source.
        source: &'a Source,
    },
    /// Consecutive records of a source.
    Present {
        /// The source.
        source: &'a Source,
        /// The sequence of the first.
        first: u64,
        /// The records as lines.
        lines: &'a Lines,
        /// The digests of those that are journaled already ([`Spooler::repeats`](super::Spooler::repeats)),
        /// as far as they are remembered.
        known: &'a [u64],
    },
    /// Time has passed.
    Tick,
    /// What the city's journal says about an upload that waits in the inbox.
    Found {
        /// The upload.
        upload: &'a SealedUpload,
        /// What it says.
        state: UploadState,
    },
    /// The file of an upload could not be written.
    NotPlaced {
        /// The upload.
        upload: &'a SealedUpload,
    },
}

/// What has to be done. Rows that one step returns are kept together, all or none, before anything else of it
/// is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A row to keep.
    Put {
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Rows to forget.
    Delete {
        /// The first key.
        from: Vec<u8>,
        /// What lies behind the last key.
        to: Vec<u8>,
    },
    /// The file of an upload is to be written into the inbox, unless the city's journal knows it already.
    Place(SealedUpload),
    /// Streams of a source are to hear how far it is.
    Tell {
        /// The source.
        source: Source,
        /// How far it is.
        progress: Progress,
    },
}

/// How far a source is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Highest journaled sequence; 0 for none.
    pub journaled_through: u64,
    /// Highest sequence on the log, all before it too; 0 for none.
    pub on_log_through: u64,
}

/// An upload whose bytes are settled: the header, then the lines of these sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedUpload {
    /// The source.
    pub source: Source,
    /// The sequence of its first line.
    pub first: u64,
    /// The sequence of its last line.
    pub through: u64,
    /// 1, and one more for each time that it was refused.
    pub attempt: u32,
}

impl SealedUpload {
    /// The name of its file.
    #[must_use]
    pub fn name(&self) -> String {
        let Self { source, first, attempt, .. } = self;
        match attempt {
            1 => format!("{NAME_PREFIX}{source}-{first:015}.csv"),
            _ => format!("{NAME_PREFIX}{source}-{first:015}-{attempt}.csv"),
        }
    }
}

/// Whether a file of this name comes from the ingest: its layout is `cityunion-tap/1`, whatever the layout of
/// the city's other files.
#[must_use]
pub fn is_upload(name: &str) -> bool {
    name.starts_with(NAME_PREFIX)
}

/// What the city's journal says about an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Nothing, or not all of it is on the log yet.
    Unknown,
    /// All of it is on the log.
    Taken,
    /// None of it will be, under this name.
    Refused {
        /// Why.
        reason: String,
    },
}

/// Why the spool does not take something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The source was not opened.
    #[error("the source has not begun a stream")]
    NotOpen,
    /// Too many sources.
    #[error("{max} sources are known and no more are allowed; use one of them, or raise ingest.sources_max")]
    TooManySources {
        /// How many may be.
        max: usize,
    },
    /// A number that is no sequence.
    #[error("{first} is no sequence: they run from 1 to 999999999999999; the next is {next}")]
    Sequence {
        /// What was sent.
        first: u64,
        /// What comes next.
        next: u64,
    },
    /// A record is missing.
    #[error("sequence {first} leaves a gap; the next is {next}")]
    Gap {
        /// What was sent.
        first: u64,
        /// What comes next.
        next: u64,
    },
    /// A record was journaled with another content.
    #[error(
        "sequence {sequence} was journaled before with another content and stays as it was; a record \
         that is not yet sent needs a sequence of its own, the next is {next}"
    )]
    Changed {
        /// The sequence.
        sequence: u64,
        /// What comes next.
        next: u64,
    },
    /// A repeat cannot be compared.
    #[error(
        "sequence {first} was journaled so long ago that its content is not remembered; it is not taken \
         again, the next is {next}"
    )]
    Forgotten {
        /// The sequence.
        first: u64,
        /// What comes next.
        next: u64,
    },
    /// There is no room.
    #[error("{}", full(*.bytes, *.max, *.silent_ms))]
    Full {
        /// Bytes in the spool.
        bytes: u64,
        /// How many may be.
        max: u64,
        /// How long nothing of it has reached the log, ms.
        silent_ms: u64,
    },
}

impl Refusal {
    /// The sequence to go on with, where one is in question.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        match self {
            Self::Sequence { next, .. }
            | Self::Gap { next, .. }
            | Self::Changed { next, .. }
            | Self::Forgotten { next, .. } => Some(*next),
            Self::NotOpen | Self::TooManySources { .. } | Self::Full { .. } => None,
        }
    }
}

fn full(bytes: u64, max: u64, silent_ms: u64) -> impl fmt::Display {
    let seconds = silent_ms / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!(
        "the spool is full ({bytes} of {max} bytes) and nothing of it has reached the log for \
         {hours} h {minutes:02} min {seconds:02} s; nothing is lost, send the same again later"
    )
}
