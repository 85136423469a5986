//! The system as a cluster of real processes on a real Apache Kafka, while parts of it are killed, stand still, come and
//! go, and lose the broker or their disk. Every test ends with a comparison, byte for byte, with an undisturbed run of
//! the same files in one process: nothing lost, nothing double, nothing stuck.
//!
//! `CU_SEED=n` replays the instants of a run as far as processes allow; `CU_KEEP=1` keeps the folder of a failed one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stderr, reason = "a run tells its seed and what it did to the system")]

mod broker;
mod cluster;
mod crashes;
mod disk;
mod kafka;
mod operators;
mod plot;
mod proxy;
mod recounts;
mod storm;
#[expect(dead_code, reason = "shared with the other tests of the program, which need more of it")]
#[path = "../cli/support.rs"]
mod support;
mod world;
mod zombie;
