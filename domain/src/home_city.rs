//! What a home city says about a tap with one of its cards.

use crate::{hotlist::IssuerHotlist, keys::IssuerKeys, result::Verdict, tap::Tap};

/// A home city's keys and hotlist.
#[derive(Clone, Debug, Default)]
pub struct HomeCity {
    /// The keys its cards are made from.
    pub keys: IssuerKeys,
    /// Its cards that must not be accepted any more.
    pub hotlist: IssuerHotlist,
}

impl HomeCity {
    /// Judges a tap: key known, cryptogram right, card not hot (in this order).
    #[must_use]
    pub fn judge(&self, tap: &Tap, grace_hours: u32) -> Verdict {
        match self.keys.tac(tap) {
            None => Verdict::UnknownKey,
            Some(tac) if tac != tap.tac => Verdict::TacInvalid,
            Some(_) if self.hotlist.is_hot(tap.card, tap.tapped_at(), grace_hours) => Verdict::Hotlisted,
            Some(_) => Verdict::Accepted,
        }
    }
}
