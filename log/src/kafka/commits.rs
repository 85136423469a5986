//! Positions of a group, kept by Kafka without group membership.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaResult,
};

use super::{
    ANSWER_WAIT_MAX, KafkaConfig,
    client::{Logging, RETRY_PAUSE, backend, base, is_transient, number, patiently},
};
use crate::{Commit, LogError, Partition};

const REQUEST_WAIT_MAX: Duration = Duration::from_secs(10);

/// One commit to be made, and where its end is told.
type Order = (TopicPartitionList, Sender<KafkaResult<()>>);

/// The client of one group. The library's commit waits for as long as the broker is away, so it runs on
/// a thread of its own, which callers can stop waiting for.
pub(super) struct GroupClient {
    group: String,
    consumer: Arc<BaseConsumer<Logging>>,
    orders: Sender<Order>,
}

impl GroupClient {
    pub(super) fn new(config: &KafkaConfig, group: &str) -> Result<Self, LogError> {
        let context = || format!("open the positions of {group}");
        let consumer: BaseConsumer<Logging> = base(config)?
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .create_with_context(Logging)
            .map_err(|e| backend(context(), e))?;
        let consumer = Arc::new(consumer);
        let (orders, ordered) = bounded(0);
        let its = Arc::clone(&consumer);
        thread::Builder::new()
            .name("log-positions".to_owned())
            .spawn(move || carry_out(&its, &ordered))
            .map_err(|e| LogError::Backend { context: context(), source: Box::new(e) })?;
        Ok(Self { group: group.to_owned(), consumer, orders })
    }

    /// Commits all positions in one request.
    pub(super) fn commit(&self, positions: &[(Partition, Commit)]) -> Result<(), LogError> {
        let wanted = self.list(positions)?;
        let deadline = Instant::now() + ANSWER_WAIT_MAX;
        let late = || LogError::Timeout(ANSWER_WAIT_MAX);
        loop {
            let (tell, told) = bounded(1);
            self.orders.send_deadline((wanted.clone(), tell), deadline).map_err(|_| late())?;
            match told.recv_deadline(deadline).map_err(|_| late())? {
                Ok(()) => return Ok(()),
                Err(error) if is_transient(&error) && Instant::now() < deadline => {
                    tracing::warn!(%error, group = self.group, "failed to commit positions, asking again");
                    thread::sleep(RETRY_PAUSE);
                }
                Err(error) => return Err(backend(format!("commit the positions of {}", self.group), error)),
            }
        }
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
        let answer = patiently(&context, || {
            let mut list = TopicPartitionList::with_capacity(partitions.len());
            for partition in partitions {
                list.add_partition(&partition.topic, number(partition));
            }
            let answer = self.consumer.committed_offsets(list, REQUEST_WAIT_MAX)?;
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

/// Makes commits until nobody can order any more.
fn carry_out(consumer: &BaseConsumer<Logging>, orders: &Receiver<Order>) {
    for (list, tell) in orders {
        let result = consumer.commit(&list, CommitMode::Sync);
        // Who ordered it may have stopped waiting.
        drop(tell.send(result));
        // Reports of lost connections pile up unless they are taken.
        drop(consumer.poll(Duration::ZERO));
    }
}
