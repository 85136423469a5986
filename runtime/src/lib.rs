//! What every process needs: the view of the scheme that the log gives, logging, configuration.

pub mod config;
pub mod logging;
pub mod scheme;
