//! Cities that go on tapping: further tap files for a scheme that was simulated.

use domain::{city::City, date::LocalTime};

use crate::{
    dice::Dice,
    presenter::signed,
    record::{HEADER, Quoting},
    tapper::Tapper,
    world::{Membership, World},
};

/// Terminals of a live city; their numbers are apart from those of simulated files.
const TERMINALS: u32 = 40;

/// The number of the first of them.
const FIRST_TERMINAL: u32 = 900_001;

/// Travellers' cards of one home city in a live city.
const TRAVELLERS: u32 = 500;

/// A city that makes tap files for ever. What a file holds follows from the world, the city, the
/// time and the number of taps made before, and from nothing else.
pub struct LiveCity<'w> {
    world: &'w World,
    place: usize,
    tapper: Tapper,
    counter: u64,
}

impl<'w> LiveCity<'w> {
    /// The city, after `counter` taps of its life; `None` if it is no participant. To go on after a
    /// restart, give the [`LiveCity::counter`] of the last file that was kept.
    #[must_use]
    pub fn new(world: &'w World, city: City, counter: u64) -> Option<Self> {
        let place = world.place(city)?;
        let participant = &world.participants[place];
        let mut dice = world.live_dice(place, u64::MAX);
        let tapper =
            Tapper::new(&participant.prefixes, &participant.name_zh, FIRST_TERMINAL, TERMINALS, &mut dice);
        Some(Self { world, place, tapper, counter })
    }

    /// Taps made so far.
    #[must_use]
    pub const fn counter(&self) -> u64 {
        self.counter
    }

    /// The next tap file: `taps` taps within the minute before `around`, header included. About one
    /// in 200 has a wrong cryptogram, one in 200 repeats the one before it, one in 500 is of a card
    /// on the hotlist.
    pub fn next_file(&mut self, taps: u32, around: LocalTime) -> Vec<u8> {
        let mut file = format!("{HEADER}\n").into_bytes();
        let mut dice = self.world.live_dice(self.place, self.counter);
        let mut last = None;
        for at in 0..taps {
            let ago = u32::try_from(u64::from(taps - at) * 60 / u64::from(taps)).unwrap_or(0);
            let tapped_at = LocalTime { second: around.second.saturating_sub(ago), ..around };
            let repeated = last.take().filter(|_| dice.chance(1, 200));
            let record = repeated.unwrap_or_else(|| self.record(tapped_at, &mut dice));
            record.write(Quoting::Needed, &mut file);
            file.push(b'\n');
            last = Some(record);
        }
        file
    }

    fn record(&mut self, tapped_at: LocalTime, dice: &mut Dice) -> crate::record::Record {
        let (number, world) = (self.counter, self.world);
        self.counter += 1;
        let ride = self.tapper.ride_in_turn(number, tapped_at, dice);
        let mut issuer = world.traveller(self.place, dice);
        if world.membership(Some(issuer), tapped_at.date) != Membership::Member {
            issuer = world.traveller(self.place, dice);
        }
        let card = dice.below(TRAVELLERS);
        let card_counter = u16::try_from(number / u64::from(TRAVELLERS) % 65_536).unwrap_or(0);
        let acquirer = u16::try_from(self.place).unwrap_or(u16::MAX - 1);
        let mut record = signed(world, &ride, issuer, acquirer, TRAVELLERS_FROM + card, card_counter).record;
        match dice.below(1_000) {
            0..5 => record.tap.tac[0] ^= 1,
            5..7 => {
                record.tap.card = world.participants[issuer].hot[0].card;
                world.sign(issuer, &mut record.tap);
            }
            _ => {}
        }
        record
    }
}

/// The cards of live travellers are apart from those of simulated files.
const TRAVELLERS_FROM: u32 = 1_000_000;
