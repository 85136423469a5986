//! What is read: starts, ranges, bounds, pauses, waiting.

use std::{thread, time::Duration};

use bytes::Bytes;

use super::{PATIENCE, POLL_BYTES, Subject, append, assert_numbered, numbered, read};
use crate::{Commit, LogError, Partition, append_and_wait, visit_range};

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

    let hollow = subject.one("hollow");
    append(&mut *writer, vec![(hollow.clone(), Bytes::new()); 200]);
    writer.flush(PATIENCE).expect("flush");
    let mut reader = subject.reader(&[(hollow, 0)]);
    let mut count = 0;
    while count < 200 {
        let entries = reader.poll(640, PATIENCE).expect("poll");
        assert!((1..=10).contains(&entries.len()), "{} empty messages at once", entries.len());
        count += entries.len();
    }
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

pub fn several_readers_each_see_everything(subject: &Subject) {
    let partition = subject.one("readers");
    let mut readers: Vec<_> = (0..3).map(|_| subject.reader(&[(partition.clone(), 0)])).collect();
    subject.fill(&partition, 100);
    for reader in &mut readers {
        assert_numbered(&read(&mut **reader, 100), &partition, 0);
    }
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
