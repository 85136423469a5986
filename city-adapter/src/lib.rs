//! The city's edge: its tap files come in here, its side as a home city answers here, and the
//! result of each of its records goes back to the line.

pub mod mapping;
pub mod tapfile;

mod fields;
mod lines;
