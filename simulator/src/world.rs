//! The scheme that is simulated: who takes part and when, with which keys, who is dark, which
//! cards are hot. All of it follows from the seed.

use std::collections::BTreeMap;

use domain::{
    city::{City, Scheme},
    date::{Date, LocalTime},
    keys::IssuerKeys,
    tap::{Algorithm, Tap},
};

use crate::{cities, cities::NamedCity, dice::Dice};

/// Days a tap may take to be presented.
pub(crate) const PRESENTMENT_DAYS: u16 = 10;

/// Hours after which a hotlist entry counts.
pub(crate) const GRACE_HOURS: u16 = 24;

/// The stream of random numbers that the world is made of; cities have those above.
const WORLD_STREAM: u64 = 0;

/// Sets the random numbers of live cities apart.
const LIVE: u64 = 0x4C49_5645_4C49_5645;

/// A participant of the scheme.
pub(crate) struct Participant {
    pub(crate) city: City,
    pub(crate) name_en: String,
    pub(crate) name_zh: String,
    pub(crate) joined: Date,
    pub(crate) left: Option<Date>,
    pub(crate) suspended_from: Option<Date>,
    pub(crate) suspended_until: Option<Date>,
    /// Upper-case hex digits.
    pub(crate) prefixes: Vec<String>,
    /// Business dates on which its issuer side is not reached.
    pub(crate) dark: Vec<Date>,
    pub(crate) keys: Vec<TestKey>,
    /// The same keys, ready for use.
    pub(crate) signer: IssuerKeys,
    pub(crate) hot: Vec<HotCard>,
}

/// A pair of TEST master keys.
pub(crate) struct TestKey {
    pub(crate) version: u8,
    pub(crate) algorithm: Algorithm,
    pub(crate) purchase: [u8; 16],
    pub(crate) load: [u8; 16],
}

/// A card on the hotlist.
#[derive(Clone, Copy)]
pub(crate) struct HotCard {
    pub(crate) card: [u8; 8],
    pub(crate) effective_at: LocalTime,
    /// A second row for the card, which counts for nothing because it is later.
    pub(crate) again_at: Option<LocalTime>,
}

/// What a home city is to the scheme on a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    None,
    Suspended,
    Member,
}

/// A simulated scheme.
pub struct World {
    pub(crate) seed: u64,
    pub(crate) first_date: Date,
    pub(crate) days: u32,
    pub(crate) participants: Vec<Participant>,
    places: BTreeMap<City, usize>,
    owners: BTreeMap<String, usize>,
    /// Running sum of how many cards of each participant travel.
    weights: Vec<u32>,
}

impl World {
    /// The scheme of `cities` participants (at most [`cities::CITIES_MAX`]) that a seed makes, for
    /// `days` business dates from `first_date`.
    #[must_use]
    pub fn new(seed: u64, cities: u32, first_date: Date, days: u32) -> Self {
        let mut dice = Dice::new(seed, WORLD_STREAM);
        let named = cities::first(cities);
        let prefixes = prefixes(&named);
        let mut participants: Vec<Participant> = named
            .into_iter()
            .zip(prefixes)
            .enumerate()
            .map(|(place, (named, prefixes))| participant(place, named, prefixes, first_date, &mut dice))
            .collect();
        let ordinary = cast_roles(&mut participants, first_date, days);
        let degenerate = participants.len().min(3) - usize::from(!participants.is_empty());
        if let Some(key) = participants.get_mut(degenerate).and_then(|p| p.keys.last_mut()) {
            key.purchase = equal_halves(key.purchase);
        }
        for participant in &mut participants {
            let masters = participant.keys.iter().map(|k| (k.version, k.algorithm, k.purchase));
            participant.signer = IssuerKeys::new(participant.city, masters);
        }
        let places = participants.iter().enumerate().map(|(place, p)| (p.city, place)).collect();
        let owners = participants
            .iter()
            .enumerate()
            .flat_map(|(place, p)| p.prefixes.iter().map(move |prefix| (prefix.clone(), place)))
            .collect();
        let weights = weights(participants.len(), ordinary);
        Self { seed, first_date, days, participants, places, owners, weights }
    }

    /// The participants, in the order in which they were made.
    pub fn cities(&self) -> impl Iterator<Item = City> {
        self.participants.iter().map(|participant| participant.city)
    }

    /// The random numbers of a city, apart from everybody else's.
    pub(crate) fn dice(&self, place: usize) -> Dice {
        Dice::new(self.seed, WORLD_STREAM + 1 + u64::try_from(place).unwrap_or(0))
    }

    /// The random numbers of a live city's file that begins after `counter` taps.
    pub(crate) fn live_dice(&self, place: usize, counter: u64) -> Dice {
        let place = u64::try_from(place).unwrap_or(0);
        Dice::new(self.seed ^ counter.rotate_left(24) ^ LIVE, place)
    }

    /// The random numbers of the schedule.
    pub(crate) fn schedule_dice(&self) -> Dice {
        Dice::new(self.seed, u64::MAX)
    }

    pub(crate) fn place(&self, city: City) -> Option<usize> {
        self.places.get(&city).copied()
    }

    /// Business date number `day`, 0 for the first.
    pub(crate) fn date(&self, day: u32) -> Date {
        self.first_date.plus_days(i32::try_from(day).unwrap_or(i32::MAX))
    }

    pub(crate) fn last_date(&self) -> Date {
        self.date(self.days.saturating_sub(1))
    }

    pub(crate) fn membership(&self, issuer: Option<usize>, date: Date) -> Membership {
        let Some(p) = issuer.map(|place| &self.participants[place]) else { return Membership::None };
        let suspended = p.suspended_from.is_some_and(|from| from <= date)
            && p.suspended_until.is_none_or(|until| date < until);
        if date < p.joined || p.left.is_some_and(|left| left <= date) {
            Membership::None
        } else if suspended {
            Membership::Suspended
        } else {
            Membership::Member
        }
    }

    pub(crate) fn is_always_member(&self, place: usize) -> bool {
        (0..self.days).all(|day| self.membership(Some(place), self.date(day)) != Membership::None)
    }

    pub(crate) fn is_dark(&self, issuer: usize, date: Date) -> bool {
        self.participants[issuer].dark.contains(&date)
    }

    /// Whose terminal it is: the longest prefix says.
    pub(crate) fn terminal_owner(&self, terminal: [u8; 6]) -> Option<usize> {
        let digits: String = terminal.iter().map(|byte| format!("{byte:02X}")).collect();
        (1..=digits.len()).rev().find_map(|len| self.owners.get(&digits[..len]).copied())
    }

    /// The home city of the next traveller in `acquirer`: any city but that one, the big ones more
    /// often. The city itself, if there is no other.
    pub(crate) fn traveller(&self, acquirer: usize, dice: &mut Dice) -> usize {
        let below = acquirer.checked_sub(1).map_or(0, |before| self.weights[before]);
        let own = self.weights[acquirer] - below;
        let all = self.weights.last().copied().unwrap_or(0);
        if all == own {
            return acquirer;
        }
        let mut at = dice.below(all - own);
        if at >= below {
            at += own;
        }
        self.weights.partition_point(|sum| *sum <= at)
    }

    /// How much of `taps` the participants `0..place` collect.
    pub(crate) fn taps_before(&self, place: usize, taps: u64) -> u64 {
        let sum = |place: usize| place.checked_sub(1).map_or(0, |before| self.weights[before]);
        let all = u128::from(self.weights.last().copied().unwrap_or(1));
        u64::try_from(u128::from(taps) * u128::from(sum(place)) / all).unwrap_or(u64::MAX)
    }

    /// The participants, in a turn that begins anywhere, that `fits`: the first of them.
    pub(crate) fn any(&self, dice: &mut Dice, fits: impl Fn(usize) -> bool) -> Option<usize> {
        let all = self.participants.len();
        let start = dice.index(all);
        (start..all).chain(0..start).find(|place| fits(*place))
    }

    /// Puts the right cryptogram on a tap; false, and nothing done, if its home city has no such key.
    pub(crate) fn sign(&self, issuer: usize, tap: &mut Tap) -> bool {
        let Some(tac) = self.participants[issuer].signer.tac(tap) else { return false };
        tap.tac = tac;
        true
    }
}

/// Some cards' worth of serials: home city, where they travel, and a number.
pub(crate) fn card_serial(issuer: City, traveller_of: u16, number: u32) -> [u8; 8] {
    let ([a, b], [c, d], [e, f, g, h]) =
        (issuer.code_bytes(), traveller_of.to_be_bytes(), number.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

fn participant(
    place: usize,
    named: NamedCity,
    prefixes: Vec<String>,
    first_date: Date,
    dice: &mut Dice,
) -> Participant {
    let (old, new) = match place % 8 {
        1 => (Algorithm::Sm4, Algorithm::Sm4),
        4 => (Algorithm::TripleDes, Algorithm::Sm4),
        _ => (Algorithm::TripleDes, Algorithm::TripleDes),
    };
    let mut key = |version, algorithm| TestKey { version, algorithm, purchase: dice.key(), load: dice.key() };
    let keys = vec![key(1, old), key(2, new)];
    Participant {
        hot: hot_cards(named.city, first_date, dice),
        city: named.city,
        name_en: named.name_en,
        name_zh: named.name_zh,
        joined: first_date.plus_days(-365),
        left: None,
        suspended_from: None,
        suspended_until: None,
        prefixes,
        dark: Vec::new(),
        keys,
        signer: IssuerKeys::default(),
    }
}

/// Four hot cards: three for long (one of them with a second, later row), and one that becomes hot
/// at noon of the first business date, grace included.
fn hot_cards(city: City, first_date: Date, dice: &mut Dice) -> Vec<HotCard> {
    let mut at = |days| LocalTime { date: first_date.plus_days(days), second: dice.below(86_400) };
    let (old, older, oldest, again) = (at(-40), at(-60), at(-300), at(-2));
    let noon = LocalTime { date: first_date.plus_days(-1), second: 12 * 3600 };
    [(old, None), (older, Some(again)), (oldest, None), (noon, None)]
        .into_iter()
        .zip(1..)
        .map(|((effective_at, again_at), number)| HotCard {
            card: card_serial(city, u16::MAX, number),
            effective_at,
            again_at,
        })
        .collect()
}

fn equal_halves(key: [u8; 16]) -> [u8; 16] {
    let mut equal = key;
    equal.copy_within(..8, 8);
    equal
}

/// Terminal prefixes: a city's code, unless the other scheme has a city of that code. The fifth
/// city also has terminals under a longer prefix of the first one's.
fn prefixes(named: &[NamedCity]) -> Vec<Vec<String>> {
    let schemes = named.iter().fold(BTreeMap::<[u8; 4], u32>::new(), |mut schemes, named| {
        *schemes.entry(named.city.code()).or_default() += 1;
        schemes
    });
    let code = |named: &NamedCity| String::from_utf8_lossy(&named.city.code()).into_owned();
    let mut prefixes: Vec<Vec<String>> = named
        .iter()
        .map(|named| match (schemes.get(&named.city.code()), named.city.scheme()) {
            (Some(1) | None, _) => vec![code(named)],
            (_, Scheme::CityUnion) => vec![format!("{}0", code(named)), format!("{}1", code(named))],
            (_, Scheme::TUnion) => vec![format!("{}7", code(named)), format!("{}8F", code(named))],
        })
        .collect();
    if let (Some(first), Some(fifth)) = (named.first(), prefixes.get_mut(4)) {
        fifth.push(format!("{}F", code(first)));
    }
    prefixes
}

/// Gives the last cities their parts (dark, suspended, leaving, joining) and says how many cities
/// are ordinary.
fn cast_roles(participants: &mut [Participant], first: Date, days: u32) -> usize {
    let all = participants.len();
    let second = first.plus_days(1);
    let last = first.plus_days(i32::try_from(days.saturating_sub(1)).unwrap_or(0));
    let mut ordinary = all;
    if all >= 3 {
        ordinary = all - 1;
        participants[all - 1].dark = if days >= 3 { vec![first, second] } else { vec![first] };
    }
    if all >= 4 {
        ordinary = all - 2;
        let suspended = &mut participants[all - 2];
        suspended.suspended_from = Some(if days == 1 { first } else { second });
        suspended.suspended_until = (days >= 3).then(|| first.plus_days(2));
        suspended.dark = if days == 1 { Vec::new() } else { vec![first] };
    }
    if all >= 6 {
        ordinary = all - 4;
        let leaving = &mut participants[all - 3];
        leaving.left = Some(if days == 1 { first } else { second });
        leaving.dark = if days == 1 { Vec::new() } else { vec![first] };
        participants[all - 4].joined = if days == 1 { first.plus_days(5) } else { second };
    }
    if all >= 8 && days >= 2 {
        ordinary = all - 5;
        participants[all - 5].dark = vec![last];
    }
    ordinary
}

/// Ordinary cities by rank, the first ones most; the others as little as a three-hundredth each.
fn weights(all: usize, ordinary: usize) -> Vec<u32> {
    let rank = |place: usize| 100_000 / (u32::try_from(place).unwrap_or(u32::MAX).saturating_add(6));
    let sum: u32 = (0..ordinary).map(rank).sum();
    let few = (sum / 300).max(1);
    (0..all)
        .scan(0_u32, |total, place| {
            *total += if place < ordinary { rank(place).max(1) } else { few };
            Some(*total)
        })
        .collect()
}
