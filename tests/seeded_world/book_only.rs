//! The book and the cut-offs alone: no processes, messages go straight to the log. Much denser in days,
//! windows, prefixes, members and late verdicts, and the one place with pauses between two cycles.

use domain::{city::City, date::Date};

use super::{
    booking::Booking,
    centre::Centre,
    dice::Dice,
    env::Env,
    net::Topic,
    profiles::Profile,
    reference::Check,
    scheme::{FIRST_DATE, PARTITIONS, acquirers},
    store::Rows,
};

/// A seed of this world.
pub fn run(seed: u64, profile: Profile, dice: Dice, trace: bool) -> Check {
    let env = Env::new(seed, profile, dice, trace);
    let mut world = BookOnly(Centre::new(env)?);
    world.open()?;
    for _ in 0..world.0.env.profile.steps {
        world.step()?;
    }
    world.check_end()
}

struct BookOnly(Centre);

impl BookOnly {
    fn step(&mut self) -> Check {
        let env = &mut self.0.env;
        match env.dice.below(100) {
            _ if !env.is_open() && env.dice.permille(500) => self.open(),
            0..50 if env.is_open() => self.outcome(),
            50..60 => self.late_verdicts(),
            60..64 => self.copy(),
            64..77 => {
                env.publish_rules();
                Ok(())
            }
            77.. if env.is_open() => self.cut_off(),
            _ => Ok(()),
        }
    }

    fn outcome(&mut self) -> Check {
        let all: Vec<City> = acquirers().collect();
        let city = self.0.env.dice.pick(&all);
        let records = self.0.env.new_records(city);
        self.0.present(city, &records, |env, _| env.dice.permille(800)).map(drop)
    }

    fn any_partition(&mut self) -> u32 {
        u32::try_from(self.0.env.dice.below(usize::try_from(PARTITIONS).unwrap())).unwrap()
    }

    fn late_verdicts(&mut self) -> Check {
        let partition = self.any_partition();
        let parked = self.0.env.partitions[usize::try_from(partition).unwrap()].reference.parked().len();
        let place = self.0.env.dice.below(parked);
        self.0.answer(partition, place)
    }

    /// An earlier message lands once more.
    fn copy(&mut self) -> Check {
        let partition = self.any_partition();
        let end = usize::try_from(self.0.env.log.end(Topic::Clearing(partition))).unwrap();
        let offset = self.0.env.dice.below(end) as u64;
        self.0.again(partition, offset)
    }

    fn open(&mut self) -> Check {
        let (date, version) = self.wish();
        self.0.open(date, version)
    }

    fn cut_off(&mut self) -> Check {
        let wish = self.wish();
        let opens = (!self.0.env.dice.permille(200)).then_some(wish);
        self.0.cut_off(opens)
    }

    /// The business date and the version that somebody wants next.
    fn wish(&mut self) -> (Date, u32) {
        let Some(last) = self.0.core.last_opening().cloned() else {
            return (Date::from_julian_day(FIRST_DATE), 1);
        };
        let env = &mut self.0.env;
        let latest = env.latest_version();
        let span = usize::try_from(latest.saturating_sub(last.rulebook_version)).unwrap() + 1;
        let any = last.rulebook_version + u32::try_from(env.dice.below(span)).unwrap();
        let version = if env.dice.permille(500) { any } else { latest };
        let days = if env.dice.permille(30) { -2 } else { env.dice.pick(&[0, 1, 1, 1, 2]) };
        (Date::from_julian_day(last.business_date + days), version)
    }

    /// Nodes that fold in groups and start from the store in between come to the same rows.
    fn check_end(&mut self) -> Check {
        let env = &mut self.0.env;
        env.checks.markers_are_copies()?;
        env.calm = true;
        for partition in 0..PARTITIONS {
            let mut node = Booking::load(env, partition, Rows::new())?;
            while node.fold(env)? || !node.has_read_all(env) {
                if env.dice.permille(300) {
                    node = Booking::load(env, partition, node.rows)?;
                }
            }
            node.compare(&env.partitions[usize::try_from(partition).unwrap()].rows)?;
            super::rendering::all_cycles(env, partition, &node.rows)?;
        }
        Ok(())
    }
}
