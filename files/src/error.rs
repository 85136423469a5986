//! What can go wrong while a cycle folder is written, published or read.

use std::{
    io,
    path::{Path, PathBuf},
};

use domain::city::City;

/// Why a cycle folder could not be written, published or read. Each message reads well after
/// "failed to".
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The file system refused.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was tried, such as `write`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder that a correction replaces is not as it was published.
    #[error("replace {}: it is not as it was published: {what}", folder.display())]
    Replaced {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Detail is sorted through temporary files in a work folder, which failed.
    #[error("keep detail in a temporary file of the work folder")]
    Spool(#[source] io::Error),
    /// A text has a line break, which no field of these files may have.
    #[error("write the text {text:?} into {file}: it has a line break; no field may")]
    LineBreak {
        /// The file of the cycle folder.
        file: String,
        /// The text.
        text: String,
    },
    /// Two rows have the same place in a file: something was counted twice.
    #[error("write {file}: {row} is there twice; the book must give each record one row a cycle")]
    RowTwice {
        /// The file of the cycle folder.
        file: String,
        /// Which row.
        row: String,
    },
    /// A tap's bytes stand for nothing, so no row can be written for it.
    #[error("write {file}: the record of terminal {terminal} number {terminal_seq} has no valid {column}")]
    BadTap {
        /// The file of the cycle folder.
        file: String,
        /// Terminal number, hex.
        terminal: String,
        /// Terminal sequence.
        terminal_seq: u32,
        /// The column that cannot be written.
        column: &'static str,
    },
    /// The folder to write into is there and is no scratch folder.
    #[error("write into {}: it exists and is no scratch folder (whose name begins with a dot)", .0.display())]
    NotScratch(PathBuf),
    /// A cycle is already published with other content.
    #[error(
        "publish {}: it is already there with another manifest; a published cycle never changes, \
         publish a correction beside it",
        .0.display()
    )]
    AlreadyPublished(PathBuf),
    /// A segment is not what its manifest says.
    #[error("use {file} of the segment of partition {partition}: {what}")]
    SegmentDamaged {
        /// The partition whose segment it is.
        partition: u32,
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A segment cannot be reached; the same call may succeed later.
    #[error("read {file} of the segment of partition {partition}")]
    SegmentUnreachable {
        /// The partition whose segment it is.
        partition: u32,
        /// The file.
        file: String,
        /// What the store said.
        #[source]
        source: io::Error,
    },
    /// An acquirer has detail in two partitions.
    #[error(
        "join the detail of {acquirer}: partitions {partitions:?} both have some in one cycle; a city moves to another \
         partition only between cycles"
    )]
    TwoPartitions {
        /// The acquirer.
        acquirer: City,
        /// The partitions.
        partitions: [u32; 2],
    },
    /// A figure is too large for a message to a bank.
    #[error("settle the cycle")]
    Unsettled(#[source] domain::settlement::SettleError),
    /// A message to a bank cannot be encoded.
    #[error("encode {file}")]
    Message {
        /// The file of the cycle folder.
        file: String,
        /// What the encoder said.
        #[source]
        source: Box<quick_xml::SeError>,
    },
    /// A file cannot be signed.
    #[error(transparent)]
    Signing(#[from] signing::SigningError),
    /// A closed folder is not what its manifest says.
    #[error("read {}: {what}; `cityunion verify` names every difference", folder.display())]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// The first thing that is wrong.
        what: String,
    },
    /// A folder that should hold a cycle has no manifest.
    #[error("read {}: no manifest.json, so this is no cycle folder", .0.display())]
    NoManifest(PathBuf),
}

impl FilesError {
    /// A closure that says what was tried on which path, for `map_err`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}
