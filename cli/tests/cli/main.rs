//! The program as people run it: real processes over real folders, the embedded log, and Apache Kafka.

mod dark;
mod golden;
mod kafka;
mod kills;
mod malformed;
mod scheme;
mod support;
mod truth;
