//! Reading partitions assigned by hand, every offset checked.

use std::{
    collections::{BTreeMap, VecDeque},
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
use crate::{Entry, LogError, Partition, Reader};

struct Cursor {
    partition: Partition,
    /// The offset that the library must hand over next.
    next: u64,
    paused: bool,
    /// What the library still handed over after the pause.
    held: VecDeque<Entry>,
}

/// Reads some partitions of a Kafka log.
pub(super) struct KafkaReader {
    connection: Arc<Connection>,
    consumer: BaseConsumer<Logging>,
    cursors: BTreeMap<Arc<str>, BTreeMap<u32, Cursor>>,
}

impl KafkaReader {
    pub(super) fn open(connection: Arc<Connection>, starts: &[(Partition, u64)]) -> Result<Self, LogError> {
        let mut list = TopicPartitionList::with_capacity(starts.len());
        let mut cursors: BTreeMap<Arc<str>, BTreeMap<u32, Cursor>> = BTreeMap::new();
        for (partition, next) in starts {
            let have = connection.probe.bounds(partition)?;
            if *next < have.start || *next > have.end {
                return Err(LogError::Hole { partition: partition.clone(), wanted: *next, have });
            }
            let start = Offset::Offset(i64::try_from(*next).unwrap_or(i64::MAX));
            list.add_partition_offset(&partition.topic, number(partition), start)
                .map_err(|e| backend(format!("read {partition} from {next}"), e))?;
            let cursor =
                Cursor { partition: partition.clone(), next: *next, paused: false, held: VecDeque::new() };
            cursors.entry(Arc::clone(&partition.topic)).or_default().insert(partition.number, cursor);
        }
        let consumer = consumer(&connection.config)?;
        consumer.assign(&list).map_err(|e| backend("read from Kafka".to_owned(), e))?;
        Ok(Self { connection, consumer, cursors })
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
                bytes += entry.payload.len();
                entries.push(entry);
            }
        }
        bytes
    }

    /// What an error means for the reader; `Ok` if the library heals it by itself.
    fn explain(&self, error: KafkaError) -> Result<(), LogError> {
        let code = error.rdkafka_error_code();
        let out_of_range =
            matches!(code, Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange));
        if out_of_range || is_unknown(&error) {
            for cursor in self.cursors.values().flat_map(BTreeMap::values) {
                let have = self.connection.probe.bounds(&cursor.partition)?;
                if cursor.next < have.start || cursor.next > have.end {
                    return Err(LogError::Hole {
                        partition: cursor.partition.clone(),
                        wanted: cursor.next,
                        have,
                    });
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

/// Takes a message over if it is the one that must come next.
fn accept(cursor: &mut Cursor, offset: u64, payload: &[u8]) -> Result<Option<Entry>, LogError> {
    if offset < cursor.next {
        return Ok(None);
    }
    if offset > cursor.next {
        let partition = cursor.partition.clone();
        return Err(LogError::Hole { partition, wanted: cursor.next, have: offset..offset + 1 });
    }
    cursor.next += 1;
    let payload = Bytes::copy_from_slice(payload);
    Ok(Some(Entry { partition: cursor.partition.clone(), offset, payload }))
}

impl Reader for KafkaReader {
    fn poll(&mut self, bytes_max: usize, timeout: Duration) -> Result<Vec<Entry>, LogError> {
        let deadline = Instant::now() + timeout;
        let mut entries = Vec::new();
        let mut bytes = self.release(bytes_max, &mut entries);
        while entries.is_empty() || bytes < bytes_max {
            let wait = if entries.is_empty() {
                deadline.saturating_duration_since(Instant::now())
            } else {
                Duration::ZERO
            };
            let message = match self.consumer.poll(wait) {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    self.explain(error)?;
                    continue;
                }
                None if !entries.is_empty() || wait.is_zero() => break,
                None => continue,
            };
            let number = u32::try_from(message.partition()).unwrap_or(u32::MAX);
            let Some(cursor) = self.cursors.get_mut(message.topic()).and_then(|it| it.get_mut(&number))
            else {
                continue;
            };
            let offset = u64::try_from(message.offset()).unwrap_or_default();
            let Some(entry) = accept(cursor, offset, message.payload().unwrap_or_default())? else {
                continue;
            };
            if cursor.paused {
                cursor.held.push_back(entry);
                continue;
            }
            bytes += entry.payload.len();
            entries.push(entry);
        }
        Ok(entries)
    }

    fn pause(&mut self, partition: &Partition) -> Result<(), LogError> {
        let cursor = self.cursor(partition)?;
        if !cursor.paused {
            cursor.paused = true;
            self.consumer.pause(&one(partition)).map_err(|e| backend(format!("pause {partition}"), e))?;
        }
        Ok(())
    }

    fn resume(&mut self, partition: &Partition) -> Result<(), LogError> {
        let cursor = self.cursor(partition)?;
        if cursor.paused {
            cursor.paused = false;
            self.consumer.resume(&one(partition)).map_err(|e| backend(format!("resume {partition}"), e))?;
        }
        Ok(())
    }
}

fn one(partition: &Partition) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(&partition.topic, number(partition));
    list
}
