//! Creating topics.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{
    ANSWER_WAIT_MAX, KafkaConfig,
    client::{Logging, Probe, backend, base, patiently},
};
use crate::{LogError, TopicSpec};

const LOOK_AGAIN: Duration = Duration::from_millis(50);
const CREATE_WAIT_MAX: Duration = Duration::from_secs(30);
/// The broker counts a message's envelope too.
const MESSAGE_BYTES_MAX: &str = "8388608";

/// Creates the topics that are missing and waits until they can be used.
pub(super) fn create(config: &KafkaConfig, probe: &Probe, specs: &[TopicSpec]) -> Result<(), LogError> {
    let existing = usable(probe)?;
    let missing = missing(&existing, specs)?;
    if missing.is_empty() {
        return Ok(());
    }
    ask_for(config, &missing)?;
    let deadline = Instant::now() + ANSWER_WAIT_MAX;
    while !self::missing(&usable(probe)?, specs)?.is_empty() {
        if Instant::now() >= deadline {
            return Err(LogError::Timeout(ANSWER_WAIT_MAX));
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// All topics with their number of partitions; none where a partition still lacks its leader.
fn usable(probe: &Probe) -> Result<BTreeMap<String, Option<u32>>, LogError> {
    let metadata = probe.metadata(None)?;
    let topics = metadata.topics().iter().map(|topic| {
        let led = topic.error().is_none() && topic.partitions().iter().all(|it| it.leader() >= 0);
        let count = u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX);
        (topic.name().to_owned(), Some(count).filter(|n| led && *n > 0))
    });
    Ok(topics.collect())
}

fn missing<'a>(
    existing: &BTreeMap<String, Option<u32>>,
    specs: &'a [TopicSpec],
) -> Result<Vec<&'a TopicSpec>, LogError> {
    let mut missing = Vec::new();
    for spec in specs {
        match existing.get(&spec.name).copied().flatten() {
            Some(found) if found == spec.partitions => {}
            Some(found) => {
                let wanted = spec.partitions;
                return Err(LogError::Partitions { topic: spec.name.clone(), found, wanted });
            }
            None => missing.push(spec),
        }
    }
    Ok(missing)
}

fn ask_for(config: &KafkaConfig, specs: &[&TopicSpec]) -> Result<(), LogError> {
    let context = || "create topics on Kafka".to_owned();
    let admin: AdminClient<Logging> =
        base(config)?.create_with_context(Logging).map_err(|e| backend(context(), e))?;
    let replication = i32::try_from(config.replication).unwrap_or(i32::MAX);
    let topics: Vec<NewTopic<'_>> = specs
        .iter()
        .map(|spec| {
            let partitions = i32::try_from(spec.partitions).unwrap_or(i32::MAX);
            NewTopic::new(&spec.name, partitions, TopicReplication::Fixed(replication))
                .set("cleanup.policy", "delete")
                .set("retention.ms", "-1")
                .set("retention.bytes", "-1")
                .set("max.message.bytes", MESSAGE_BYTES_MAX)
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(CREATE_WAIT_MAX));
    let results = patiently(&context, || wait(admin.create_topics(&topics, &options)))?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                return Err(backend(format!("create topic {topic} on Kafka"), KafkaError::AdminOp(code)));
            }
        }
    }
    Ok(())
}

/// Waits for the admin client's answer on this thread.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}
