//! The clearing node: the book of each partition, the cycle, the plan and the files.

pub mod archiver;
pub mod book;
pub mod coordinator;
pub mod metrics;
pub mod node;
pub mod partition;
mod priority;
pub mod recount;
mod reload;
pub mod render;
pub mod replay;
pub mod rocks;
pub mod segments;
pub mod snapshot;
pub mod store;
pub mod stores;
pub mod watch;
pub mod wire;
