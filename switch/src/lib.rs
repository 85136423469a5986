//! Routes each tap to its home city and brings the answers back in the acquirer's order.
//!
//! [`core`] decides everything, as a function of its state and one input; [`service`] carries its
//! effects to the log and to the home cities; [`directory`] makes the channels to them.

pub mod core;
pub mod directory;
pub mod metrics;
pub mod service;
