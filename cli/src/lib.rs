//! `cityunion`: simulate, clear, verify, the demo, the benchmark, and each service alone.

pub mod args;
pub mod output;
pub mod scheme_folder;
