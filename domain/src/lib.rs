//! Every rule of money, identity and cycle of City Union clearing.
//!
//! Nothing here reads a clock, a random number, a file or a socket: the same input always gives
//! the same output, so any settlement can be replayed and explained.

pub mod act;
pub mod calendar;
pub mod city;
pub mod cycle;
pub mod date;
pub mod dispute;
pub mod document;
pub mod fees;
pub mod guard;
pub mod home_city;
pub mod hotlist;
pub mod identity;
pub mod keys;
pub mod ledger;
pub mod liability;
pub mod limits;
pub mod merkle;
pub mod money;
pub mod release;
pub mod result;
pub mod rulebook;
pub mod rules;
pub mod settlement;
pub mod tac;
pub mod tap;
pub mod terminal;
pub mod terms;
pub mod totals;

#[cfg(test)]
mod testing;
