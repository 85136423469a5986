//! What can be wrong with a mapping or with a file that it is for.

use std::{io, path::PathBuf};

/// Why a mapping, or a file that it is for, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The text is no TOML, or has keys that are not known.
    #[error("the mapping is not readable")]
    Toml(#[from] toml::de::Error),
    /// The layout or a setting of the file is not supported.
    #[error("the mapping says {key} = \"{value}\"; {expected}")]
    Setting {
        /// The key in the mapping.
        key: &'static str,
        /// What it says.
        value: String,
        /// What is supported.
        expected: &'static str,
    },
    /// A table such as `[columns.…]` is wrong.
    #[error("the mapping's table [{table}] {why}")]
    Rule {
        /// Name of the table.
        table: String,
        /// What is wrong with it.
        why: String,
    },
    /// A lookup table's file cannot be read.
    #[error("the mapping's table [tables.{table}] cannot be read from `{file}` beside the mapping")]
    TableFile {
        /// Name of the table.
        table: String,
        /// Name of the file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The mapping's own file cannot be read.
    #[error("the mapping {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The mapping does not make every column that a tap needs.
    #[error(
        "the mapping makes no column `{0}`, without which no tap can be presented; add a table [columns.{0}]"
    )]
    Incomplete(&'static str),
    /// The file begins with the mark of another encoding.
    #[error(
        "the file begins with the byte order mark of {found}, but the mapping says encoding = \"{says}\""
    )]
    Mark {
        /// What the mapping says.
        says: String,
        /// What the file is.
        found: &'static str,
    },
    /// The file has no line of column names, or one that cannot be read.
    #[error("line {line} of the file is no readable line of column names: {why}")]
    Header {
        /// The line, 1-based.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The file has fewer lines than the mapping passes over.
    #[error("the mapping says skip = {skip}, but the file has only {lines} lines; lower `skip` of [file]")]
    Skip {
        /// What the mapping says.
        skip: u32,
        /// The lines of the file.
        lines: u32,
    },
    /// The file does not have a column that the mapping reads.
    #[error(
        "the file's header does not name column `{name}`, but the mapping reads it{near}; its columns are: {columns}"
    )]
    NoColumn {
        /// The column.
        name: String,
        /// A column with a similar name, as the end of a sentence; or nothing.
        near: String,
        /// The columns that the file has.
        columns: String,
    },
    /// The file names a column twice.
    #[error(
        "the file's header names column `{name}` {times} times, as columns {places}; let the mapping say which by its \
         position, such as `column = {first}`"
    )]
    TwoColumns {
        /// The column.
        name: String,
        /// How often.
        times: usize,
        /// Where.
        places: String,
        /// The first place.
        first: usize,
    },
    /// A control line is missing, unreadable or in disagreement with the rows.
    #[error("{0}")]
    Control(String),
    /// More rows wait for the other half of their trip than may.
    #[error(
        "more than {0} rows wait for the other half of their trip; raise `open_max` of [pairing], or sort the file by \
         time and say rows = \"in_order\""
    )]
    TooManyOpen(usize),
    /// The file has more lines than a record can point to.
    #[error("the file has more than 4294967295 lines; split it")]
    TooManyLines,
    /// The file could not be read.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
}

impl MappingError {
    /// Whether what the file says, and not the mapping or the disk, is wrong: such an upload is refused whole.
    #[must_use]
    pub const fn is_of_file(&self) -> bool {
        matches!(
            self,
            Self::Mark { .. }
                | Self::Header { .. }
                | Self::Skip { .. }
                | Self::NoColumn { .. }
                | Self::TwoColumns { .. }
                | Self::Control(_)
                | Self::TooManyOpen(_)
        )
    }
}
