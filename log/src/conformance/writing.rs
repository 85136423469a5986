//! What is written: places, order, durability, limits, topics and positions.

use std::{
    sync::{Arc, Mutex},
    thread,
};

use bytes::Bytes;

use super::{PATIENCE, Subject, append, assert_numbered, numbered, read};
use crate::{Commit, LogError, MESSAGE_BYTES_MAX, NOTE_BYTES_MAX, Partition, TopicSpec, append_and_wait};

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
