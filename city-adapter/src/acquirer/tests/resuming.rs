use super::*;

/// A log whose writers stop working after a number of groups, before or after they land.
struct Breaking {
    log: Arc<dyn Log>,
    groups_left: Arc<AtomicU64>,
    lands: bool,
}

struct BreakingWriter {
    writer: Box<dyn Writer>,
    groups_left: Arc<AtomicU64>,
    lands: bool,
}

fn broken() -> LogError {
    LogError::Timeout(Duration::ZERO)
}

impl Writer for BreakingWriter {
    fn append(&mut self, group: Vec<(Partition, Bytes)>, on_durable: OnDurable) -> Result<(), LogError> {
        let works = |left: u64| left.checked_sub(1);
        match self.groups_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, works) {
            Ok(_) => self.writer.append(group, on_durable),
            Err(_) if self.lands => self.writer.append(group, Box::new(|_| on_durable(Err(broken())))),
            Err(_) => Err(broken()),
        }
    }

    fn flush(&mut self, timeout: Duration) -> Result<(), LogError> {
        self.writer.flush(timeout)
    }
}

impl Log for Breaking {
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        self.log.create_topics(topics)
    }
    fn bounds(&self, partition: &Partition) -> Result<Range<u64>, LogError> {
        self.log.bounds(partition)
    }
    fn reader(&self, starts: &[(Partition, u64)]) -> Result<Box<dyn Reader>, LogError> {
        self.log.reader(starts)
    }
    fn writer(&self) -> Result<Box<dyn Writer>, LogError> {
        let (writer, groups_left) = (self.log.writer()?, Arc::clone(&self.groups_left));
        Ok(Box::new(BreakingWriter { writer, groups_left, lands: self.lands }))
    }
    fn commit(&self, group: &str, positions: &[(Partition, Commit)]) -> Result<(), LogError> {
        self.log.commit(group, positions)
    }
    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Commit>>, LogError> {
        self.log.committed(group, partitions)
    }
    fn join(
        &self,
        group: &str,
        topics: &[String],
        owner: Box<dyn Owner>,
    ) -> Result<Box<dyn Membership>, LogError> {
        self.log.join(group, topics, owner)
    }
}

fn distinct(batches: &[TapBatch]) -> BTreeMap<u64, Bytes> {
    let mut seen: BTreeMap<u64, Bytes> = BTreeMap::new();
    let mut highest = 0;
    for batch in batches {
        assert!(batch.number <= highest + 1, "number {} after {highest}", batch.number);
        highest = highest.max(batch.number);
        let first = seen.entry(batch.number).or_insert_with(|| batch.digest.clone());
        assert_eq!(*first, batch.digest, "batch {} twice, with two digests", batch.number);
    }
    seen
}

/// 17 batches: three groups of one synced write each.
const LINES: usize = 16 * 4096 + 5;

/// Takes a file over a log that breaks after `groups`, and leaves it so.
fn break_after(world: &World, groups: u64, lands: bool, upload: &Upload) {
    let groups_left = Arc::new(AtomicU64::new(groups));
    let log = Breaking { log: Arc::clone(&world.log), groups_left, lands };
    let summary = take(&world.host_over(Arc::new(log)), std::slice::from_ref(upload));
    assert!(matches!(&summary.failures[..], [(_, AcquirerError::Log(_))]), "{:?}", summary.failures);
}

#[test]
fn a_file_that_was_interrupted_anywhere_is_published_as_if_it_had_not_been() {
    let text = file(LINES);
    let undisturbed = World::new();
    take(&undisturbed.host(), &[undisturbed.put("cu-2000", "a.csv", &text)]);
    let want = distinct(&undisturbed.batches("cu-2000"));
    assert_eq!(want.len(), 17);
    for (groups, lands) in [(0, false), (0, true), (1, false), (1, true), (2, false), (2, true)] {
        let world = World::new();
        let upload = world.put("cu-2000", "a.csv", &text);
        break_after(&world, groups, lands, &upload);
        // A file that sorts before it does not overtake it.
        let earlier = world.put("cu-2000", "0.csv", file(3));
        let summary = take(&world.host(), &[earlier, upload]);
        assert!(summary.failures.is_empty(), "{:?}", summary.failures);
        assert_eq!(summary.totals().presented, LINES as u64 + 3);
        let mut got = distinct(&world.batches("cu-2000"));
        assert!(got.remove(&18).is_some(), "the other file");
        assert_eq!(got, want, "{groups} groups, lands: {lands}");
    }
}

#[test]
fn the_same_host_goes_on_after_the_log_came_back() {
    let world = World::new();
    let upload = world.put("cu-2000", "a.csv", file(LINES));
    let groups_left = Arc::new(AtomicU64::new(1));
    let log = Breaking { log: Arc::clone(&world.log), groups_left: Arc::clone(&groups_left), lands: false };
    let host = world.host_over(Arc::new(log));
    assert_eq!(take(&host, std::slice::from_ref(&upload)).failures.len(), 1);
    groups_left.store(u64::MAX, Ordering::SeqCst);
    let summary = take(&host, &[upload]);
    assert!(summary.failures.is_empty(), "{:?}", summary.failures);
    assert_eq!(distinct(&world.batches("cu-2000")).len(), 17);
}

#[test]
fn a_file_that_changed_or_went_away_meanwhile_holds_its_city_and_no_other() {
    let world = World::new();
    let text = file(LINES);
    let upload = world.put("cu-2000", "a.csv", &text);
    let other = world.put("cu-3000", "a.csv", file(3));
    break_after(&world, 1, false, &upload);
    let held = |scan: &[Upload], want: &str| {
        let summary = take(&world.host(), scan);
        let [(stuck, error)] = &summary.failures[..] else { panic!("{summary:?}") };
        assert_eq!(*stuck, city("cu-2000"));
        assert!(error.to_string().contains(want), "{error}");
        summary
    };
    world.put("cu-2000", "a.csv", text.replacen("cu-5000", "cu-5001", 1));
    let summary = held(&[upload.clone(), other], "a.csv has changed since batch 1 of it was journaled");
    assert!(matches!(summary.uploads[..], [TakenUpload { outcome: Outcome::Taken(_), .. }]));
    world.put("cu-2000", "a.csv", file(4096));
    held(std::slice::from_ref(&upload), "a.csv has changed since batch 2 of it was journaled");
    held(&[world.put("cu-2000", "b.csv", file(3))], "a.csv is taken only in part");
    held(&[], "a.csv is taken only in part");
    world.put("cu-2000", "a.csv", &text);
    let summary = take(&world.host(), &[upload]);
    assert!(summary.failures.is_empty(), "{:?}", summary.failures);
    assert_eq!(distinct(&world.batches("cu-2000")).len(), 17);
}

#[test]
fn what_a_crash_left_of_drafts_is_removed() {
    let world = World::new();
    let host = world.host();
    take(&host, &[world.put("cu-2000", "a.csv", file(3))]);
    drop(host);
    fs::write(world.folder.path().join("state/drafts/cu-2000/left"), "over").unwrap();
    assert_eq!(world.drafts(), 2);
    let _host = world.host();
    assert_eq!(world.drafts(), 1);
}
