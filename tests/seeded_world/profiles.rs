//! Kinds of worlds: how long, how large, how often each fault strikes. Everything in a thousand.

use super::{dice::Dice, scheme::Prefixes};

/// One kind of world.
#[derive(Clone, Debug)]
pub struct Profile {
    pub steps: usize,
    pub batches_max: u64,
    pub records_max: usize,
    pub cycles_max: u32,
    /// Records that repeat or clash with earlier ones.
    pub repeats: u32,
    /// Records that their home city rejects.
    pub bad: u32,
    /// Records that make their home city fail.
    pub poison: u32,
    /// Many cycles, many rulebooks, few other faults.
    pub ruley: bool,
    pub prefixes: Prefixes,
    /// Zombies of switches still commit positions.
    pub loose: bool,
    pub moves: u32,
    pub crashes: u32,
    pub homes: u32,
    pub books: u32,
    pub coordinators: u32,
    pub adapters: u32,
    pub copies: u32,
    pub rules: u32,
    pub directory: u32,
    /// Adapters' disks come back older.
    pub rolled_back: bool,
    pub zombies: u32,
    /// The log of taps acknowledges a batch and loses it.
    pub losses: u32,
    /// How often a home city's hotlist holds what it holds no more at the next question.
    pub hotlists: u32,
    /// How often the log of the book forgets its oldest messages.
    pub retention: u32,
    /// How many messages of one process may be on their way to a partition.
    pub in_flight_max: usize,
    /// A log of taps, results or parked parts loses its last messages, once.
    pub tails: bool,
    /// Some processes are of a newer version, whose messages say more.
    pub upgrades: bool,
}

impl Profile {
    /// The profile of a seed.
    pub fn of(dice: &mut Dice) -> Self {
        const LEVELS: [u32; 4] = [0, 300, 1000, 1000];
        let mut profile = Self {
            steps: dice.pick(&[800, 1_800, 3_200]),
            batches_max: dice.pick(&[2, 3, 5, 7]),
            records_max: dice.pick(&[1, 2, 4]),
            cycles_max: dice.pick(&[2, 4, 8]),
            repeats: dice.pick(&[100, 400]),
            bad: 150,
            poison: dice.pick(&[0, 0, 50]),
            ruley: dice.permille(300),
            prefixes: Prefixes::Any,
            loose: dice.permille(500),
            moves: dice.pick(&LEVELS),
            crashes: dice.pick(&LEVELS),
            homes: dice.pick(&[0, 0, 300, 1000, 1000]),
            books: dice.pick(&LEVELS),
            coordinators: dice.pick(&LEVELS),
            adapters: dice.pick(&LEVELS),
            copies: dice.pick(&LEVELS),
            rules: dice.pick(&LEVELS),
            directory: dice.pick(&[0, 0, 300, 1000, 1000]),
            rolled_back: dice.permille(250),
            zombies: dice.pick(&[0, 500, 1000]),
            losses: dice.pick(&[0, 0, 0, 0, 0, 0, 0, 100]),
            hotlists: dice.pick(&[0, 0, 300]),
            retention: dice.pick(&[0, 0, 1000]),
            in_flight_max: dice.pick(&[1, 2, 1_000, 1_000]),
            tails: dice.permille(120),
            upgrades: dice.permille(300),
        };
        if profile.ruley {
            profile.become_ruley(dice);
        }
        profile
    }

    /// Nothing happens by itself.
    pub fn still() -> Self {
        Self {
            steps: 0,
            batches_max: 0,
            records_max: 1,
            cycles_max: 0,
            repeats: 0,
            bad: 0,
            poison: 0,
            ruley: false,
            prefixes: Prefixes::Any,
            loose: false,
            moves: 0,
            crashes: 0,
            homes: 1,
            books: 0,
            coordinators: 0,
            adapters: 0,
            copies: 0,
            rules: 0,
            directory: 0,
            rolled_back: false,
            zombies: 0,
            losses: 0,
            hotlists: 0,
            retention: 0,
            in_flight_max: 1_000,
            tails: false,
            upgrades: false,
        }
    }

    /// Home cities answer everything, some time: nothing is ever set aside.
    pub fn always_answered(&self) -> bool {
        self.homes == 0 && self.poison == 0 && self.directory == 0 && !self.tails
    }

    fn become_ruley(&mut self, dice: &mut Dice) {
        for often in [
            &mut self.moves,
            &mut self.crashes,
            &mut self.books,
            &mut self.coordinators,
            &mut self.adapters,
            &mut self.copies,
            &mut self.directory,
            &mut self.zombies,
        ] {
            *often = *often * 3 / 10;
        }
        self.rules = 1000;
        self.homes = dice.pick(&[0, 200, 1000]);
        self.prefixes = Prefixes::Seldom;
        self.cycles_max = 14;
        self.batches_max = 14;
        self.steps = 5_000;
        self.repeats = 600;
        self.bad = 50;
        self.records_max = 4;
    }

    /// The book and the cut-offs alone: days, windows, prefixes, members, late verdicts; much denser.
    pub fn book_only(dice: &mut Dice) -> Self {
        let mut profile = Self::of(dice);
        profile.become_ruley(dice);
        profile.ruley = true;
        profile.prefixes = if dice.permille(500) { Prefixes::Mostly } else { Prefixes::Seldom };
        profile.records_max = 2;
        profile.homes = 1000;
        profile.steps = dice.pick(&[60, 150, 300]);
        profile
    }
}
