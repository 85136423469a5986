//! The book alone: outcomes that stand on the log become identities, totals, exceptions and results, durable.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clearing_node::partition::Partition;
use cu_log::{Log, append_and_wait, embedded::EmbeddedLog, topics::Topics};
use domain::{city::City, date::Date, rulebook::Rulebook, tap::Tap};
use proto::{
    Clearing, JudgedPart, Marker, Message, Opening, Outcome, Part, RulebookDocument, Verdicts, clearing::Body,
};
use runtime::scheme::SchemeView;
use zerocopy::IntoBytes;

/// Cities that tap and pay.
const CITIES: u32 = 80;
/// Partitions of `cu.clearing`: one a core.
const PARTITIONS: u32 = 2;
/// Records of a batch.
const RECORDS: u32 = 4096;
/// Terminals of a city.
const TERMINALS: u64 = 2000;
const BUSINESS_DATE: (u16, u8, u8) = (2018, 9, 1);
const WAIT: Duration = Duration::from_secs(300);

/// What one run measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Records booked per second.
    pub taps_per_s: u64,
    /// Bytes of memory a remembered identity.
    pub bytes_per_identity: u64,
}

/// A log full of outcomes.
pub struct Prepared {
    log: Arc<dyn Log>,
    topics: Topics,
    scheme: Arc<SchemeView>,
    taps: u64,
}

/// Writes outcomes for at least `taps` records onto an embedded log in `dir`.
///
/// # Errors
/// If the log fails.
pub fn prepare(dir: &Path, taps: u64) -> Result<Prepared> {
    prepare_on(Arc::new(EmbeddedLog::open(&dir.join("log"))?), Topics::default(), taps)
}

/// Writes outcomes for at least `taps` records onto a log that has none of these topics yet.
///
/// # Errors
/// If the log fails.
pub fn prepare_on(log: Arc<dyn Log>, topics: Topics, taps: u64) -> Result<Prepared> {
    let cities = cities()?;
    let mut specs = topics.of_centre(PARTITIONS);
    cities.iter().for_each(|city| specs.extend(topics.of_city(city)));
    log.create_topics(&specs)?;
    let rulebook = Rulebook::parse(rules(&cities).as_bytes())?;
    let mut writer = log.writer()?;
    let document = RulebookDocument {
        version: rulebook.version,
        digest: rulebook.digest().to_vec().into(),
        toml: rulebook.bytes().to_vec().into(),
    };
    append_and_wait(writer.as_mut(), &topics.rulebook(), document.encode_to_vec().into(), WAIT)?;
    let opening = Opening {
        cycle: 1,
        business_date: business_date()?.julian_day(),
        sequence: 1,
        rulebook_version: rulebook.version,
        rulebook_digest: rulebook.digest().to_vec().into(),
    };
    let marker = Clearing { body: Some(Body::Marker(Marker { closes: 0, opens: Some(opening) })) };
    for partition in 0..PARTITIONS {
        append_and_wait(writer.as_mut(), &topics.clearing(partition), marker.encode_to_vec().into(), WAIT)?;
    }
    let mut written = 0;
    for number in 1.. {
        for (index, city) in cities.iter().enumerate() {
            if written >= taps {
                writer.flush(WAIT)?;
                let scheme = Arc::new(SchemeView::follow(&log, &topics)?);
                return Ok(Prepared { log, topics, scheme, taps: written });
            }
            let outcome = Clearing { body: Some(Body::Outcome(outcome(&cities, index, number)?)) };
            let partition = topics.clearing(rulebook.partition_of(*city));
            writer.append(vec![(partition, outcome.encode_to_vec().into())], Box::new(drop))?;
            written += u64::from(RECORDS);
        }
    }
    unreachable!("batch numbers do not end")
}

/// Folds the log into an empty book and measures.
///
/// # Errors
/// If a partition stands still.
pub fn run(prepared: &Prepared, dir: &Path) -> Result<Measured> {
    run_after(prepared, 0, dir)
}

/// The same, but the clock begins when about `warm_up` of the records are booked.
///
/// # Errors
/// If a partition stands still.
pub fn run_after(prepared: &Prepared, warm_up: u64, dir: &Path) -> Result<Measured> {
    let ends = (0..PARTITIONS)
        .map(|partition| Ok(prepared.log.bounds(&prepared.topics.clearing(partition))?.end))
        .collect::<Result<Vec<u64>>>()?;
    let begun = Instant::now();
    let partitions = (0..PARTITIONS)
        .map(|number| {
            let folder = dir.join(format!("book-{number}"));
            Partition::start(number, &folder, &prepared.log, &prepared.topics, &prepared.scheme)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let arrived = || {
        let booked = |p: &Partition| p.progress.booked.lock().map_or(0, |booked| booked.arrived);
        partitions.iter().map(booked).sum::<u64>()
    };
    let (mut started, mut before) = (begun, 0);
    let done = |p: &Partition, end: u64| {
        p.progress.next_offset.load(Ordering::Relaxed) >= end
            && p.progress.unpublished.load(Ordering::Relaxed) == 0
    };
    while !partitions.iter().zip(&ends).all(|(p, end)| done(p, *end)) {
        if let Some(why) = partitions.iter().find_map(Partition::failed) {
            anyhow::bail!(why);
        }
        if before < warm_up {
            (started, before) = (Instant::now(), arrived());
        }
        ensure!(begun.elapsed() < WAIT, "the book did not finish within {WAIT:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
    let elapsed_ns = started.elapsed().as_nanos().max(1);
    let sum = |read: fn(&Partition) -> u64| partitions.iter().map(read).sum::<u64>();
    let identities = sum(|p| p.progress.identities.load(Ordering::Relaxed));
    let bytes = sum(|p| p.progress.identities_bytes.load(Ordering::Relaxed));
    ensure!(identities == prepared.taps, "{identities} of {} records were paid", prepared.taps);
    Ok(Measured {
        taps_per_s: u64::try_from(u128::from(prepared.taps - before) * 1_000_000_000 / elapsed_ns)?,
        bytes_per_identity: bytes / identities.max(1),
    })
}

fn business_date() -> Result<Date> {
    let (year, month, day) = BUSINESS_DATE;
    Ok(Date::from_ymd(year, month, day)?)
}

fn cities() -> Result<Vec<City>> {
    (0..CITIES).map(|n| format!("cu-{:04}", 1000 + n * 100).parse().context("name a city")).collect()
}

fn rules(cities: &[City]) -> String {
    let mut text = "version = 1\npresentment_days = 10\nhotlist_grace_hours = 24\n\
        [fees]\nbasis = \"cycle_bilateral\"\ninterchange_rate = \"0.003\"\nswitch_rate = \"0.001\"\n\
        [[fees.line]]\nname = \"metro\"\nsector = \"metro\"\ninterchange_rate = \"0.0025\"\nswitch_rate = \"0.0005\"\n"
        .to_owned();
    text.push_str(&format!("[clearing]\npartitions = {PARTITIONS}\n[clearing.assignment]\n"));
    for (index, city) in (0..).zip(cities) {
        text.push_str(&format!("\"{city}\" = {}\n", index % PARTITIONS));
    }
    for city in cities {
        text.push_str(&format!(
            "[[participant]]\ncity = \"{city}\"\nname_en = \"{city}\"\nname_zh = \"{city}\"\njoined = \"2018-01-01\"\n"
        ));
    }
    text
}

/// A batch of the city at `index`, all its taps accepted: home cities in turn, terminals in turn.
fn outcome(cities: &[City], index: usize, number: u64) -> Result<Outcome> {
    let acquirer = cities[index];
    let mut parts: Vec<(City, Vec<u8>)> =
        cities.iter().filter(|city| **city != acquirer).map(|city| (*city, Vec::new())).collect();
    let count = parts.len();
    let day = business_date()?.julian_day();
    for position in 0..RECORDS {
        let serial = (number - 1) * u64::from(RECORDS) + u64::from(position);
        let [t, u] = u16::try_from(serial % TERMINALS)?.to_be_bytes();
        let [c, d] = acquirer.code_bytes();
        let amount = 100 + u32::try_from(serial % 900)?;
        let tap = Tap {
            line: (position + 2).into(),
            position: u16::try_from(position)?.into(),
            terminal: [c, d, 0, 0, t, u],
            terminal_seq: u32::try_from(serial / TERMINALS)?.into(),
            card: serial.to_be_bytes(),
            card_counter: u16::try_from(serial % 60_000)?.into(),
            type_byte: 6,
            medium: 0,
            sector: u8::try_from(serial % 7)?,
            product: u8::try_from(serial % 5)?,
            amount_fen: amount.into(),
            fare_fen: amount.into(),
            tapped_day: day.into(),
            tapped_second: u32::try_from(20_000 + serial % 60_000)?.into(),
            key_version: 1,
            algorithm: 0,
            tac: [0; 4],
        };
        let part = usize::try_from(serial.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33)? % count;
        parts[part].1.extend_from_slice(tap.as_bytes());
    }
    let judged = |(issuer, taps): (City, Vec<u8>)| {
        let codes = vec![0; taps.len() / size_of::<Tap>()].into();
        let part = Part { issuer: issuer.to_string(), taps: taps.into(), texts: proto::Bytes::new() };
        JudgedPart { part: Some(part), verdicts: Some(Verdicts { codes, issuer_seal: proto::Bytes::new() }) }
    };
    Ok(Outcome {
        acquirer: acquirer.to_string(),
        number,
        digest: proto::digest::bytes(&number.to_be_bytes()).to_vec().into(),
        file: format!("2018-09-01-{number:06}.csv"),
        records: RECORDS,
        parts: parts.into_iter().filter(|(_, taps)| !taps.is_empty()).map(judged).collect(),
    })
}
