//! The book as operators meet it: stopped cities, imports, cities that move.

mod importing;
mod moving;
mod resuming;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use domain::{city::City, date::Date, rulebook::Rulebook, tap::Tap};
use proto::{
    BatchResult, CityEvent, Clearing, CycleEvent, JudgedPart, Marker, Message, Opening, Outcome, Part,
    PartitionTotals, Verdicts, city_event::What, clearing::Body, cycle_event,
};
use zerocopy::{FromZeros, IntoBytes};

use super::{Book, Effect, Stepped, Target};
use crate::store::{StoreError, Txn, Visit};

const RULES: &str = r#"
version = 1
presentment_days = 10
hotlist_grace_hours = 24
[fees]
basis = "cycle_bilateral"
interchange_rate = "0.003"
switch_rate = "0.001"
[clearing]
partitions = 2
[[participant]]
city = "cu-2000"
name_en = "Shanghai"
name_zh = "上海"
joined = "2018-01-01"
[[participant]]
city = "cu-3000"
name_en = "Tianjin"
name_zh = "天津"
joined = "2018-01-01"
"#;

/// The next version of the rules: Shanghai is in partition 1.
fn moved_rulebook() -> Arc<Rulebook> {
    let rules = RULES.replace("version = 1", "version = 2");
    let rules = rules.replace("partitions = 2", "partitions = 2\nassignment = { cu-2000 = 1 }");
    Arc::new(Rulebook::parse(rules.as_bytes()).unwrap())
}

/// A store in memory whose writes count at once.
#[derive(Clone, Debug, Default)]
struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

impl Txn for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(key).cloned())
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.insert(key, value);
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.0.remove(&key);
    }

    fn delete_range(&mut self, from: Vec<u8>, to: Vec<u8>) {
        self.0.retain(|key, _| *key < from || *key >= to);
    }

    fn scan(&self, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.0
            .range(prefix.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .try_for_each(|(key, value)| visit(key, value))
    }
}

/// A partition: its log, its book, and what it said.
struct Desk {
    number: u32,
    book: Book,
    store: Memory,
    log: Vec<Bytes>,
    said: Vec<Effect>,
}

fn city(text: &str) -> City {
    text.parse().unwrap()
}

fn rulebook() -> Arc<Rulebook> {
    Arc::new(Rulebook::parse(RULES.as_bytes()).unwrap())
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

impl Desk {
    fn new(number: u32) -> Self {
        let mut book = Book::new(number);
        book.learn(rulebook());
        book.learn(moved_rulebook());
        Self { number, book, store: Memory::default(), log: Vec::new(), said: Vec::new() }
    }

    /// Appends a message and folds it; what it made the book say.
    fn fold(&mut self, body: Body) -> Vec<Effect> {
        let payload = Bytes::from(Clearing { body: Some(body) }.encode_to_vec());
        self.log.push(payload.clone());
        let mut effects = Vec::new();
        let offset = self.log.len() as u64 - 1;
        let stepped = self.book.step(&mut self.store, offset, payload, &mut effects).unwrap();
        assert_eq!(stepped, Stepped::Done);
        self.book.seal(&mut self.store);
        self.said.extend(effects.iter().cloned());
        effects
    }

    fn open(&mut self, cycle: u32, date: &str) {
        self.open_by(&rulebook(), cycle, date);
    }

    /// Opens a cycle that keeps Shanghai in partition 1; the one before ends if it is open.
    fn open_moved(&mut self, cycle: u32, date: &str) {
        self.open_by(&moved_rulebook(), cycle, date);
    }

    fn open_by(&mut self, rules: &Rulebook, cycle: u32, date: &str) {
        let opens = Some(Opening {
            cycle,
            business_date: day(date).julian_day(),
            sequence: 1,
            rulebook_version: rules.version,
            rulebook_digest: rules.digest().to_vec().into(),
        });
        self.fold(Body::Marker(Marker { closes: cycle - 1, opens }));
    }

    /// Closes the open cycle; the purchases it paid: records and fen.
    fn close(&mut self, cycle: u32) -> (u64, u64) {
        let effects = self.fold(Body::Marker(Marker { closes: cycle, opens: None }));
        let totals = effects.iter().filter_map(event).find_map(|event| match event.body {
            Some(cycle_event::Body::Totals(totals)) => Some(totals),
            _ => None,
        });
        let PartitionTotals { totals, .. } = totals.unwrap();
        totals.iter().fold((0, 0), |(count, fen), t| (count + t.count, fen + t.amount_fen))
    }

    /// A batch of taps, all accepted; their results as codes by position.
    fn batch(&mut self, number: u64, taps: &[Tap]) -> Vec<u32> {
        let effects = self.fold(outcome(number, taps));
        results(&effects)
    }

    /// The book is put together from its store anew, as after a crash.
    fn crash(&mut self) {
        self.book = Book::load(self.number, &self.store, &[rulebook(), moved_rulebook()]).unwrap();
    }

    fn events(&self) -> Vec<CityEvent> {
        let city = |event: CycleEvent| match event.body {
            Some(cycle_event::Body::City(event)) => Some(event),
            _ => None,
        };
        self.said.iter().filter_map(event).filter_map(city).collect()
    }

    fn last_event(&self) -> What {
        self.events().last().unwrap().what.clone().unwrap()
    }

    fn stopped(&self) -> Vec<String> {
        self.book.stopped().map(|(city, why)| format!("{city}: {why}")).collect()
    }
}

fn event(effect: &Effect) -> Option<CycleEvent> {
    match effect {
        Effect::Publish { target: Target::Cycles, payload, .. } => {
            Some(CycleEvent::decode(payload.clone()).unwrap())
        }
        _ => None,
    }
}

/// The results of one batch of cu-2000; 1 is cleared, 2 duplicate, 3 conflict.
fn results(effects: &[Effect]) -> Vec<u32> {
    let said = effects.iter().filter_map(|effect| match effect {
        Effect::Publish { target: Target::Results(_), payload, .. } => {
            Some(BatchResult::decode(payload.clone()).unwrap())
        }
        _ => None,
    });
    let Some(result) = said.last() else { return Vec::new() };
    let mut codes = vec![1; usize::try_from(result.records).unwrap()];
    for exception in result.exceptions {
        codes[usize::try_from(exception.position).unwrap()] = exception.result;
    }
    codes
}

/// A ride of a card of cu-3000 in Shanghai on 1 September: terminal sequence and fare.
fn ride(seq: u32, fen: u32) -> Tap {
    ride_on("2018-09-01", seq, fen)
}

fn ride_on(date: &str, seq: u32, fen: u32) -> Tap {
    let mut tap = Tap::new_zeroed();
    tap.terminal = [0x20, 0, 0, 0, 0, 1];
    tap.terminal_seq = seq.into();
    tap.type_byte = 6;
    tap.amount_fen = fen.into();
    tap.fare_fen = fen.into();
    tap.tapped_day = day(date).julian_day().into();
    tap
}

fn outcome(number: u64, taps: &[Tap]) -> Body {
    let digest = taps.iter().fold(number, |sum, tap| sum.wrapping_mul(31) + u64::from(tap.amount_fen.get()));
    outcome_of(number, digest, taps)
}

fn outcome_of(number: u64, digest: u64, taps: &[Tap]) -> Body {
    let mut taps = taps.to_vec();
    for (position, tap) in (0_u16..).zip(&mut taps) {
        tap.position = position.into();
    }
    let part = Part {
        issuer: "cu-3000".to_owned(),
        taps: Bytes::copy_from_slice(taps.as_slice().as_bytes()),
        texts: Bytes::new(),
    };
    let verdicts = Verdicts { codes: vec![0; taps.len()].into(), issuer_seal: Bytes::new() };
    Body::Outcome(Outcome {
        acquirer: "cu-2000".to_owned(),
        number,
        digest: [digest.to_be_bytes(); 4].concat().into(),
        file: "2018-09-01.csv".to_owned(),
        records: u32::try_from(taps.len()).unwrap(),
        parts: vec![JudgedPart { part: Some(part), verdicts: Some(verdicts) }],
    })
}
