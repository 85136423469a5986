//! Who pays for a record by the rules: what a dispute is judged by.
//!
//! A cryptogram that is right, on a card that was not yet hot (grace included), binds the card's home city; everything
//! else stays with the city whose terminal took the card. What no rule settles waits for a person.

use std::fmt;

use crate::{
    date::LocalTime,
    result::{RecordResult, Rejection, Verdict},
};

/// What is known of a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether the terminal is one of the acquirer's.
    pub terminal_known: bool,
    /// Whether the cryptogram fits the tap, under a key that the home city has.
    pub tac_valid: bool,
    /// When it was made, local time.
    pub tapped_at: LocalTime,
    /// From when on the card is on its home city's hotlist, local time.
    pub hot_from: Option<LocalTime>,
    /// How many hours after that its home city still pays.
    pub grace_hours: u32,
}

/// Who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Payer {
    /// The card's home city.
    Issuer,
    /// The city where the card was used: it gets nothing for the ride.
    Acquirer,
    /// Nobody, until a person decides.
    Undecided,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Because {
    /// Nothing speaks against it.
    InOrder,
    /// The cryptogram is right, and the card was not hot or within the grace.
    WithinGrace,
    /// The terminal is none of the acquirer's.
    UnknownTerminal,
    /// The cryptogram is wrong, or its key is not known.
    TacInvalid,
    /// The card was hot, grace over.
    Hotlisted,
    /// Presented too late.
    Late,
    /// Tapped later than it can have been.
    Future,
    /// No member, or a suspended one, had made the card.
    NoIssuer,
    /// The same record was paid before.
    PaidOnce,
    /// Another record with the same terminal and sequence was paid before.
    Conflict,
    /// Its home city has not answered yet.
    Waiting,
}

/// Who pays by the rules, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liability {
    /// Who.
    pub payer: Payer,
    /// Why.
    pub because: Because,
}

/// Who pays for a tap: by its terminal first, then its cryptogram, then the hotlist to the second.
#[must_use]
pub fn liability(facts: &Facts) -> Liability {
    let grace = i64::from(facts.grace_hours).saturating_mul(3600);
    let since_hot = facts.hot_from.map(|hot| facts.tapped_at.seconds().saturating_sub(hot.seconds()));
    let (payer, because) = match since_hot {
        _ if !facts.terminal_known => (Payer::Undecided, Because::UnknownTerminal),
        _ if !facts.tac_valid => (Payer::Acquirer, Because::TacInvalid),
        None => (Payer::Issuer, Because::InOrder),
        Some(since) if since >= grace => (Payer::Acquirer, Because::Hotlisted),
        Some(_) => (Payer::Issuer, Because::WithinGrace),
    };
    Liability { payer, because }
}

/// Who pays for a record as its result in a closed cycle tells it.
#[must_use]
pub const fn of_result(result: RecordResult) -> Liability {
    use {Because as B, Payer as P, RecordResult as R, Rejection as J};
    let (payer, because) = match result {
        R::Cleared => (P::Issuer, B::InOrder),
        R::Duplicate => (P::Acquirer, B::PaidOnce),
        R::Conflict => (P::Undecided, B::Conflict),
        R::Parked => (P::Undecided, B::Waiting),
        R::Rejected(J::ForeignTerminal) => (P::Undecided, B::UnknownTerminal),
        R::Rejected(J::UnknownIssuer | J::IssuerSuspended) => (P::Acquirer, B::NoIssuer),
        R::Rejected(J::Future) => (P::Acquirer, B::Future),
        R::Rejected(J::Late) => (P::Acquirer, B::Late),
        R::Rejected(J::UnknownKey | J::TacInvalid) => (P::Acquirer, B::TacInvalid),
        R::Rejected(J::Hotlisted) => (P::Acquirer, B::Hotlisted),
    };
    Liability { payer, because }
}

/// The same from what the home city said.
impl From<Verdict> for Liability {
    fn from(verdict: Verdict) -> Self {
        let rejection: Option<Rejection> = verdict.into();
        of_result(rejection.map_or(RecordResult::Cleared, RecordResult::Rejected))
    }
}

impl Payer {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Issuer => "the home city of the card pays",
            Self::Acquirer => "the city where the card was used bears it",
            Self::Undecided => "nobody pays until a person decides",
        }
    }
}

impl Because {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::InOrder => "terminal, cryptogram and card are in order",
            Self::WithinGrace => "the cryptogram is right and the card was not yet hot, grace included",
            Self::UnknownTerminal => "the terminal is none of the acquirer's",
            Self::TacInvalid => "the cryptogram does not fit, or its key is not known",
            Self::Hotlisted => "the card was hot when it was used, and the grace was over",
            Self::Late => "it was presented after the window",
            Self::Future => "it says that it was made after it was presented",
            Self::NoIssuer => "the card's home city was no member, or suspended",
            Self::PaidOnce => "the same record was paid before",
            Self::Conflict => "another record with this terminal and sequence was paid before",
            Self::Waiting => "the home city has not answered yet",
        }
    }
}

impl fmt::Display for Liability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by the rules {}, because {}", self.payer.words(), self.because.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{result::ALL_RESULTS, testing::time};

    const HOT: &str = "2018-09-01T12:00:00";

    /// The table of the rules: terminal, cryptogram, hot from, tapped at, grace → who, why.
    #[test]
    fn who_pays_is_a_table() {
        use {Because as B, Payer as P};
        for (terminal_known, tac_valid, hot_from, tapped_at, grace_hours, payer, because) in [
            (true, true, None, "2018-09-02T00:00:00", 24, P::Issuer, B::InOrder),
            (true, true, Some(HOT), "2018-09-01T11:59:59", 24, P::Issuer, B::WithinGrace),
            (true, true, Some(HOT), "2018-09-01T12:00:00", 24, P::Issuer, B::WithinGrace),
            (true, true, Some(HOT), "2018-09-02T11:59:59", 24, P::Issuer, B::WithinGrace),
            (true, true, Some(HOT), "2018-09-02T12:00:00", 24, P::Acquirer, B::Hotlisted),
            (true, true, Some(HOT), "2018-09-01T11:59:59", 0, P::Issuer, B::WithinGrace),
            (true, true, Some(HOT), "2018-09-01T12:00:00", 0, P::Acquirer, B::Hotlisted),
            (true, true, Some(HOT), "2028-09-02T12:00:00", 87_600, P::Acquirer, B::Hotlisted),
            (true, false, None, "2018-09-02T00:00:00", 24, P::Acquirer, B::TacInvalid),
            (true, false, Some(HOT), "2018-09-03T00:00:00", 24, P::Acquirer, B::TacInvalid),
            (false, true, None, "2018-09-02T00:00:00", 24, P::Undecided, B::UnknownTerminal),
            (false, false, Some(HOT), "2018-09-03T00:00:00", 24, P::Undecided, B::UnknownTerminal),
        ] {
            let facts = Facts {
                terminal_known,
                tac_valid,
                tapped_at: time(tapped_at),
                hot_from: hot_from.map(time),
                grace_hours,
            };
            assert_eq!(liability(&facts), Liability { payer, because }, "{facts:?}");
        }
    }

    /// Only what is cleared is paid by the home city, as the cycle's files have it.
    #[test]
    fn results_agree_with_the_table() {
        for result in ALL_RESULTS {
            let pays = of_result(result).payer == Payer::Issuer;
            assert_eq!(pays, result == RecordResult::Cleared, "{result}");
        }
        assert_eq!(Liability::from(Verdict::Accepted).payer, Payer::Issuer);
        let hotlisted = Liability { payer: Payer::Acquirer, because: Because::Hotlisted };
        assert_eq!(Liability::from(Verdict::Hotlisted), hotlisted);
        assert_eq!(
            hotlisted.to_string(),
            "by the rules the city where the card was used bears it, because the card was hot when it was used, \
             and the grace was over"
        );
    }
}
