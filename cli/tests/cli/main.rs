//! The program as people run it: real processes over real folders, the embedded log, and Apache Kafka.

mod bad_input;
mod dark;
mod demo;
mod full_disk;
mod golden;
mod kafka;
mod kills;
mod malformed;
mod real_file;
mod scheme;
mod services;
mod support;
mod truth;
