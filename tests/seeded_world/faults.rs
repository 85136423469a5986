//! Faults and the operator's doings.

use proto::{Adjustment, Clearing, clearing};

use super::{
    booking::Booking,
    coordinating::Coordinating,
    env::Home,
    net::{Topic, Writer},
    records::bytes_of,
    reference::Check,
    scheme::{ISSUERS, PARTITIONS, Standing, acquirers, city},
    store::Rows,
    switching::Switching,
    world::World,
};

impl World {
    /// Something happens.
    pub fn fault(&mut self) -> Check {
        let dice = &mut self.env.dice;
        let kind = dice.below(12);
        let profile = self.env.profile.clone();
        let closed = u32::try_from(self.env.checks.plans.len()).unwrap();
        let more = self.env.wanted < profile.cycles_max && self.env.wanted <= closed;
        if profile.ruley && more && dice.permille(150) {
            self.env.wanted += 1;
        }
        if profile.ruley && matches!(kind, 0 | 8 | 10) && dice.permille(350) {
            self.env.publish_rules();
            return Ok(());
        }
        if profile.tails && self.env.checks.wounded.is_empty() && dice.permille(25) {
            return self.lose_a_tail();
        }
        match kind {
            0 if dice.permille(profile.moves) => self.move_city()?,
            1 if dice.permille(profile.crashes / 2) => self.crash_switch()?,
            2 | 3 if dice.permille(profile.homes) => {
                let homes = [Home::Up, Home::Up, Home::Dark, Home::Slow, Home::Wrong];
                self.env.home[dice.below(ISSUERS)] = dice.pick(&homes);
            }
            4 if dice.permille(profile.books / 4) => self.fault_of_node()?,
            4 if dice.permille(profile.books) => self.fault_of_book()?,
            5 if dice.permille(profile.coordinators) => self.fault_of_coordinator(),
            6 if dice.permille(profile.adapters) => self.fault_of_adapter()?,
            7 if dice.permille(profile.rules) => self.env.publish_rules(),
            8 if dice.permille(profile.directory / 2) => self.change_directory(),
            9 if more && dice.permille(if profile.ruley { 800 } else { 350 }) => self.env.wanted += 1,
            10 if dice.permille(100) => self.adjust(),
            11 if dice.permille(300) => self.end_a_zombie()?,
            11 if dice.permille(profile.retention / 2) => self.forget_old_messages(),
            11 => drop(self.restore_what_stands_still()?),
            _ => {}
        }
        Ok(())
    }

    fn change_directory(&mut self) {
        let index = self.env.dice.below(ISSUERS);
        let latest = self.env.documents.last().unwrap();
        let member = latest.terms.standing[index] == Standing::Member;
        let up = !self.env.endpoint[index] || (member && self.env.dice.permille(500));
        self.set_endpoint(index, up);
    }

    /// The directory says whether a home city has an endpoint.
    pub fn set_endpoint(&mut self, index: usize, up: bool) {
        self.env.endpoint[index] = up;
        for switch in &mut self.switches {
            switch.directory_says(city(index), up);
        }
    }

    fn adjust(&mut self) {
        let env = &mut self.env;
        let (debtor, creditor) = (env.dice.below(ISSUERS), env.dice.below(ISSUERS - 1));
        let creditor = if creditor >= debtor { creditor + 1 } else { creditor };
        let adjustment = Adjustment {
            id: format!("A{}", env.dice.below(1_000_000)),
            kind: "adjustment".to_owned(),
            debtor: city(debtor).to_string(),
            creditor: city(creditor).to_string(),
            amount_fen: 1 + env.dice.below(5_000) as u64,
            ..Adjustment::default()
        };
        let message = Clearing { body: Some(clearing::Body::Adjustment(adjustment)) };
        let partition = u32::try_from(env.dice.below(usize::try_from(PARTITIONS).unwrap())).unwrap();
        for _ in 0..env.dice.pick(&[1, 1, 2]) {
            let operator = env.net.writer();
            env.net.send(operator, Topic::Clearing(partition), bytes_of(&message), None);
        }
    }

    /// A city moves to a process, perhaps without the old one knowing.
    pub fn move_city(&mut self) -> Check {
        let all: Vec<_> = acquirers().collect();
        let moved = self.env.dice.pick(&all);
        let knows = !self.env.dice.permille(self.env.profile.zombies);
        let owner = self.owner[&moved];
        if let Some(old) = self.switches.iter_mut().find(|switch| switch.writer == owner) {
            if knows {
                old.revoke(&mut self.env, moved)?;
            } else {
                old.overtaken(moved);
            }
        }
        self.give(moved)
    }

    fn crash_switch(&mut self) -> Check {
        let running: Vec<usize> = (0..self.switches.len()).filter(|at| !self.switches[*at].zombie).collect();
        let place = self.env.dice.pick(&running);
        self.replace_switch(place)
    }

    /// A process dies, or goes on as a zombie; another takes its cities.
    fn replace_switch(&mut self, place: usize) -> Check {
        let gone = self.switches[place].writer;
        self.env.trace(|| format!("switch {gone} is replaced"));
        if self.env.dice.permille(self.env.profile.zombies / 2) {
            self.switches[place].zombie = true;
        } else {
            self.kill_switch(place);
        }
        let next = Switching::new(&mut self.env);
        self.switches.push(next);
        let orphans: Vec<_> =
            self.owner.iter().filter(|(_, owner)| **owner == gone).map(|(c, _)| *c).collect();
        orphans.into_iter().try_for_each(|orphan| self.give(orphan))
    }

    fn kill_switch(&mut self, place: usize) {
        let dead = self.switches.swap_remove(place);
        self.env.net.orphan(dead.writer, &mut self.env.dice);
        self.env.requests.retain(|request| request.writer != dead.writer);
    }

    fn fault_of_book(&mut self) -> Check {
        let live: Vec<usize> = (0..self.books.len()).filter(|place| !self.books[*place].zombie).collect();
        let place = self.env.dice.pick(&live);
        self.replace_book(place)
    }

    /// A whole node goes, with every partition and as the coordinator; others take over piece by piece.
    fn fault_of_node(&mut self) -> Check {
        for partition in 0..PARTITIONS {
            let owner = |book: &Booking| !book.zombie && book.partition == partition;
            if let Some(place) = self.books.iter().position(owner) {
                self.replace_book(place)?;
            }
        }
        self.fault_of_coordinator();
        Ok(())
    }

    /// Another node takes a partition, on a store of any age.
    fn replace_book(&mut self, place: usize) -> Check {
        let partition = self.books[place].partition;
        let left_behind = &mut self.stores[usize::try_from(partition).unwrap()];
        let rows = if self.env.dice.permille(500) {
            self.books[place].rows.clone()
        } else {
            let choice = self.env.dice.below(left_behind.len() + 2);
            left_behind.push(self.books[place].rows.clone());
            if choice == 0 { Rows::new() } else { left_behind[choice - 1].clone() }
        };
        self.env.trace(|| format!("the book of partition {partition} is replaced"));
        if self.env.dice.permille(self.env.profile.zombies / 2) {
            self.books[place].zombie = true;
        } else {
            self.kill_book(place);
        }
        let next = Booking::load(&mut self.env, partition, rows)?;
        self.books.push(next);
        Ok(())
    }

    pub fn kill_book(&mut self, place: usize) {
        let dead = self.books.swap_remove(place);
        self.env.net.orphan(dead.writer, &mut self.env.dice);
    }

    fn fault_of_coordinator(&mut self) {
        let last = self.coordinators.len() - 1;
        if self.env.dice.permille(self.env.profile.zombies) {
            self.coordinators[last].zombie = true;
        } else {
            self.kill_coordinator(last);
        }
        let next = Coordinating::new(&mut self.env);
        self.coordinators.push(next);
    }

    fn kill_coordinator(&mut self, place: usize) {
        let dead = self.coordinators.remove(place);
        self.env.net.orphan(dead.writer, &mut self.env.dice);
    }

    fn fault_of_adapter(&mut self) -> Check {
        let place = self.env.dice.below(self.adapters.len());
        let adapter = &mut self.adapters[place];
        let rolled = self.env.checks.rolled_back.contains(&adapter.city);
        if self.env.profile.rolled_back && !rolled && self.env.dice.permille(300) {
            adapter.roll_back(&mut self.env);
        }
        adapter.crash(&mut self.env)
    }

    fn end_a_zombie(&mut self) -> Check {
        let mut zombies: Vec<Writer> = Vec::new();
        zombies.extend(self.switches.iter().filter(|z| !z.haunted().is_empty()).map(|z| z.writer));
        zombies.extend(self.books.iter().filter(|z| z.zombie).map(|z| z.writer));
        zombies.extend(self.coordinators.iter().filter(|z| z.zombie).map(|z| z.writer));
        if zombies.is_empty() {
            return Ok(());
        }
        let zombie = self.env.dice.pick(&zombies);
        self.end_zombie(zombie)
    }

    /// All that one process does as a zombie ends.
    pub fn end_zombie(&mut self, writer: Writer) -> Check {
        if let Some(place) = self.switches.iter().position(|switch| switch.writer == writer) {
            if self.switches[place].zombie {
                self.kill_switch(place);
            } else {
                for haunted in self.switches[place].haunted() {
                    self.switches[place].revoke(&mut self.env, haunted)?;
                }
            }
        } else if let Some(place) = self.books.iter().position(|book| book.writer == writer) {
            self.kill_book(place);
        } else if let Some(place) = self.coordinators.iter().position(|c| c.writer == writer) {
            self.kill_coordinator(place);
        }
        Ok(())
    }

    /// Every zombie ends, and some things start once more.
    pub fn end_all_faults(&mut self) -> Check {
        let switches = self.switches.iter().filter(|z| !z.haunted().is_empty()).map(|z| z.writer);
        let books = self.books.iter().filter(|z| z.zombie).map(|z| z.writer);
        let coordinators = self.coordinators.iter().filter(|z| z.zombie).map(|z| z.writer);
        let zombies: Vec<Writer> = switches.chain(books).chain(coordinators).collect();
        for zombie in zombies {
            self.end_zombie(zombie)?;
        }
        self.env.profile.zombies = 0;
        for restarts in 0..2 {
            if self.env.dice.permille(300) {
                self.replace_switch(restarts)?;
            }
        }
        if self.env.dice.permille(300) {
            self.fault_of_coordinator();
        }
        Ok(())
    }
}
