//! The name of a cycle: its business date and which cycle of that date it is.

use std::{fmt, str::FromStr};

use crate::date::Date;

/// A cycle's name, spelled `2018-09-01-001`. Ordered by date, then sequence as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CycleName {
    /// The business date.
    pub business_date: Date,
    /// Which cycle of that date, from 1.
    pub sequence: u32,
}

/// Why a text is no cycle name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cycle: expected a business date and a sequence from 001, such as 2018-09-01-001")]
pub struct CycleNameError;

impl CycleName {
    /// The sequence as the column `cycle` shows it: at least three digits.
    #[must_use]
    pub fn sequence_text(&self) -> String {
        format!("{:03}", self.sequence)
    }
}

impl fmt::Display for CycleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:03}", self.business_date, self.sequence)
    }
}

impl FromStr for CycleName {
    type Err = CycleNameError;
    fn from_str(text: &str) -> Result<Self, CycleNameError> {
        let (date, sequence) = text.rsplit_once('-').ok_or(CycleNameError)?;
        let business_date = date.parse().map_err(|_| CycleNameError)?;
        let plain = sequence.bytes().all(|b| b.is_ascii_digit());
        let padded = sequence.len() == 3 || (sequence.len() > 3 && !sequence.starts_with('0'));
        if !plain || !padded {
            return Err(CycleNameError);
        }
        match sequence.parse() {
            Ok(0) | Err(_) => Err(CycleNameError),
            Ok(sequence) => Ok(Self { business_date, sequence }),
        }
    }
}
