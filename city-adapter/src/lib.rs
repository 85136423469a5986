//! The city's edge: its tap files come in here, its side as a home city answers here, and the
//! result of each of its records goes back to the line.

pub mod accepted;
pub mod acquirer;
pub mod back;
pub mod guess;
pub mod inbox;
pub mod ingest;
pub mod issuer;
pub mod journal;
pub mod mapping;
pub mod metrics;
pub mod quarantine;
pub mod tapfile;

mod cut;
mod durable;
mod fields;
mod lines;

pub use cut::{BATCH_LEN_MAX, BATCH_RECORDS_MAX};
