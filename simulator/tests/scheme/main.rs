//! The simulator as a whole: what it writes, and whether it tells the truth about it.

mod base;
mod common;
mod folder;
mod truth;
