//! A Kafka that may be away when the process starts, and whose connection is made anew when it has to be.

use std::{
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{KafkaConfig, KafkaLog, client::backend, lock};
use crate::{Commit, Log, LogError, Membership, Owner, Partition, Reader, TopicSpec, Writer};

/// A Kafka log that is connected to when it is first needed. A writer that is opened after the producer has
/// stopped gets a new connection; older writers go on refusing, so nothing lands behind their failure.
pub struct LastingKafka {
    config: KafkaConfig,
    current: Mutex<Option<KafkaLog>>,
}

impl LastingKafka {
    /// A log at this address, not connected yet.
    #[must_use]
    pub fn new(config: KafkaConfig) -> Self {
        Self { config, current: Mutex::default() }
    }

    /// Asks whether a broker answers, for about `wait` at most (longer the first time).
    ///
    /// # Errors
    /// [`LogError::Backend`] with what keeps it from answering.
    pub fn ask(&self, wait: Duration) -> Result<(), LogError> {
        let log = self.connected()?;
        let connection = &log.connection;
        let context = || format!("reach Kafka at {}", self.config.bootstrap);
        connection.probe.ask(wait).map_err(|error| backend(context(), error))
    }

    fn connected(&self) -> Result<KafkaLog, LogError> {
        let mut current = lock(&self.current);
        if let Some(log) = &*current {
            return Ok(log.clone());
        }
        let log = KafkaLog::connect(self.config.clone())?;
        Ok(current.insert(log).clone())
    }
}

impl Log for LastingKafka {
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        self.connected()?.create_topics(topics)
    }

    fn bounds(&self, partition: &Partition) -> Result<Range<u64>, LogError> {
        self.connected()?.bounds(partition)
    }

    fn reader(&self, starts: &[(Partition, u64)]) -> Result<Box<dyn Reader>, LogError> {
        self.connected()?.reader(starts)
    }

    fn writer(&self) -> Result<Box<dyn Writer>, LogError> {
        let log = self.connected()?;
        if !log.has_stopped() {
            return log.writer();
        }
        tracing::warn!("Kafka's producer has stopped; a new connection takes its place");
        lock(&self.current).take_if(|current| Arc::ptr_eq(&current.connection, &log.connection));
        self.connected()?.writer()
    }

    fn commit(&self, group: &str, positions: &[(Partition, Commit)]) -> Result<(), LogError> {
        self.connected()?.commit(group, positions)
    }

    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Commit>>, LogError> {
        self.connected()?.committed(group, partitions)
    }

    fn join(
        &self,
        group: &str,
        topics: &[String],
        owner: Box<dyn Owner>,
    ) -> Result<Box<dyn Membership>, LogError> {
        self.connected()?.join(group, topics, owner)
    }
}
