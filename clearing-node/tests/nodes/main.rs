//! Several clearing nodes on one embedded log, in one process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod acts;
mod archiving;
mod crashes;
mod faults;
mod holes;
mod operators;
mod people;
mod restored;
mod sharing;
mod snapshots;
mod town;
mod zombies;
