//! What every log does, as tests that each adapter runs.
//!
//! [`conformance!`](crate::conformance!) makes one test of each.

#![expect(clippy::expect_used, reason = "a test says what it expected by panicking")]
#![expect(missing_docs, reason = "each test's name is a sentence")]

use std::{
    any::Any,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{Entry, Log, Partition, Reader, TopicSpec, Writer};

mod members;
mod reading;
mod writing;

pub use members::*;
pub use reading::*;
pub use writing::*;

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
