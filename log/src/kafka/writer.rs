//! Appending through one idempotent producer.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bytes::Bytes;
use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};

use super::{
    Connection, KafkaConfig,
    client::{self, backend, base, number},
    ledger::Ledger,
    lock,
};
use crate::{LogError, OnDurable, Partition, Writer};

/// How long the last user of a producer waits for what it has queued.
///
/// Shorter than a service has to end; whoever was not told that a message is durable sends it again.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(5);
const QUEUED_KBYTES_MAX: &str = "65536";
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(1);

/// Names a message under way.
struct Ticket {
    ledger: Arc<Ledger>,
    group: u64,
    message: usize,
}

/// Hears how each message ended.
#[derive(Default)]
struct Deliveries {
    failure: Mutex<Option<KafkaError>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, delivery: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let result = match delivery {
            Ok(message) => Ok(u64::try_from(message.offset()).unwrap_or_default()),
            Err((error, message)) => {
                tracing::error!(%error, topic = message.topic(), "the producer has stopped");
                lock(&self.failure).get_or_insert(error.clone());
                Err(backend(format!("append to {}", message.topic()), error.clone()))
            }
        };
        ticket.ledger.settle(ticket.group, ticket.message, result);
    }
}

/// The producer that the writers of a connection share.
pub(super) struct Producing {
    producer: ThreadedProducer<Deliveries>,
}

impl Producing {
    pub(super) fn start(config: &KafkaConfig) -> Result<Self, LogError> {
        let producer = base(config)?
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "5")
            .set("batch.size", "1000000")
            .set("compression.type", "lz4")
            .set("queue.buffering.max.kbytes", QUEUED_KBYTES_MAX)
            .create_with_context(Deliveries::default())
            .map_err(|e| backend("start Kafka's producer".to_owned(), e))?;
        Ok(Self { producer })
    }

    /// Why it takes nothing any more.
    pub(super) fn failure(&self) -> Option<KafkaError> {
        lock(&self.producer.client().context().failure).clone()
    }

    fn stop(&self, error: &KafkaError) {
        lock(&self.producer.client().context().failure).get_or_insert(error.clone());
    }

    /// Queues one message, waiting while the queue is full.
    fn send(
        &self,
        partition: &Partition,
        payload: &Bytes,
        mut ticket: Box<Ticket>,
    ) -> Result<(), KafkaError> {
        loop {
            if let Some(failure) = self.failure() {
                return Err(failure);
            }
            let record = BaseRecord::<'_, (), [u8], _>::with_opaque_to(&partition.topic, ticket)
                .partition(number(partition))
                .payload(payload);
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                    ticket = record.delivery_opaque;
                    thread::sleep(QUEUE_FULL_PAUSE);
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}

impl Drop for Producing {
    fn drop(&mut self) {
        if let Err(error) = self.producer.flush(CLOSE_WAIT_MAX) {
            tracing::warn!(%error, "some messages were not acknowledged before the producer closed");
        }
    }
}

/// One writer of a Kafka log.
pub(super) struct KafkaWriter {
    connection: Arc<Connection>,
    producing: Arc<Producing>,
    ledger: Arc<Ledger>,
    groups: u64,
}

impl KafkaWriter {
    pub(super) fn new(connection: Arc<Connection>, producing: Arc<Producing>) -> Self {
        Self { connection, producing, ledger: Arc::default(), groups: 0 }
    }
}

impl Writer for KafkaWriter {
    fn append(&mut self, group: Vec<(Partition, Bytes)>, on_durable: OnDurable) -> Result<(), LogError> {
        for (partition, payload) in &group {
            crate::check_size(partition, payload)?;
            self.connection.require(partition)?;
        }
        if let Some(failure) = self.producing.failure() {
            return Err(backend("append: the producer has stopped after a failure".to_owned(), failure));
        }
        let number = self.ledger.open(group.len(), on_durable);
        self.groups += 1;
        for (message, (partition, payload)) in group.iter().enumerate() {
            let ticket = Box::new(Ticket { ledger: Arc::clone(&self.ledger), group: number, message });
            if let Err(error) = self.producing.send(partition, payload, ticket) {
                self.producing.stop(&error);
                let failure = backend(format!("append to {partition}"), error);
                self.ledger.settle(number, message, Err(failure));
            }
        }
        self.ledger.tell();
        Ok(())
    }

    fn flush(&mut self, timeout: Duration) -> Result<(), LogError> {
        self.ledger.wait_told(self.groups, timeout)?;
        match self.producing.failure() {
            None => Ok(()),
            Some(failure) => {
                Err(backend("append: the producer has stopped after a failure".to_owned(), failure))
            }
        }
    }
}
