//! Random days: dark and choking home cities, crashes, redeliveries, against a naive book.

use super::*;

/// A small generator, so that a seed names a run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What a part has become in the book.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Parked,
    Final,
}

/// One acquirer's log and the book over it.
#[derive(Default)]
struct Book {
    next: u64,
    parts: BTreeMap<(u64, String), (Fate, Vec<u32>)>,
    results: Vec<Bytes>,
    /// The order in which the parts of each home city became final.
    settled: BTreeMap<String, Vec<u64>>,
}

impl Book {
    fn fold(&mut self, acquirer: City, body: &Body) {
        let number = match body {
            Body::Outcome(outcome) => {
                assert!(outcome.number <= self.next + 1, "a number is skipped in the book");
                let new = outcome.number == self.next + 1;
                self.next = self.next.max(outcome.number);
                for judged in &outcome.parts {
                    let part = judged.part.clone().unwrap();
                    if new {
                        let places =
                            Tap::slice(&part.taps).unwrap().iter().map(|t| u32::from(t.position.get()));
                        let key = (outcome.number, part.issuer.clone());
                        self.parts.insert(key, (Fate::Parked, places.collect()));
                    }
                    if judged.verdicts.is_some() {
                        self.settle(outcome.number, &part.issuer);
                    }
                }
                outcome.number
            }
            Body::Late(late) => {
                for part in &late.parts {
                    self.settle(late.number, &part.issuer);
                }
                late.number
            }
            Body::Repeat(repeat) => repeat.number,
            other => panic!("not the switch's: {other:?}"),
        };
        assert!(number <= self.next, "late or repeated before its outcome");
        self.publish(acquirer, number);
    }

    fn settle(&mut self, number: u64, issuer: &str) {
        let (fate, _) = self.parts.get_mut(&(number, issuer.to_owned())).unwrap();
        if *fate == Fate::Parked {
            *fate = Fate::Final;
            self.settled.entry(issuer.to_owned()).or_default().push(number);
        }
    }

    fn publish(&mut self, acquirer: City, number: u64) {
        let parked = self.parts.range((number, String::new())..(number + 1, String::new()));
        let exceptions = parked
            .filter(|(_, (fate, _))| *fate == Fate::Parked)
            .flat_map(|(_, (_, places))| places.clone())
            .map(|position| ResultException { position, result: 4, cycle: 1 })
            .collect();
        let result = BatchResult {
            acquirer: acquirer.to_string(),
            number,
            digest: Bytes::from(vec![1; 32]),
            records: 0,
            cycle: 1,
            exceptions,
            cycles: Vec::new(),
        };
        self.results.push(Bytes::from(result.encode_to_vec()));
    }
}

/// A world of two acquirers and three home cities.
struct World {
    dice: Dice,
    switch: Switch,
    config: SwitchConfig,
    now_ms: u64,
    acquirers: Vec<City>,
    homes: Vec<City>,
    /// 0 up, 1 dark, 2 without endpoint, 3 wrong.
    state: BTreeMap<City, u64>,
    taps: BTreeMap<City, Vec<Bytes>>,
    tap_next: BTreeMap<City, u64>,
    open: BTreeSet<City>,
    parked: BTreeMap<City, Vec<Bytes>>,
    park_next: BTreeMap<City, u64>,
    result_next: BTreeMap<City, usize>,
    books: BTreeMap<City, Book>,
    commits: BTreeMap<City, (u64, u64)>,
    park_commits: BTreeMap<City, u64>,
    appends: Vec<(Destination, Bytes, u64)>,
    asks: Vec<(City, u64, Vec<Bytes>)>,
    fetches: Vec<(City, u64)>,
    poisoned: bool,
}

impl World {
    fn new(seed: u64, gentle: bool) -> Self {
        let mut dice = Dice(seed);
        let acquirers = vec![city("2000"), city("4000")];
        let homes = vec![city("1000"), city("3000"), city("5000")];
        let config = SwitchConfig {
            park_after_ms: [Some(50), Some(500), None][usize::try_from(dice.below(3)).unwrap()],
            batches_max: 4,
            catch_up_parts_max: usize::try_from(dice.below(3)).unwrap(),
            park_bytes_max: usize::try_from(dice.below(2) * 1_000_000).unwrap(),
            request_taps_max: 4,
            requests_in_flight_max: 2,
            request_deadline_ms: 2_000,
            retry_ms: 20,
            retry_ms_max: 200,
            attempts_max: if gentle { u32::MAX } else { 3 },
            set_aside_retry_ms: 300,
            remind_ms: 400,
            ..SwitchConfig::default()
        };
        let mut world = Self {
            poisoned: !gentle && dice.chance(30),
            dice,
            switch: Switch::new(config.clone()),
            config,
            now_ms: 0,
            state: homes.iter().map(|home| (*home, 0)).collect(),
            homes,
            taps: BTreeMap::new(),
            tap_next: BTreeMap::new(),
            open: BTreeSet::new(),
            parked: BTreeMap::new(),
            park_next: BTreeMap::new(),
            result_next: BTreeMap::new(),
            books: acquirers.iter().map(|acquirer| (*acquirer, Book::default())).collect(),
            commits: BTreeMap::new(),
            park_commits: BTreeMap::new(),
            appends: Vec::new(),
            asks: Vec::new(),
            fetches: Vec::new(),
            acquirers,
        };
        world.publish();
        world.start();
        world
    }

    fn publish(&mut self) {
        for acquirer in self.acquirers.clone() {
            let log = self.taps.entry(acquirer).or_default();
            for number in 1..=12 {
                let mut parts: Vec<(City, &[u16])> = Vec::new();
                for (index, home) in self.homes.iter().enumerate() {
                    if self.dice.chance(60) || (index == 2 && parts.is_empty()) {
                        parts.push((*home, [&[0], &[1], &[2]][parts.len()]));
                    }
                }
                let payload = batch(acquirer, number, 1, &parts);
                log.push(payload);
                if self.dice.chance(15) {
                    let again = usize::try_from(self.dice.below(number)).unwrap();
                    let first = log.iter().position(|b| {
                        usize::try_from(TapBatch::decode(b.clone()).unwrap().number).unwrap() == again + 1
                    });
                    log.push(log[first.unwrap()].clone());
                }
            }
        }
    }

    /// The process begins (again) from what is committed.
    fn start(&mut self) {
        self.switch = Switch::new(self.config.clone());
        self.asks.clear();
        self.fetches.clear();
        self.open.clear();
        for home in self.homes.clone() {
            let up = self.state[&home] != 2;
            self.step(Input::Endpoint { issuer: home, up });
        }
        for acquirer in self.acquirers.clone() {
            let (tap_offset, number) = self.commits.get(&acquirer).copied().unwrap_or_default();
            let park_offset = self.park_commits.get(&acquirer).copied().unwrap_or_default();
            let park_end = u64::try_from(self.parked.entry(acquirer).or_default().len()).unwrap();
            self.tap_next.insert(acquirer, tap_offset);
            self.park_next.insert(acquirer, park_offset);
            self.result_next.insert(acquirer, self.books[&acquirer].results.len());
            self.step(Input::Assigned(Assignment { acquirer, tap_offset, number, park_offset, park_end }));
        }
    }

    /// The process ends; what it had sent lands up to some point.
    fn crash(&mut self) {
        let lands = self.dice.below(u64::try_from(self.appends.len()).unwrap() + 1);
        for _ in 0..lands {
            self.land(false);
        }
        self.appends.clear();
        self.start();
    }

    fn step(&mut self, input: Input) {
        for effect in self.switch.step(self.now_ms, input) {
            match effect {
                Effect::Ask { issuer, id, parts } => self.asks.push((issuer, id, parts)),
                Effect::Append { to, payload, token } => self.appends.push((to, payload, token)),
                Effect::CommitTaps { acquirer, offset, number } => {
                    assert!(self.books[&acquirer].next >= number, "committed before its outcome");
                    self.commits.insert(acquirer, (offset, number));
                }
                Effect::CommitPark { acquirer, offset } => {
                    self.park_commits.insert(acquirer, offset);
                }
                Effect::Pause { acquirer } => assert!(self.open.remove(&acquirer)),
                Effect::Resume { acquirer } => assert!(self.open.insert(acquirer)),
                Effect::Fetch { acquirer, offset, .. } => self.fetches.push((acquirer, offset)),
                Effect::Alarm { .. } => {}
                Effect::Stopped { reason, .. } => panic!("stopped without cause: {reason}"),
            }
        }
    }

    /// The oldest append lands.
    fn land(&mut self, tell: bool) {
        if self.appends.is_empty() {
            return;
        }
        let (to, payload, token) = self.appends.remove(0);
        match to {
            Destination::Clearing(acquirer) => {
                let body = Clearing::decode(payload).unwrap().body.unwrap();
                self.books.get_mut(&acquirer).unwrap().fold(acquirer, &body);
            }
            Destination::Parked(acquirer) => {
                let part = ParkedPart::decode(payload.clone()).unwrap();
                assert!(self.books[&acquirer].next >= part.number, "parked before its outcome");
                self.parked.get_mut(&acquirer).unwrap().push(payload);
            }
        }
        if tell {
            self.step(Input::Durable { token });
        }
    }

    fn answer(&mut self) {
        if self.asks.is_empty() {
            return;
        }
        let index = usize::try_from(self.dice.below(u64::try_from(self.asks.len()).unwrap())).unwrap();
        let state = self.state[&self.asks[index].0];
        if state == 1 && self.dice.chance(80) {
            return;
        }
        let (issuer, id, parts) = self.asks.swap_remove(index);
        let poison = self.poisoned && parts.contains(&taps(&[1]));
        let answer = match state {
            0 if poison => Err(NoAnswer::Refused("poison".to_owned())),
            0 => Ok(accept(&parts)),
            3 => Ok(vec![Verdicts::default()]),
            _ => Err(NoAnswer::Unreachable("dark".to_owned())),
        };
        self.step(Input::Answer { issuer, id, answer });
    }

    fn read(&mut self, acquirer: City) {
        let result = self.result_next[&acquirer];
        if let Some(payload) = self.books[&acquirer].results.get(result).cloned()
            && self.dice.chance(50)
        {
            self.result_next.insert(acquirer, result + 1);
            return self.step(Input::Result { acquirer, payload });
        }
        let offset = self.park_next[&acquirer];
        if let Some(payload) = self.parked[&acquirer].get(usize::try_from(offset).unwrap()).cloned() {
            self.park_next.insert(acquirer, offset + 1);
            return self.step(Input::Parked { acquirer, offset, payload });
        }
        let offset = self.tap_next[&acquirer];
        if self.open.contains(&acquirer)
            && let Some(payload) = self.taps[&acquirer].get(usize::try_from(offset).unwrap()).cloned()
        {
            self.tap_next.insert(acquirer, offset + 1);
            self.step(Input::Tap { acquirer, offset, payload });
        }
    }

    fn fetch(&mut self) {
        let Some((acquirer, offset)) = self.fetches.pop() else { return };
        let from = usize::try_from(offset).unwrap();
        let log = self.parked[&acquirer].iter().enumerate().skip(from);
        let messages =
            log.take(2).map(|(at, payload)| (u64::try_from(at).unwrap(), payload.clone())).collect();
        self.step(Input::Fetched { acquirer, messages });
    }

    fn any(&mut self, faults: bool) {
        let acquirer = self.acquirers[usize::try_from(self.dice.below(2)).unwrap()];
        match self.dice.below(if faults { 42 } else { 40 }) {
            0..=11 => self.read(acquirer),
            12..=19 => self.answer(),
            20..=31 => self.land(true),
            32..=33 => self.fetch(),
            34..=39 => {
                self.now_ms += self.dice.below(30);
                self.step(Input::Tick);
            }
            40 => {
                let home = self.homes[usize::try_from(self.dice.below(3)).unwrap()];
                let state = self.dice.below(4);
                self.state.insert(home, state);
                self.step(Input::Endpoint { issuer: home, up: state != 2 });
            }
            _ => {
                if self.dice.chance(40) {
                    self.crash();
                }
            }
        }
    }

    /// Faults are over: everything must come to its end.
    fn settle(&mut self) {
        self.poisoned = false;
        for home in self.homes.clone() {
            self.state.insert(home, 0);
            self.step(Input::Endpoint { issuer: home, up: true });
        }
        for _ in 0..60_000 {
            self.any(false);
        }
    }

    fn check(&self) {
        for acquirer in &self.acquirers {
            let book = &self.books[acquirer];
            assert_eq!(book.next, 12);
            for (key, (fate, _)) in &book.parts {
                assert_eq!(*fate, Fate::Final, "{acquirer} {key:?}");
            }
            let end = u64::try_from(self.taps[acquirer].len()).unwrap();
            assert_eq!(self.commits[acquirer], (end, 12));
            let park_end = u64::try_from(self.parked[acquirer].len()).unwrap();
            assert_eq!(self.park_commits.get(acquirer).copied().unwrap_or_default(), park_end);
        }
        let status = self.switch.status();
        assert_eq!(status.parked_waiting_for(|_| true), 0);
        assert!(!self.switch.is_working());
        assert_eq!((self.switch.park_bytes, self.switch.batch_bytes), (0, 0));
        assert!(self.switch.acks.is_empty());
        for home in self.switch.homes.values() {
            assert!(home.requests.is_empty() && home.ready.is_empty() && home.hungry.is_empty());
        }
    }
}

/// One run; without crashes, nobody's later record may overtake an earlier one.
fn run(seed: u64) {
    let gentle = seed.is_multiple_of(3);
    let mut world = World::new(seed, gentle);
    for _ in 0..1_500 {
        world.any(!gentle);
        if gentle && world.dice.chance(2) {
            let home = world.homes[usize::try_from(world.dice.below(3)).unwrap()];
            let state = world.dice.below(3);
            world.state.insert(home, state);
            world.step(Input::Endpoint { issuer: home, up: state != 2 });
        }
    }
    world.settle();
    world.check();
    for (issuer, numbers) in world.books.values().flat_map(|book| &book.settled) {
        assert!(!gentle || numbers.is_sorted(), "{issuer}: overtaken: {numbers:?}");
    }
}

#[test]
fn random_days_come_to_their_end() {
    for seed in 0..150 {
        assert!(std::panic::catch_unwind(|| run(seed)).is_ok(), "seed {seed}");
    }
}
