//! The inbox of a city as a service: files are accepted from a folder into the adapter's own, durably; put on the
//! log when it answers; their results written as they come; and archived when every line is final.
//!
//! What decides is pure: [`watch`] (which files are complete) and [`queue`] (what becomes of each). The rest
//! carries it out: [`listing`] reads the folder, [`spool`] copies and moves, [`link`] looks after the log,
//! [`service`] has the threads, [`status`] says how far everything is.

pub mod link;
pub mod listing;
pub mod queue;
pub mod service;
pub mod spool;
pub mod status;
pub mod watch;

mod parts;
#[cfg(test)]
mod tests;

pub use link::{Ask, Link, OpenDay};
pub use service::{InboxConfig, InboxError, InboxService, StateLock, look};
