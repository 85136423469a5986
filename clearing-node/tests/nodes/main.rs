//! Several clearing nodes on one embedded log, in one process.
#![expect(clippy::unwrap_used, reason = "tests")]

mod crashes;
mod faults;
mod holes;
mod sharing;
mod town;
mod zombies;
