//! Which tap is looked for.

use std::{fmt, str::FromStr};

use domain::{
    city::{City, Scheme},
    tap::Tap,
};

/// The number of a terminal: 12 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Terminal(pub [u8; 6]);

/// Why a text is no terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a terminal: expected the 12 hex digits of the column `terminal`, leading zeros included, such as 200000000001"
)]
pub struct TerminalError;

impl FromStr for Terminal {
    type Err = TerminalError;

    /// Reads 12 hex digits in either case: a person may have typed them.
    fn from_str(text: &str) -> Result<Self, TerminalError> {
        if text.len() != 12 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(TerminalError);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| TerminalError)?;
        let [_, _, terminal @ ..] = number.to_be_bytes();
        Ok(Self(terminal))
    }
}

impl fmt::Display for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// The tap that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its terminal.
    pub terminal: Terminal,
    /// The terminal's own counter.
    pub terminal_seq: u32,
    /// The scheme of the card, if only one is meant.
    pub scheme: Option<Scheme>,
}

/// How a record stands to what is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is meant.
    Meant,
    /// It is of the same terminal.
    Near,
    /// It has nothing to do with it.
    Other,
}

impl Query {
    /// How a tap with a card of `issuer` stands to it.
    #[must_use]
    pub fn fit(&self, issuer: City, tap: &Tap) -> Fit {
        if tap.terminal != self.terminal.0 {
            return Fit::Other;
        }
        let same = tap.terminal_seq.get() == self.terminal_seq && self.fits_scheme(issuer.scheme());
        if same { Fit::Meant } else { Fit::Near }
    }

    /// Whether cards of this scheme are meant.
    #[must_use]
    pub fn fits_scheme(&self, scheme: Scheme) -> bool {
        self.scheme.is_none_or(|wanted| wanted == scheme)
    }
}

/// How a scheme is spelled.
#[must_use]
pub fn scheme_word(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::CityUnion => "cu",
        Scheme::TUnion => "tu",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_read_in_either_case_and_shown_as_files_have_it() {
        assert_eq!("a00000000001".parse::<Terminal>().unwrap().to_string(), "A00000000001");
        for text in ["", "2000", "20000000000G", "2000000000001", "+20000000001"] {
            assert_eq!(text.parse::<Terminal>(), Err(TerminalError), "{text}");
        }
    }
}
