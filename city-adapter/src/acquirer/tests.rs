use std::{
    fs,
    ops::Range,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use cu_log::{
    Commit, Membership, OnDurable, Owner, Partition, Reader, TopicSpec, Writer, append_and_wait,
    embedded::EmbeddedLog,
};
use domain::result::{RecordResult as R, Rejection};
use proto::{BatchResult, CycleName, Message, ResultException, TapBatch};
use tempfile::TempDir;

use super::*;
use crate::tapfile::HEADER;

mod answers;
mod controls;
mod decisions;
mod quarantine;
mod resuming;

const WAIT: Duration = Duration::from_secs(30);

fn city(text: &str) -> City {
    text.parse().unwrap()
}

/// A folder with an inbox, a log, the host's state and its answers.
struct World {
    folder: TempDir,
    log: Arc<dyn Log>,
    topics: Topics,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(&folder.path().join("log")).unwrap();
        let topics = Topics::new("t-");
        for name in ["cu-2000", "cu-3000"] {
            log.create_topics(&topics.of_city(city(name))).unwrap();
        }
        Self { folder, log: Arc::new(log), topics }
    }

    fn host(&self) -> AcquirerHost {
        self.host_over(Arc::clone(&self.log))
    }

    fn host_over(&self, log: Arc<dyn Log>) -> AcquirerHost {
        let state = self.folder.path().join("state");
        AcquirerHost::open(&state, log, self.topics.clone(), &self.folder.path().join("out")).unwrap()
    }

    /// Puts a file into a city's inbox.
    fn put(&self, owner: &str, name: &str, text: impl AsRef<[u8]>) -> Upload {
        let folder = self.folder.path().join("taps").join(owner);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
        Upload { city: city(owner), path: folder.join(name), name: name.to_owned() }
    }

    /// The batches of a city, in log order.
    fn batches(&self, owner: &str) -> Vec<TapBatch> {
        let mut reader = self.log.reader(&[(self.topics.taps(owner), 0)]).unwrap();
        let mut all = Vec::new();
        loop {
            let entries = reader.poll(1 << 20, Duration::from_millis(20)).unwrap();
            if entries.is_empty() {
                return all;
            }
            all.extend(entries.into_iter().map(|entry| TapBatch::decode(entry.payload).unwrap()));
        }
    }

    /// Says what became of a batch, as the book does.
    fn answer(&self, batch: &TapBatch, cycle: u32, exceptions: &[(u32, R, u32)]) {
        let exception = |(position, result, cycle): &(u32, R, u32)| ResultException {
            position: *position,
            result: result.code().into(),
            cycle: *cycle,
        };
        let result = BatchResult {
            acquirer: batch.acquirer.clone(),
            number: batch.number,
            digest: batch.digest.clone(),
            records: batch.records,
            cycle,
            exceptions: exceptions.iter().map(exception).collect(),
            cycles: (1..=2).map(|c| CycleName { cycle: c, name: format!("2018-09-0{c}-001") }).collect(),
        };
        let mut writer = self.log.writer().unwrap();
        let results = self.topics.results(&batch.acquirer);
        append_and_wait(writer.as_mut(), &results, result.encode_to_vec().into(), WAIT).unwrap();
    }

    fn out(&self, path: &str) -> String {
        fs::read_to_string(self.folder.path().join("out").join(path)).unwrap()
    }

    fn exists(&self, path: &str) -> bool {
        self.folder.path().join("out").join(path).exists()
    }

    fn drafts(&self) -> usize {
        let cities = fs::read_dir(self.folder.path().join("state/drafts")).unwrap();
        cities.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
    }
}

fn take(host: &AcquirerHost, scan: &[Upload]) -> TakeSummary {
    host.take(scan.to_vec(), &|_| true, &|_| {}).unwrap()
}

/// A data line; its sequence is its amount too.
fn line(seq: usize, issuer: &str) -> String {
    format!(
        "200000000001,{seq},{issuer},00000000000000AA,1,06,{seq},{seq},2018-09-01T00:00:00,cpu,bus,flat,op,,,1,\
         3des,00000000\n"
    )
}

/// A file of `lines` good lines for three home cities.
fn file(lines: usize) -> String {
    let issuers = ["cu-4000", "cu-5000", "tu-2900"];
    (0..lines).fold(format!("{HEADER}\n"), |text, seq| text + &line(seq, issuers[seq % 3]))
}
