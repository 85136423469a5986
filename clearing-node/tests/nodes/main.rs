//! Several clearing nodes on one embedded log, in one process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod crashes;
mod faults;
mod holes;
mod operators;
mod sharing;
mod snapshots;
mod town;
mod zombies;
