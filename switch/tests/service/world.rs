//! The log, the acquirers' batches, and a book that answers.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cu_log::{
    Log, Partition, append_and_wait,
    embedded::EmbeddedLog,
    topics::{SWITCH_GROUP, Topics},
};
use domain::{city::City, tap::Tap};
use proto::{BatchResult, Clearing, Message, Part, ResultException, TapBatch, clearing::Body};
use switch::{
    core::SwitchConfig,
    directory::{self, Directory},
    service::{self, Acquirers, ServiceConfig, Surroundings, SwitchHandle},
};
use tonic::transport::Channel;
use zerocopy::{FromZeros, IntoBytes};

use super::home::free_address;

pub fn city(code: &str) -> City {
    format!("cu-{code}").parse().unwrap()
}

/// A book that believes every verdict and publishes every result.
pub struct Book {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Body>>>,
}

impl Book {
    pub fn over(log: Arc<dyn Log>, topics: Topics) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut reader = log.reader(&[(topics.clearing(0), 0)]).unwrap();
            let mut writer = log.writer().unwrap();
            let mut parked: BTreeMap<(String, u64, String), Vec<u32>> = BTreeMap::new();
            let mut told = Vec::new();
            while !end.load(Ordering::Relaxed) {
                for entry in reader.poll(1 << 20, Duration::from_millis(20)).unwrap() {
                    let body = Clearing::decode(entry.payload).unwrap().body.unwrap();
                    let result = fold(&mut parked, &body);
                    let to = topics.results(&result.acquirer);
                    writer.append(vec![(to, Bytes::from(result.encode_to_vec()))], Box::new(|_| {})).unwrap();
                    told.push(body);
                }
            }
            told
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends the book; everything it was told.
    pub fn end(mut self) -> Vec<Body> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

pub fn fold(parked: &mut BTreeMap<(String, u64, String), Vec<u32>>, body: &Body) -> BatchResult {
    let (acquirer, number, digest) = match body {
        Body::Outcome(outcome) => {
            for judged in outcome.parts.iter().filter(|judged| judged.verdicts.is_none()) {
                let part = judged.part.clone().unwrap();
                let places = Tap::slice(&part.taps).unwrap().iter().map(|tap| u32::from(tap.position.get()));
                parked.insert((outcome.acquirer.clone(), outcome.number, part.issuer), places.collect());
            }
            (outcome.acquirer.clone(), outcome.number, outcome.digest.clone())
        }
        Body::Late(late) => {
            for part in &late.parts {
                parked.remove(&(late.acquirer.clone(), late.number, part.issuer.clone()));
            }
            (late.acquirer.clone(), late.number, late.digest.clone())
        }
        Body::Repeat(repeat) => (repeat.acquirer.clone(), repeat.number, repeat.digest.clone()),
        other => panic!("not the switch's: {other:?}"),
    };
    let waits = parked.iter().filter(|((of, n, _), _)| *of == acquirer && *n == number);
    let exceptions = waits
        .flat_map(|(_, places)| places.clone())
        .map(|position| ResultException { position, result: 4, cycle: 1 })
        .collect();
    BatchResult { acquirer, number, digest, records: 0, cycle: 1, exceptions, cycles: Vec::new() }
}

/// Everything around the switch.
pub struct World {
    pub log: Arc<dyn Log>,
    pub topics: Topics,
    pub acquirers: Vec<City>,
    pub homes: BTreeMap<City, SocketAddr>,
    pub runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl World {
    pub fn new(acquirers: &[&str], homes: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path()).unwrap();
        let topics = Topics::new("test.");
        let acquirers: Vec<City> = acquirers.iter().map(|code| city(code)).collect();
        let mut specs = topics.of_centre(1);
        specs.extend(acquirers.iter().flat_map(|acquirer| topics.of_city(*acquirer)));
        log.create_topics(&specs).unwrap();
        Self {
            log: Arc::new(log),
            topics,
            acquirers,
            homes: homes.iter().map(|code| (city(code), free_address())).collect(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            _folder: folder,
        }
    }

    pub fn channel(&self, home: City) -> Channel {
        let _guard = self.runtime.enter();
        directory::endpoint(format!("http://{}", self.homes[&home]).parse().unwrap()).connect_lazy()
    }

    /// A switch for all acquirers.
    pub fn start(&self, park_after_ms: Option<u64>) -> SwitchHandle {
        self.start_for(park_after_ms, Acquirers::Own(self.acquirers.iter().copied().collect()))
    }

    /// One of several switches that share the acquirers.
    pub fn start_shared(&self, park_after_ms: Option<u64>) -> SwitchHandle {
        self.start_for(park_after_ms, Acquirers::Shared(self.acquirers.iter().copied().collect()))
    }

    fn start_for(&self, park_after_ms: Option<u64>, acquirers: Acquirers) -> SwitchHandle {
        let switch = SwitchConfig {
            park_after_ms,
            retry_ms: 20,
            retry_ms_max: 100,
            requests_in_flight_max: 2,
            ..SwitchConfig::default()
        };
        let directory: Directory = self.homes.keys().map(|home| (*home, self.channel(*home))).collect();
        let with = Surroundings {
            log: Arc::clone(&self.log),
            topics: self.topics.clone(),
            acquirers,
            directory,
            partition_of: Arc::new(|_| 0),
            tokio: self.runtime.handle().clone(),
        };
        service::start(ServiceConfig { switch, ..ServiceConfig::default() }, with).unwrap()
    }

    /// Publishes batches `numbers` of every acquirer, with two taps for each home city.
    pub fn publish(&self, numbers: std::ops::RangeInclusive<u64>) {
        let mut writer = self.log.writer().unwrap();
        for acquirer in &self.acquirers {
            for number in numbers.clone() {
                let to = self.topics.taps(*acquirer);
                append_and_wait(&mut *writer, &to, self.batch(*acquirer, number), Duration::from_secs(10))
                    .unwrap();
            }
        }
    }

    pub fn batch(&self, acquirer: City, number: u64) -> Bytes {
        let mut position = 0_u16;
        let mut part = |issuer: &City| {
            let mut taps = Vec::new();
            for _ in 0..2 {
                let mut tap = Tap::new_zeroed();
                tap.position = position.into();
                tap.terminal_seq = u32::from(position).into();
                taps.extend_from_slice(tap.as_bytes());
                position += 1;
            }
            Part { issuer: issuer.to_string(), taps: Bytes::from(taps), texts: Bytes::from_static(&[0; 6]) }
        };
        let parts: Vec<Part> = self.homes.keys().map(&mut part).collect();
        let batch = TapBatch {
            acquirer: acquirer.to_string(),
            number,
            digest: Bytes::copy_from_slice(&proto::digest::batch(
                &acquirer.to_string(),
                number,
                "a.csv",
                &parts,
            )),
            file: "a.csv".to_owned(),
            records: u32::from(position),
            parts,
            resume: None,
        };
        Bytes::from(batch.encode_to_vec())
    }

    pub fn committed(&self, partition: Partition) -> (u64, String) {
        let committed = self.log.committed(&self.topics.group(SWITCH_GROUP), &[partition]).unwrap();
        committed[0].clone().map(|commit| (commit.offset, commit.note)).unwrap_or_default()
    }

    pub fn wait(&self, switch: &SwitchHandle, what: &str, done: impl Fn() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert_eq!(switch.failed(), None, "{what}");
            assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {:?}", switch.status());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn wait_for_taps(&self, switch: &SwitchHandle, end: u64) {
        for acquirer in &self.acquirers {
            let done = || self.committed(self.topics.taps(acquirer)) == (end, end.to_string());
            self.wait(switch, &format!("taps of {acquirer} committed to {end}"), done);
        }
    }
}
