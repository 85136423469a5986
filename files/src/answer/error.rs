//! What is wrong with a bank's answer, and where.

use std::{io, path::PathBuf};

/// Why a bank's answer cannot be used. Each message reads well after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The file cannot be read.
    #[error("read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is no answer that says everything.
    #[error("read the bank's answer {file}{}: {}{what}", line_of(*line), at_of(at))]
    Form {
        /// The file.
        file: String,
        /// The physical line, 1-based; 0 if it is the file as a whole.
        line: u64,
        /// The element by its path, or the column; empty without one.
        at: String,
        /// What is wrong.
        what: String,
    },
}

fn line_of(line: u64) -> String {
    if line == 0 { String::new() } else { format!(":{line}") }
}

fn at_of(at: &str) -> String {
    if at.is_empty() { String::new() } else { format!("{at}: ") }
}

/// The same before the file's name is known.
#[derive(Debug)]
pub(super) struct Fault {
    line: u64,
    at: String,
    what: String,
}

pub(super) fn fault(line: u64, at: impl Into<String>, what: impl Into<String>) -> Fault {
    Fault { line, at: at.into(), what: what.into() }
}

impl Fault {
    pub(super) fn of(self, file: &str) -> AnswerError {
        let Self { line, at, what } = self;
        AnswerError::Form { file: file.to_owned(), line, at, what }
    }
}
