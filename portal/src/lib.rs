//! The portal: published files for banks, cities and operations, over HTTPS with certificates on both sides.
//!
//! It reads the published folder and nothing else of the system, so what faces outside needs neither the log nor the
//! book. What it writes is its own: answers of participants, and a line for every access.
//!
//! Pure are [`access`] (who may read what), [`name`] and [`route`] (what an address means), [`range`] (which bytes to
//! send) and what of [`released`], [`directory`], [`answer`] and [`audit`] touches no file.

pub mod access;
pub mod answer;
pub mod audit;
mod body;
pub mod config;
mod crowd;
pub mod digests;
pub mod directory;
mod error;
mod handle;
pub mod metrics;
pub mod name;
mod page;
pub mod published;
pub mod range;
pub mod released;
mod reply;
mod request;
pub mod route;
mod server;
mod tls;
pub mod watched;

pub use config::PortalConfig;
pub use error::PortalError;
pub use server::Portal;
