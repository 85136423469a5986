//! What one record becomes: the closed list of results and reasons (files contract §3).

use std::{fmt, str::FromStr};

/// What the card's home city says about a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// Key known, cryptogram right, card not on the hotlist.
    Accepted = 0,
    /// The home city has no such key version and algorithm.
    UnknownKey = 1,
    /// The cryptogram does not fit the tap.
    TacInvalid = 2,
    /// The card was on the hotlist, grace included, when it was tapped.
    Hotlisted = 3,
}

impl Verdict {
    /// The verdict of a wire byte; `None` for a byte that is no verdict.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Accepted),
            1 => Some(Self::UnknownKey),
            2 => Some(Self::TacInvalid),
            3 => Some(Self::Hotlisted),
            _ => None,
        }
    }

    /// The wire byte.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Why a record is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Rejection {
    /// The terminal belongs to another participant, or to none.
    ForeignTerminal = 16,
    /// No such home city on the cycle's business date.
    UnknownIssuer = 17,
    /// The home city is suspended on the cycle's business date.
    IssuerSuspended = 18,
    /// Tapped after the business date and its following day.
    Future = 19,
    /// Presented after the window, or tapped before the drop line.
    Late = 20,
    /// See [`Verdict::UnknownKey`].
    UnknownKey = 32,
    /// See [`Verdict::TacInvalid`].
    TacInvalid = 33,
    /// See [`Verdict::Hotlisted`].
    Hotlisted = 34,
}

/// The result of a record that the centre took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordResult {
    /// The home city pays.
    Cleared,
    /// Same identity, same content as a record already cleared: paid once.
    Duplicate,
    /// Same identity, other content: paid to nobody until a person decides.
    Conflict,
    /// Waits for its home city.
    Parked,
    /// Final, not paid.
    Rejected(Rejection),
}

/// Every result there is, in the order of their codes.
pub const ALL_RESULTS: [RecordResult; 12] = {
    use {RecordResult as R, Rejection as J};
    [
        R::Cleared,
        R::Duplicate,
        R::Conflict,
        R::Parked,
        R::Rejected(J::ForeignTerminal),
        R::Rejected(J::UnknownIssuer),
        R::Rejected(J::IssuerSuspended),
        R::Rejected(J::Future),
        R::Rejected(J::Late),
        R::Rejected(J::UnknownKey),
        R::Rejected(J::TacInvalid),
        R::Rejected(J::Hotlisted),
    ]
};

impl RecordResult {
    /// The code that stands for it on the wire and in the book.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Cleared => 1,
            Self::Duplicate => 2,
            Self::Conflict => 3,
            Self::Parked => 4,
            Self::Rejected(reason) => reason as u8,
        }
    }

    /// The result of a code; `None` for a code that stands for none.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        ALL_RESULTS.into_iter().find(|result| result.code() == code)
    }

    /// Whether nothing can change it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Parked)
    }

    /// The column `result` of the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cleared => "cleared",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Parked => "parked",
            Self::Rejected(_) => "rejected",
        }
    }

    /// The column `reason` of the contract; empty where the contract shows none.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Cleared | Self::Duplicate | Self::Conflict => "",
            Self::Parked => "issuer_unreachable",
            Self::Rejected(Rejection::ForeignTerminal) => "foreign_terminal",
            Self::Rejected(Rejection::UnknownIssuer) => "unknown_issuer",
            Self::Rejected(Rejection::IssuerSuspended) => "issuer_suspended",
            Self::Rejected(Rejection::Future) => "future",
            Self::Rejected(Rejection::Late) => "late",
            Self::Rejected(Rejection::UnknownKey) => "unknown_key",
            Self::Rejected(Rejection::TacInvalid) => "tac_invalid",
            Self::Rejected(Rejection::Hotlisted) => "hotlisted",
        }
    }

    /// The result of the columns `result` and `reason`; `None` for texts that stand for none.
    #[must_use]
    pub fn from_columns(name: &str, reason: &str) -> Option<Self> {
        ALL_RESULTS.into_iter().find(|result| result.name() == name && result.reason() == reason)
    }

    /// The column `decided_by` of the contract.
    #[must_use]
    pub const fn decided_by(self) -> &'static str {
        match self {
            Self::Cleared | Self::Duplicate | Self::Conflict => "book",
            Self::Rejected(Rejection::UnknownKey | Rejection::TacInvalid | Rejection::Hotlisted) => "issuer",
            Self::Parked | Self::Rejected(_) => "centre",
        }
    }
}

/// As `cleared`, or with its reason as `rejected:late`: how `truth.csv` spells it (files contract §1).
impl fmt::Display for RecordResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            "" => f.write_str(self.name()),
            reason => write!(f, "{}:{reason}", self.name()),
        }
    }
}

/// Why a text is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a result: expected one of the contract, such as cleared or rejected:late")]
pub struct ResultError;

impl FromStr for RecordResult {
    type Err = ResultError;
    fn from_str(text: &str) -> Result<Self, ResultError> {
        let (name, reason) = text.split_once(':').unwrap_or((text, ""));
        Self::from_columns(name, reason).ok_or(ResultError)
    }
}

impl<'de> serde::Deserialize<'de> for RecordResult {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(|e| serde::de::Error::custom(format_args!("`{text}` is {e}")))
    }
}

impl serde::Serialize for RecordResult {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl From<Verdict> for Option<Rejection> {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accepted => None,
            Verdict::UnknownKey => Some(Rejection::UnknownKey),
            Verdict::TacInvalid => Some(Rejection::TacInvalid),
            Verdict::Hotlisted => Some(Rejection::Hotlisted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back() {
        for result in ALL_RESULTS {
            assert_eq!(RecordResult::from_code(result.code()), Some(result));
            assert_eq!(result.to_string().parse(), Ok(result));
        }
        assert_eq!(RecordResult::from_code(0), None);
        for text in ["", "paid", "rejected", "cleared:late", "rejected:late:"] {
            assert_eq!(text.parse::<RecordResult>(), Err(ResultError), "{text}");
        }
        for code in 0..4 {
            assert_eq!(Verdict::from_code(code).map(Verdict::code), Some(code));
        }
        assert_eq!(Verdict::from_code(4), None);
    }
}
