//! Faults have stopped: everything must come to its end.

use domain::city::City;

use super::{
    booking::Booking,
    checks::step,
    env::Home,
    net::Topic,
    reference::Check,
    scheme::{ISSUERS, PARTITIONS, Standing, acquirers, partition_of},
    store::Rows,
    world::World,
};

/// Rounds without any progress after which time makes a jump.
const IDLE_ROUNDS: u32 = 3;
/// Rounds in all.
const ROUNDS_MAX: u32 = 4_000;
/// Jumps of time in a row that change nothing.
const JUMPS_MAX: u32 = 12;

impl World {
    /// No more faults: lets everything run dry, closes some more cycles, and checks the end.
    pub fn settle_down(&mut self) -> Check {
        self.end_all_faults()?;
        self.env.calm = true;
        self.env.trace(|| "calm".to_owned());
        while self.deliver()? {}
        self.regain_positions()?;
        self.settle_home_cities();
        self.env.wanted = self.env.wanted.max(u32::try_from(self.env.checks.plans.len()).unwrap());
        let (mut extra, mut idle, mut jumps) = (3, 0, 0);
        for _ in 0..ROUNDS_MAX {
            self.env.now_ms += 5;
            if self.round()? {
                (idle, jumps) = (0, 0);
                continue;
            }
            idle += 1;
            if idle < IDLE_ROUNDS {
                continue;
            }
            idle = 0;
            let closed = (1..=self.env.wanted).all(|cycle| self.env.checks.plans.contains_key(&cycle));
            if closed && extra > 0 {
                extra -= 1;
                self.env.wanted += 1;
            } else if closed && self.check_end().is_ok() {
                return self.check_books();
            } else if jumps < JUMPS_MAX {
                jumps += 1;
                self.env.now_ms += 50 << jumps;
            } else {
                break;
            }
        }
        self.check_end()?;
        Err("the world never comes to rest".to_owned())
    }

    /// A zombie may have moved a position back: its city starts once more from there.
    fn regain_positions(&mut self) -> Check {
        for city in acquirers() {
            let owner = self.owner[&city];
            if let Some(switch) = self.switches.iter_mut().find(|switch| switch.writer == owner) {
                switch.revoke(&mut self.env, city)?;
            }
            self.give(city)?;
        }
        Ok(())
    }

    /// Members answer, others do not; the rules of the last cycle, marked or not, say who is one.
    fn settle_home_cities(&mut self) {
        let digest = self.env.checks.openings.values().last().map(|opening| opening.rulebook_digest.clone());
        let ruling =
            self.env.documents.iter().find(|d| {
                digest.as_ref().is_none_or(|digest| d.rulebook.digest().as_slice() == digest.as_ref())
            });
        let Some(ruling) = ruling.cloned() else { return };
        for index in 0..ISSUERS {
            let standing = ruling.terms.standing[index];
            self.env.home[index] = if standing == Standing::Member { Home::Up } else { Home::Dark };
            self.set_endpoint(index, standing == Standing::Member);
        }
    }

    /// Everybody gets a turn; whether anything happened.
    fn round(&mut self) -> Result<bool, String> {
        let mut hit = false;
        self.env.quiet = self.is_quiet();
        while self.deliver()? {
            hit = true;
        }
        for place in 0..self.adapters.len() {
            for _ in 0..12 {
                hit |= self.adapters[place].act(&mut self.env)?;
            }
        }
        for place in 0..self.switches.len() {
            for _ in 0..24 {
                hit |= self.switches[place].act(&mut self.env)?;
            }
            hit |= self.switches[place].tick(&mut self.env)?;
        }
        while self.answer()? {
            hit = true;
        }
        hit |= self.restore_what_stands_still()?;
        for place in 0..self.books.len() {
            for _ in 0..6 {
                hit |= self.books[place].fold(&mut self.env)?;
                hit |= self.books[place].send(&mut self.env);
            }
        }
        for place in 0..self.coordinators.len() {
            hit |= self.render_a_segment(place)?;
            for _ in 0..20 {
                hit |= self.coordinators[place].act(&mut self.env)?;
            }
        }
        Ok(hit)
    }

    /// Whether everything presented has reached the book, so that a cycle may end before the next is known: as
    /// when one business day is cleared after the other.
    fn is_quiet(&self) -> bool {
        let passed = |city: City| self.env.committed[&city].0 == self.env.log.end(Topic::Taps(city));
        self.env.stopped().is_empty()
            && self.env.checks.rolled_back.is_empty()
            && self.adapters.iter().all(|adapter| adapter.has_taken_all() && passed(adapter.city))
    }

    /// Nothing lost, nothing for ever open, everything consumed.
    fn check_end(&self) -> Check {
        let env = &self.env;
        let ended = |city: City| env.stopped().contains(&city) || env.checks.lost_unseen(city);
        for adapter in self.adapters.iter().filter(|adapter| !ended(adapter.city)) {
            let city = adapter.city;
            let partition = &env.partitions[usize::try_from(partition_of(city)).unwrap()];
            if env.checks.wounded.contains(&city) {
                // Nobody says that all is well where it is not.
                if !adapter.waits() && !partition.reference.parked().iter().any(|part| part.0 == city) {
                    adapter.check_end(env)?;
                }
                continue;
            }
            adapter.check_end(env)?;
            env.checks.nothing_owed(city)?;
            let owner = self.switches.iter().find(|switch| switch.writer == self.owner[&city]);
            owner.ok_or_else(|| format!("nobody owns {city}"))?.check_end(city)?;
            if env.committed[&city].0 < env.log.end(Topic::Taps(city)) {
                return Err(format!("the taps of {city} are not consumed"));
            }
            if env.committed_park[&city] < env.log.end(Topic::Parked(city)) {
                return Err(format!("the park of {city} is not consumed"));
            }
        }
        if let Some(cycle) = (1..=env.wanted).find(|cycle| !env.checks.plans.contains_key(cycle)) {
            return Err(format!("cycle {cycle} never closes"));
        }
        match env.checks.plans.keys().find(|cycle| !env.checks.published.contains(cycle)) {
            Some(cycle) => Err(format!("cycle {cycle} is never published")),
            None => Ok(()),
        }
    }

    /// A replay from zero gives the same store as the live node, and as folding message by message.
    fn check_books(&mut self) -> Check {
        self.env.checks.markers_are_copies()?;
        for partition in 0..PARTITIONS {
            let (mut rows, mut effects) = (Rows::new(), Vec::new());
            let mut book = clearing_node::book::Book::new(partition);
            let mut offset = 0;
            while let Some(payload) = self.env.log.archived(Topic::Clearing(partition), offset) {
                step(&mut book, &mut rows, offset, payload, &self.env.documents, &mut effects)?;
                offset += 1;
            }
            let folded = &self.env.partitions[usize::try_from(partition).unwrap()].rows;
            if rows != *folded {
                return Err(format!("a replay of partition {partition} gives another store"));
            }
            for live in self.books.iter().filter(|book| book.partition == partition) {
                if !live.is_idle(&self.env) {
                    return Err(format!("the node of partition {partition} is not done"));
                }
                live.compare(&rows)?;
                super::rendering::all_cycles(&self.env, partition, &live.rows)?;
                let again = Booking::load(&mut self.env, partition, live.rows.clone())?;
                again.compare(&rows)?;
            }
        }
        Ok(())
    }
}
