//! The clearing node: the book of each partition, the cycle, the plan and the files.

pub mod book;
pub mod coordinator;
pub mod metrics;
pub mod node;
pub mod partition;
mod reload;
pub mod render;
pub mod rocks;
pub mod store;
pub mod stores;
pub mod wire;
