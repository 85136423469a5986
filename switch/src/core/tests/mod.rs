//! The core on a desk: every effect is looked at, every input is given by hand.

mod asking;
mod parking;
mod random;
mod routing;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use domain::{city::City, tap::Tap};
use proto::{
    BatchResult, Clearing, LateVerdicts, Message, Outcome, ParkedPart, Part, Repeat, ResultException,
    TapBatch, Verdicts, clearing::Body,
};
use zerocopy::{FromZeros, IntoBytes};

use super::{Assignment, Destination, Effect, Input, NoAnswer, Switch, SwitchConfig};

/// A city by its digits.
fn city(code: &str) -> City {
    format!("cu-{code}").parse().unwrap()
}

/// Taps of one part: one for each position, told apart by their terminal sequence.
fn taps(positions: &[u16]) -> Bytes {
    let mut bytes = Vec::new();
    for position in positions {
        let mut tap = Tap::new_zeroed();
        tap.position = (*position).into();
        tap.terminal_seq = u32::from(*position).into();
        bytes.extend_from_slice(tap.as_bytes());
    }
    Bytes::from(bytes)
}

/// A batch with the given positions for each home city; the digest is made of `seed`.
fn batch(acquirer: City, number: u64, seed: u8, parts: &[(City, &[u16])]) -> Bytes {
    let records = parts.iter().map(|(_, positions)| positions.len()).sum::<usize>();
    let parts = parts
        .iter()
        .map(|(issuer, positions)| Part {
            issuer: issuer.to_string(),
            taps: taps(positions),
            texts: Bytes::from(vec![0; positions.len() * 3]),
        })
        .collect();
    let batch = TapBatch {
        acquirer: acquirer.to_string(),
        number,
        digest: Bytes::from(vec![seed; 32]),
        file: "a.csv".to_owned(),
        records: u32::try_from(records).unwrap(),
        parts,
        resume: None,
    };
    Bytes::from(batch.encode_to_vec())
}

/// The home city accepts everything.
fn accept(parts: &[Bytes]) -> Vec<Verdicts> {
    parts
        .iter()
        .map(|taps| Verdicts {
            codes: Bytes::from(vec![0; Tap::slice(taps).unwrap().len()]),
            issuer_seal: Bytes::new(),
        })
        .collect()
}

/// The switch and everything it has asked for.
struct Desk {
    switch: Switch,
    now_ms: u64,
    asks: BTreeMap<u64, (City, Vec<Bytes>)>,
    book: Vec<Body>,
    parked: BTreeMap<City, Vec<Bytes>>,
    tokens: Vec<u64>,
    commits: BTreeMap<City, (u64, u64)>,
    park_commits: BTreeMap<City, u64>,
    fetches: Vec<(City, u64)>,
    alarms: Vec<String>,
    stopped: BTreeMap<City, String>,
    open: BTreeSet<City>,
    offsets: BTreeMap<City, u64>,
}

impl Desk {
    fn new(config: SwitchConfig) -> Self {
        Self {
            switch: Switch::new(config),
            now_ms: 0,
            asks: BTreeMap::new(),
            book: Vec::new(),
            parked: BTreeMap::new(),
            tokens: Vec::new(),
            commits: BTreeMap::new(),
            park_commits: BTreeMap::new(),
            fetches: Vec::new(),
            alarms: Vec::new(),
            stopped: BTreeMap::new(),
            open: BTreeSet::new(),
            offsets: BTreeMap::new(),
        }
    }

    /// A desk that owns `acquirers`, with an endpoint for each of `homes`.
    fn with(config: SwitchConfig, acquirers: &[City], homes: &[City]) -> Self {
        let mut desk = Self::new(config);
        for issuer in homes {
            desk.step(Input::Endpoint { issuer: *issuer, up: true });
        }
        for acquirer in acquirers {
            desk.assign(*acquirer, 0, 0, 0, 0);
        }
        desk
    }

    fn assign(&mut self, acquirer: City, tap_offset: u64, number: u64, park_offset: u64, park_end: u64) {
        self.offsets.insert(acquirer, tap_offset);
        self.step(Input::Assigned(Assignment { acquirer, tap_offset, number, park_offset, park_end }));
    }

    fn step(&mut self, input: Input) {
        for effect in self.switch.step(self.now_ms, input) {
            self.note(effect);
        }
    }

    fn note(&mut self, effect: Effect) {
        match effect {
            Effect::Ask { issuer, id, parts } => drop(self.asks.insert(id, (issuer, parts))),
            Effect::Append { to: Destination::Clearing(_), payload, token } => {
                self.book.push(Clearing::decode(payload).unwrap().body.unwrap());
                self.tokens.push(token);
            }
            Effect::Append { to: Destination::Parked(acquirer), payload, token } => {
                self.parked.entry(acquirer).or_default().push(payload);
                self.tokens.push(token);
            }
            Effect::CommitTaps { acquirer, offset, number } => {
                self.commits.insert(acquirer, (offset, number));
            }
            Effect::CommitPark { acquirer, offset } => {
                self.park_commits.insert(acquirer, offset);
            }
            Effect::Pause { acquirer } => assert!(self.open.remove(&acquirer)),
            Effect::Resume { acquirer } => assert!(self.open.insert(acquirer)),
            Effect::Fetch { acquirer, offset, .. } => self.fetches.push((acquirer, offset)),
            Effect::Alarm { text, .. } => self.alarms.push(text),
            Effect::Stopped { acquirer, reason } => drop(self.stopped.insert(acquirer, reason)),
        }
    }

    /// Time passes.
    fn tick(&mut self, ms: u64) {
        self.now_ms += ms;
        self.step(Input::Tick);
    }

    /// The next message of an acquirer's taps.
    fn tap(&mut self, acquirer: City, payload: Bytes) {
        let offset = self.offsets.entry(acquirer).or_default();
        *offset += 1;
        let offset = *offset - 1;
        self.step(Input::Tap { acquirer, offset, payload });
    }

    /// Everything appended so far is durable.
    fn durable(&mut self) {
        for token in std::mem::take(&mut self.tokens) {
            self.step(Input::Durable { token });
        }
    }

    /// The park is read back from `offset` on.
    fn read_park(&mut self, acquirer: City, offset: usize) {
        let messages = self.parked.get(&acquirer).cloned().unwrap_or_default();
        for (offset, payload) in messages.into_iter().enumerate().skip(offset) {
            self.step(Input::Parked { acquirer, offset: u64::try_from(offset).unwrap(), payload });
        }
    }

    /// The one open request to a home city, taken off the desk.
    fn take_ask(&mut self, issuer: City) -> (u64, Vec<Bytes>) {
        let ids: Vec<u64> =
            self.asks.iter().filter(|(_, (of, _))| *of == issuer).map(|(id, _)| *id).collect();
        let [id] = ids[..] else { panic!("{} open requests to {issuer}", ids.len()) };
        let (_, parts) = self.asks.remove(&id).unwrap();
        (id, parts)
    }

    fn is_asked(&self, issuer: City) -> bool {
        self.asks.values().any(|(of, _)| *of == issuer)
    }

    fn answer(&mut self, issuer: City) {
        let (id, parts) = self.take_ask(issuer);
        self.step(Input::Answer { issuer, id, answer: Ok(accept(&parts)) });
    }

    fn fail(&mut self, issuer: City, reason: NoAnswer) {
        let (id, _) = self.take_ask(issuer);
        self.step(Input::Answer { issuer, id, answer: Err(reason) });
    }

    /// The book reports on a batch: every tap final but those at `parked`.
    fn report(&mut self, acquirer: City, number: u64, seed: u8, parked: &[u16]) {
        let exceptions = parked
            .iter()
            .map(|position| ResultException { position: u32::from(*position), result: 4, cycle: 1 })
            .collect();
        let result = BatchResult {
            acquirer: acquirer.to_string(),
            number,
            digest: Bytes::from(vec![seed; 32]),
            records: 0,
            cycle: 1,
            exceptions,
            cycles: Vec::new(),
        };
        self.step(Input::Result { acquirer, payload: Bytes::from(result.encode_to_vec()) });
    }

    /// What the book was told, in short: `o1` outcome 1, `r1` repeated 1, `l1` late verdicts of 1, followed by
    /// the home cities, in brackets where parked.
    fn told(&self) -> Vec<String> {
        self.book.iter().map(short).collect()
    }
}

fn short(body: &Body) -> String {
    let name = |issuer: &str| issuer.trim_start_matches("cu-").to_owned();
    match body {
        Body::Outcome(Outcome { number, parts, .. }) => {
            let parts = parts.iter().map(|judged| {
                let issuer = name(&judged.part.as_ref().unwrap().issuer);
                if judged.verdicts.is_some() { format!(" {issuer}") } else { format!(" ({issuer})") }
            });
            format!("o{number}{}", parts.collect::<String>())
        }
        Body::Repeat(Repeat { number, .. }) => format!("r{number}"),
        Body::Late(LateVerdicts { number, parts, .. }) => {
            let parts = parts.iter().map(|said| format!(" {}", name(&said.issuer)));
            format!("l{number}{}", parts.collect::<String>())
        }
        Body::SwitchStop(_) => "stopped".to_owned(),
        other => panic!("not the switch's: {other:?}"),
    }
}

/// Waits short enough to step through.
fn config() -> SwitchConfig {
    SwitchConfig { park_after_ms: Some(1_000), retry_ms: 100, attempts_max: 3, ..SwitchConfig::default() }
}
