//! Reading partitions assigned by hand, every offset checked.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{
    Connection, KafkaConfig,
    client::{Logging, backend, base, is_transient, is_unknown, number},
};
use crate::{Entry, LogError, Partition, Reader, weight};

struct Cursor {
    partition: Partition,
    /// The offset that the library must hand over next.
    next: u64,
    paused: bool,
    /// What the library still handed over after the pause.
    held: VecDeque<Entry>,
}

impl Cursor {
    /// Takes a message over if it is the one that must come next; one that came before is dropped.
    fn accept(&mut self, offset: u64, payload: &[u8]) -> Result<Option<Entry>, Hole> {
        let (partition, wanted) = (self.partition.clone(), self.next);
        match offset.cmp(&wanted) {
            Ordering::Less => Ok(None),
            Ordering::Greater => Err(Hole { partition, wanted, have: offset..offset + 1 }),
            Ordering::Equal => {
                self.next += 1;
                Ok(Some(Entry { partition, offset, payload: Bytes::copy_from_slice(payload) }))
            }
        }
    }
}

/// Reads some partitions of a Kafka log.
pub(super) struct KafkaReader {
    connection: Arc<Connection>,
    consumer: BaseConsumer<Logging>,
    cursors: BTreeMap<Arc<str>, BTreeMap<u32, Cursor>>,
    /// Found while there were messages to hand over first.
    failure: Option<LogError>,
    /// Stays: the library would go on with the other partitions as if nothing were missing.
    hole: Option<Hole>,
}

/// Messages that are missing.
#[derive(Clone)]
struct Hole {
    partition: Partition,
    wanted: u64,
    have: Range<u64>,
}

impl From<Hole> for LogError {
    fn from(hole: Hole) -> Self {
        Self::Hole { partition: hole.partition, wanted: hole.wanted, have: hole.have }
    }
}

impl KafkaReader {
    pub(super) fn open(connection: Arc<Connection>, starts: &[(Partition, u64)]) -> Result<Self, LogError> {
        let consumer = consumer(&connection.config)?;
        let mut reader = Self { connection, consumer, cursors: BTreeMap::new(), failure: None, hole: None };
        reader.add(starts)?;
        Ok(reader)
    }

    /// Where to read from, if all of it is there.
    fn places(&self, starts: &[(Partition, u64)]) -> Result<TopicPartitionList, LogError> {
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for (partition, next) in starts {
            let have = self.connection.probe.bounds(partition)?;
            if *next < have.start || *next > have.end {
                return Err(LogError::Hole { partition: partition.clone(), wanted: *next, have });
            }
            let start = Offset::Offset(i64::try_from(*next).unwrap_or(i64::MAX));
            list.add_partition_offset(&partition.topic, number(partition), start)
                .map_err(|e| backend(format!("read {partition} from {next}"), e))?;
        }
        Ok(list)
    }

    fn has(&self, partition: &Partition) -> bool {
        self.cursors.get(&partition.topic).is_some_and(|it| it.contains_key(&partition.number))
    }

    fn cursor(&mut self, partition: &Partition) -> Result<&mut Cursor, LogError> {
        let found = self.cursors.get_mut(&partition.topic).and_then(|it| it.get_mut(&partition.number));
        found.ok_or_else(|| LogError::NoTopic(partition.to_string()))
    }

    /// What was held back for partitions that are no longer paused.
    fn release(&mut self, bytes_max: usize, entries: &mut Vec<Entry>) -> usize {
        let mut bytes = 0;
        for cursor in self.cursors.values_mut().flat_map(BTreeMap::values_mut).filter(|it| !it.paused) {
            while (bytes < bytes_max || entries.is_empty())
                && let Some(entry) = cursor.held.pop_front()
            {
                bytes += weight(&entry.payload);
                entries.push(entry);
            }
        }
        bytes
    }

    /// The next message that is not held back, waiting for it.
    fn next(&mut self, wait: Duration) -> Result<Option<Entry>, LogError> {
        let deadline = Instant::now() + wait;
        loop {
            match self.consumer.poll(deadline.saturating_duration_since(Instant::now())) {
                Some(Ok(message)) => {
                    let number = u32::try_from(message.partition()).unwrap_or(u32::MAX);
                    let cursor = self.cursors.get_mut(message.topic()).and_then(|it| it.get_mut(&number));
                    let Some(cursor) = cursor else { continue };
                    let offset = u64::try_from(message.offset()).unwrap_or_default();
                    match cursor.accept(offset, message.payload().unwrap_or_default()) {
                        Ok(Some(entry)) if cursor.paused => cursor.held.push_back(entry),
                        Ok(Some(entry)) => return Ok(Some(entry)),
                        Ok(None) => {}
                        Err(hole) => return Err(self.hole.insert(hole).clone().into()),
                    }
                }
                Some(Err(error)) => self.explain(error)?,
                None if Instant::now() >= deadline => return Ok(None),
                None => {}
            }
        }
    }

    /// What an error means for the reader; `Ok` if the library heals it by itself.
    fn explain(&mut self, error: KafkaError) -> Result<(), LogError> {
        let code = error.rdkafka_error_code();
        let out_of_range =
            matches!(code, Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange));
        if out_of_range || is_unknown(&error) {
            for cursor in self.cursors.values().flat_map(BTreeMap::values) {
                let have = self.connection.probe.bounds(&cursor.partition)?;
                if cursor.next < have.start || cursor.next > have.end {
                    let hole = Hole { partition: cursor.partition.clone(), wanted: cursor.next, have };
                    return Err(self.hole.insert(hole).clone().into());
                }
            }
        }
        if is_transient(&error) || is_unknown(&error) {
            tracing::warn!(%error, "reading from Kafka waits");
            return Ok(());
        }
        Err(backend("read from Kafka".to_owned(), error))
    }
}

fn consumer(config: &KafkaConfig) -> Result<BaseConsumer<Logging>, LogError> {
    base(config)?
        // The library assigns nothing without a group's name; nobody joins or commits under this one.
        .set("group.id", format!("{}-reader", config.client_id))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true")
        .set("fetch.queue.backoff.ms", "2")
        // A resumed partition joins the next fetch, so an idle one must not wait for long.
        .set("fetch.wait.max.ms", "100")
        .set("queued.max.messages.kbytes", "65536")
        .set("max.partition.fetch.bytes", "4194304")
        .create_with_context(Logging)
        .map_err(|e| backend("read from Kafka".to_owned(), e))
}

impl Reader for KafkaReader {
    fn poll(&mut self, bytes_max: usize, timeout: Duration) -> Result<Vec<Entry>, LogError> {
        if let Some(hole) = &self.hole {
            return Err(hole.clone().into());
        }
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut entries = Vec::new();
        let mut bytes = self.release(bytes_max, &mut entries);
        while entries.is_empty() || bytes < bytes_max {
            let wait = if entries.is_empty() { timeout } else { Duration::ZERO };
            match self.next(wait) {
                Ok(Some(entry)) => {
                    bytes += weight(&entry.payload);
                    entries.push(entry);
                }
                Ok(None) => break,
                Err(failure) if entries.is_empty() => return Err(failure),
                Err(failure) => {
                    self.failure = Some(failure);
                    break;
                }
            }
        }
        Ok(entries)
    }

    fn pause(&mut self, partition: &Partition) -> Result<(), LogError> {
        let cursor = self.cursor(partition)?;
        if !cursor.paused {
            cursor.paused = true;
            self.consumer.pause(&list([partition])).map_err(|e| backend(format!("pause {partition}"), e))?;
        }
        Ok(())
    }

    fn resume(&mut self, partition: &Partition) -> Result<(), LogError> {
        let cursor = self.cursor(partition)?;
        if cursor.paused {
            cursor.paused = false;
            self.consumer
                .resume(&list([partition]))
                .map_err(|e| backend(format!("resume {partition}"), e))?;
        }
        Ok(())
    }

    fn add(&mut self, starts: &[(Partition, u64)]) -> Result<(), LogError> {
        let places = self.places(starts)?;
        let partitions: Vec<Partition> = starts.iter().map(|(partition, _)| partition.clone()).collect();
        self.remove(&partitions)?;
        self.consumer
            .incremental_assign(&places)
            .map_err(|e| backend(format!("begin to read {partitions:?}"), e))?;
        for (partition, next) in starts {
            let cursor =
                Cursor { partition: partition.clone(), next: *next, paused: false, held: VecDeque::new() };
            self.cursors.entry(Arc::clone(&partition.topic)).or_default().insert(partition.number, cursor);
        }
        Ok(())
    }

    fn remove(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        let context = |e| backend(format!("read {partitions:?} no more"), e);
        let read: Vec<Partition> = partitions.iter().filter(|it| self.has(it)).cloned().collect();
        for partition in &read {
            // The library would remember the pause.
            self.resume(partition)?;
        }
        self.consumer.incremental_unassign(&list(&read)).map_err(context)?;
        for partition in partitions {
            if let Some(of_topic) = self.cursors.get_mut(&partition.topic) {
                of_topic.remove(&partition.number);
            }
        }
        self.cursors.retain(|_, of_topic| !of_topic.is_empty());
        if self.hole.take_if(|hole| partitions.contains(&hole.partition)).is_some() {
            self.failure = None;
        }
        Ok(())
    }
}

fn list<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&partition.topic, number(partition));
    }
    list
}
