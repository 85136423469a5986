//! What every process needs: the view of the scheme that the log gives, logging, configuration, the admin port.

pub mod admin;
pub mod config;
pub mod log_watch;
pub mod logging;
pub mod metrics;
pub mod scheme;

/// An error with all its causes in one line, for places that keep only text: the cause is what tells a
/// person what to do next (`No space left on device`).
#[must_use]
pub fn whole_text(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
