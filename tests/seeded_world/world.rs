//! The world: all processes, one step at a time, in an order that the seed decides.

use clearing_node::coordinator::SegmentDue;
use domain::city::City;
use proto::{CycleEvent, Segment, Verdicts, cycle_event::Body};
use switch::core::NoAnswer;

use super::{
    adapting::Adapting,
    booking::Booking,
    coordinating::Coordinating,
    dice::Dice,
    env::{Env, Home, Request},
    net::{Topic, Writer},
    profiles::Profile,
    records::{bytes_of, is_poisoned},
    reference::Check,
    rendering,
    scheme::{PARTITIONS, acquirers, index_of},
    store::Rows,
};

/// All processes.
pub struct World {
    pub env: Env,
    pub adapters: Vec<Adapting>,
    /// The two that shall run, and zombies behind them.
    pub switches: Vec<super::switching::Switching>,
    /// Which process owns each acquirer.
    pub owner: std::collections::BTreeMap<City, Writer>,
    pub books: Vec<Booking>,
    pub coordinators: Vec<Coordinating>,
    /// Stores that were left behind, by partition.
    pub stores: Vec<Vec<Rows>>,
    /// The newest snapshot of each partition's store.
    pub snapshots: Vec<Rows>,
}

impl World {
    pub fn new(seed: u64, profile: Profile, dice: Dice, trace: bool) -> Result<Self, String> {
        let mut env = Env::new(seed, profile, dice, trace);
        let adapters = acquirers().map(|city| Adapting::new(&mut env, city)).collect();
        let switches = (0..2).map(|_| super::switching::Switching::new(&mut env)).collect();
        let books =
            (0..PARTITIONS).map(|p| Booking::load(&mut env, p, Rows::new())).collect::<Result<_, _>>()?;
        let coordinators = vec![Coordinating::new(&mut env)];
        let stores = (0..PARTITIONS).map(|_| Vec::new()).collect();
        let owner = std::collections::BTreeMap::new();
        let snapshots = (0..PARTITIONS).map(|_| Rows::new()).collect();
        let mut world = Self { env, adapters, switches, owner, books, coordinators, stores, snapshots };
        for city in acquirers() {
            world.give(city)?;
        }
        Ok(world)
    }

    /// Gives an acquirer to one of the two processes.
    pub fn give(&mut self, city: City) -> Check {
        let running: Vec<usize> =
            (0..self.switches.len()).filter(|place| !self.switches[*place].zombie).collect();
        let place = self.env.dice.pick(&running);
        self.owner.insert(city, self.switches[place].writer);
        self.switches[place].assign(&mut self.env, city)
    }

    /// Runs a seed to its end.
    pub fn run(&mut self) -> Check {
        for _ in 0..self.env.profile.steps {
            self.step()?;
        }
        self.settle_down()
    }

    fn step(&mut self) -> Check {
        self.env.now_ms += self.env.dice.below(12) as u64;
        if self.env.profile.ruley {
            let last = self.coordinators.len() - 1;
            self.coordinators[last].act(&mut self.env)?;
            if self.env.dice.permille(300) {
                self.answer()?;
                self.deliver()?;
            }
        }
        match self.env.dice.below(100) {
            0..30 => self.deliver().map(drop),
            30..42 => {
                let place = self.env.dice.below(self.adapters.len());
                self.adapters[place].act(&mut self.env).map(drop)
            }
            42..67 => {
                let place = self.env.dice.below(self.switches.len());
                self.switches[place].act(&mut self.env).map(drop)
            }
            67..75 => self.answer().map(drop),
            75..88 => {
                let place = self.env.dice.below(self.books.len());
                self.books[place].act(&mut self.env).map(drop)
            }
            88..94 => {
                let place = self.env.dice.below(self.coordinators.len());
                self.render_a_segment(place)?;
                self.coordinators[place].act(&mut self.env).map(drop)
            }
            _ => self.fault(),
        }
    }

    /// A node that has a partition, or had it, renders a segment that a coordinator waits for.
    pub fn render_a_segment(&mut self, coordinator: usize) -> Result<bool, String> {
        let due = self.coordinators[coordinator].segment_due(&mut self.env.dice);
        let Some(SegmentDue { cycle, partition, round }) = due else { return Ok(false) };
        let nodes: Vec<&Booking> = self.books.iter().filter(|book| book.partition == partition).collect();
        let node = nodes[self.env.dice.below(nodes.len())];
        let Some(digest) = rendering::digest(&self.env, partition, &node.rows, cycle)? else {
            return Ok(false);
        };
        let manifest_digest = digest.to_vec().into();
        let segment = Segment { cycle, partition, manifest_digest, round, lost: false };
        let event = CycleEvent { body: Some(Body::Segment(segment)) };
        self.env.net.send(node.writer, Topic::Cycles, bytes_of(&event), None);
        Ok(true)
    }

    /// Lands a message and tells its writer.
    pub fn deliver(&mut self) -> Result<bool, String> {
        let Some(landed) = self.env.deliver()? else { return Ok(false) };
        let Some((writer, ack)) = landed.ack else { return Ok(true) };
        if let Some(adapter) = self.adapters.iter_mut().find(|adapter| adapter.writer == writer) {
            adapter.acknowledged(&mut self.env, ack)?;
        } else if let Some(switch) = self.switches.iter_mut().find(|switch| switch.writer == writer) {
            switch.acknowledged(&mut self.env, ack)?;
        } else if let Some(book) = self.books.iter_mut().find(|book| book.writer == writer) {
            book.acknowledged(ack);
        }
        Ok(true)
    }

    /// A home city deals with a question, in its way.
    pub fn answer(&mut self) -> Result<bool, String> {
        let env = &mut self.env;
        if env.requests.is_empty() {
            return Ok(false);
        }
        let place = env.dice.below(env.requests.len());
        let index = index_of(env.requests[place].issuer);
        let home = env.home[index];
        if home == Home::Slow && !env.calm && env.dice.permille(800) {
            return Ok(false);
        }
        let Request { writer, issuer, id, parts } = env.requests.swap_remove(place);
        let Some(switch) = self.switches.iter_mut().find(|switch| switch.writer == writer) else {
            return Ok(true);
        };
        let poisoned = !env.calm && parts.iter().any(|taps| is_poisoned(taps));
        let said: Vec<Vec<u8>> = parts.iter().map(|taps| env.home_city_says(taps)).collect();
        let refused = |why: &str| Err(NoAnswer::Refused(why.to_owned()));
        let broken = || Err(NoAnswer::Unreachable("the connection broke".to_owned()));
        let verdicts = said.into_iter().map(|codes| Verdicts { codes: codes.into(), ..Verdicts::default() });
        let mut verdicts: Vec<Verdicts> = verdicts.collect();
        let answer = match home {
            _ if !env.endpoint[index] => broken(),
            Home::Dark if env.dice.permille(300) => return Ok(true),
            Home::Dark => broken(),
            Home::Wrong => {
                match (verdicts.last_mut(), env.dice.below(4)) {
                    (Some(last), 0) => last.codes = vec![9; last.codes.len()].into(),
                    (Some(last), 1) => last.codes = last.codes.slice(1..),
                    (Some(_), 2) => drop(verdicts.pop()),
                    (Some(last), _) => last.codes = [last.codes.as_ref(), &[0]].concat().into(),
                    (None, _) => verdicts.push(Verdicts::default()),
                }
                Ok(verdicts)
            }
            _ if poisoned && env.dice.permille(500) => refused("a record cannot be read"),
            _ if poisoned => broken(),
            _ => Ok(verdicts),
        };
        switch.answer(env, issuer, id, answer)?;
        Ok(true)
    }
}
