//! Cycles of an embedded log go to a folder and come back as a log.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{path::Path, time::Duration};

use archive::{ArchiveError, chain::Archive, log::ArchiveLog, write::archive_due};
use cu_log::{Log, LogError, Partition, append_and_wait, embedded::EmbeddedLog, topics::Topics};
use cu_objects::Objects;
use proto::{
    CutOff, CycleEvent, Message, Opening, PartitionTotals, Published, RulebookDocument, TapEnd,
    cycle_event::Body,
};
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(10);

/// A log with a prefix, written by hand.
struct Written {
    folder: TempDir,
    log: EmbeddedLog,
    topics: Topics,
    objects: Objects,
}

impl Written {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let log = EmbeddedLog::open(&folder.path().join("log")).unwrap();
        let topics = Topics::new("p.");
        let specs = [topics.of_centre(1), topics.of_city("cu-2000")].concat();
        log.create_topics(&specs).unwrap();
        let objects = Objects::open(&folder.path().join("store").to_string_lossy()).unwrap();
        let written = Self { folder, log, topics, objects };
        written.append(&written.topics.rulebook(), document());
        written.say(Body::Opening(opening(1)));
        written
    }

    fn append(&self, partition: &Partition, payload: Vec<u8>) {
        let mut writer = self.log.writer().unwrap();
        append_and_wait(writer.as_mut(), partition, payload.into(), WAIT).unwrap();
    }

    fn say(&self, body: Body) {
        self.append(&self.topics.cycles(), CycleEvent { body: Some(body) }.encode_to_vec());
    }

    /// Messages of a cycle, and its end; `end_offset` is what the totals say of its marker.
    fn cycle(&self, cycle: u32, messages: u64, end_offset: u64) {
        for number in 0..messages {
            // Large and small ones, over several blocks.
            let payload =
                vec![u8::try_from(number % 251).unwrap(); usize::try_from(number * 997 % 60_000).unwrap()];
            self.append(&self.topics.clearing(0), payload);
        }
        self.append(&self.topics.taps("cu-2000"), vec![7]);
        let offset = self.log.bounds(&self.topics.taps("cu-2000")).unwrap().end;
        let barrier = vec![TapEnd { acquirer: "cu-2000".to_owned(), offset }];
        self.say(Body::CutOff(CutOff { cycle, opens: Some(opening(cycle + 1)), barrier }));
        self.say(Body::Totals(PartitionTotals { cycle, end_offset, ..PartitionTotals::default() }));
        self.say(Body::Published(Published { cycle, ..Published::default() }));
    }

    fn work(&self) -> std::path::PathBuf {
        self.folder.path().join("work")
    }

    fn archive(&self) -> Result<usize, ArchiveError> {
        let done = archive_due(&self.log, &self.topics, &self.objects, &self.work(), None, &|_, _, _| {});
        done.map(|done| done.len())
    }

    fn archived(&self) -> ArchiveLog {
        ArchiveLog::open(Archive::open(&self.objects).unwrap(), &self.work()).unwrap()
    }
}

fn document() -> Vec<u8> {
    RulebookDocument { version: 1, toml: b"version = 1".to_vec().into(), ..Default::default() }
        .encode_to_vec()
}

fn opening(cycle: u32) -> Opening {
    Opening {
        cycle,
        business_date: 2_458_362 + i32::try_from(cycle).unwrap(),
        sequence: 1,
        rulebook_version: 1,
        rulebook_digest: proto::digest::bytes(b"version = 1").to_vec().into(),
    }
}

fn read(log: &dyn Log, partition: &Partition, from: u64) -> Vec<(u64, Vec<u8>)> {
    let end = log.bounds(partition).unwrap().end;
    let mut reader = log.reader(&[(partition.clone(), from)]).unwrap();
    let mut found = Vec::new();
    while found.last().map_or(from, |(offset, _)| offset + 1) < end {
        let entries = reader.poll(100_000, WAIT).unwrap();
        found.extend(entries.into_iter().map(|entry| (entry.offset, entry.payload.to_vec())));
    }
    found
}

#[test]
fn an_archive_is_a_log_with_the_same_messages_at_the_same_offsets() {
    let it = Written::new();
    it.cycle(1, 300, 299);
    assert_eq!(it.archive().unwrap(), 1);
    it.cycle(2, 50, 349);
    // What is not closed yet is not archived.
    it.append(&it.topics.clearing(0), vec![1]);
    assert_eq!(it.archive().unwrap(), 1);
    assert_eq!(it.archive().unwrap(), 0);

    let (archived, bare) = (it.archived(), Topics::default());
    let clearing = read(&it.log, &it.topics.clearing(0), 0);
    for from in [0, 1, 150, 299, 300, 349] {
        let found = read(&archived, &bare.clearing(0), from);
        assert_eq!(found, clearing[usize::try_from(from).unwrap()..350], "from {from}");
    }
    let taps = bare.taps("cu-2000");
    assert_eq!(read(&archived, &taps, 0), read(&it.log, &it.topics.taps("cu-2000"), 0));
    assert_eq!(archived.bounds(&bare.clearing(0)).unwrap(), 0..350);
    let beyond = archived.reader(&[(bare.clearing(0), 351)]).err().unwrap();
    assert!(matches!(beyond, LogError::Hole { wanted: 351, .. }), "{beyond}");
    assert!(matches!(archived.bounds(&bare.parked("cu-2000")), Err(LogError::NoTopic(_))));
    let refused = archived.writer().err().unwrap();
    assert!(refused.to_string().contains("read only"), "{refused}");
}

#[test]
fn a_hole_is_named_and_nothing_of_the_cycle_is_archived() {
    let it = Written::new();
    it.cycle(1, 10, 9);
    it.cycle(2, 10, 25);
    let hole = it.archive().unwrap_err();
    let ArchiveError::Log(LogError::Hole { partition, wanted, .. }) = &hole else { panic!("{hole}") };
    assert_eq!((partition.to_string().as_str(), *wanted), ("p.cu.clearing/0", 20));
    assert_eq!(Archive::open(&it.objects).unwrap().last(), 1, "what came before stands");
}

#[test]
fn who_archives_and_when_makes_no_difference() {
    let it = Written::new();
    it.cycle(1, 40, 39);
    it.archive().unwrap();
    it.cycle(2, 40, 79);
    it.archive().unwrap();
    let late = Objects::open(&it.folder.path().join("late").to_string_lossy()).unwrap();
    archive_due(&it.log, &it.topics, &late, &it.work(), None, &|_, _, _| {}).unwrap();
    let names = |objects: &Objects| -> Vec<String> {
        objects.list("archive").unwrap().into_iter().map(|object| object.name).collect()
    };
    assert_eq!(names(&it.objects), names(&late));
    for name in names(&late) {
        assert_eq!(it.objects.sum(&name).unwrap(), late.sum(&name).unwrap(), "{name}");
    }
    let report = archive::verify::verify(&late, Path::new(&it.work()), &|_, _, _| {}).unwrap();
    assert!(report.passed(), "{report:?}");
}
