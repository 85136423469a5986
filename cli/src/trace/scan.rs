//! Reading whole topics from the log, message after message, in memory of a fixed size.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use cu_log::{Log, LogError, Partition, topics::Topics};
use domain::city::City;
use proto::Bytes;

use super::{
    calendar::{Calendar, Pair},
    fold::Fold,
    life::Looked,
    query::Query,
};
use crate::dispute::known::Known;

/// Bytes of messages read at once.
const READ_BYTES: usize = 4 << 20;
/// How long a message that must be there is waited for.
const READ_WAIT: Duration = Duration::from_secs(30);

/// How far the reading of one place has come.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// The place.
    pub place: &'a str,
    /// Messages or bytes read.
    pub done: u64,
    /// Messages or bytes to read.
    pub total: u64,
}

/// Is told how far a long reading has come.
pub type Progress<'a> = &'a dyn Fn(Scan<'_>);

/// What the log tells.
#[derive(Debug)]
pub struct FromLog {
    /// Batches and records.
    pub fold: Fold,
    /// Rules and cycles.
    pub calendar: Calendar,
    /// Disputes and refunds.
    pub known: Known,
    /// Topics that were read.
    pub looked: Vec<Looked>,
    /// Whether every participant's topics were read.
    pub everywhere: bool,
}

/// Reads what concerns a tap: the topics of the terminal's owner, of every participant only if nothing is there
/// or `everywhere` is asked for.
///
/// # Errors
/// If the log cannot be read, or no system has ever written to these topics.
pub fn from_log(
    log: &Arc<dyn Log>,
    topics: &Topics,
    query: Query,
    everywhere: bool,
    progress: Progress<'_>,
) -> Result<FromLog> {
    let mut scan = Scanning { log: log.as_ref(), topics, progress, looked: Vec::new() };
    let mut calendar = Calendar::default();
    scan.topic(&topics.rulebook(), &mut |_, payload| calendar.rulebook(payload))?;
    if !calendar.knows_rules() {
        bail!(
            "there are no rules on {}: no system has run with this log{}",
            topics.rulebook().topic,
            if topics.prefix().is_empty() {
                "; does its configuration state a prefix? give --prefix"
            } else {
                ""
            }
        );
    }
    let mut fold = Fold::new(query);
    let owners: BTreeSet<City> = calendar.owners(query.terminal).iter().map(|owner| owner.city).collect();
    let others: BTreeSet<City> = calendar.participants().difference(&owners).copied().collect();
    scan.presented(&mut fold, &calendar, &owners)?;
    let everywhere = everywhere || !fold.found();
    if everywhere {
        scan.presented(&mut fold, &calendar, &others)?;
    }
    scan.answered(&mut fold)?;
    let records = fold
        .batches
        .iter()
        .flat_map(|((city, _), batch)| batch.found.iter().map(move |record| (*city, record.issuer)));
    let pairs: BTreeSet<Pair> = records.collect();
    let mut known = Known::default();
    scan.topic(&topics.cycles(), &mut |offset, payload| {
        // The calendar counts what cannot be read.
        drop(known.event(payload.clone()));
        calendar.event(&pairs, offset, payload);
    })?;
    Ok(FromLog { fold, calendar, known, looked: scan.looked, everywhere })
}

struct Scanning<'a> {
    log: &'a dyn Log,
    topics: &'a Topics,
    progress: Progress<'a>,
    looked: Vec<Looked>,
}

impl Scanning<'_> {
    /// What some cities presented, and what was judged of it.
    fn presented(&mut self, fold: &mut Fold, calendar: &Calendar, cities: &BTreeSet<City>) -> Result<()> {
        for city in cities {
            self.topic(&self.topics.taps(city), &mut |offset, payload| fold.taps(*city, offset, payload))?;
        }
        let partitions: BTreeSet<u32> = cities.iter().map(|city| calendar.partition_of(*city)).collect();
        for partition in partitions {
            fold.begin_partition();
            let clearing = self.topics.clearing(partition);
            self.topic(&clearing, &mut |offset, payload| fold.clearing(cities, partition, offset, payload))?;
        }
        Ok(())
    }

    /// What became of the records that were found.
    fn answered(&mut self, fold: &mut Fold) -> Result<()> {
        for city in fold.acquirers() {
            if fold.parked(city) {
                let parked = self.topics.parked(city);
                self.topic(&parked, &mut |offset, payload| fold.parked_part(city, offset, payload))?;
            }
            self.topic(&self.topics.results(city), &mut |offset, payload| {
                fold.result(city, offset, payload)
            })?;
        }
        Ok(())
    }

    /// Visits every message that stands in a partition now; one that does not exist holds none.
    fn topic(&mut self, partition: &Partition, visit: &mut dyn FnMut(u64, Bytes)) -> Result<()> {
        let place = partition.to_string();
        let bounds = match self.log.bounds(partition) {
            Ok(bounds) => bounds,
            Err(LogError::NoTopic(_)) => {
                self.looked.push(Looked { place, read: "does not exist".to_owned() });
                return Ok(());
            }
            Err(error) => return Err(error).with_context(|| format!("failed to read {partition}")),
        };
        if bounds.start < bounds.end {
            self.read(partition, bounds.clone(), visit)
                .with_context(|| format!("failed to read {partition}"))?;
        }
        let read = match bounds.end - bounds.start {
            0 => "empty".to_owned(),
            _ => format!("offsets {} to {}", bounds.start, bounds.end - 1),
        };
        self.looked.push(Looked { place, read });
        Ok(())
    }

    fn read(
        &self,
        partition: &Partition,
        bounds: std::ops::Range<u64>,
        visit: &mut dyn FnMut(u64, Bytes),
    ) -> Result<(), LogError> {
        let mut reader = self.log.reader(&[(partition.clone(), bounds.start)])?;
        let mut next = bounds.start;
        while next < bounds.end {
            let entries = reader.poll(READ_BYTES, READ_WAIT)?;
            if entries.is_empty() {
                return Err(LogError::Timeout(READ_WAIT));
            }
            for entry in entries {
                next = entry.offset + 1;
                if entry.offset < bounds.end {
                    visit(entry.offset, entry.payload);
                }
            }
            let (done, total) = (next.min(bounds.end) - bounds.start, bounds.end - bounds.start);
            (self.progress)(Scan { place: &partition.topic, done, total });
        }
        Ok(())
    }
}
