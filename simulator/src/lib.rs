//! Invented cities, cards and taps: writes whole scheme folders with true cryptograms.
//!
//! Everything follows from the configuration: the same seed gives the same bytes, on any number of
//! threads. Beside the taps stands what must come of them (`truth.csv`), worked out by a small
//! model of its own that shares no rule with the system it is meant to check, except the
//! cryptogram itself. It holds for one cycle a day, every business date in turn.
//!
//! Of every 2,000 records about 60 are local, 30 were tapped in the days before, 20 are rejected by
//! the centre or the home city for every reason there is, 11 repeat or contradict another one, 6
//! are malformed in one of more than 80 ways, and 6 are of a home city that is dark (with three
//! cities or more). Travellers of the cities that are dark, suspended, leaving or about to join add
//! a third of a per cent each.

pub mod cities;
pub mod live;

mod base;
mod config;
mod dice;
mod documents;
mod faults;
mod files;
mod judge;
mod memory;
mod pki;
mod plan;
mod presenter;
mod record;
mod run;
mod schedule;
mod tapper;
mod truth;
mod world;

pub use config::{BaseInput, BaseSummary, DAYS_MAX, SimulateConfig, SimulateError, Summary, TAPS_MAX};
pub use live::LiveCity;
pub use plan::TAPS_DEFAULT;
pub use run::simulate;
pub use world::World;
