//! A home city compares what a closed cycle has it pay with what it accepted itself.
//!
//! Every row of `issuer/<city>.csv` must be a tap that the city said yes to, with the same content, paid by no other
//! cycle. The city makes each row anew from its own record; count, sum and digest are of those rows and never of the
//! file's. What it accepted and the cycle does not pay (duplicates, conflicts, what is parked again) is no difference.

mod compare;
mod difference;
mod own;
mod row;
#[cfg(test)]
mod tests;

pub use compare::{Compared, Sink, compare};
pub use difference::{Changed, Difference, What};
pub use own::{Own, Standing};
