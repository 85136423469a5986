//! What can go wrong while a cycle folder is read for a report.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a cycle cannot be reported. Each message reads well after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The folder has no manifest.
    #[error("read {}: no manifest.json, so this is no closed cycle; {hint}", folder.display())]
    NoCycle {
        /// The folder.
        folder: PathBuf,
        /// What to name instead.
        hint: String,
    },
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
    /// The manifest is damaged.
    #[error("read {}; `cityunion verify` says what else is wrong", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The folder is of a later layout.
    #[error("read {}: its layout is `{layout}`, this program knows {}; use a newer one", folder.display(), files::layout::CYCLE_LAYOUT)]
    Layout {
        /// The folder.
        folder: PathBuf,
        /// What the manifest says.
        layout: String,
    },
    /// The rulebook is damaged.
    #[error("read {}; `cityunion verify` says what else is wrong", path.display())]
    Rulebook {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: domain::rulebook::RulebookError,
    },
    /// A row of a file is damaged.
    #[error(
        "read {}, line {line}{}: {what}; the file is damaged, `cityunion verify` says what else is wrong",
        path.display(),
        column.map_or_else(String::new, |column| format!(", column {column}"))
    )]
    Row {
        /// The file.
        path: PathBuf,
        /// Physical line, 1-based.
        line: u64,
        /// The column, if it is one.
        column: Option<&'static str>,
        /// What stands there and what should.
        what: String,
    },
}

impl ReportError {
    /// A closure that says what was tried on which path, for `map_err`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}
