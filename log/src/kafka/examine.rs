//! What a cluster says of itself, for people who set one up.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier},
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use super::{
    KafkaConfig,
    client::{Logging, Probe, backend, base, patiently},
    topics::wait,
};
use crate::LogError;

/// What brokers and topics must take, bytes.
pub const MESSAGE_BYTES_WANTED: u64 = 8 * 1024 * 1024;
/// How long positions must be kept: the greatest value of `offsets.retention.minutes`.
pub const POSITIONS_KEPT_MINUTES: u64 = 2_147_483_647;

const REQUEST_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest wait for one message that is there.
const MESSAGE_WAIT_MAX: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Examination {
    /// Each broker.
    pub brokers: Vec<Settings>,
    /// Each topic of the system.
    pub topics: Vec<Settings>,
    /// When the newest message on `cu.cycles` or `cu.clearing` was stamped, milliseconds since 1970.
    pub newest_ms: Option<i64>,
}

/// The settings of a broker or topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `broker 1`, or the name of the topic.
    pub name: String,
    /// Values by name, defaults included.
    pub settings: BTreeMap<String, String>,
}

/// Asks a cluster for its settings, and for those of the topics whose names begin with `prefix` and `cu.`.
/// Changes nothing.
///
/// # Errors
/// [`LogError::Backend`] if no broker answers or it does not tell.
pub fn examine(config: &KafkaConfig, prefix: &str) -> Result<Examination, LogError> {
    let probe = Probe::connect(config)?;
    let metadata = probe.metadata(None)?;
    let ours = |name: &&str| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("cu."));
    let topics: Vec<&str> = metadata.topics().iter().map(|topic| topic.name()).filter(ours).collect();
    let brokers = metadata.brokers().iter().map(|broker| ResourceSpecifier::Broker(broker.id()));
    let resources: Vec<ResourceSpecifier<'_>> =
        brokers.chain(topics.iter().map(|topic| ResourceSpecifier::Topic(topic))).collect();
    let mut examination = Examination::default();
    for resource in describe(config, &resources)? {
        let values = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
        let settings = values.collect();
        match resource.specifier {
            OwnedResourceSpecifier::Broker(id) => {
                examination.brokers.push(Settings { name: format!("broker {id}"), settings });
            }
            OwnedResourceSpecifier::Topic(name) => examination.topics.push(Settings { name, settings }),
            OwnedResourceSpecifier::Group(_) => {}
        }
    }
    let stamped = ["cu.cycles", "cu.clearing"].map(|name| format!("{prefix}{name}"));
    for topic in stamped.iter().filter(|topic| topics.contains(&topic.as_str())) {
        examination.newest_ms = examination.newest_ms.max(newest_ms(config, &probe, topic)?);
    }
    Ok(examination)
}

fn describe(
    config: &KafkaConfig,
    resources: &[ResourceSpecifier<'_>],
) -> Result<Vec<ConfigResource>, LogError> {
    let context = || "ask Kafka for its settings".to_owned();
    let admin: AdminClient<Logging> =
        base(config)?.create_with_context(Logging).map_err(|e| backend(context(), e))?;
    let options = AdminOptions::new().request_timeout(Some(REQUEST_WAIT_MAX));
    // The library tells of one broker in an answer.
    let mut described = Vec::new();
    for resource in resources {
        let answer = patiently(&context, || wait(admin.describe_configs([resource], &options)))?;
        for one in answer {
            described.push(one.map_err(|code| backend(context(), KafkaError::AdminOp(code)))?);
        }
    }
    Ok(described)
}

/// When the last message of a topic's first partition was stamped.
fn newest_ms(config: &KafkaConfig, probe: &Probe, topic: &str) -> Result<Option<i64>, LogError> {
    let bounds = probe.bounds(&crate::Partition::new(topic, 0))?;
    if bounds.start == bounds.end {
        return Ok(None);
    }
    let context = || format!("read the last message of {topic}");
    let consumer: BaseConsumer<Logging> = base(config)?
        .set("group.id", format!("{}-reader", config.client_id))
        .set("enable.auto.commit", "false")
        .create_with_context(Logging)
        .map_err(|e| backend(context(), e))?;
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(topic, 0, Offset::OffsetTail(1)).map_err(|e| backend(context(), e))?;
    consumer.assign(&list).map_err(|e| backend(context(), e))?;
    match consumer.poll(MESSAGE_WAIT_MAX) {
        Some(Ok(message)) => Ok(message.timestamp().to_millis()),
        Some(Err(error)) => Err(backend(context(), error)),
        None => Ok(None),
    }
}
