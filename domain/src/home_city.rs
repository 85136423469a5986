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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hotlist::{Hotlist, HotlistError},
        tap::Algorithm,
        testing::{city, hex, tap},
    };

    /// Each tap also fails every later check, so only the order gives the expected verdict.
    #[test]
    fn key_then_cryptogram_then_hotlist() -> Result<(), HotlistError> {
        let home = city("cu-2000");
        let hotlist =
            Hotlist::parse(b"issuer,card,effective_at\ncu-2000,0000000012345678,2024-01-01T03:04:05\n")?;
        let keys =
            IssuerKeys::new(home, [(1, Algorithm::TripleDes, hex("0123456789ABCDEFFEDCBA9876543210"))]);
        let judge = |tac: &str, version, grace_hours| {
            let mut tap = tap();
            tap.tac = hex(tac);
            tap.key_version = version;
            HomeCity { keys: keys.clone(), hotlist: hotlist.of(home) }.judge(&tap, grace_hours)
        };
        assert_eq!(judge("00000000", 2, 24), Verdict::UnknownKey);
        assert_eq!(judge("00000000", 1, 24), Verdict::TacInvalid);
        assert_eq!(judge("65DC916F", 1, 24), Verdict::Hotlisted);
        assert_eq!(judge("65DC916F", 1, 25), Verdict::Accepted);
        Ok(())
    }
}
