//! The rows of a closed cycle, worked out from a store at any later time, against those that the reference saw
//! when the cycle was closed.

use std::collections::BTreeMap;

use clearing_node::{
    book::rows::{self, BatchRow, CycleRow, Exceptions},
    render::rows::{Rows as Taker, rows_in},
    store::Txn,
};
use domain::{city::City, result::RecordResult, tap::Tap};
use files::{AcquirerRow, FilesError};
use proto::{Clearing, Message, clearing::Body};

use super::{
    env::Env,
    net::Topic,
    reference::Check,
    scheme::parse,
    store::{Gathered, Rows},
};

/// What each record shows in a cycle, by acquirer, batch and place.
pub type Shown = BTreeMap<(City, u64, u16), RecordResult>;

/// Renders every closed cycle of a partition from a store that has folded everything.
pub fn all_cycles(env: &Env, partition: u32, rows: &Rows) -> Check {
    let closed: Vec<u32> = env.reference(partition).closed.keys().copied().collect();
    closed.into_iter().try_for_each(|ordinal| cycle(env, partition, rows, ordinal))
}

/// Renders one cycle from a store that has folded its closing marker.
pub fn cycle(env: &Env, partition: u32, rows: &Rows, ordinal: u32) -> Check {
    let shown = rendered(env, partition, rows, ordinal)
        .map_err(|why| format!("cycle {ordinal} of partition {partition}: {why}"))?;
    let seen = &env.reference(partition).closed[&ordinal];
    if shown == *seen {
        return Ok(());
    }
    let differs = |key: &&(City, u64, u16)| shown.get(*key) != seen.get(*key);
    let key = seen.keys().chain(shown.keys()).find(differs);
    Err(format!(
        "cycle {ordinal} of partition {partition} shows {:?} of {key:?}, it was {:?}",
        key.and_then(|key| shown.get(key)),
        key.and_then(|key| seen.get(key))
    ))
}

/// The digest of a cycle's rows from a store of any age; none before it has folded the closing marker.
pub fn digest(env: &Env, partition: u32, rows: &Rows, ordinal: u32) -> Result<Option<[u8; 32]>, String> {
    let row = load::<CycleRow>(&Gathered::over(rows), &rows::cycle(ordinal))?;
    if row.is_none_or(|row| row.end_offset.is_none()) {
        return Ok(None);
    }
    let shown = rendered(env, partition, rows, ordinal)?;
    Ok(Some(proto::digest::bytes(format!("{shown:?}").as_bytes())))
}

fn rendered(env: &Env, partition: u32, rows: &Rows, ordinal: u32) -> Result<Shown, String> {
    let txn = Gathered::over(rows);
    let row = load::<CycleRow>(&txn, &rows::cycle(ordinal))?.ok_or("the store does not know it")?;
    let end = row.end_offset.ok_or("the store calls it open")?;
    let mut shown = Shown::new();
    for offset in row.first_offset..end {
        batch(env, partition, &txn, (ordinal, offset, false), &mut shown)?;
    }
    for carried in row.carried {
        let key = rows::batch(parse(&carried.acquirer), carried.number);
        let offset = load::<BatchRow>(&txn, &key)?.ok_or("a batch that it carries is not there")?.offset;
        batch(env, partition, &txn, (ordinal, offset, true), &mut shown)?;
    }
    Ok(shown)
}

/// The rows of the batch that a message brought, if it brought one.
fn batch(
    env: &Env,
    partition: u32,
    txn: &Gathered<'_>,
    (ordinal, offset, carried): (u32, u64, bool),
    shown: &mut Shown,
) -> Check {
    let payload = env.log.archived(Topic::Clearing(partition), offset).ok_or("a message is missing")?;
    let message = Clearing::decode(payload).map_err(|e| e.to_string())?;
    let Some(Body::Outcome(outcome)) = message.body else { return Ok(()) };
    let city = parse(&outcome.acquirer);
    let Some(row) = load::<BatchRow>(txn, &rows::batch(city, outcome.number))? else { return Ok(()) };
    if row.offset != offset {
        return Ok(());
    }
    let exceptions = Exceptions::unpack(&row.exceptions).map_err(|e| e.to_string())?;
    let (number, mut taken) = (outcome.number, Taken::default());
    rows_in(ordinal, city, outcome, &exceptions, carried, &mut taken).map_err(|e| e.to_string())?;
    let paid = taken.rows.iter().filter(|row| row.2 == RecordResult::Cleared).map(pay).collect();
    if sorted(paid) != sorted(taken.cleared) {
        return Err(format!("batch {number} of {city}: home cities and acquirer are told of other taps"));
    }
    for (position, _, result, ..) in taken.rows {
        let key = (city, number, position);
        if let Some(before) = shown.insert(key, result) {
            return Err(format!("two rows for {key:?}: {before:?} and {result:?}"));
        }
    }
    Ok(())
}

/// Place, home city, result and amount of a row.
type Row = (u16, City, RecordResult, u32);

fn pay(row: &Row) -> (City, u32) {
    (row.1, row.3)
}

fn sorted(mut paid: Vec<(City, u32)>) -> Vec<(City, u32)> {
    paid.sort_unstable_by_key(|(issuer, amount)| (issuer.spelling(), *amount));
    paid
}

/// What the production code gives: the acquirer's rows, and the taps that home cities pay for.
#[derive(Default)]
struct Taken {
    rows: Vec<Row>,
    cleared: Vec<(City, u32)>,
}

impl Taker for Taken {
    fn cleared(&mut self, issuer: City, _: City, tap: &Tap) -> Result<(), FilesError> {
        self.cleared.push((issuer, tap.amount_fen.get()));
        Ok(())
    }

    fn taken(&mut self, _: City, _: &str, rows: &[AcquirerRow]) -> Result<(), FilesError> {
        let row = |row: &AcquirerRow| {
            (u16::try_from(row.line - 2).unwrap(), row.issuer, row.result, row.amount_fen)
        };
        self.rows.extend(rows.iter().map(row));
        Ok(())
    }
}

fn load<R: Message + Default>(txn: &dyn Txn, key: &[u8]) -> Result<Option<R>, String> {
    rows::load(txn, key, "row").map_err(|e| e.to_string())
}
