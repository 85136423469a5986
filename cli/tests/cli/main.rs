//! The program as people run it: real processes over real folders, the embedded log, and Apache Kafka.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod convert;
mod dark;
mod demo;
mod full_disk;
mod golden;
mod kafka;
mod kills;
mod malformed;
mod mapping;
mod real_file;
mod scheme;
mod services;
mod support;
mod truth;
