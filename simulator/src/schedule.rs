//! What is special about which record: a fixed share for everything that can become of one.

use crate::dice::Dice;

/// What a record is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// A tap of a traveller.
    Regular,
    /// A tap of one of the city's own cards.
    Local,
    /// A line that is no record.
    Malformed,
    /// From another participant's terminal, or nobody's.
    ForeignTerminal,
    /// A card of a city that is no member.
    UnknownIssuer,
    /// A card of a suspended city.
    IssuerSuspended,
    /// Tapped after tomorrow.
    Future,
    /// Tapped too long ago.
    Late,
    /// Tapped as long ago as just allowed.
    OldestInTime,
    /// Tapped in the last days.
    PreviousDays,
    /// Tapped tomorrow, which is still allowed.
    NextDay,
    /// A key version or algorithm that the home city does not have.
    UnknownKey,
    /// A wrong cryptogram.
    TacInvalid,
    /// A wrong cryptogram; the right record comes later.
    Garbled,
    /// The right record after a garbled one.
    Repaired,
    /// A card that is on the hotlist.
    Hotlisted,
    /// A card that is on the hotlist, in the last second of grace.
    InGrace,
    /// The first second in which a card is hot.
    JustHot,
    /// A card of a city that is dark today.
    Dark,
    /// A record of this file again.
    DuplicateHere,
    /// A record of an earlier file again.
    DuplicateBefore,
    /// Other content under an identity of this file.
    ConflictHere,
    /// Other content under an identity of an earlier file.
    ConflictBefore,
    /// A card of another home city under a used identity.
    ConflictOtherIssuer,
    /// A card of the other scheme with a used terminal number and sequence: no conflict.
    OtherScheme,
}

impl Intent {
    /// The same on a real ride, whose time, place and fare are left alone.
    pub(crate) const fn on_base(self) -> Self {
        match self {
            Self::Malformed
            | Self::ForeignTerminal
            | Self::Future
            | Self::Late
            | Self::OldestInTime
            | Self::PreviousDays
            | Self::NextDay
            | Self::InGrace
            | Self::JustHot => Self::Regular,
            other => other,
        }
    }
}

/// How many of [`SLOTS`] records are meant to be what; the rest is regular.
const SHARES: [(Intent, usize); 24] = [
    (Intent::Local, 60),
    (Intent::PreviousDays, 30),
    (Intent::Malformed, 6),
    (Intent::Dark, 6),
    (Intent::DuplicateHere, 3),
    (Intent::DuplicateBefore, 3),
    (Intent::TacInvalid, 3),
    (Intent::ForeignTerminal, 2),
    (Intent::UnknownIssuer, 2),
    (Intent::IssuerSuspended, 2),
    (Intent::Future, 2),
    (Intent::Late, 2),
    (Intent::OldestInTime, 2),
    (Intent::NextDay, 2),
    (Intent::UnknownKey, 2),
    (Intent::Garbled, 2),
    (Intent::Repaired, 2),
    (Intent::Hotlisted, 2),
    (Intent::ConflictHere, 2),
    (Intent::ConflictBefore, 2),
    (Intent::InGrace, 1),
    (Intent::JustHot, 1),
    (Intent::ConflictOtherIssuer, 1),
    (Intent::OtherScheme, 1),
];

/// After so many records the shares begin anew.
const SLOTS: usize = 2_000;

/// Says of each record, by its number in the whole scheme, what it is meant to be.
pub(crate) struct Schedule {
    slots: Vec<(Intent, u64)>,
}

impl Schedule {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let mut slots: Vec<(Intent, u64)> = SHARES
            .iter()
            .flat_map(|(intent, share)| (0..*share).zip(0..).map(|(_, rank)| (*intent, rank)))
            .collect();
        slots.resize(SLOTS, (Intent::Regular, 0));
        for last in (1..slots.len()).rev() {
            slots.swap(last, dice.index(last + 1));
        }
        Self { slots }
    }

    pub(crate) fn intent(&self, record: u64) -> Intent {
        self.slot(record).0
    }

    /// How many malformed records there are before this one, if it is malformed itself.
    pub(crate) fn malformed_before(&self, record: u64) -> u64 {
        let share =
            SHARES.iter().find(|(intent, _)| *intent == Intent::Malformed).map_or(0, |(_, share)| *share);
        let round = record / u64::try_from(SLOTS).unwrap_or(1);
        round * u64::try_from(share).unwrap_or(0) + self.slot(record).1
    }

    fn slot(&self, record: u64) -> (Intent, u64) {
        let slots = u64::try_from(self.slots.len()).unwrap_or(1);
        self.slots[usize::try_from(record % slots).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_intent_occurs_as_often_as_stated_wherever_one_begins() {
        let schedule = Schedule::new(&mut Dice::new(1, 0));
        for (intent, share) in SHARES {
            let found = (777..2_777).filter(|record| schedule.intent(*record) == intent).count();
            assert_eq!(found, share, "{intent:?}");
        }
        let mut malformed: Vec<u64> = (0..4_000)
            .filter(|record| schedule.intent(*record) == Intent::Malformed)
            .map(|record| schedule.malformed_before(record))
            .collect();
        malformed.sort_unstable();
        assert_eq!(malformed, (0..12).collect::<Vec<_>>());
    }
}
