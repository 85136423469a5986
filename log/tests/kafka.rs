//! The Kafka log keeps every promise of a log, on a real broker.

#![expect(clippy::unwrap_used, reason = "a test says what it expected by panicking")]

use cu_log::{
    conformance::Subject,
    kafka::{KafkaConfig, KafkaLog},
    testing::{Broker, unique_prefix},
};

fn subject() -> Subject {
    let log = KafkaLog::connect(KafkaConfig::new(Broker::shared().bootstrap(), "conformance")).unwrap();
    Subject::new(log, &unique_prefix(), ())
}

cu_log::conformance!(subject);
