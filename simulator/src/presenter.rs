//! A city's records, one after the other, with what must come of each.

use domain::{
    city::{City, Scheme},
    date::{Date, LocalTime},
    tap::{Algorithm, Tap},
};

use crate::{
    dice::Dice,
    judge::{Expected, Presented, judge},
    memory::{Kept, Memory},
    record::Record,
    schedule::Intent,
    tapper::{Ride, Tapper, terminal_number},
    world::{Membership, World, card_serial},
};

mod repeat;

/// The most terminals that a city has.
const TERMINALS_MAX: u64 = 4_000;

/// The most cards of one home city that travel in another.
const TRAVELLERS_MAX: u64 = 3_000;

/// Every so many regular records, one is remembered to be presented again.
const REMEMBERED_EVERY: u64 = 7;

/// No participant has this code, and no terminal this prefix.
const NOBODY: [u8; 4] = *b"EEEE";

/// Makes one city's records.
pub(crate) struct Presenter<'w> {
    world: &'w World,
    acquirer: usize,
    date: Date,
    dice: Dice,
    tapper: Tapper,
    /// Card counters by home city and number of the traveller.
    counters: Vec<Vec<u16>>,
    travellers: usize,
    memory: Memory,
    fresh: u64,
}

/// A record and what must come of it.
pub(crate) type Outcome = (Presented, Expected);

impl<'w> Presenter<'w> {
    /// `taps` is about how many records the city will present a day.
    pub(crate) fn new(world: &'w World, acquirer: usize, taps: u64) -> Self {
        let mut dice = world.dice(acquirer);
        let participant = &world.participants[acquirer];
        let terminals = u32::try_from((taps / 20).clamp(24, TERMINALS_MAX)).unwrap_or(24);
        let tapper = Tapper::new(&participant.prefixes, &participant.name_zh, 1, terminals, &mut dice);
        let cities = u64::try_from(world.participants.len()).unwrap_or(1);
        let travellers = usize::try_from((taps / cities / 2).clamp(4, TRAVELLERS_MAX)).unwrap_or(4);
        Self {
            world,
            acquirer,
            date: world.first_date,
            dice,
            tapper,
            counters: vec![Vec::new(); world.participants.len()],
            travellers,
            memory: Memory::default(),
            fresh: 0,
        }
    }

    /// A new file begins, to be taken on `date`.
    pub(crate) fn begin_file(&mut self, date: Date) {
        self.date = date;
        self.memory.end_file();
    }

    /// The next tap on one of the city's terminals, `at` of `count` of the day.
    pub(crate) fn ride(&mut self, at: u64, count: u64) -> Ride {
        let second = crate::tapper::second_of_day(at, count, &mut self.dice);
        self.tapper.ride(LocalTime { date: self.date, second }, &mut self.dice)
    }

    /// A record of this ride, as much as meant as can be.
    pub(crate) fn fresh(&mut self, intent: Intent, mut ride: Ride) -> Outcome {
        let mut some = |most: u32| i32::try_from(self.dice.below(most)).unwrap_or(0);
        let shift_days = match intent {
            Intent::Future => 2 + some(5),
            Intent::Late => -11 - some(20),
            Intent::OldestInTime => -10,
            Intent::PreviousDays => -1 - some(3),
            Intent::NextDay => 1,
            _ => 0,
        };
        ride.tapped_at.date = ride.tapped_at.date.plus_days(shift_days);
        if intent == Intent::ForeignTerminal {
            (ride.terminal, ride.foreign) = (self.foreign_terminal(), true);
        }
        match intent {
            Intent::Hotlisted | Intent::InGrace | Intent::JustHot => self.with_hot_card(intent, ride),
            Intent::UnknownIssuer => self.with_unknown_card(ride),
            Intent::UnknownKey => self.with_unknown_key(ride),
            Intent::TacInvalid | Intent::Garbled => self.with_wrong_tac(intent, ride),
            _ => {
                let issuer = self.home_city(intent);
                let presented = self.dress(&ride, issuer);
                self.first(presented, matches!(intent, Intent::Regular | Intent::Dark))
            }
        }
    }

    /// A good record of this ride, for a line that will be damaged.
    pub(crate) fn undamaged(&mut self, ride: &Ride) -> Record {
        let issuer = self.home_city(Intent::Regular);
        self.dress(ride, issuer).record
    }

    /// Presents a record under an identity of its own.
    fn first(&mut self, presented: Presented, may_repeat: bool) -> Outcome {
        let mut holder = None;
        let expected = judge(self.world, self.acquirer, self.date, &presented, &mut holder);
        self.fresh += 1;
        let remembered = self.fresh.is_multiple_of(REMEMBERED_EVERY)
            || self.memory.is_empty_here()
            || matches!(expected, Expected::Waits { .. });
        if may_repeat && remembered && expected != Expected::Local {
            self.memory.keep(Kept::new(presented.clone(), holder, &expected, self.date));
        }
        (presented, expected)
    }

    /// The home city of the card of a record that is meant so.
    fn home_city(&mut self, intent: Intent) -> usize {
        let (world, date, acquirer) = (self.world, self.date, self.acquirer);
        let wanted = match intent {
            Intent::Local => Some(acquirer),
            Intent::Dark => world.any(&mut self.dice, |place| {
                place != acquirer
                    && world.is_dark(place, date)
                    && world.membership(Some(place), date) == Membership::Member
            }),
            Intent::IssuerSuspended => world.any(&mut self.dice, |place| {
                place != acquirer && world.membership(Some(place), date) == Membership::Suspended
            }),
            _ => None,
        };
        wanted.unwrap_or_else(|| world.traveller(acquirer, &mut self.dice))
    }

    fn with_hot_card(&mut self, intent: Intent, mut ride: Ride) -> Outcome {
        let issuer = self.home_city(intent);
        let cards = &self.world.participants[issuer].hot;
        let [long @ .., just] = cards.as_slice() else { return self.fresh(Intent::Regular, ride) };
        let hot = if intent == Intent::Hotlisted { self.dice.pick(long) } else { *just };
        let noon = LocalTime { date: self.world.first_date, second: 12 * 3600 };
        match intent {
            Intent::InGrace => ride.tapped_at = LocalTime { second: noon.second - 1, ..noon },
            Intent::JustHot => ride.tapped_at = noon,
            _ => {}
        }
        let mut presented = self.dress(&ride, issuer);
        presented.record.tap.card = hot.card;
        presented.hot_from = Some(hot.effective_at);
        self.world.sign(issuer, &mut presented.record.tap);
        self.first(presented, false)
    }

    /// A card of a city that is no member today, that never was one, or whose code only the other
    /// scheme has.
    fn with_unknown_card(&mut self, ride: Ride) -> Outcome {
        let (world, date, acquirer) = (self.world, self.date, self.acquirer);
        let former = world.any(&mut self.dice, |place| {
            place != acquirer && world.membership(Some(place), date) == Membership::None
        });
        let twin = City::new(Scheme::TUnion, world.participants[0].city.code());
        let twin = twin.ok().filter(|city| world.place(*city).is_none());
        let stranger = City::new(Scheme::CityUnion, NOBODY).ok();
        let mut presented = self.dress(&ride, former.unwrap_or(acquirer));
        if let Some(city) =
            self.dice.pick(&[former.map(|place| world.participants[place].city), twin, stranger]).or(stranger)
        {
            presented.record.issuer = city;
            presented.issuer = world.place(city);
            presented.record.tap.card = card_serial(city, self.acquirer_number(), self.dice.below(1_000));
        }
        self.first(presented, false)
    }

    fn with_unknown_key(&mut self, ride: Ride) -> Outcome {
        let issuer = self.home_city(Intent::UnknownKey);
        let mut presented = self.dress(&ride, issuer);
        let tap = &mut presented.record.tap;
        if self.dice.chance(1, 2) {
            tap.key_version = self.dice.pick(&[0, 3, 9, 255]);
        } else {
            // Each version of the test keys has one algorithm.
            tap.algorithm = if tap.algorithm == Algorithm::Sm4.index() {
                Algorithm::TripleDes.index()
            } else {
                Algorithm::Sm4.index()
            };
        }
        presented.key_known = false;
        self.first(presented, false)
    }

    fn with_wrong_tac(&mut self, intent: Intent, ride: Ride) -> Outcome {
        let issuer = self.home_city(intent);
        let mut presented = self.dress(&ride, issuer);
        if intent == Intent::Garbled {
            self.memory.repair_later(presented.clone());
        }
        let byte = self.dice.index(4);
        presented.record.tap.tac[byte] ^= 1 << self.dice.below(8);
        presented.tac_good = false;
        self.first(presented, false)
    }

    /// A terminal of another participant, or of nobody.
    fn foreign_terminal(&mut self) -> [u8; 6] {
        let acquirer = self.acquirer;
        let other = self.world.any(&mut self.dice, |place| place != acquirer);
        let number = self.dice.below(900_000);
        match other.filter(|_| self.dice.chance(2, 3)) {
            Some(other) => {
                let prefixes = &self.world.participants[other].prefixes;
                terminal_number(&prefixes[self.dice.index(prefixes.len())], number)
            }
            None => terminal_number(&String::from_utf8_lossy(&NOBODY), number),
        }
    }

    /// Gives a ride a traveller's card of that home city, and its cryptogram.
    fn dress(&mut self, ride: &Ride, issuer: usize) -> Presented {
        let number = self.dice.index(self.travellers);
        let counters = &mut self.counters[issuer];
        if counters.is_empty() {
            counters.extend((0..self.travellers).map(|n| u16::try_from(n * 37 % 20_000).unwrap_or(0)));
        }
        counters[number] = counters[number].wrapping_add(1);
        let counter = counters[number];
        let number = u32::try_from(number).unwrap_or(0);
        signed(self.world, ride, issuer, self.acquirer_number(), number, counter)
    }

    fn acquirer_number(&self) -> u16 {
        u16::try_from(self.acquirer).unwrap_or(u16::MAX - 1)
    }
}

/// A ride with the card `number` of the travellers between two cities.
pub(crate) fn signed(
    world: &World,
    ride: &Ride,
    issuer: usize,
    acquirer: u16,
    number: u32,
    counter: u16,
) -> Presented {
    let participant = &world.participants[issuer];
    let key = &participant.keys[usize::from(number % 3 == 2)];
    let mut tap = Tap {
        line: 0.into(),
        position: 0.into(),
        terminal: ride.terminal,
        terminal_seq: ride.terminal_seq.into(),
        card: card_serial(participant.city, acquirer, number),
        card_counter: counter.into(),
        type_byte: ride.type_byte,
        medium: ride.medium.index(),
        sector: ride.sector.index(),
        product: ride.product.index(),
        amount_fen: ride.amount_fen.into(),
        fare_fen: ride.fare_fen.into(),
        tapped_day: ride.tapped_at.date.julian_day().into(),
        tapped_second: ride.tapped_at.second.into(),
        key_version: key.version,
        algorithm: key.algorithm.index(),
        tac: [0; 4],
    };
    let key_known = world.sign(issuer, &mut tap);
    Presented {
        record: Record { issuer: participant.city, tap, texts: ride.texts.clone() },
        issuer: Some(issuer),
        foreign: ride.foreign,
        key_known,
        tac_good: key_known,
        hot_from: None,
    }
}
