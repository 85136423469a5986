//! The inbox as a whole over an embedded log, with a link that can be cut.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use cu_log::{Log, LogError, append_and_wait, embedded::EmbeddedLog, topics::Topics};
use domain::{city::City, date::Date, rulebook::Rulebook};
use proto::{
    BatchResult, CycleEvent, CycleName, Message, Opened, Opening, ResultException, RulebookDocument,
    TapBatch, cycle_event::Body,
};
use tempfile::TempDir;

use super::{
    InboxConfig, InboxError, InboxService, Link, StateLock, look,
    status::{FileStatus, Status, Way},
};
use crate::{acquirer::AcquirerHost, tapfile::HEADER};

mod troubles;
mod ways;

const WAIT: Duration = Duration::from_secs(30);

const RULES: &str = "version = 1\npresentment_days = 10\nhotlist_grace_hours = 24\n[fees]\n\
    basis = \"cycle_bilateral\"\ninterchange_rate = \"0\"\nswitch_rate = \"0\"\n\
    [[participant]]\ncity = \"cu-2000\"\nname_en = \"A\"\nname_zh = \"甲\"\njoined = \"2018-01-01\"\n";

fn city() -> City {
    "cu-2000".parse().unwrap()
}

/// A data line; its sequence is its amount too.
fn line(seq: usize) -> String {
    format!(
        "200000000001,{seq},cu-3000,00000000000000AA,1,06,{seq},{seq},2018-09-01T00:00:00,cpu,bus,flat,op,,,1,\
         3des,00000000\n"
    )
}

/// A file of the lines with these sequences.
fn text(seqs: impl IntoIterator<Item = usize>) -> String {
    seqs.into_iter().fold(format!("{HEADER}\n"), |text, seq| text + &line(seq))
}

/// A city's folders and the log.
struct World {
    folder: TempDir,
    log: Arc<dyn Log>,
    topics: Topics,
    away: Arc<AtomicBool>,
    waiting_bytes_max: u64,
}

impl World {
    /// A world whose business date 2018-09-01 is open.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(&folder.path().join("log")).unwrap());
        let topics = Topics::new("t-");
        let mut specs = topics.of_city(city());
        specs.extend(topics.of_centre(1));
        log.create_topics(&specs).unwrap();
        fs::create_dir(folder.path().join("inbox")).unwrap();
        let world = Self { folder, log, topics, away: Arc::default(), waiting_bytes_max: 1 << 30 };
        world.open("2018-09-01");
        world
    }

    fn open(&self, date: &str) {
        let rules = Rulebook::parse(RULES.as_bytes()).unwrap();
        let digest = rules.digest().to_vec();
        let toml = RULES.as_bytes().to_vec().into();
        let document = RulebookDocument { version: 1, digest: digest.clone().into(), toml };
        self.append(&self.topics.rulebook(), &document);
        let opening = Opening {
            cycle: 1,
            business_date: date.parse::<Date>().unwrap().julian_day(),
            sequence: 1,
            rulebook_version: 1,
            rulebook_digest: digest.into(),
        };
        for body in [Body::Opening(opening), Body::Opened(Opened { cycle: 1 })] {
            self.append(&self.topics.cycles(), &CycleEvent { body: Some(body) });
        }
    }

    fn append(&self, to: &cu_log::Partition, message: &impl Message) {
        let mut writer = self.log.writer().unwrap();
        append_and_wait(writer.as_mut(), to, message.encode_to_vec().into(), WAIT).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file into the inbox at once, as a rename does.
    fn put(&self, path: &str, text: impl AsRef<[u8]>) {
        let to = self.path("inbox").join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(self.path("draft"), text).unwrap();
        fs::rename(self.path("draft"), to).unwrap();
    }

    fn start(&self) -> InboxService {
        self.start_with(|_| {})
    }

    fn start_with(&self, change: impl Fn(&mut InboxConfig)) -> InboxService {
        let state = self.path("state");
        let lock = StateLock::take(&state).unwrap();
        let host = AcquirerHost::open(&state, Arc::clone(&self.log), self.topics.clone(), &self.path("out"));
        let host = host.unwrap();
        let away = Arc::clone(&self.away);
        let ask = Box::new(move || match away.load(Ordering::SeqCst) {
            true => Err(LogError::Timeout(Duration::from_secs(3))),
            false => Ok(()),
        });
        let link =
            Link::start(host.clone(), Arc::clone(&self.log), self.topics.clone(), city(), ask).unwrap();
        let mut config = InboxConfig {
            city: city(),
            inbox_dir: self.path("inbox"),
            state_dir: state,
            archive_dir: self.path("archive"),
            quarantine_dir: self.path("quarantine"),
            every: Duration::from_millis(20),
            stable: Duration::from_millis(100),
            waiting_bytes_max: self.waiting_bytes_max,
            any_ending: false,
        };
        change(&mut config);
        InboxService::start(config, lock, host, link).unwrap()
    }

    /// The batches on the log.
    fn batches(&self) -> Vec<TapBatch> {
        let partition = self.topics.taps(city());
        let end = self.log.bounds(&partition).unwrap().end;
        let mut reader = self.log.reader(&[(partition, 0)]).unwrap();
        let mut batches = Vec::new();
        while (batches.len() as u64) < end {
            let entries = reader.poll(1 << 20, WAIT).unwrap();
            batches.extend(entries.into_iter().map(|entry| TapBatch::decode(entry.payload).unwrap()));
        }
        batches
    }

    /// The files of the batches on the log, each once, in order.
    fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = self.batches().into_iter().map(|batch| batch.file).collect();
        files.dedup();
        files
    }

    /// Calls everything in a batch cleared.
    fn clear(&self, batch: &TapBatch) {
        self.answer(batch, Vec::new());
    }

    /// Calls everything in a batch rejected, which takes more room.
    fn reject(&self, batch: &TapBatch) {
        let rejected = |position| ResultException { position, result: 16, cycle: 1 };
        self.answer(batch, (0..batch.records).map(rejected).collect());
    }

    fn answer(&self, batch: &TapBatch, exceptions: Vec<ResultException>) {
        let result = BatchResult {
            acquirer: batch.acquirer.clone(),
            number: batch.number,
            digest: batch.digest.clone(),
            records: batch.records,
            cycle: 1,
            exceptions,
            cycles: vec![CycleName { cycle: 1, name: "2018-09-01-001".to_owned() }],
        };
        self.append(&self.topics.results(city()), &result);
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Everything under a folder, by path in it.
    fn tree(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path(name)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(self.path(name)).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

#[track_caller]
fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + WAIT;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < until, "{what} did not come within {WAIT:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the file of this path is so far.
#[track_caller]
fn wait_way(service: &InboxService, path: &str, way: Way) -> FileStatus {
    wait_for(&format!("{path} {way:?}"), || file(&service.status(), path).filter(|file| file.way == way))
}

fn file(status: &Status, path: &str) -> Option<FileStatus> {
    status.files.iter().find(|file| file.path == path).cloned()
}

/// Waits until something is said to be wrong, and returns what.
#[track_caller]
fn wait_trouble(service: &InboxService, what: &str) -> String {
    let until = Instant::now() + WAIT;
    loop {
        let troubles = service.status().troubles;
        if let Some(trouble) = troubles.iter().find(|trouble| trouble.what.contains(what)) {
            return trouble.why.clone();
        }
        assert!(Instant::now() < until, "no trouble with {what}, but {troubles:?}");
        thread::sleep(Duration::from_millis(10));
    }
}
