//! What every log does, as tests that each adapter runs.
//!
//! [`conformance!`](crate::conformance!) makes one test of each.

#![expect(clippy::expect_used, reason = "a test says what it expected by panicking")]
#![expect(missing_docs, reason = "each test's name is a sentence")]

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    Commit, Entry, Log, LogError, MESSAGE_BYTES_MAX, Membership, NOTE_BYTES_MAX, Owner, Partition, Reader,
    TopicSpec, Writer, append_and_wait, visit_range,
};

/// Far more than anything here takes: only a broken log waits so long.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL_BYTES: usize = 1024 * 1024;

/// One test function for each promise, on the log that `$subject` makes for it.
#[macro_export]
macro_rules! conformance {
    ($subject:expr) => {
        $crate::conformance!($subject =>
            offsets_are_consecutive_from_zero
            messages_come_back_as_they_were
            an_empty_message_is_a_message
            a_range_is_visited_once_in_order_and_ends_where_it_is_told
            a_group_lands_in_its_order
            an_empty_group_is_durable_at_once
            callbacks_come_in_the_order_of_appends
            a_reader_starts_where_it_is_told
            a_start_beyond_the_end_is_a_hole
            unknown_partitions_are_refused
            polls_are_bounded_by_bytes
            a_pause_loses_and_repeats_nothing
            partitions_come_and_go_while_a_reader_reads
            several_writers_each_keep_their_order
            several_readers_each_see_everything
            the_largest_message_passes_and_a_larger_one_is_refused
            positions_come_back_with_their_notes
            topics_are_created_once
            a_waiting_poll_is_woken
            an_idle_poll_comes_back_empty
            many_small_messages_keep_their_order
            flush_waits_for_durability
            a_lone_member_owns_everything
            members_share_and_who_leaves_hands_over
            a_member_may_name_other_topics_later
            a_topic_that_comes_later_is_shared
        );
    };
    ($subject:expr => $($promise:ident)+) => {
        $(#[test]
        fn $promise() {
            $crate::conformance::$promise(&$subject());
        })+
    };
}

/// A log under test, with names of topics and groups that nobody else uses.
pub struct Subject {
    log: Box<dyn Log>,
    prefix: String,
    /// Ends after the log: its folder, for one.
    _ground: Box<dyn Any>,
}

impl Subject {
    /// A log whose topics and groups begin with `prefix`.
    #[must_use]
    pub fn new(log: impl Log + 'static, prefix: &str, ground: impl Any) -> Self {
        Self { log: Box::new(log), prefix: prefix.to_owned(), _ground: Box::new(ground) }
    }

    fn topic(&self, name: &str, partitions: u32) -> Vec<Partition> {
        let name = format!("{}{name}", self.prefix);
        self.log.create_topics(&[TopicSpec { name: name.clone(), partitions }]).expect("create a topic");
        (0..partitions).map(|number| Partition::new(&name, number)).collect()
    }

    fn one(&self, name: &str) -> Partition {
        self.topic(name, 1).remove(0)
    }

    fn writer(&self) -> Box<dyn Writer> {
        self.log.writer().expect("open a writer")
    }

    fn reader(&self, starts: &[(Partition, u64)]) -> Box<dyn Reader> {
        self.log.reader(starts).expect("open a reader")
    }

    fn fill(&self, partition: &Partition, messages: u32) {
        let mut writer = self.writer();
        for number in 0..messages {
            append(&mut *writer, vec![(partition.clone(), numbered(number))]);
        }
        writer.flush(PATIENCE).expect("flush");
    }
}

fn numbered(number: u32) -> Bytes {
    Bytes::from(number.to_string())
}

/// Appends without looking at the answer; the reading side checks.
fn append(writer: &mut dyn Writer, group: Vec<(Partition, Bytes)>) {
    writer.append(group, Box::new(|durable| drop(durable.expect("durable")))).expect("append");
}

/// Reads until there are `count` entries.
fn read(reader: &mut dyn Reader, count: usize) -> Vec<Entry> {
    let deadline = Instant::now() + PATIENCE;
    let mut entries = Vec::new();
    while entries.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} messages came", entries.len());
        entries.extend(reader.poll(POLL_BYTES, Duration::from_secs(1)).expect("poll"));
    }
    entries
}

fn assert_numbered(entries: &[Entry], partition: &Partition, from: u32) {
    for (number, entry) in (from..).zip(entries.iter().filter(|it| it.partition == *partition)) {
        assert_eq!((entry.offset, &entry.payload), (u64::from(number), &numbered(number)));
    }
}

pub fn offsets_are_consecutive_from_zero(subject: &Subject) {
    let [one, other] = [subject.one("one"), subject.one("other")];
    assert_eq!(subject.log.bounds(&one).expect("bounds"), 0..0);
    let mut writer = subject.writer();
    for expected in 0..5 {
        for partition in [&one, &other] {
            let offset = append_and_wait(&mut *writer, partition, numbered(0), PATIENCE).expect("append");
            assert_eq!(offset, expected);
        }
    }
    assert_eq!(subject.log.bounds(&one).expect("bounds"), 0..5);
    assert_eq!(subject.log.bounds(&other).expect("bounds"), 0..5);
}

pub fn messages_come_back_as_they_were(subject: &Subject) {
    let partition = subject.one("bytes");
    let all: Vec<Bytes> = vec![
        Bytes::new(),
        Bytes::from_static(b"\0\xff\n"),
        Bytes::from((0..=255).cycle().take(300_000).collect::<Vec<u8>>()),
        Bytes::from(vec![0; 70_000]),
    ];
    let mut writer = subject.writer();
    append(&mut *writer, all.iter().map(|bytes| (partition.clone(), bytes.clone())).collect());
    let entries = read(&mut *subject.reader(&[(partition, 0)]), all.len());
    assert_eq!(entries.into_iter().map(|entry| entry.payload).collect::<Vec<_>>(), all);
}

pub fn a_group_lands_in_its_order(subject: &Subject) {
    let parts = subject.topic("group", 3);
    let mut writer = subject.writer();
    subject.fill(&parts[1], 2);
    let order = [0_usize, 1, 0, 2, 1, 0];
    let group = (0..).zip(order).map(|(number, place)| (parts[place].clone(), numbered(number))).collect();
    let (told, hear) = crossbeam_channel::bounded(1);
    writer.append(group, Box::new(move |durable| told.send(durable).expect("tell"))).expect("append");
    let offsets = hear.recv_timeout(PATIENCE).expect("an answer").expect("durable");
    assert_eq!(offsets, [0, 2, 1, 0, 3, 2]);

    let starts: Vec<_> = parts.iter().map(|partition| (partition.clone(), 0)).collect();
    let entries = read(&mut *subject.reader(&starts), 8);
    for (number, (place, offset)) in (0..).zip(order.into_iter().zip(offsets)) {
        let found = entries.iter().find(|it| it.partition == parts[place] && it.offset == offset);
        assert_eq!(found.map(|it| &it.payload), Some(&numbered(number)));
    }
}

pub fn an_empty_message_is_a_message(subject: &Subject) {
    let partition = subject.one("hollow");
    let mut writer = subject.writer();
    for payload in [Bytes::new(), numbered(1), Bytes::new()] {
        append(&mut *writer, vec![(partition.clone(), payload)]);
    }
    writer.flush(PATIENCE).expect("flush");
    let entries = read(&mut *subject.reader(&[(partition, 0)]), 3);
    let found: Vec<(u64, &Bytes)> = entries.iter().map(|entry| (entry.offset, &entry.payload)).collect();
    assert_eq!(found, [(0, &Bytes::new()), (1, &numbered(1)), (2, &Bytes::new())]);
}

pub fn a_range_is_visited_once_in_order_and_ends_where_it_is_told(subject: &Subject) {
    let partition = subject.one("ranged");
    subject.fill(&partition, 300);
    let log = &*subject.log;
    let visited = |range| {
        let mut entries = Vec::new();
        let mut visit = |entry| {
            entries.push(entry);
            Ok::<(), LogError>(())
        };
        visit_range(log, &partition, range, &mut visit).map(|()| entries)
    };
    for (first, count) in [(0, 300), (7, 1), (120, 60), (299, 1)] {
        let entries = visited(u64::from(first)..u64::from(first) + count).expect("a range");
        assert_eq!(entries.len() as u64, count);
        assert_numbered(&entries, &partition, first);
    }
    assert!(visited(5..5).expect("nothing").is_empty());
    let beyond = visited(290..301);
    assert!(matches!(beyond, Err(LogError::Hole { wanted: 300, .. })), "{beyond:?}");
    // Who visits may end it.
    let mut seen = 0;
    let mut visit = |_| {
        seen += 1;
        if seen < 3 { Ok(()) } else { Err(LogError::NoTopic("enough".to_owned())) }
    };
    let ended = visit_range(log, &partition, 0..300, &mut visit);
    assert!(matches!(ended, Err(LogError::NoTopic(_))), "{ended:?}");
    assert_eq!(seen, 3);
}

pub fn an_empty_group_is_durable_at_once(subject: &Subject) {
    let mut writer = subject.writer();
    let (told, hear) = crossbeam_channel::bounded(1);
    writer.append(Vec::new(), Box::new(move |durable| told.send(durable).expect("tell"))).expect("append");
    assert!(hear.recv_timeout(PATIENCE).expect("an answer").expect("durable").is_empty());
    writer.flush(PATIENCE).expect("flush");
}

pub fn callbacks_come_in_the_order_of_appends(subject: &Subject) {
    let parts = subject.topic("callbacks", 4);
    let mut writer = subject.writer();
    let told = Arc::new(Mutex::new(Vec::new()));
    for number in 0..400_u32 {
        let place = usize::try_from(number).expect("small") % parts.len();
        let its = Arc::clone(&told);
        let group = vec![(parts[place].clone(), numbered(number)); place + 1];
        let note = move |durable: Result<Vec<u64>, LogError>| {
            its.lock().expect("lock").push((number, durable.expect("durable").len()));
        };
        writer.append(group, Box::new(note)).expect("append");
    }
    writer.flush(PATIENCE).expect("flush");
    let told = told.lock().expect("lock");
    let expected: Vec<(u32, usize)> = (0..400).zip((1..=4).cycle()).collect();
    assert_eq!(*told, expected);
}

pub fn a_reader_starts_where_it_is_told(subject: &Subject) {
    let partition = subject.one("middle");
    subject.fill(&partition, 10);
    let mut middle = subject.reader(&[(partition.clone(), 7)]);
    let mut end = subject.reader(&[(partition.clone(), 10)]);
    assert_numbered(&read(&mut *middle, 3), &partition, 7);
    let mut writer = subject.writer();
    append_and_wait(&mut *writer, &partition, numbered(10), PATIENCE).expect("append");
    assert_numbered(&read(&mut *end, 1), &partition, 10);
    assert_numbered(&read(&mut *middle, 1), &partition, 10);
}

pub fn a_start_beyond_the_end_is_a_hole(subject: &Subject) {
    let [good, short] = [subject.one("good"), subject.one("short")];
    subject.fill(&good, 3);
    subject.fill(&short, 3);
    match subject.log.reader(&[(good, 0), (short.clone(), 4)]) {
        Err(LogError::Hole { partition, wanted, have }) => {
            assert_eq!((partition, wanted, have), (short, 4, 0..3));
        }
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("a reader where nothing is"),
    }
}

pub fn unknown_partitions_are_refused(subject: &Subject) {
    let known = subject.one("known");
    let topic = Partition::new(&format!("{}unknown", subject.prefix), 0);
    let number = Partition::new(&known.topic, 1);
    for partition in [topic, number] {
        assert!(matches!(subject.log.bounds(&partition), Err(LogError::NoTopic(_))));
        assert!(matches!(subject.log.reader(&[(partition.clone(), 0)]), Err(LogError::NoTopic(_))));
        let position = Commit { offset: 0, note: String::new() };
        let refused = subject.log.commit(&subject.prefix, &[(partition.clone(), position)]);
        assert!(matches!(refused, Err(LogError::NoTopic(_))));
        let group = vec![(known.clone(), numbered(0)), (partition, numbered(0))];
        let refused = subject.writer().append(group, Box::new(|_| panic!("told of a refused group")));
        assert!(matches!(refused, Err(LogError::NoTopic(_))));
    }
    assert_eq!(subject.log.bounds(&known).expect("bounds"), 0..0);
}

pub fn polls_are_bounded_by_bytes(subject: &Subject) {
    let parts = subject.topic("bounded", 3);
    let mut writer = subject.writer();
    for partition in &parts {
        append(&mut *writer, vec![(partition.clone(), Bytes::from(vec![7; 1_000])); 40]);
    }
    writer.flush(PATIENCE).expect("flush");
    let starts: Vec<_> = parts.iter().map(|partition| (partition.clone(), 0)).collect();
    let mut reader = subject.reader(&starts);
    let mut count = 0;
    while count < 120 {
        let entries = reader.poll(4_500, PATIENCE).expect("poll");
        let bytes: usize = entries.iter().map(|entry| entry.payload.len()).sum();
        assert!((1..4_500 + 3 * 1_000).contains(&bytes), "{bytes} bytes at once");
        count += entries.len();
    }
    append_and_wait(&mut *writer, &parts[0], Bytes::from(vec![7; 9_000]), PATIENCE).expect("append");
    let large = reader.poll(10, PATIENCE).expect("poll");
    assert_eq!(large.len(), 1, "a message larger than the bound comes alone");
}

pub fn a_pause_loses_and_repeats_nothing(subject: &Subject) {
    let [held, other] = [subject.one("held"), subject.one("flowing")];
    subject.fill(&held, 3_000);
    let mut reader = subject.reader(&[(held.clone(), 0), (other.clone(), 0)]);
    let (mut all, mut flowing) = (Vec::new(), 0);
    for round in 0..20 {
        all.extend(reader.poll(200, PATIENCE).expect("poll"));
        reader.pause(&held).expect("pause");
        subject.fill(&other, 1);
        let meanwhile = read(&mut *reader, 1);
        assert!(meanwhile.iter().all(|it| it.partition == other && it.offset == round), "{meanwhile:?}");
        flowing += meanwhile.len();
        reader.resume(&held).expect("resume");
    }
    assert_eq!(flowing, 20);
    let left = 3_000 - all.len();
    all.extend(read(&mut *reader, left));
    assert_eq!(all.len(), 3_000);
    assert_numbered(&all, &held, 0);
    assert!(all.iter().all(|it| it.partition == held));
}

pub fn partitions_come_and_go_while_a_reader_reads(subject: &Subject) {
    let [stays, goes, short] = ["stays", "goes", "short"].map(|name| subject.one(name));
    for partition in [&stays, &goes, &short] {
        subject.fill(partition, 100);
    }
    let mut reader = subject.reader(&[]);
    assert!(reader.poll(POLL_BYTES, Duration::from_millis(20)).expect("poll").is_empty());
    reader.add(&[(stays.clone(), 0)]).expect("add");
    assert_numbered(&read(&mut *reader, 100), &stays, 0);
    reader.add(&[(goes.clone(), 10)]).expect("add");
    assert_numbered(&read(&mut *reader, 90), &goes, 10);

    let refused = reader.add(&[(goes.clone(), 0), (short.clone(), 101)]);
    assert!(matches!(refused, Err(LogError::Hole { wanted: 101, .. })), "{refused:?}");
    reader.pause(&goes).expect("pause");
    subject.fill(&goes, 1);
    reader.remove(std::slice::from_ref(&goes)).expect("remove");
    subject.fill(&stays, 1);
    let entries = read(&mut *reader, 1);
    assert_eq!(entries.iter().map(|it| (&it.partition, it.offset)).collect::<Vec<_>>(), [(&stays, 100)]);
    assert!(matches!(reader.pause(&goes), Err(LogError::NoTopic(_))));

    // It begins where it is told, behind or before what was read, and is not paused any more.
    for from in [100, 3, 50] {
        reader.add(&[(goes.clone(), from)]).expect("add again");
        let entries = read(&mut *reader, usize::try_from(101 - from).expect("small"));
        assert!(entries.iter().map(|it| it.offset).eq(from..101), "{entries:?}");
        assert!(entries.iter().all(|it| it.partition == goes), "{entries:?}");
    }
}

pub fn several_writers_each_keep_their_order(subject: &Subject) {
    let partition = subject.one("writers");
    let (writers, messages) = (4_u32, 1_000_u32);
    let handles: Vec<_> = (0..writers)
        .map(|own| {
            let (mut writer, partition) = (subject.writer(), partition.clone());
            thread::spawn(move || {
                for number in 0..messages {
                    append(&mut *writer, vec![(partition.clone(), Bytes::from(format!("{own} {number}")))]);
                }
                writer.flush(PATIENCE).expect("flush");
            })
        })
        .collect();
    for handle in handles {
        handle.join().expect("a writer");
    }
    let count = usize::try_from(writers * messages).expect("small");
    let entries = read(&mut *subject.reader(&[(partition, 0)]), count);
    for own in 0..writers {
        let prefix = format!("{own} ");
        let its = entries.iter().filter(|entry| entry.payload.starts_with(prefix.as_bytes()));
        assert!(
            its.map(|entry| &entry.payload)
                .eq((0..messages).map(|n| format!("{own} {n}")).collect::<Vec<_>>().iter())
        );
    }
}

pub fn several_readers_each_see_everything(subject: &Subject) {
    let partition = subject.one("readers");
    let mut readers: Vec<_> = (0..3).map(|_| subject.reader(&[(partition.clone(), 0)])).collect();
    subject.fill(&partition, 100);
    for reader in &mut readers {
        assert_numbered(&read(&mut **reader, 100), &partition, 0);
    }
}

pub fn the_largest_message_passes_and_a_larger_one_is_refused(subject: &Subject) {
    let partition = subject.one("large");
    let mut writer = subject.writer();
    let noise = |bytes: usize| {
        // Compression must not make it smaller.
        let next = |it: &u64| Some(it.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        let words = std::iter::successors(Some(1), next).flat_map(u64::to_be_bytes);
        Bytes::from(words.take(bytes).collect::<Vec<u8>>())
    };
    let (usual, largest) = (noise(1024 * 1024), noise(MESSAGE_BYTES_MAX));
    append(&mut *writer, vec![(partition.clone(), usual.clone()), (partition.clone(), largest.clone())]);
    let group = vec![(partition.clone(), numbered(0)), (partition.clone(), noise(MESSAGE_BYTES_MAX + 1))];
    let refused = writer.append(group, Box::new(|_| panic!("told of a refused group")));
    assert!(matches!(refused, Err(LogError::TooLarge { bytes, limit, .. }) if bytes == limit + 1));
    append(&mut *writer, vec![(partition.clone(), numbered(3))]);
    let entries = read(&mut *subject.reader(&[(partition.clone(), 0)]), 3);
    let payloads: Vec<Bytes> = entries.into_iter().map(|entry| entry.payload).collect();
    assert!(payloads == [usual, largest, numbered(3)]);
    assert_eq!(subject.log.bounds(&partition).expect("bounds"), 0..3);
}

pub fn positions_come_back_with_their_notes(subject: &Subject) {
    let parts = subject.topic("positions", 2);
    let [group, stranger] = ["", "other-"].map(|name| format!("{}{name}group", subject.prefix));
    let committed = |group: &str| subject.log.committed(group, &parts).expect("committed");
    let position = |offset, note: &str| Commit { offset, note: note.to_owned() };
    assert_eq!(committed(&group), [None, None]);

    let both = [(parts[0].clone(), position(3, "up to 7")), (parts[1].clone(), position(9, ""))];
    subject.log.commit(&group, &both).expect("commit");
    assert_eq!(committed(&group), [Some(position(3, "up to 7")), Some(position(9, ""))]);

    let long = "沪".repeat(NOTE_BYTES_MAX / 3);
    subject.log.commit(&group, &[(parts[1].clone(), position(8, &long))]).expect("commit");
    assert_eq!(committed(&group), [Some(position(3, "up to 7")), Some(position(8, &long))]);
    assert_eq!(committed(&stranger), [None, None]);

    let too_long = position(8, &"n".repeat(NOTE_BYTES_MAX + 1));
    let refused = subject.log.commit(&group, &[(parts[1].clone(), too_long)]);
    assert!(matches!(refused, Err(LogError::TooLarge { .. })));
    let swapped = [parts[1].clone(), parts[0].clone()];
    let answer = subject.log.committed(&group, &swapped).expect("committed");
    assert_eq!(answer, [Some(position(8, &long)), Some(position(3, "up to 7"))]);
}

pub fn topics_are_created_once(subject: &Subject) {
    let spec = |name: &str, partitions| TopicSpec { name: format!("{}{name}", subject.prefix), partitions };
    let partition = Partition::new(&spec("kept", 2).name, 1);
    subject.log.create_topics(&[spec("kept", 2)]).expect("create");
    subject.fill(&partition, 3);
    subject.log.create_topics(&[spec("kept", 2), spec("fresh", 1)]).expect("create again");
    assert_eq!(subject.log.bounds(&partition).expect("bounds"), 0..3);

    match subject.log.create_topics(&[spec("never", 1), spec("kept", 3)]) {
        Err(LogError::Partitions { topic, found, wanted }) => {
            assert_eq!((topic, found, wanted), (spec("kept", 2).name, 2, 3));
        }
        other => panic!("a topic's partitions changed: {other:?}"),
    }
    let never = Partition::new(&spec("never", 1).name, 0);
    assert!(matches!(subject.log.bounds(&never), Err(LogError::NoTopic(_))), "created beside a refused one");
}

pub fn a_waiting_poll_is_woken(subject: &Subject) {
    let parts = subject.topic("woken", 80);
    let starts: Vec<_> = parts.iter().map(|partition| (partition.clone(), 0)).collect();
    let mut reader = subject.reader(&starts);
    let mut writer = subject.writer();
    for round in 0..10 {
        let waiting = thread::spawn(move || {
            let entries = reader.poll(POLL_BYTES, PATIENCE).expect("poll");
            (reader, entries)
        });
        let partition = &parts[79 - round * 7];
        append_and_wait(&mut *writer, partition, numbered(0), PATIENCE).expect("append");
        let (back, entries) = waiting.join().expect("the reading thread");
        assert_eq!(entries.iter().map(|it| &it.partition).collect::<Vec<_>>(), [partition]);
        reader = back;
    }
}

pub fn an_idle_poll_comes_back_empty(subject: &Subject) {
    let partition = subject.one("idle");
    let mut reader = subject.reader(&[(partition.clone(), 0)]);
    assert!(reader.poll(POLL_BYTES, Duration::from_millis(20)).expect("poll").is_empty());
    assert!(reader.poll(POLL_BYTES, Duration::ZERO).expect("poll").is_empty());
    subject.fill(&partition, 1);
    assert_numbered(&read(&mut *reader, 1), &partition, 0);
    assert!(reader.poll(POLL_BYTES, Duration::ZERO).expect("poll").is_empty());
}

pub fn many_small_messages_keep_their_order(subject: &Subject) {
    let partition = subject.one("many");
    let mut reader = subject.reader(&[(partition.clone(), 0)]);
    subject.fill(&partition, 50_000);
    let entries = read(&mut *reader, 50_000);
    assert_eq!(entries.len(), 50_000);
    assert_numbered(&entries, &partition, 0);
}

pub fn flush_waits_for_durability(subject: &Subject) {
    let partition = subject.one("flushed");
    let mut writer = subject.writer();
    let told = Arc::new(Mutex::new(0));
    for number in 0..100 {
        let its = Arc::clone(&told);
        let count = move |durable: Result<Vec<u64>, LogError>| {
            durable.expect("durable");
            *its.lock().expect("lock") += 1;
        };
        writer.append(vec![(partition.clone(), numbered(number))], Box::new(count)).expect("append");
    }
    writer.flush(PATIENCE).expect("flush");
    assert_eq!(*told.lock().expect("lock"), 100);
    assert_eq!(subject.log.bounds(&partition).expect("bounds"), 0..100);
}

/// Who owns what, as the owners were told, and what was told wrongly.
#[derive(Default)]
struct Owners {
    of: Mutex<BTreeMap<Partition, u32>>,
    wrong: Mutex<Vec<String>>,
}

/// One member, which notes what it is told.
struct Told {
    member: u32,
    owners: Arc<Owners>,
}

impl Owner for Told {
    fn assigned(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            if let Some(other) = self.owners.of.lock().expect("lock").insert(partition.clone(), self.member) {
                let wrong = format!("{partition} is assigned to {} while {other} owns it", self.member);
                self.owners.wrong.lock().expect("lock").push(wrong);
            }
        }
    }

    fn revoked(&mut self, partitions: &[Partition]) {
        // Long enough for another to be told too early.
        thread::sleep(Duration::from_millis(20));
        for partition in partitions {
            let gone = self.owners.of.lock().expect("lock").remove(partition);
            if gone != Some(self.member) {
                let wrong = format!("{partition} is revoked from {} while {gone:?} owns it", self.member);
                self.owners.wrong.lock().expect("lock").push(wrong);
            }
        }
    }

    fn lost(&mut self, partitions: &[Partition]) {
        self.owners.wrong.lock().expect("lock").push(format!("{} lost {partitions:?}", self.member));
    }
}

impl Owners {
    fn join(self: &Arc<Self>, subject: &Subject, member: u32, topics: &[&str]) -> Box<dyn Membership> {
        let told = Told { member, owners: Arc::clone(self) };
        let group = format!("{}members", subject.prefix);
        subject.log.join(&group, &names(subject, topics), Box::new(told)).expect("join")
    }

    /// Waits until each of these members owns so many partitions, all that there are.
    fn wait_for(&self, wanted: &[(u32, usize)]) {
        let wanted: BTreeMap<u32, usize> = wanted.iter().copied().collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
            for member in self.of.lock().expect("lock").values() {
                *counts.entry(*member).or_default() += 1;
            }
            if counts == wanted {
                break;
            }
            assert!(Instant::now() < deadline, "{counts:?}, not {wanted:?}");
            thread::sleep(Duration::from_millis(5));
        }
        let wrong = self.wrong.lock().expect("lock");
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    fn owned_by(&self, member: u32) -> Vec<Partition> {
        let of = self.of.lock().expect("lock");
        of.iter().filter(|(_, its)| **its == member).map(|(partition, _)| partition.clone()).collect()
    }
}

fn names(subject: &Subject, topics: &[&str]) -> Vec<String> {
    topics.iter().map(|topic| format!("{}{topic}", subject.prefix)).collect()
}

pub fn a_lone_member_owns_everything(subject: &Subject) {
    let mut all = subject.topic("shared", 3);
    all.push(subject.one("single"));
    let owners = Arc::new(Owners::default());
    let member = owners.join(subject, 1, &["shared", "single"]);
    owners.wait_for(&[(1, 4)]);
    assert_eq!(member.owned(), all);
    assert_eq!(member.failed(), None);
    drop(member);
    owners.wait_for(&[]);
    let again = owners.join(subject, 2, &["single"]);
    owners.wait_for(&[(2, 1)]);
    assert_eq!(again.owned(), all[3..]);
}

pub fn members_share_and_who_leaves_hands_over(subject: &Subject) {
    let all = subject.topic("shared", 6);
    let owners = Arc::new(Owners::default());
    let first = owners.join(subject, 1, &["shared"]);
    owners.wait_for(&[(1, 6)]);
    let second = owners.join(subject, 2, &["shared"]);
    owners.wait_for(&[(1, 3), (2, 3)]);
    let before = owners.owned_by(1);
    let third = owners.join(subject, 3, &["shared"]);
    owners.wait_for(&[(1, 2), (2, 2), (3, 2)]);
    assert!(owners.owned_by(1).iter().all(|partition| before.contains(partition)), "more moved than needed");
    let kept = owners.owned_by(3);
    drop(first);
    owners.wait_for(&[(2, 3), (3, 3)]);
    assert!(kept.iter().all(|partition| owners.owned_by(3).contains(partition)), "more moved than needed");
    drop(second);
    owners.wait_for(&[(3, 6)]);
    assert_eq!(third.owned(), all);
}

pub fn a_member_may_name_other_topics_later(subject: &Subject) {
    let [one, other] = [subject.one("one"), subject.one("other")];
    let owners = Arc::new(Owners::default());
    let member = owners.join(subject, 1, &["one"]);
    owners.wait_for(&[(1, 1)]);
    member.subscribe(&names(subject, &["one", "other"])).expect("subscribe");
    owners.wait_for(&[(1, 2)]);
    member.subscribe(&names(subject, &["other"])).expect("subscribe");
    owners.wait_for(&[(1, 1)]);
    assert_eq!(owners.owned_by(1), [other]);
    let elsewhere = owners.join(subject, 2, &["one"]);
    owners.wait_for(&[(1, 1), (2, 1)]);
    assert_eq!(elsewhere.owned(), [one]);
}

pub fn a_topic_that_comes_later_is_shared(subject: &Subject) {
    let first = subject.one("first");
    let owners = Arc::new(Owners::default());
    let member = owners.join(subject, 1, &["first", "later"]);
    owners.wait_for(&[(1, 1)]);
    assert_eq!(member.owned(), [first]);
    subject.topic("later", 2);
    owners.wait_for(&[(1, 3)]);
}
