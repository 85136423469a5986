//! What a home city finds in its file that it did not accept, down to the record.

use std::fmt;

use domain::{city::City, cycle::CycleName};

/// A row with which a home city does not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Line in `issuer/<city>.csv`; the header is line 1.
    pub line: u64,
    /// The row.
    pub row: String,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The city never accepted a tap of this terminal and number.
    NeverAccepted,
    /// It accepted one, with another content.
    Other(Vec<Changed>),
    /// The file has it before.
    Twice,
    /// Another cycle pays it.
    PaidBefore(CycleName),
    /// By the cycle's rules the terminal belongs to another participant, or to none.
    NotItsTerminal(Option<City>),
    /// It stands behind a row that should follow it.
    OutOfOrder,
    /// It cannot be read.
    Unreadable(&'static str),
}

/// A column that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its name.
    pub column: &'static str,
    /// What the file says.
    pub file: String,
    /// What the city accepted.
    pub accepted: String,
}

impl What {
    /// The kind of difference, in a word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NeverAccepted => "never_accepted",
            Self::Other(_) => "other_content",
            Self::Twice => "twice",
            Self::PaidBefore(_) => "paid_before",
            Self::NotItsTerminal(_) => "terminal_of_another",
            Self::OutOfOrder => "out_of_order",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverAccepted => f.write_str("the city never accepted it"),
            Self::Other(changed) => {
                f.write_str("the city accepted it with ")?;
                for (number, Changed { column, file, accepted }) in changed.iter().enumerate() {
                    let and = if number > 0 { ", " } else { "" };
                    write!(f, "{and}{column} {accepted} and not {file}")?;
                }
                Ok(())
            }
            Self::Twice => f.write_str("the file has it twice"),
            Self::PaidBefore(cycle) => write!(f, "the city paid it in cycle {cycle}"),
            Self::NotItsTerminal(Some(owner)) => write!(f, "its terminal belongs to {owner}"),
            Self::NotItsTerminal(None) => f.write_str("its terminal belongs to no participant"),
            Self::OutOfOrder => f.write_str("it stands in the wrong place"),
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} ({})", self.line, self.what, self.row)
    }
}
