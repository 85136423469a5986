//! What can go wrong while a cycle is written as Parquet.

use std::{
    io,
    path::{Path, PathBuf},
};

use files::FilesError;
use parquet::errors::ParquetError;

/// Why a cycle cannot be exported. Each message reads well after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ColumnarError {
    /// The folder has no manifest.
    #[error("read {}: no manifest.json, so this is no closed cycle; name a folder such as OUT/2018-09-01-001", .0.display())]
    NoCycle(PathBuf),
    /// The file system refused.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was tried, such as `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder could not be brought to the disk.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The manifest is damaged.
    #[error("read {}; `cityunion verify` says what else is wrong", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A row is damaged.
    #[error(
        "read {}, line {line}{}: {what}; the file is damaged, `cityunion verify` says what else is wrong",
        path.display(),
        column.map_or_else(String::new, |column| format!(", column {column}"))
    )]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, 1 for the header.
        line: u64,
        /// The column, if one is meant.
        column: Option<&'static str>,
        /// What is wrong.
        what: String,
    },
    /// A file is not what the manifest says.
    #[error("read {}: {what}; the file is damaged, `cityunion verify` says what else is wrong", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Something is there already.
    #[error("write {}: it is there already; remove it, or name another folder with --to", .0.display())]
    There(PathBuf),
    /// It would be written into what was published.
    #[error("write into {}: it lies in the cycle's own folder, which never changes; name another with --to", .0.display())]
    Inside(PathBuf),
    /// The Parquet file could not be written.
    #[error("write {} as Parquet", path.display())]
    Parquet {
        /// The CSV file it is made of.
        path: PathBuf,
        /// What the library said.
        #[source]
        source: ParquetError,
    },
}

impl ColumnarError {
    /// The error of a file operation.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
