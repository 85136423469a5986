//! Every rule of money, identity and cycle of City Union clearing.
//!
//! Nothing here reads a clock, a random number, a file or a socket: the same input always gives
//! the same output, so any settlement can be replayed and explained.

pub mod city;
pub mod date;
pub mod guard;
pub mod result;
pub mod tap;
