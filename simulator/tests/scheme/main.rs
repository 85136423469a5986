//! The simulator as a whole: what it writes, and whether it tells the truth about it.

#[cfg(test)]
mod base;
#[cfg(test)]
mod common;
#[cfg(test)]
mod folder;
#[cfg(test)]
mod truth;
