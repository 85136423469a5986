//! Topics, their partitions and ends, in memory.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::store::{Store, TopicRow};
use crate::{LogError, Partition, TopicSpec};

/// A partition as it is known in memory.
#[derive(Clone)]
pub(super) struct Known {
    pub id: u32,
    end: Arc<AtomicU64>,
}

impl Known {
    /// The offset that the next durable message gets.
    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Only the committing thread moves an end.
    pub(super) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }
}

/// All topics of a log.
pub(super) struct Catalog {
    topics: RwLock<BTreeMap<String, Vec<Known>>>,
}

impl Catalog {
    pub(super) fn load(store: &Store) -> Result<Self, LogError> {
        let mut topics = BTreeMap::new();
        for row in store.topics()? {
            let mut known = Vec::new();
            for id in row.first_id..row.first_id + row.partitions {
                known.push(Known { id, end: Arc::new(AtomicU64::new(store.end(id)?)) });
            }
            topics.insert(row.name, known);
        }
        Ok(Self { topics: RwLock::new(topics) })
    }

    pub(super) fn find(&self, partition: &Partition) -> Result<Known, LogError> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let known =
            topics.get(&*partition.topic).ok_or_else(|| LogError::NoTopic(partition.topic.to_string()))?;
        let number = usize::try_from(partition.number).unwrap_or(usize::MAX);
        known.get(number).cloned().ok_or_else(|| LogError::NoTopic(partition.to_string()))
    }

    /// Number of partitions of a topic; none if it does not exist.
    pub(super) fn partitions(&self, topic: &str) -> u32 {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(topic).map_or(0, |known| u32::try_from(known.len()).unwrap_or(u32::MAX))
    }

    /// Creates what is missing, all or nothing.
    pub(super) fn create(&self, store: &Store, specs: &[TopicSpec]) -> Result<(), LogError> {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let mut next_id = topics.values().flatten().map(|known| known.id + 1).max().unwrap_or(0);
        let mut fresh: Vec<TopicRow> = Vec::new();
        for spec in specs {
            let found = topics
                .get(&spec.name)
                .map(|known| u32::try_from(known.len()).unwrap_or(u32::MAX))
                .or_else(|| fresh.iter().find(|row| row.name == spec.name).map(|row| row.partitions));
            match found {
                Some(found) if found == spec.partitions => {}
                Some(found) => {
                    let wanted = spec.partitions;
                    return Err(LogError::Partitions { topic: spec.name.clone(), found, wanted });
                }
                None => {
                    let row =
                        TopicRow { name: spec.name.clone(), first_id: next_id, partitions: spec.partitions };
                    next_id += spec.partitions;
                    fresh.push(row);
                }
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        store.keep_topics(&fresh)?;
        for row in fresh {
            let ids = row.first_id..row.first_id + row.partitions;
            topics.insert(row.name, ids.map(|id| Known { id, end: Arc::default() }).collect());
        }
        Ok(())
    }
}
