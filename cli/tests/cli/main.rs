//! The program as people run it: real processes over real folders, the embedded log, and Apache Kafka.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod dark;
mod demo;
mod demo_view;
mod doctor;
mod full_disk;
mod golden;
mod kafka;
mod kills;
mod malformed;
mod real_file;
mod scheme;
mod services;
mod support;
mod terminal;
mod trace;
mod truth;
