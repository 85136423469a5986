//! A closed cycle for a person: its figures, gathered from the folder alone, and a page that shows them.
//!
//! Nothing here computes money: amounts are what the files say, added up. The same folder always gives the same
//! page, byte for byte.

mod error;
pub mod figures;
mod flows;
mod folder;
mod gather;
mod html;
mod model;
mod rows;
mod words;

pub use error::ReportError;
pub use flows::{Flow, flows};
pub use folder::hint;
pub use gather::{Progress, gather};
pub use html::page;
pub use model::{Cycle, Named, Net, Pair, Standing, Tally};
pub use words::Words;

#[cfg(test)]
mod tests;
