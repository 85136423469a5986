//! What a plan depends on: each city's own order and the cut-offs. Not how the cities lie between each other on
//! the log, nor over how many partitions they are spread.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use clearing_node::{
    book::{Book, Effect as Said, Target},
    coordinator::{Coordinator, Effect, Input},
};
use domain::city::City;
use proto::{
    BatchResult, Clearing, CutOff, CycleEvent, JudgedPart, LateVerdicts, Marker, Message, Opening, Outcome,
    PartVerdicts, Plan, Verdicts, clearing::Body, cycle_event,
};

use super::{
    checks::step,
    dice::Dice,
    records::{Record, batch, bytes_of, home_city_says},
    scheme::{ACQUIRERS, Document, FIRST_DATE, ISSUERS, Terms, acquirers, city, index_of},
    store::Rows,
};

const SEEDS: u64 = 150;
const CYCLES: u32 = 3;

/// The messages of one city in one cycle, in its order.
type Stream = Vec<Body>;

/// Plans by cycle, and the last result of each batch.
type Closed = (Vec<Plan>, BTreeMap<(City, u64), Vec<(u32, u32, u32)>>);

/// Records of a city: mostly fresh, some repeats and clashes within the city.
fn records(dice: &mut Dice, acquirer: usize, made: &mut Vec<Record>, date: i32) -> Vec<Record> {
    (0..1 + dice.below(6))
        .map(|_| {
            let uid = u32::try_from(made.len()).unwrap();
            let fresh = Record {
                acquirer,
                issuer: dice.below(ISSUERS),
                prefix: acquirer,
                sequence: uid,
                content: uid,
                tapped: date - i32::try_from(dice.below(3)).unwrap(),
                code: dice.pick(&[0, 0, 0, 0, 2]),
                poison: false,
            };
            let record = match dice.below(4) {
                0 if !made.is_empty() => made[dice.below(made.len())].clone(),
                1 if !made.is_empty() => Record { content: uid, ..made[dice.below(made.len())].clone() },
                _ => fresh,
            };
            made.push(record.clone());
            record
        })
        .collect()
}

/// What each city sends in each cycle: outcomes, and late verdicts for what they call parked.
fn streams(dice: &mut Dice) -> Vec<Vec<Stream>> {
    let one = |dice: &mut Dice, acquirer: usize| {
        let (mut made, mut waiting, mut number) = (Vec::new(), Vec::new(), 0);
        let cycles = (0..CYCLES).map(|cycle| {
            let mut stream = Stream::new();
            for _ in 0..dice.below(4) {
                number += 1;
                let records = records(dice, acquirer, &mut made, FIRST_DATE + i32::try_from(cycle).unwrap());
                stream.push(outcome(dice, city(acquirer), number, &records, &mut waiting));
                if dice.permille(500) {
                    stream.extend(waiting.pop());
                }
            }
            stream
        });
        cycles.collect()
    };
    (0..ACQUIRERS).map(|acquirer| one(dice, acquirer)).collect()
}

fn outcome(dice: &mut Dice, of: City, number: u64, records: &[Record], waiting: &mut Vec<Body>) -> Body {
    let batch = batch(of, number, "a.csv", records);
    let (acquirer, digest) = (batch.acquirer, batch.digest);
    let parts = batch.parts.into_iter().map(|part| {
        let codes: Bytes = home_city_says(&part.taps).into();
        let verdicts = Some(Verdicts { codes, ..Verdicts::default() });
        if dice.permille(700) {
            return JudgedPart { part: Some(part), verdicts };
        }
        let parts = vec![PartVerdicts { issuer: part.issuer.clone(), verdicts }];
        let late = LateVerdicts { acquirer: acquirer.clone(), number, digest: digest.clone(), parts };
        waiting.push(Body::Late(late));
        JudgedPart { part: Some(part), verdicts: None }
    });
    let parts = parts.collect();
    Body::Outcome(Outcome { acquirer, number, digest, file: batch.file, records: batch.records, parts })
}

/// One log of a partition: the cities' messages in an order of its own within each cycle, then the marker.
fn interleave(dice: &mut Dice, cities: &[City], all: &[Vec<Stream>], openings: &[Opening]) -> Vec<Body> {
    let mut log = vec![Body::Marker(Marker { closes: 0, opens: openings.first().cloned() })];
    for (cycle, opening) in openings.iter().enumerate() {
        let mut queues: Vec<Vec<Body>> =
            cities.iter().map(|of| all[index_of(*of)][cycle].iter().rev().cloned().collect()).collect();
        while queues.iter().any(|queue| !queue.is_empty()) {
            let place = dice.below(queues.len());
            log.extend(queues[place].pop());
        }
        log.push(Body::Marker(Marker { closes: opening.cycle, opens: openings.get(cycle + 1).cloned() }));
    }
    log
}

/// Folds the partitions and makes the plans.
fn close(logs: &[Vec<Body>], document: &Arc<Document>, openings: &[Opening]) -> Closed {
    let mut coordinator = Coordinator::new(u32::try_from(logs.len()).unwrap());
    let mut effects = Vec::new();
    coordinator.step(Input::Learn(Arc::clone(&document.rulebook)), &mut effects);
    let mut tell = |body, effects: &mut Vec<Effect>| {
        coordinator.step(Input::Event(CycleEvent { body: Some(body) }), effects);
    };
    tell(cycle_event::Body::Opening(openings[0].clone()), &mut effects);
    for (place, opening) in openings.iter().enumerate() {
        let cut_off =
            CutOff { cycle: opening.cycle, opens: openings.get(place + 1).cloned(), barrier: Vec::new() };
        tell(cycle_event::Body::CutOff(cut_off), &mut effects);
    }
    let mut results = BTreeMap::new();
    for (partition, log) in logs.iter().enumerate() {
        let mut book = Book::new(u32::try_from(partition).unwrap());
        let (mut rows, mut said) = (Rows::new(), Vec::new());
        for (offset, body) in log.iter().enumerate() {
            let payload = bytes_of(&Clearing { body: Some(body.clone()) });
            step(&mut book, &mut rows, offset as u64, payload, &[Arc::clone(document)], &mut said).unwrap();
        }
        for effect in said {
            match effect {
                Said::Publish { target: Target::Cycles, payload, .. } => {
                    tell(CycleEvent::decode(payload).unwrap().body.unwrap(), &mut effects);
                }
                Said::Publish { target: Target::Results(of), payload, .. } => {
                    let result = BatchResult::decode(payload).unwrap();
                    let exceptions = result.exceptions.iter().map(|e| (e.position, e.result, e.cycle));
                    results.insert((of, result.number), exceptions.collect());
                }
                other => panic!("{other:?}"),
            }
        }
    }
    effects.clear();
    coordinator.step(Input::CaughtUp, &mut effects);
    let plans = effects.into_iter().filter_map(|effect| match effect {
        Effect::Say(CycleEvent { body: Some(cycle_event::Body::Plan(plan)) }) => Some(plan),
        _ => None,
    });
    (plans.collect(), results)
}

/// The rules with the cities spread over so many partitions, and the cycles that they open.
fn rules(terms: &Terms, partitions: usize) -> (Arc<Document>, Vec<Opening>) {
    let places = std::array::from_fn(|index| u32::try_from(index % partitions).unwrap());
    let document = Arc::new(Terms { places, ..terms.clone() }.document());
    let opening = |cycle: u32| Opening {
        cycle,
        business_date: FIRST_DATE + i32::try_from(cycle).unwrap() - 1,
        sequence: 1,
        rulebook_version: 1,
        rulebook_digest: document.rulebook.digest().to_vec().into(),
    };
    let openings = (1..=CYCLES).map(opening).collect();
    (document, openings)
}

#[test]
fn neither_the_order_of_cities_nor_the_number_of_partitions_changes_a_plan() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let terms = Terms::first(3, dice.permille(500));
        let (document, openings) = rules(&terms, 1);
        let all = streams(&mut dice);
        let cities: Vec<City> = acquirers().collect();
        let one =
            |dice: &mut Dice| close(&[interleave(dice, &cities, &all, &openings)], &document, &openings);
        let first = one(&mut dice);
        assert_eq!(first.0.len(), openings.len(), "seed {seed}: every cycle has its plan");
        assert_eq!(first, one(&mut dice), "seed {seed}: another order of the cities");
        for partitions in [2, 4] {
            let (document, openings) = rules(&terms, partitions);
            let mut log = |partition| {
                let here = |of: &City| index_of(*of) % partitions == partition;
                let here: Vec<City> = acquirers().filter(here).collect();
                interleave(&mut dice, &here, &all, &openings)
            };
            let logs: Vec<Vec<Body>> = (0..partitions).map(&mut log).collect();
            assert_eq!(first, close(&logs, &document, &openings), "seed {seed}: {partitions} partitions");
        }
        for plan in &first.0 {
            assert_eq!(plan.net.iter().map(|net| net.net_fen).sum::<i64>(), 0, "seed {seed}: the zero sum");
        }
        assert!(first.0.iter().any(|plan| plan.positions.len() > 1), "seed {seed}: something is cleared");
    }
}
