//! A switch process: feeds the switch with the log, the directory and answers, and does what it says.

use std::collections::{BTreeMap, VecDeque};

use domain::city::City;
use proto::Verdicts;
use switch::core::{Assignment, Destination, Effect, Input, NoAnswer, Switch, SwitchConfig};

use super::{
    dice::Dice,
    env::{Env, Request},
    net::{Topic, Writer},
    reference::Check,
    scheme::{ISSUERS, city, partition_of},
};

/// What a home city says to a question.
pub type Answer = Result<Vec<Verdicts>, NoAnswer>;

/// Where a process reads for one acquirer.
struct Lane {
    taps: u64,
    paused: bool,
    park: u64,
    results: u64,
    /// Another process owns the acquirer now.
    zombie: bool,
}

/// One life of a switch process.
pub struct Switching {
    pub writer: Writer,
    /// It has been replaced but goes on.
    pub zombie: bool,
    core: Switch,
    lanes: BTreeMap<City, Lane>,
    todo: VecDeque<Effect>,
    /// What the directory says and this process has not heard yet.
    directory: VecDeque<(City, bool)>,
    fetches: VecDeque<(City, u64)>,
}

/// A switch with small limits, so that all of them are met.
fn config(dice: &mut Dice, always_answered: bool) -> SwitchConfig {
    SwitchConfig {
        park_after_ms: dice.pick(&[None, Some(30), Some(200), Some(1_000)]),
        request_taps_max: dice.pick(&[1, 3, 10, 1_000]),
        request_bytes_max: 1 << 20,
        requests_in_flight_max: dice.pick(&[1, 2, 4]),
        request_deadline_ms: if always_answered { 1 << 40 } else { dice.pick(&[200, 1_000]) },
        retry_ms: 10,
        retry_ms_max: 100,
        attempts_max: dice.pick(&[2, 3]),
        set_aside_retry_ms: 300,
        remind_ms: dice.pick(&[50, 300]),
        batches_max: dice.pick(&[2, 4, 8]),
        batch_bytes_max: dice.pick(&[300, 100_000]),
        park_bytes_max: dice.pick(&[1, 300, 100_000]),
        fetch_bytes_max: 1_000,
        catch_up_parts_max: dice.pick(&[0, 1, 16]),
        digests_max: dice.pick(&[1, 1_000]),
    }
}

impl Switching {
    pub fn new(env: &mut Env) -> Self {
        let config = config(&mut env.dice, env.profile.always_answered());
        env.trace(|| format!("switch process: {config:?}"));
        Self {
            writer: env.net.writer(),
            zombie: false,
            core: Switch::new(config),
            lanes: BTreeMap::new(),
            todo: VecDeque::new(),
            directory: (0..ISSUERS).map(|index| (city(index), env.endpoint[index])).collect(),
            fetches: VecDeque::new(),
        }
    }

    /// Takes an acquirer over from its committed positions.
    pub fn assign(&mut self, env: &mut Env, acquirer: City) -> Check {
        self.catch_up(env)?;
        let (tap_offset, number) = env.committed[&acquirer];
        let park_offset = env.committed_park[&acquirer];
        env.trace(|| {
            format!("switch {} takes {acquirer} at {tap_offset} {number} {park_offset}", self.writer)
        });
        let results = env.log.end(Topic::Results(acquirer));
        let lane = Lane { taps: tap_offset, paused: true, park: park_offset, results, zombie: false };
        self.lanes.insert(acquirer, lane);
        self.fetches.retain(|(city, _)| *city != acquirer);
        let park_end = env.log.end(Topic::Parked(acquirer));
        let assignment = Assignment { acquirer, tap_offset, number, park_offset, park_end };
        self.step(env, Input::Assigned(assignment))
    }

    /// Lets an acquirer go.
    pub fn revoke(&mut self, env: &mut Env, acquirer: City) -> Check {
        if self.lanes.contains_key(&acquirer) {
            self.step(env, Input::Revoked { acquirer })?;
            self.lanes.remove(&acquirer);
        }
        Ok(())
    }

    /// Another process takes the acquirer, this one does not know.
    pub fn overtaken(&mut self, acquirer: City) {
        if let Some(lane) = self.lanes.get_mut(&acquirer) {
            lane.zombie = true;
        }
    }

    /// Acquirers it still works for although another process owns them.
    pub fn haunted(&self) -> Vec<City> {
        self.lanes.iter().filter(|(_, lane)| lane.zombie || self.zombie).map(|(city, _)| *city).collect()
    }

    /// The directory has news; they arrive some time.
    pub fn directory_says(&mut self, issuer: City, up: bool) {
        self.directory.push_back((issuer, up));
    }

    /// What an input leads to waits until the next: only a crash comes between.
    fn step(&mut self, env: &mut Env, input: Input) -> Check {
        self.catch_up(env)?;
        let effects = self.core.step(env.now_ms, input);
        self.todo.extend(effects);
        Ok(())
    }

    /// Does everything that the last input led to.
    fn catch_up(&mut self, env: &mut Env) -> Check {
        while let Some(effect) = self.todo.pop_front() {
            self.perform(env, effect)?;
        }
        Ok(())
    }

    /// Does one thing; whether there was anything to do.
    pub fn act(&mut self, env: &mut Env) -> Result<bool, String> {
        if !self.todo.is_empty() {
            // One effect, so that a crash may come before the next, or all.
            let count = if env.dice.permille(300) { 1 } else { self.todo.len() };
            for effect in self.todo.drain(..count).collect::<Vec<_>>() {
                self.perform(env, effect)?;
            }
            return Ok(true);
        }
        match env.dice.below(12) {
            0..4 => self.read_taps(env),
            4..6 => self.read_park(env),
            6..8 => self.read_results(env),
            8 => self.read_directory(env),
            9 => self.fetched(env),
            _ => self.tick(env),
        }
    }

    /// Time passes.
    pub fn tick(&mut self, env: &mut Env) -> Result<bool, String> {
        self.step(env, Input::Tick)?;
        Ok(!self.todo.is_empty())
    }

    fn perform(&mut self, env: &mut Env, effect: Effect) -> Check {
        match effect {
            Effect::Ask { issuer, id, parts } => {
                env.requests.push(Request { writer: self.writer, issuer, id, parts });
            }
            Effect::Append { to, payload, token } => {
                let topic = match to {
                    Destination::Clearing(city) => Topic::Clearing(partition_of(city)),
                    Destination::Parked(city) => Topic::Parked(city),
                };
                env.net.send(self.writer, topic, payload, Some(token));
            }
            Effect::CommitTaps { acquirer, offset, number } => {
                if self.may_commit(env, acquirer) {
                    env.commit(acquirer, offset, number)?;
                }
            }
            Effect::CommitPark { acquirer, offset } => {
                if self.may_commit(env, acquirer) {
                    env.trace(|| format!("commit park {acquirer} {offset}"));
                    env.committed_park.insert(acquirer, offset);
                }
            }
            Effect::Pause { acquirer } => self.pause(acquirer, true),
            Effect::Resume { acquirer } => self.pause(acquirer, false),
            Effect::Fetch { acquirer, offset, .. } => self.fetches.push_back((acquirer, offset)),
            Effect::Alarm { city, text } => env.trace(|| format!("alarm {city}: {text}")),
            Effect::Stopped { acquirer, reason } => env.stop(acquirer, &reason)?,
        }
        Ok(())
    }

    fn may_commit(&self, env: &Env, acquirer: City) -> bool {
        let lane = self.lanes.get(&acquirer);
        lane.is_some_and(|lane| (!lane.zombie && !self.zombie) || (env.profile.loose && !env.calm))
    }

    fn pause(&mut self, acquirer: City, paused: bool) {
        if let Some(lane) = self.lanes.get_mut(&acquirer) {
            lane.paused = paused;
        }
    }

    /// A lane by chance.
    fn lane(&mut self, env: &mut Env) -> Option<(City, &mut Lane)> {
        let place = env.dice.below(self.lanes.len());
        self.lanes.iter_mut().nth(place).map(|(city, lane)| (*city, lane))
    }

    fn read_taps(&mut self, env: &mut Env) -> Result<bool, String> {
        let Some((acquirer, lane)) = self.lane(env) else { return Ok(false) };
        if lane.paused {
            return Ok(false);
        }
        let offset = lane.taps;
        if offset > env.log.end(Topic::Taps(acquirer)) {
            return env.stop(acquirer, "the log of its taps is shorter than it was").map(|()| false);
        }
        let Some(payload) = env.log.read(Topic::Taps(acquirer), offset) else { return Ok(false) };
        lane.taps += 1;
        self.step(env, Input::Tap { acquirer, offset, payload })?;
        Ok(true)
    }

    fn read_park(&mut self, env: &mut Env) -> Result<bool, String> {
        let Some((acquirer, lane)) = self.lane(env) else { return Ok(false) };
        let offset = lane.park;
        if offset > env.log.end(Topic::Parked(acquirer)) {
            return env.stop(acquirer, "the log of its parked parts is shorter than it was").map(|()| false);
        }
        let Some(payload) = env.log.read(Topic::Parked(acquirer), offset) else { return Ok(false) };
        lane.park += 1;
        self.step(env, Input::Parked { acquirer, offset, payload })?;
        Ok(true)
    }

    fn read_results(&mut self, env: &mut Env) -> Result<bool, String> {
        let Some((acquirer, lane)) = self.lane(env) else { return Ok(false) };
        lane.results = lane.results.min(env.log.end(Topic::Results(acquirer)));
        let Some(payload) = env.log.read(Topic::Results(acquirer), lane.results) else { return Ok(false) };
        lane.results += 1;
        self.step(env, Input::Result { acquirer, payload })?;
        Ok(true)
    }

    fn read_directory(&mut self, env: &mut Env) -> Result<bool, String> {
        let Some((issuer, up)) = self.directory.pop_front() else { return Ok(false) };
        self.step(env, Input::Endpoint { issuer, up })?;
        Ok(true)
    }

    fn fetched(&mut self, env: &mut Env) -> Result<bool, String> {
        let Some((acquirer, offset)) = self.fetches.pop_front() else { return Ok(false) };
        let count = if !env.calm && env.dice.permille(100) { 0 } else { 1 + env.dice.below(4) as u64 };
        let found = (offset..offset + count).filter_map(|offset| {
            env.log.read(Topic::Parked(acquirer), offset).map(|payload| (offset, payload))
        });
        let messages = found.collect();
        self.step(env, Input::Fetched { acquirer, messages })?;
        Ok(true)
    }

    /// What it appended is durable.
    pub fn acknowledged(&mut self, env: &mut Env, token: u64) -> Check {
        self.step(env, Input::Durable { token })
    }

    /// A home city has answered, or will not.
    pub fn answer(&mut self, env: &mut Env, issuer: City, id: u64, answer: Answer) -> Check {
        self.step(env, Input::Answer { issuer, id, answer })
    }

    /// Whether everything of an acquirer has gone through.
    pub fn check_end(&self, acquirer: City) -> Check {
        let status = self.core.status();
        let Some(shown) = status.acquirers.get(&acquirer) else {
            return Err(format!("nobody works for {acquirer}"));
        };
        if shown.parked.is_empty() && shown.batches == 0 {
            return Ok(());
        }
        Err(format!(
            "the park of {acquirer} never drains: {:?}, {} batches in work",
            shown.parked, shown.batches
        ))
    }
}
