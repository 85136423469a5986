//! Members of a consumer group who only own: nothing is fetched, no position kept.
//!
//! The library sends heartbeats from a thread of its own; the membership's thread polls, so that the library
//! can call back when partitions come and go. Partitions move one by one (`cooperative-sticky`): who keeps
//! one does not hear of a change.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};
use tracing::{info, warn};

use super::{
    KafkaConfig,
    client::{self, backend, base, number},
    lock,
};
use crate::{LogError, Membership, Owner, Partition};

/// How often the membership's thread looks for something to do besides what the library tells.
const LOOK: Duration = Duration::from_millis(50);
/// Longest that an owner may take to give up what it owns, beside the session timeout.
const GIVE_UP_MAX: Duration = Duration::from_secs(60);
/// How soon a topic that was created meanwhile is seen.
const TOPICS_LOOK_MS: &str = "5000";
/// Heartbeats in a session timeout.
const HEARTBEATS: u128 = 10;

/// What a member and its thread share.
#[derive(Default)]
struct Place {
    owned: Mutex<BTreeSet<Partition>>,
    failure: Mutex<Option<String>>,
}

/// Hears from the library what comes and goes.
struct Changes {
    group: String,
    place: Arc<Place>,
    owner: Mutex<Box<dyn Owner>>,
}

impl ClientContext for Changes {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        warn!(%error, reason, "kafka");
    }
}

impl ConsumerContext for Changes {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = partitions(list);
        let done = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.come(consumer, &partitions)
        } else {
            self.go(consumer, list, &partitions)
        };
        if let Err(error) = done {
            let why = format!("change what a member of {} owns: {error}", self.group);
            lock(&self.place.failure).get_or_insert(why);
        }
    }
}

impl Changes {
    fn come(&self, consumer: &BaseConsumer<Self>, partitions: &[Partition]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            // A place to read from, so that the library looks for none; paused, it reads nothing.
            list.add_partition_offset(&partition.topic, number(partition), Offset::End)?;
        }
        if matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative) {
            consumer.incremental_assign(&list)?;
        } else {
            consumer.assign(&list)?;
        }
        if partitions.is_empty() {
            return Ok(());
        }
        consumer.pause(&list)?;
        info!(group = self.group, ?partitions, "owned from now on");
        lock(&self.place.owned).extend(partitions.iter().cloned());
        lock(&self.owner).assigned(partitions);
        Ok(())
    }

    fn go(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &TopicPartitionList,
        partitions: &[Partition],
    ) -> KafkaResult<()> {
        // An owner that has panicked is told nothing any more.
        if !partitions.is_empty() && !thread::panicking() {
            if consumer.assignment_lost() {
                warn!(group = self.group, ?partitions, "lost: the group went on without this member");
                lock(&self.owner).lost(partitions);
            } else {
                info!(group = self.group, ?partitions, "given up");
                lock(&self.owner).revoked(partitions);
            }
        }
        lock(&self.place.owned).retain(|partition| !partitions.contains(partition));
        if matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative) {
            consumer.incremental_unassign(list)
        } else {
            consumer.unassign()
        }
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    let one = |(topic, number): &(String, i32)| {
        u32::try_from(*number).ok().map(|number| Partition::new(topic, number))
    };
    let mut partitions: Vec<Partition> = list.to_topic_map().keys().filter_map(one).collect();
    partitions.sort();
    partitions
}

/// What a member's thread is told to do.
enum Order {
    Subscribe(Vec<String>),
    Leave,
}

/// A member of a group.
pub(super) struct Member {
    group: String,
    place: Arc<Place>,
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    pub(super) fn join(
        config: &KafkaConfig,
        group: &str,
        topics: &[String],
        owner: Box<dyn Owner>,
    ) -> Result<Self, LogError> {
        let context = || format!("join the members of {group}");
        let place = Arc::new(Place::default());
        let changes =
            Changes { group: group.to_owned(), place: Arc::clone(&place), owner: Mutex::new(owner) };
        let consumer = consumer(config, group, changes)?;
        subscribe(&consumer, topics).map_err(|e| backend(context(), e))?;
        let (orders, hear) = unbounded();
        let its = Arc::clone(&place);
        let thread = thread::Builder::new()
            .name("log-member".to_owned())
            .spawn(move || serve(consumer, &hear, &its))
            .map_err(|source| LogError::Backend { context: context(), source: Box::new(source) })?;
        Ok(Self { group: group.to_owned(), place, orders, thread: Some(thread) })
    }
}

impl Membership for Member {
    fn subscribe(&self, topics: &[String]) -> Result<(), LogError> {
        // A thread that has ended is shown by `failed`.
        drop(self.orders.send(Order::Subscribe(topics.to_vec())));
        Ok(())
    }

    fn owned(&self) -> Vec<Partition> {
        lock(&self.place.owned).iter().cloned().collect()
    }

    fn failed(&self) -> Option<String> {
        let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        let panicked = || format!("the thread of a member of {} panicked", self.group);
        lock(&self.place.failure).clone().or_else(|| ended.then(panicked))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // A thread that has ended has left.
        drop(self.orders.send(Order::Leave));
        if let Some(thread) = self.thread.take().filter(|it| it.thread().id() != thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the thread of a member of {} panicked", self.group);
        }
    }
}

fn consumer(config: &KafkaConfig, group: &str, changes: Changes) -> Result<BaseConsumer<Changes>, LogError> {
    let session_ms = config.session_timeout.as_millis();
    let mut settings = base(config)?;
    settings
        .set("group.id", group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", session_ms.to_string())
        .set("heartbeat.interval.ms", (session_ms / HEARTBEATS).max(1).to_string())
        .set("max.poll.interval.ms", (session_ms + GIVE_UP_MAX.as_millis()).to_string())
        .set("topic.metadata.refresh.interval.ms", TOPICS_LOOK_MS)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false");
    settings.create_with_context(changes).map_err(|e| backend(format!("join the members of {group}"), e))
}

fn subscribe(consumer: &BaseConsumer<Changes>, topics: &[String]) -> KafkaResult<()> {
    consumer.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Lets the library call back until the member leaves; then its end gives everything up.
fn serve(consumer: BaseConsumer<Changes>, orders: &Receiver<Order>, place: &Place) {
    let fail = |why: String| {
        tracing::error!("{why}");
        lock(&place.failure).get_or_insert(why);
    };
    while lock(&place.failure).is_none() {
        match orders.try_recv() {
            Ok(Order::Subscribe(topics)) => {
                if let Err(error) = subscribe(&consumer, &topics) {
                    fail(format!("share {topics:?}: {error}"));
                }
            }
            Ok(Order::Leave) | Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {}
        }
        match consumer.poll(LOOK) {
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                fail(format!("the broker has ended this membership: {code}"));
            }
            Some(Err(error)) => warn!(%error, "a member of a group waits"),
            // Nothing is read through a membership.
            Some(Ok(_)) | None => {}
        }
    }
}
