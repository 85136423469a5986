//! The log of closed cycles in an object store: it outlives what the log itself keeps, and everything can be
//! rebuilt from it alone.
//!
//! Only facts are archived: the ranges of `cu.clearing`, `cu.cycles`, `cu.rulebook` and `cu.taps.<city>` that
//! belong to a cycle. `cu.results.<city>` and `cu.parked.<city>` and the switches' positions follow from
//! `cu.clearing` and are made again when a log is restored. Where a range ends is a function of the log
//! alone ([`facts::Facts::ranges`]), so whoever archives a cycle, and whenever, writes the same bytes.
//!
//! ```text
//! archive/2018-09-01-001/cu.clearing-0.0-5121.culog    a range of one partition, see [`format`]
//! archive/2018-09-01-001/cu.taps.cu-2000-0.0-80.culog
//! archive/2018-09-01-001/manifest.json                 written last, see [`manifest`]
//! ```

pub mod beyond;
mod cache;
pub mod chain;
mod error;
pub mod facts;
mod filling;
pub mod format;
pub mod log;
pub mod manifest;
pub mod park;
pub mod restore;
pub mod verify;
pub mod write;

pub use error::ArchiveError;

/// Is told what is at work, how much of it is done, and how much there is.
pub type Progress<'a> = &'a (dyn Fn(&str, u64, u64) + Sync);
