//! A node that coordinates the cycles, and the operator who wants the next cut-off.

use std::{collections::VecDeque, sync::Arc};

use clearing_node::coordinator::{Coordinator, Effect, Input, SegmentDue};
use domain::date::Date;
use proto::{CycleEvent, Message, Published, TapEnd};

use super::{
    dice::Dice,
    env::Env,
    net::{Topic, Writer},
    records::bytes_of,
    scheme::{FIRST_DATE, PARTITIONS, acquirers},
};

/// One life of a coordinator.
pub struct Coordinating {
    pub writer: Writer,
    pub zombie: bool,
    core: Coordinator,
    reads: u64,
    /// Where the log of cycles ended when this life began.
    began_at: u64,
    caught_up: bool,
    known_documents: usize,
    todo: VecDeque<Effect>,
    rendering: Vec<u32>,
}

impl Coordinating {
    pub fn new(env: &mut Env) -> Self {
        Self {
            writer: env.net.writer(),
            zombie: false,
            core: Coordinator::new(PARTITIONS),
            reads: 0,
            began_at: env.log.end(Topic::Cycles),
            caught_up: false,
            known_documents: 0,
            todo: VecDeque::new(),
            rendering: Vec::new(),
        }
    }

    /// Does one thing; whether it might have changed anything.
    pub fn act(&mut self, env: &mut Env) -> Result<bool, String> {
        if let Some(effect) = self.todo.pop_front() {
            self.perform(env, effect);
            return Ok(true);
        }
        let hit = match env.dice.below(10) {
            0..6 => self.read(env)?,
            6 => self.hear(env),
            7 => {
                let given_up = env.checks.wounded.iter().filter(|_| env.calm);
                for city in env.stopped().iter().chain(given_up).copied().collect::<Vec<_>>() {
                    self.step(Input::LeftOut(city));
                }
                self.time_out(env)
            }
            8 => self.rendered(env),
            _ => self.operate(env),
        };
        match self.core.halted() {
            Some(why) => Err(format!("the close stands still: {why}")),
            None => Ok(hit),
        }
    }

    fn step(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.core.step(input, &mut effects);
        self.todo.extend(effects);
    }

    fn perform(&mut self, env: &mut Env, effect: Effect) {
        env.trace(|| format!("coordinator {}: {effect:?}", self.writer));
        match effect {
            Effect::Say(event) => env.net.send(self.writer, Topic::Cycles, bytes_of(&event), None),
            Effect::Mark(marker) => {
                let message = proto::Clearing { body: Some(proto::clearing::Body::Marker(marker)) };
                for partition in 0..PARTITIONS {
                    env.net.send(self.writer, Topic::Clearing(partition), bytes_of(&message), None);
                }
            }
            Effect::Render { cycle, .. } => self.rendering.push(cycle),
            // Nobody acts in this world.
            Effect::Refused(_) | Effect::Alarm(_) | Effect::Identify(_) | Effect::Adjust(_) => {}
        }
    }

    /// Reads the next event, or learns that there is none.
    fn read(&mut self, env: &mut Env) -> Result<bool, String> {
        if !self.caught_up && self.reads >= self.began_at {
            self.caught_up = true;
            self.step(Input::CaughtUp);
            return Ok(true);
        }
        let Some(payload) = env.log.read(Topic::Cycles, self.reads) else { return Ok(false) };
        self.reads += 1;
        let event = CycleEvent::decode(payload).map_err(|e| e.to_string())?;
        self.step(Input::Event(event));
        Ok(true)
    }

    /// News of the rules and of what the switches have passed.
    fn hear(&mut self, env: &mut Env) -> bool {
        let news = self.known_documents < env.documents.len();
        for document in &env.documents[self.known_documents..] {
            self.step(Input::Learn(Arc::clone(&document.rulebook)));
        }
        self.known_documents = env.documents.len();
        let waited = !self.core.barrier_waits_for().is_empty();
        for city in acquirers() {
            self.step(Input::Passed { city, offset: env.committed[&city].0 });
        }
        news || waited && self.core.barrier_waits_for().is_empty()
    }

    fn time_out(&mut self, env: &mut Env) -> bool {
        if env.calm || !self.caught_up || self.core.barrier_waits_for().is_empty() || !env.dice.permille(30) {
            return false;
        }
        if let Some(last) = self.core.last_opening() {
            // The cut-off may name the opening that follows: the cycle before it is the one that closes.
            let closing = if self.core.is_open() { last.cycle.saturating_sub(1) } else { last.cycle };
            env.checks.timed_out.insert(closing);
        }
        self.step(Input::BarrierTimedOut);
        true
    }

    /// A segment that it waits for.
    pub fn segment_due(&self, dice: &mut Dice) -> Option<SegmentDue> {
        let due = if self.caught_up { self.core.segments_due() } else { Vec::new() };
        due.get(dice.below(due.len())).copied()
    }

    fn rendered(&mut self, env: &mut Env) -> bool {
        let Some(cycle) = self.rendering.pop() else { return false };
        let Some(plan) = self.core.plan(cycle) else { return false };
        if !env.calm && env.dice.permille(100) {
            let partition = u32::try_from(env.dice.below(usize::try_from(PARTITIONS).unwrap())).unwrap();
            self.step(Input::SegmentLost { cycle, partition, what: "a file is damaged".to_owned() });
            return true;
        }
        let published = Published {
            cycle,
            version: plan.version,
            folder: format!("cycle-{cycle}"),
            manifest_digest: plan.digest.clone(),
            issuers: Vec::new(),
        };
        self.step(Input::Rendered(published));
        true
    }

    /// The operator asks for what is wanted.
    fn operate(&mut self, env: &mut Env) -> bool {
        if !self.caught_up {
            return false;
        }
        let Some(last) = self.core.last_opening().cloned() else {
            let business_date = Date::from_julian_day(FIRST_DATE + env.dice.pick(&[0, 0, 1]));
            let before = self.todo.len();
            self.step(Input::Open { business_date, version: 1 });
            return self.todo.len() > before;
        };
        let version = if env.calm {
            last.rulebook_version
        } else if env.dice.permille(500) {
            let span = (env.latest_version() + 1).saturating_sub(last.rulebook_version).max(1);
            last.rulebook_version + u32::try_from(env.dice.below(usize::try_from(span).unwrap())).unwrap()
        } else {
            env.latest_version()
        };
        let days = if env.calm { 1 } else { env.dice.pick(&[0, 1, 1, 1, 2, 3, 1, 0, -2, 1]) };
        let date = Date::from_julian_day(last.business_date + days);
        let before = self.todo.len();
        if !self.core.is_open() {
            self.step(Input::Open { business_date: date, version });
        } else if last.cycle <= env.wanted {
            let ends = acquirers()
                .map(|city| TapEnd { acquirer: city.to_string(), offset: env.log.end(Topic::Taps(city)) });
            let pause = env.quiet && env.dice.permille(500);
            let opens = (!pause).then_some((date, version));
            self.step(Input::CutOff { opens, ends: ends.collect() });
        }
        self.todo.iter().skip(before).any(|effect| matches!(effect, Effect::Say(_)))
    }
}
