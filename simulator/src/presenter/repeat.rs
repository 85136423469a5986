//! Records that repeat, repair or contradict earlier ones.

use std::sync::Arc;

use domain::{
    city::Scheme,
    tap::{Medium, Product, Sector},
};

use super::{Outcome, Presenter};
use crate::{
    judge::{Expected, Presented, judge},
    memory::Kept,
    schedule::Intent,
    world::{Membership, card_serial},
};

impl Presenter<'_> {
    /// A record that repeats, repairs or contradicts an earlier one; `None` if the intent is
    /// another, or no earlier one fits.
    pub(crate) fn repeat(&mut self, intent: Intent) -> Option<Outcome> {
        match intent {
            Intent::Repaired => {
                let good = self.memory.next_repair()?;
                Some(self.first(good, true))
            }
            Intent::DuplicateHere => self.again(true, Self::same),
            Intent::DuplicateBefore => self.again(false, Self::same),
            Intent::ConflictHere => self.again(true, Self::contradicting),
            Intent::ConflictBefore => self.again(false, Self::contradicting),
            Intent::ConflictOtherIssuer => self.again(true, Self::of_other_issuer),
            Intent::OtherScheme => self.in_other_scheme(),
            _ => None,
        }
    }

    /// Presents a remembered record as `changed`.
    fn again(
        &mut self,
        here: bool,
        changed: impl FnOnce(&mut Self, &Kept) -> Option<Presented>,
    ) -> Option<Outcome> {
        let place = self.memory.any(here, &mut self.dice)?;
        let kept = self.memory.at(place).clone();
        let presented = changed(self, &kept)?;
        let kept = self.memory.at(place);
        let expected = judge(self.world, self.acquirer, self.date, &presented, &mut kept.holder);
        if kept.cleared_on.is_none() {
            kept.cleared_on = expected.cleared_on(self.date);
            kept.waited = matches!(expected, Expected::Waits { .. });
        }
        Some((presented, expected))
    }

    /// The same again, sometimes with another station, which is no content.
    fn same(&mut self, kept: &Kept) -> Option<Presented> {
        let mut presented = kept.presented.clone();
        if self.dice.chance(1, 4) {
            let [operator, line, _] = &*presented.record.texts;
            presented.record.texts = Arc::new([operator.clone(), line.clone(), "补传".to_owned()]);
        }
        Some(presented)
    }

    /// The same identity with one thing changed, and a cryptogram that fits.
    fn contradicting(&mut self, kept: &Kept) -> Option<Presented> {
        let mut presented = kept.presented.clone();
        let issuer = presented.issuer?;
        let tap = &mut presented.record.tap;
        match self.dice.below(9) {
            0 => {
                tap.amount_fen.set(tap.amount_fen.get().saturating_add(10));
                tap.fare_fen.set(tap.fare_fen.get().saturating_add(10));
            }
            1 => tap.fare_fen.set(tap.fare_fen.get().saturating_add(10)),
            2 => tap.card_counter.set(tap.card_counter.get().wrapping_add(1)),
            3 => tap.sector = (tap.sector + 1) % u8::try_from(Sector::ALL.len()).unwrap_or(1),
            4 => tap.medium = (tap.medium + 1) % u8::try_from(Medium::ALL.len()).unwrap_or(1),
            5 => tap.product = (tap.product + 1) % u8::try_from(Product::ALL.len()).unwrap_or(1),
            6 => tap.tapped_second.set(tap.tapped_second.get() ^ 1),
            7 => {
                let (acquirer, number) = (self.acquirer_number(), u32::from(u16::MAX));
                tap.card = card_serial(presented.record.issuer, acquirer, number);
            }
            _ => {
                let keys = &self.world.participants[issuer].keys;
                let other = keys.iter().find(|key| key.version != tap.key_version)?;
                (tap.key_version, tap.algorithm) = (other.version, other.algorithm.index());
            }
        }
        self.world.sign(issuer, tap);
        Some(presented)
    }

    /// A card of another city of the same scheme under an identity that was cleared before: never
    /// on the way at the same time, so that the order is certain.
    fn of_other_issuer(&mut self, kept: &Kept) -> Option<Presented> {
        let cleared_on = kept.cleared_on?;
        if cleared_on > self.date || (kept.waited && cleared_on == self.date) {
            return None;
        }
        let scheme = kept.presented.record.issuer.scheme();
        let issuer = self.reachable(scheme, kept.presented.issuer)?;
        Some(self.redress(&kept.presented, issuer))
    }

    /// A card of the other scheme with a remembered terminal and sequence: an identity of its own.
    fn in_other_scheme(&mut self) -> Option<Outcome> {
        let place = self.memory.any(true, &mut self.dice)?;
        let kept = self.memory.at(place);
        if std::mem::replace(&mut kept.in_other_scheme, true) {
            return None;
        }
        let used = kept.presented.clone();
        let scheme = match used.record.issuer.scheme() {
            Scheme::CityUnion => Scheme::TUnion,
            Scheme::TUnion => Scheme::CityUnion,
        };
        let issuer = self.reachable(scheme, None)?;
        let presented = self.redress(&used, issuer);
        Some(self.first(presented, false))
    }

    /// A member of the scheme that answers today: not the city itself, and not `but`.
    fn reachable(&mut self, scheme: Scheme, but: Option<usize>) -> Option<usize> {
        let (world, date, acquirer) = (self.world, self.date, self.acquirer);
        world.any(&mut self.dice, |place| {
            place != acquirer
                && Some(place) != but
                && world.participants[place].city.scheme() == scheme
                && world.membership(Some(place), date) == Membership::Member
                && !world.is_dark(place, date)
        })
    }

    /// The same ride with a card of another home city.
    fn redress(&mut self, presented: &Presented, issuer: usize) -> Presented {
        let mut redressed = presented.clone();
        let city = self.world.participants[issuer].city;
        let key = &self.world.participants[issuer].keys[0];
        let tap = &mut redressed.record.tap;
        tap.card = card_serial(city, self.acquirer_number(), 0);
        (tap.key_version, tap.algorithm) = (key.version, key.algorithm.index());
        self.world.sign(issuer, tap);
        redressed.record.issuer = city;
        redressed.issuer = Some(issuer);
        redressed
    }
}
