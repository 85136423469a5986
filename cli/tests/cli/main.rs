//! The program as people run it: real processes over real folders, the embedded log, and Apache Kafka.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod admin;
mod archive;
mod bad_input;
mod book;
mod connect;
mod convert;
mod dark;
mod demo;
mod demo_view;
mod doctor;
mod edge;
mod feed;
mod full_disk;
mod golden;
mod inbox;
mod ingest;
mod kafka;
mod kills;
mod local;
mod malformed;
mod mapping;
mod nodes;
mod portal;
mod real_file;
mod report;
mod requeue;
mod scheme;
mod services;
mod settlement;
mod snapshots;
mod support;
mod switches;
mod terminal;
mod trace;
mod truth;
