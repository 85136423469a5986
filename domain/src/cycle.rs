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

impl<'de> serde::Deserialize<'de> for CycleName {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(|e| serde::de::Error::custom(format_args!("`{text}` is {e}")))
    }
}

impl serde::Serialize for CycleName {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::date;

    #[test]
    fn names_come_back() {
        for (sequence, text) in [(1, "2018-09-01-001"), (999, "2018-09-01-999"), (1000, "2018-09-01-1000")] {
            let name = CycleName { business_date: date("2018-09-01"), sequence };
            assert_eq!(name.to_string(), text);
            assert_eq!(text.parse(), Ok(name));
        }
    }

    #[test]
    fn other_names_are_refused() {
        for text in [
            "",
            "2018-09-01",
            "2018-09-01-01",
            "2018-09-01-0001",
            "2018-09-01-000",
            "2018-09-31-001",
            "2018-09-01-+01",
            "2018-09-01-001.v2",
            "2018-09-01-9999999999",
        ] {
            assert_eq!(text.parse::<CycleName>(), Err(CycleNameError), "{text}");
        }
    }
}
