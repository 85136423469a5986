//! Brings a spool back from its rows.

use prost::{DecodeError, Message};

use super::{Limits, Seal, Spooler, Stage, State};
use crate::ingest::{
    rows::{Kind, SealRow, SourceRow, parse_key},
    source::Source,
};

/// Why rows are no spool.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A key that nobody wrote.
    #[error("it holds a key that no ingest wrote")]
    Key,
    /// A value that cannot be read.
    #[error("a row of source {origin} cannot be read")]
    Value {
        /// The source.
        origin: Source,
        /// What is wrong.
        source: DecodeError,
    },
    /// Rows that do not fit together.
    #[error("the rows of source {origin} do not fit together: {what}")]
    Torn {
        /// The source.
        origin: Source,
        /// What does not fit.
        what: &'static str,
    },
}

impl Spooler {
    /// Brings the spool back from its rows in the order of their keys. Lines that are sealed, and digests, may be
    /// left out.
    ///
    /// # Errors
    /// [`LoadError`] for rows that no spool wrote.
    pub fn load(
        limits: Limits,
        now_ms: u64,
        rows: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, LoadError> {
        let mut spool = Self::new(limits, now_ms);
        for (key, value) in rows {
            let (source, kind, sequence) = parse_key(&key).ok_or(LoadError::Key)?;
            spool.load_row(source, kind, sequence, &value, now_ms)?;
        }
        for (source, state) in &spool.sources {
            if state.journaled_through < state.sealed_through() {
                return Err(torn(source, "an upload goes beyond what is journaled"));
            }
            if (state.open_taps() == 0) != (state.open_bytes == 0) {
                return Err(torn(source, "journaled lines are missing"));
            }
        }
        Ok(spool)
    }

    fn load_row(
        &mut self,
        source: Source,
        kind: Kind,
        sequence: u64,
        value: &[u8],
        now_ms: u64,
    ) -> Result<(), LoadError> {
        let unreadable = |error| LoadError::Value { origin: source.clone(), source: error };
        if kind == Kind::Source {
            let SourceRow { journaled_through, on_log_through } =
                SourceRow::decode(value).map_err(unreadable)?;
            let state = State { journaled_through, on_log_through, open_since: now_ms, ..State::default() };
            self.sources.insert(source, state);
            return Ok(());
        }
        let Some(state) = self.sources.get_mut(&source) else {
            return Err(torn(&source, "the row of the source itself is missing"));
        };
        match kind {
            Kind::Seal => {
                let SealRow { through, bytes, attempt } = SealRow::decode(value).map_err(unreadable)?;
                if sequence != state.sealed_through() + 1 || through < sequence {
                    return Err(torn(&source, "its uploads leave a gap"));
                }
                self.bytes += bytes;
                state.seals.push_back(Seal {
                    first: sequence,
                    through,
                    bytes,
                    attempt,
                    refused: false,
                    stage: Stage::Waits(0),
                });
            }
            Kind::Lines if sequence > state.sealed_through() => {
                self.bytes += value.len() as u64;
                state.open_bytes += value.len() as u64;
            }
            Kind::Source | Kind::Lines | Kind::Digests | Kind::End => {}
        }
        Ok(())
    }
}

fn torn(source: &Source, what: &'static str) -> LoadError {
    LoadError::Torn { origin: source.clone(), what }
}
