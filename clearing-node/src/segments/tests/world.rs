//! A small clearing house on a real log, real stores and a real object store, without threads of its own: the test
//! folds, coordinates and puts folders together; renderers are the production ones.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use cu_log::{Log, Partition, append_and_wait, embedded::EmbeddedLog, topics::Topics};
use cu_objects::Objects;
use domain::{city::City, date::Date, rulebook::Rulebook, tap::Tap};
use proto::{
    Bytes, Clearing, CycleEvent, JudgedPart, LateVerdicts, Message, Outcome, Part, PartVerdicts, Published,
    Verdicts, clearing::Body,
};
use signing::Signers;
use tempfile::TempDir;
use zerocopy::IntoBytes;

use crate::{
    book::{self, Book, Stepped, Target},
    coordinator::{Coordinator, Effect, Input},
    render::Closed,
    rocks::RocksStore,
    segments::{
        AssembleError, assemble,
        renderer::{Renderer, Surroundings},
    },
    stores::Stores,
};

const WAIT: Duration = Duration::from_secs(60);
pub const CITIES: [&str; 4] = ["cu-2000", "cu-3000", "cu-5000", "cu-6000"];

pub fn date() -> Date {
    "2018-09-01".parse().unwrap()
}

fn rules(partitions: u32) -> Arc<Rulebook> {
    let mut text =
        "version = 1\npresentment_days = 10\nhotlist_grace_hours = 24\n[fees]\nbasis = \"cycle_bilateral\"\n\
        interchange_rate = \"0.003\"\nswitch_rate = \"0.001\"\n"
            .to_owned();
    for city in CITIES {
        text.push_str(&format!(
            "[[participant]]\ncity = \"{city}\"\nname_en = \"{city}\"\nname_zh = \"{city}\"\njoined = \"2018-01-01\"\n"
        ));
    }
    text.push_str(&format!("[clearing]\npartitions = {partitions}\n[clearing.assignment]\n"));
    for (city, place) in CITIES.iter().zip((0..partitions).cycle()) {
        text.push_str(&format!("{city} = {place}\n"));
    }
    Arc::new(Rulebook::parse(text.as_bytes()).unwrap())
}

/// The clearing house.
pub struct World {
    pub dir: TempDir,
    pub objects: Objects,
    pub core: Coordinator,
    /// Every alarm of the coordinator.
    pub alarms: Vec<String>,
    pub partitions: u32,
    /// Who signs folders, if somebody does.
    pub signers: Option<Signers>,
    log: Arc<dyn Log>,
    topics: Topics,
    read: u64,
    /// The cycle whose folder is wanted.
    due: Option<u32>,
}

/// A node: the stores that it owns.
pub struct Stand {
    pub stores: Stores,
    dir: PathBuf,
}

impl World {
    pub fn new(partitions: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(&dir.path().join("log")).unwrap());
        let topics = Topics::default();
        let mut specs = topics.of_centre(partitions);
        CITIES.iter().for_each(|city| specs.extend(topics.of_city(city.parse::<City>().unwrap())));
        log.create_topics(&specs).unwrap();
        let objects = Objects::open(dir.path().join("objects").to_str().unwrap()).unwrap();
        let core = Coordinator::new(partitions);
        let mut world = Self {
            dir,
            objects,
            core,
            alarms: Vec::new(),
            partitions,
            signers: None,
            log,
            topics,
            read: 0,
            due: None,
        };
        world.step(Input::Learn(rules(partitions)));
        world.step(Input::CaughtUp);
        world
    }

    /// A node of its own, which owns nothing yet.
    pub fn stand(&self, name: &str) -> Stand {
        Stand { stores: Stores::default(), dir: self.dir.path().join(name) }
    }

    /// The renderer of a node.
    pub fn renderer(&self, stand: &Stand) -> Renderer {
        Renderer::start(Surroundings {
            log: Arc::clone(&self.log),
            topics: self.topics.clone(),
            stores: stand.stores.clone(),
            objects: self.objects.clone(),
            work_dir: stand.dir.join("rendering"),
            niceness: 5,
        })
        .unwrap()
    }

    fn append(&self, to: &Partition, payload: Vec<u8>) {
        append_and_wait(self.log.writer().unwrap().as_mut(), to, payload.into(), WAIT).unwrap();
    }

    pub fn step(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.core.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Say(event) => self.append(&self.topics.cycles(), event.encode_to_vec()),
                Effect::Mark(marker) => {
                    let message = Clearing { body: Some(Body::Marker(marker)) }.encode_to_vec();
                    let to = |number| self.append(&self.topics.clearing(number), message.clone());
                    (0..self.partitions).for_each(to);
                }
                Effect::Render { cycle, .. } => self.due = Some(cycle),
                Effect::Refused(text) | Effect::Alarm(text) => self.alarms.push(text),
                Effect::Identify(_) | Effect::Adjust(_) => {}
            }
        }
    }

    /// Takes every event that stands on `cu.cycles`.
    pub fn read(&mut self) {
        loop {
            let payloads = self.messages(&self.topics.cycles(), self.read);
            if payloads.is_empty() {
                return;
            }
            for payload in payloads {
                self.read += 1;
                self.step(Input::Event(CycleEvent::decode(payload).unwrap()));
            }
        }
    }

    /// How many events stand on `cu.cycles`.
    pub fn events(&self) -> u64 {
        self.log.bounds(&self.topics.cycles()).unwrap().end
    }

    /// A coordinator that has read so many events.
    pub fn core_after(&self, events: u64) -> Coordinator {
        let mut core = Coordinator::new(self.partitions);
        core.step(Input::Learn(rules(self.partitions)), &mut Vec::new());
        let payloads = self.messages(&self.topics.cycles(), 0);
        for payload in payloads.into_iter().take(usize::try_from(events).unwrap()) {
            core.step(Input::Event(CycleEvent::decode(payload).unwrap()), &mut Vec::new());
        }
        core
    }

    pub fn log(&self) -> &dyn Log {
        self.log.as_ref()
    }

    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    fn messages(&self, partition: &Partition, from: u64) -> Vec<Bytes> {
        let end = self.log.bounds(partition).unwrap().end;
        let mut found = Vec::new();
        let mut reader = self.log.reader(&[(partition.clone(), from)]).unwrap();
        while (found.len() as u64) < end - from {
            found.extend(reader.poll(1 << 20, WAIT).unwrap().into_iter().map(|entry| entry.payload));
        }
        found
    }

    /// A partition's node folds everything that stands on its log, and says what is to be said of cycles.
    pub fn fold(&mut self, stand: &Stand, number: u32) {
        let folder = stand.dir.join(format!("partition-{number}"));
        fs::create_dir_all(&stand.dir).unwrap();
        let store = stand.stores.get(number).unwrap_or_else(|| RocksStore::open(&folder).unwrap());
        stand.stores.put(number, store.clone());
        let mut book = Book::load(number, &store.begin(), &[rules(self.partitions)]).unwrap();
        let mut effects = Vec::new();
        let mut txn = store.begin();
        for payload in self.messages(&self.topics.clearing(number), book.next_offset()) {
            let stepped = book.step(&mut txn, book.next_offset(), payload, &mut effects).unwrap();
            assert_eq!(stepped, Stepped::Done);
        }
        book.seal(&mut txn);
        txn.commit(false).unwrap();
        for effect in effects {
            match effect {
                book::Effect::Publish { target: Target::Cycles, payload, .. } => {
                    self.append(&self.topics.cycles(), payload.to_vec());
                }
                book::Effect::Publish { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn fold_all(&mut self, stand: &Stand) {
        (0..self.partitions).for_each(|number| self.fold(stand, number));
    }

    pub fn open(&mut self) {
        self.step(Input::Open { business_date: date(), version: 1 });
        self.read();
    }

    pub fn cut_off(&mut self) {
        self.step(Input::CutOff { opens: None, ends: Vec::new() });
        self.read();
    }

    fn clearing_of(&self, acquirer: usize) -> Partition {
        self.topics.clearing(u32::try_from(acquirer).unwrap() % self.partitions)
    }

    /// A batch of an acquirer for all other cities; the part of the last city is parked on demand.
    pub fn batch(&self, acquirer: usize, number: u64, parked: bool) {
        let judged: Vec<JudgedPart> = parts(acquirer, number)
            .into_iter()
            .enumerate()
            .map(|(at, part)| {
                let codes = vec![0; part.taps.len() / size_of::<Tap>()].into();
                let verdicts = Verdicts { codes, issuer_seal: Bytes::new() };
                JudgedPart { part: Some(part), verdicts: (!parked || at < 2).then_some(verdicts) }
            })
            .collect();
        let outcome = Outcome {
            acquirer: CITIES[acquirer].to_owned(),
            number,
            digest: digest(number),
            file: format!("{number}.csv"),
            records: RECORDS,
            parts: judged,
        };
        let message = Clearing { body: Some(Body::Outcome(outcome)) };
        self.append(&self.clearing_of(acquirer), message.encode_to_vec());
    }

    /// The verdicts for the part that was parked: the first record is not genuine.
    pub fn late(&self, acquirer: usize, number: u64) {
        let part = parts(acquirer, number).pop().unwrap();
        let mut codes = vec![0; part.taps.len() / size_of::<Tap>()];
        codes[0] = 2;
        let verdicts = Some(Verdicts { codes: codes.into(), issuer_seal: Bytes::new() });
        let late = LateVerdicts {
            acquirer: CITIES[acquirer].to_owned(),
            number,
            digest: digest(number),
            parts: vec![PartVerdicts { issuer: part.issuer, verdicts }],
        };
        let message = Clearing { body: Some(Body::Late(late)) };
        self.append(&self.clearing_of(acquirer), message.encode_to_vec());
    }

    pub fn closed(&self, cycle: u32) -> Closed {
        let opening = self.core.opening(cycle).unwrap().clone();
        let previous = self.core.published(cycle - 1);
        Closed {
            rulebook: self.core.rulebook_of(&opening).unwrap(),
            opening,
            plan: self.core.plan(cycle).unwrap().clone(),
            previous_manifest: previous.map(|p| p.manifest_digest.as_ref().try_into().unwrap()),
        }
    }

    pub fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    /// Lets renderers follow until all segments are in and the folder is wanted.
    pub fn wait_for_segments(&mut self, renderers: &[&Renderer]) -> u32 {
        let deadline = Instant::now() + WAIT;
        loop {
            self.read();
            renderers.iter().for_each(|renderer| renderer.follow(&self.core));
            if let Some(cycle) = self.due.take() {
                return cycle;
            }
            let failed = renderers.iter().find_map(|renderer| renderer.failed());
            assert!(Instant::now() < deadline, "{:?}, {failed:?}", self.core.segments_due());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Puts the folder together that is wanted, as the coordinator's thread does.
    pub fn assemble(&mut self, cycle: u32) -> Option<Published> {
        self.try_assemble(cycle).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same where it may fail.
    pub fn try_assemble(&mut self, cycle: u32) -> Result<Option<Published>, AssembleError> {
        let segments: Vec<_> = self.core.segments(cycle).collect();
        let work = self.dir.path().join("work");
        match assemble(
            &self.objects,
            &self.closed(cycle),
            &segments,
            self.signers.as_ref(),
            &work,
            &self.out(),
        ) {
            Ok(published) => {
                self.step(Input::Rendered(published.clone()));
                self.read();
                Ok(Some(published))
            }
            Err(AssembleError::Lost { partition, what }) => {
                self.step(Input::SegmentLost { cycle, partition, what });
                self.read();
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Renders and publishes.
    pub fn publish(&mut self, renderers: &[&Renderer]) -> BTreeMap<String, Vec<u8>> {
        let cycle = self.wait_for_segments(renderers);
        let published = self.assemble(cycle).unwrap();
        read_all(&self.out().join(published.folder))
    }
}

const RECORDS: u32 = 31;

fn digest(number: u64) -> Bytes {
    proto::digest::bytes(&number.to_be_bytes()).to_vec().into()
}

/// The parts of a batch, by issuer.
fn parts(acquirer: usize, number: u64) -> Vec<Part> {
    let mut parts: Vec<(&str, Vec<u8>)> =
        CITIES.iter().filter(|city| **city != CITIES[acquirer]).map(|city| (*city, Vec::new())).collect();
    let [c, d] = CITIES[acquirer].parse::<City>().unwrap().code_bytes();
    for position in 0..RECORDS {
        let serial = u32::try_from(number).unwrap() * 100 + position;
        let amount = 100 + serial % 37;
        let tap = Tap {
            line: (position + 2).into(),
            position: u16::try_from(position).unwrap().into(),
            terminal: [c, d, 0, 0, 0, (serial % 5).to_le_bytes()[0]],
            terminal_seq: serial.wrapping_mul(7919).into(),
            card: u64::from(serial).to_be_bytes(),
            card_counter: 1.into(),
            type_byte: 6,
            medium: 0,
            sector: (serial % 7).to_le_bytes()[0],
            product: 0,
            amount_fen: amount.into(),
            fare_fen: amount.into(),
            tapped_day: date().julian_day().into(),
            tapped_second: (20_000 + serial).into(),
            key_version: 1,
            algorithm: 0,
            tac: [0; 4],
        };
        parts[usize::try_from(position % 3).unwrap()].1.extend_from_slice(tap.as_bytes());
    }
    let part = |(issuer, taps): (&str, Vec<u8>)| Part {
        issuer: issuer.to_owned(),
        taps: taps.into(),
        texts: Bytes::new(),
    };
    parts.into_iter().map(part).collect()
}

/// Every file under a folder by its name there.
pub fn read_all(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(within) = folders.pop() {
        for entry in fs::read_dir(within).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}
