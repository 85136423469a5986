//! Settings, errors and patience that all of the adapter's clients share, and the client that asks
//! about topics.

use std::{
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    metadata::Metadata,
};

use super::{ANSWER_WAIT_MAX, KafkaConfig};
use crate::{LogError, Partition};

/// Longest wait for a first answer from the cluster.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);
const REQUEST_WAIT_MAX: Duration = Duration::from_secs(10);
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Sends what the library has to say to the process's own log.
pub(super) struct Logging;

impl ClientContext for Logging {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka");
    }
}

impl ConsumerContext for Logging {}

/// What the library reports is about connections, which it heals by itself: never more than a warning.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
            tracing::debug!(facility, message, "kafka");
        }
        _ => tracing::warn!(facility, message, "kafka"),
    }
}

/// Settings of every client.
pub(super) fn base(config: &KafkaConfig) -> Result<ClientConfig, LogError> {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.bootstrap)
        .set("client.id", &config.client_id)
        .set("message.max.bytes", (8 * 1024 * 1024).to_string())
        .set("reconnect.backoff.max.ms", "2000")
        .set("socket.nagle.disable", "true")
        .set("socket.keepalive.enable", "true");
    for (name, value) in &config.security {
        if !["security.", "ssl.", "sasl."].iter().any(|prefix| name.starts_with(prefix)) {
            return Err(LogError::Backend {
                context: format!("connect to Kafka: {name} is no security setting"),
                source: "only names that begin with security., ssl. or sasl. are passed on".into(),
            });
        }
        client.set(name, value);
    }
    Ok(client)
}

/// An error below the port.
pub(super) fn backend(context: String, source: KafkaError) -> LogError {
    LogError::Backend { context, source: Box::new(source) }
}

/// Whether asking again may help.
pub(super) fn is_transient(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::TimedOutQueue
                | Code::WaitingForCoordinator
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::RequestTimedOut
                | Code::BrokerNotAvailable
                | Code::ReplicaNotAvailable
                | Code::NetworkException
                | Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator
                | Code::KafkaStorageError
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
                | Code::OffsetNotAvailable
                | Code::ListenerNotFound
        )
    )
}

/// Whether the cluster says that a topic or partition does not exist.
pub(super) fn is_unknown(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
    )
}

/// Asks again while the broker does not answer, within [`ANSWER_WAIT_MAX`].
pub(super) fn patiently<T>(
    what: &dyn Fn() -> String,
    mut ask: impl FnMut() -> KafkaResult<T>,
) -> Result<T, LogError> {
    let deadline = Instant::now() + ANSWER_WAIT_MAX;
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if !is_transient(&error) => return Err(backend(what(), error)),
            Err(error) if Instant::now() >= deadline => {
                tracing::warn!(%error, "failed to {}", what());
                return Err(LogError::Timeout(ANSWER_WAIT_MAX));
            }
            Err(error) => {
                tracing::warn!(%error, "failed to {}, asking again", what());
                thread::sleep(RETRY_PAUSE);
            }
        }
    }
}

/// A partition's number as the library wants it.
pub(super) fn number(partition: &Partition) -> i32 {
    i32::try_from(partition.number).unwrap_or(i32::MAX)
}

/// A client that only asks.
pub(super) struct Probe {
    client: BaseConsumer<Logging>,
}

impl Probe {
    pub(super) fn connect(config: &KafkaConfig) -> Result<Self, LogError> {
        let context = || format!("reach Kafka at {} (is a broker listening there?)", config.bootstrap);
        let client: BaseConsumer<Logging> =
            base(config)?.create_with_context(Logging).map_err(|e| backend(context(), e))?;
        client.fetch_metadata(Some("cu"), CONNECT_WAIT_MAX).map_err(|e| backend(context(), e))?;
        Ok(Self { client })
    }

    /// Asks once whether a broker answers.
    pub(super) fn ask(&self, wait: Duration) -> KafkaResult<()> {
        // Reports of lost connections pile up unless they are taken.
        drop(self.client.poll(Duration::ZERO));
        self.client.fetch_metadata(Some("cu"), wait).map(drop)
    }

    pub(super) fn metadata(&self, topic: Option<&str>) -> Result<Metadata, LogError> {
        // Reports of lost connections pile up unless they are taken.
        drop(self.client.poll(Duration::ZERO));
        patiently(&|| "ask Kafka which topics it has".to_owned(), || {
            self.client.fetch_metadata(topic, REQUEST_WAIT_MAX)
        })
    }

    /// Number of partitions of a topic, if it exists.
    pub(super) fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        let metadata = self.metadata(Some(topic))?;
        let found = metadata.topics().iter().find(|it| it.name() == topic && it.error().is_none());
        Ok(found.map(|it| u32::try_from(it.partitions().len()).unwrap_or(u32::MAX)).filter(|n| *n > 0))
    }

    /// First retained offset and end of a partition.
    pub(super) fn bounds(&self, partition: &Partition) -> Result<Range<u64>, LogError> {
        let deadline = Instant::now() + ANSWER_WAIT_MAX;
        loop {
            let mut unknown = false;
            let answer = patiently(&|| format!("ask Kafka for the bounds of {partition}"), || {
                match self.client.fetch_watermarks(&partition.topic, number(partition), REQUEST_WAIT_MAX) {
                    Err(error) if is_unknown(&error) => {
                        unknown = true;
                        Ok((0, 0))
                    }
                    other => other,
                }
            })?;
            if !unknown {
                let offset = |raw: i64| u64::try_from(raw).unwrap_or_default();
                return Ok(offset(answer.0)..offset(answer.1));
            }
            // A broker may hear of a new topic later than its neighbours.
            let exists = self.partitions(&partition.topic)?.is_some_and(|n| partition.number < n);
            if !exists {
                return Err(LogError::NoTopic(partition.to_string()));
            }
            if Instant::now() >= deadline {
                return Err(LogError::Timeout(ANSWER_WAIT_MAX));
            }
            thread::sleep(RETRY_PAUSE);
        }
    }
}
