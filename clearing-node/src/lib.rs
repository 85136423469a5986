//! The clearing node: the book of each partition, the cycle, the plan and the files.

pub mod book;
pub mod coordinator;
pub mod store;
pub mod wire;
