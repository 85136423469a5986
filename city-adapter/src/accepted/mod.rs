//! What a home city said yes to, kept by the city itself.
//!
//! A tap that is judged "accepted" is durable here before the answer goes out, so whatever the city is asked to pay
//! later, it can tell from records of its own. Re-asked taps stand here twice; readers make them one.

mod folder;
mod keeper;
mod segment;

#[cfg(test)]
mod tests;

pub use folder::{CityFolder, Drafts, Kept, Origin};
pub use keeper::{AcceptedTaps, KeepError};
pub use segment::Record;
