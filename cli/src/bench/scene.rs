//! What several lines of the benchmark need: cities with their rules, batches of taps as home cities judged them,
//! and stores that remember.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use clearing_node::{
    book::{
        identities::{Entry, Key, row},
        rows,
    },
    partition::{Partition, Surroundings},
    rocks::RocksStore,
    store::Txn,
    stores::Stores,
};
use cu_log::{Log, Writer, append_and_wait, embedded::EmbeddedLog, topics::Topics};
use domain::{city::City, date::Date, identity::content_digest, rulebook::Rulebook, tap::Tap};
use proto::{
    Clearing, JudgedPart, Marker, Message, Opening, Outcome, Part, RulebookDocument, Verdicts, clearing::Body,
};
use runtime::scheme::SchemeView;
use zerocopy::IntoBytes;

/// Cities that tap and pay.
pub const CITIES: u64 = 80;
/// Partitions of `cu.clearing`: one a core.
pub const PARTITIONS: u32 = 2;
/// Terminals of a city.
const TERMINALS: u64 = 2000;
/// How many days are accepted after a tap.
pub const PRESENTMENT_DAYS: i32 = 10;
/// How long something rare may take.
pub const WAIT: Duration = Duration::from_secs(300);
/// Records of a row of the store, as a whole batch makes it.
const ROW_RECORDS: u64 = 4096;

/// An embedded log with topics and rules.
pub struct Scene {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Its topics.
    pub topics: Topics,
    /// What it says of rules and cycles.
    pub scheme: Arc<SchemeView>,
    /// The rules.
    pub rulebook: Rulebook,
    /// The cities.
    pub cities: Vec<City>,
}

impl Scene {
    /// Makes one on an embedded log in `folder`.
    pub fn make(folder: &Path) -> Result<Self> {
        Self::make_on(Arc::new(EmbeddedLog::open(folder)?), Topics::default())
    }

    /// Makes one on a log that has none of these topics yet.
    pub fn make_on(log: Arc<dyn Log>, topics: Topics) -> Result<Self> {
        let cities = cities()?;
        let mut specs = topics.of_centre(PARTITIONS);
        cities.iter().for_each(|city| specs.extend(topics.of_city(city)));
        log.create_topics(&specs)?;
        let rulebook = Rulebook::parse(rules(&cities).as_bytes())?;
        let document = RulebookDocument {
            version: rulebook.version,
            digest: rulebook.digest().to_vec().into(),
            toml: rulebook.bytes().to_vec().into(),
        };
        let mut writer = log.writer()?;
        append_and_wait(writer.as_mut(), &topics.rulebook(), document.encode_to_vec().into(), WAIT)?;
        let scheme = Arc::new(SchemeView::follow(&log, &topics)?);
        Ok(Self { log, topics, scheme, rulebook, cities })
    }

    /// Writes the marker that opens the first cycle into every partition.
    pub fn open_by_marker(&self) -> Result<()> {
        let mut writer = self.log.writer()?;
        let opening = Opening {
            cycle: 1,
            business_date: business_date()?.julian_day(),
            sequence: 1,
            rulebook_version: self.rulebook.version,
            rulebook_digest: self.rulebook.digest().to_vec().into(),
        };
        let marker = Marker { closes: 0, opens: Some(opening) };
        let marker = Clearing { body: Some(Body::Marker(marker)) }.encode_to_vec();
        for partition in 0..PARTITIONS {
            let partition = self.topics.clearing(partition);
            append_and_wait(writer.as_mut(), &partition, marker.clone().into(), WAIT)?;
        }
        Ok(())
    }

    /// Appends a batch of the city at `index` with the taps of these serials, all accepted.
    pub fn append(
        &self,
        writer: &mut dyn Writer,
        index: usize,
        number: u64,
        serials: Range<u64>,
        day: Date,
    ) -> Result<()> {
        let outcome = outcome(&self.cities, index, number, serials, day)?;
        let partition = self.topics.clearing(self.rulebook.partition_of(self.cities[index]));
        let message = Clearing { body: Some(Body::Outcome(outcome)) };
        writer.append(vec![(partition, message.encode_to_vec().into())], Box::new(drop))?;
        Ok(())
    }

    /// Starts every partition over its store.
    pub fn partitions(&self, folder: impl Fn(u32) -> PathBuf) -> Result<Vec<Partition>> {
        let around = Surroundings {
            log: Arc::clone(&self.log),
            topics: self.topics.clone(),
            scheme: Arc::clone(&self.scheme),
            stores: Stores::default(),
            restore: None,
        };
        let start = |number| Ok(Partition::start(number, folder(number), &around)?);
        (0..PARTITIONS).map(start).collect()
    }

    /// Makes the store of each partition that begins with remembered taps: of every city `each` a day, serials
    /// from 0 on, on the days given. `folder` says where a partition's store stands.
    pub fn remember(
        &self,
        folder: impl Fn(u32) -> PathBuf + Sync,
        days: Range<i32>,
        each: u64,
    ) -> Result<()> {
        std::thread::scope(|scope| {
            let fill = |partition: u32| {
                let (folder, days) = (&folder, days.clone());
                scope.spawn(move || self.fill(&folder(partition), partition, days, each))
            };
            let threads: Vec<_> = (0..PARTITIONS).map(fill).collect();
            let ended = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
                thread.join().unwrap_or_else(|_| anyhow::bail!("filling a store panicked"))
            };
            threads.into_iter().try_for_each(ended)
        })
    }

    fn fill(&self, folder: &Path, partition: u32, days: Range<i32>, each: u64) -> Result<()> {
        let store = RocksStore::open(folder)?;
        let mut txn = store.begin();
        txn.put(rows::FORMAT.to_vec(), rows::FORMAT_NOW.to_be_bytes().to_vec());
        txn.commit(false)?;
        // No message of the log stands there.
        let mut offset = 1 << 40;
        for (day, first) in days.zip((0..).step_by(usize::try_from(each.max(1))?)) {
            let day = Date::from_julian_day(day);
            for from in (first..first + each).step_by(usize::try_from(ROW_RECORDS)?) {
                let mut txn = store.begin();
                let serials = from..(first + each).min(from + ROW_RECORDS);
                for (index, city) in self.cities.iter().enumerate() {
                    if self.rulebook.partition_of(*city) == partition {
                        let entries: Vec<Entry> = serials
                            .clone()
                            .map(|serial| entry(&self.cities, index, serial, day))
                            .collect::<Result<_>>()?;
                        txn.put(rows::identities(day, offset), row::pack(&entries));
                        offset += 1;
                    }
                }
                txn.commit(false)?;
            }
        }
        Ok(())
    }
}

/// The first business date.
pub fn business_date() -> Result<Date> {
    Ok(Date::from_ymd(2018, 9, 1)?)
}

fn cities() -> Result<Vec<City>> {
    (0..CITIES).map(|n| format!("cu-{:04}", 1000 + n * 100).parse().context("name a city")).collect()
}

fn rules(cities: &[City]) -> String {
    let mut text = format!("version = 1\npresentment_days = {PRESENTMENT_DAYS}\n")
        + "hotlist_grace_hours = 24\n[fees]\nbasis = \"cycle_bilateral\"\n\
        interchange_rate = \"0.003\"\nswitch_rate = \"0.001\"\n[[fees.line]]\nname = \"metro\"\n\
        sector = \"metro\"\ninterchange_rate = \"0.0025\"\nswitch_rate = \"0.0005\"\n";
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

/// The home city of a serial's card: another than the acquirer.
fn issuer(cities: &[City], acquirer: usize, serial: u64) -> Result<usize> {
    let others = u64::try_from(cities.len())? - 1;
    let other = usize::try_from((serial.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % others)?;
    Ok(other + usize::from(other >= acquirer))
}

/// The tap with a serial number of a city: terminals in turn, each with sequences that grow by one.
fn tap(acquirer: City, serial: u64, position: u32, day: Date) -> Result<Tap> {
    let [t, u] = u16::try_from(serial % TERMINALS)?.to_be_bytes();
    let [c, d] = acquirer.code_bytes();
    let amount = 100 + u32::try_from(serial % 900)?;
    Ok(Tap {
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
        tapped_day: day.julian_day().into(),
        tapped_second: u32::try_from(20_000 + serial % 60_000)?.into(),
        key_version: 1,
        algorithm: 0,
        tac: [0; 4],
    })
}

fn entry(cities: &[City], acquirer: usize, serial: u64, day: Date) -> Result<Entry> {
    let issuer = cities[issuer(cities, acquirer, serial)?];
    let tap = tap(cities[acquirer], serial, 0, day)?;
    Ok(Entry::new(Key::of(issuer, &tap), day, content_digest(issuer, &tap)))
}

/// A batch of the city at `index`, all its taps accepted.
fn outcome(cities: &[City], index: usize, number: u64, serials: Range<u64>, day: Date) -> Result<Outcome> {
    let acquirer = cities[index];
    let mut parts: Vec<Vec<u8>> = vec![Vec::new(); cities.len()];
    let records = u32::try_from(serials.end - serials.start)?;
    for (position, serial) in (0..).zip(serials) {
        let tap = tap(acquirer, serial, position, day)?;
        parts[issuer(cities, index, serial)?].extend_from_slice(tap.as_bytes());
    }
    let judged = |(issuer, taps): (&City, Vec<u8>)| {
        let codes = vec![0; taps.len() / size_of::<Tap>()].into();
        let part = Part { issuer: issuer.to_string(), taps: taps.into(), texts: proto::Bytes::new() };
        JudgedPart { part: Some(part), verdicts: Some(Verdicts { codes, issuer_seal: proto::Bytes::new() }) }
    };
    Ok(Outcome {
        acquirer: acquirer.to_string(),
        number,
        digest: proto::digest::bytes(&number.to_be_bytes()).to_vec().into(),
        file: format!("2018-09-01-{number:06}.csv"),
        records,
        parts: cities.iter().zip(parts).filter(|(_, taps)| !taps.is_empty()).map(judged).collect(),
    })
}
