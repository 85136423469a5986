//! The program as people run it: real processes over real folders, the embedded log, and Apache Kafka.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod admin;
mod bad_input;
mod dark;
mod demo;
mod feed;
mod full_disk;
mod golden;
mod kafka;
mod kills;
mod local;
mod malformed;
mod real_file;
mod scheme;
mod services;
mod support;
mod truth;
