//! Writes scheme folders.
pub mod cities;
pub mod dice;
