//! Positions of a group, kept by Kafka without group membership.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
};

use super::{
    ANSWER_WAIT_MAX, KafkaConfig,
    client::{self, backend, base, is_transient, number, patiently},
    lock,
};
use crate::{Commit, LogError, Partition};

const LOOK_AGAIN: Duration = Duration::from_millis(100);
const REQUEST_WAIT_MAX: Duration = Duration::from_secs(10);

/// Hears how commits ended. One that outlived its caller's patience may answer later: an answer is told
/// from another by what it committed.
#[derive(Default)]
struct Answers(Mutex<Vec<(KafkaResult<()>, TopicPartitionList)>>);

impl ClientContext for Answers {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka");
    }
}

impl ConsumerContext for Answers {
    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        lock(&self.0).push((result, offsets.clone()));
    }
}

/// The client of one group.
pub(super) struct GroupClient {
    group: String,
    consumer: Mutex<BaseConsumer<Answers>>,
}

impl GroupClient {
    pub(super) fn new(config: &KafkaConfig, group: &str) -> Result<Self, LogError> {
        let consumer: BaseConsumer<Answers> = base(config)?
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .create_with_context(Answers::default())
            .map_err(|e| backend(format!("open the positions of {group}"), e))?;
        Ok(Self { group: group.to_owned(), consumer: Mutex::new(consumer) })
    }

    /// Commits all positions in one request.
    pub(super) fn commit(&self, positions: &[(Partition, Commit)]) -> Result<(), LogError> {
        let wanted = self.list(positions)?;
        let consumer = lock(&self.consumer);
        let deadline = Instant::now() + ANSWER_WAIT_MAX;
        loop {
            let Some(answer) = self.ask(&consumer, &wanted, deadline)? else {
                return Err(LogError::Timeout(ANSWER_WAIT_MAX));
            };
            match answer {
                Ok(()) => return Ok(()),
                Err(error) if is_transient(&error) && Instant::now() < deadline => {
                    tracing::warn!(%error, group = self.group, "failed to commit positions, asking again");
                }
                Err(error) => return Err(backend(format!("commit the positions of {}", self.group), error)),
            }
        }
    }

    /// One commit; `None` if no answer came until the deadline.
    fn ask(
        &self,
        consumer: &BaseConsumer<Answers>,
        wanted: &TopicPartitionList,
        deadline: Instant,
    ) -> Result<Option<KafkaResult<()>>, LogError> {
        lock(&consumer.context().0).clear();
        consumer
            .commit(wanted, CommitMode::Async)
            .map_err(|e| backend(format!("commit the positions of {}", self.group), e))?;
        while Instant::now() < deadline {
            if let Some(Err(error)) = consumer.poll(LOOK_AGAIN)
                && !is_transient(&error)
            {
                return Ok(Some(Err(error)));
            }
            let answers: Vec<_> = lock(&consumer.context().0).drain(..).collect();
            if let Some((result, _)) = answers.into_iter().find(|(_, offsets)| same(offsets, wanted)) {
                return Ok(Some(result));
            }
        }
        Ok(None)
    }

    fn list(&self, positions: &[(Partition, Commit)]) -> Result<TopicPartitionList, LogError> {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (partition, commit) in positions {
            let offset = i64::try_from(commit.offset).unwrap_or(i64::MAX);
            let mut row = list.add_partition(&partition.topic, number(partition));
            row.set_offset(Offset::Offset(offset))
                .map_err(|e| backend(format!("commit {offset} for {partition}"), e))?;
            row.set_metadata(&commit.note);
        }
        Ok(list)
    }

    pub(super) fn committed(&self, partitions: &[Partition]) -> Result<Vec<Option<Commit>>, LogError> {
        let context = || format!("ask Kafka for the positions of {}", self.group);
        let consumer = lock(&self.consumer);
        let answer = patiently(&context, || {
            let mut list = TopicPartitionList::with_capacity(partitions.len());
            for partition in partitions {
                list.add_partition(&partition.topic, number(partition));
            }
            let answer = consumer.committed_offsets(list, REQUEST_WAIT_MAX)?;
            answer
                .elements()
                .iter()
                .try_for_each(rdkafka::topic_partition_list::TopicPartitionListElem::error)?;
            Ok(answer)
        })?;
        let of = |partition: &Partition| {
            let row = answer.find_partition(&partition.topic, number(partition))?;
            match row.offset() {
                Offset::Offset(offset) => {
                    Some(Commit { offset: u64::try_from(offset).ok()?, note: row.metadata().to_owned() })
                }
                _ => None,
            }
        };
        Ok(partitions.iter().map(of).collect())
    }
}

/// Whether an answer is for this commit. The library may sort the rows and adds errors to them.
fn same(one: &TopicPartitionList, other: &TopicPartitionList) -> bool {
    one.count() == other.count()
        && one.elements().iter().all(|row| {
            other
                .find_partition(row.topic(), row.partition())
                .is_some_and(|its| its.offset() == row.offset() && its.metadata() == row.metadata())
        })
}
