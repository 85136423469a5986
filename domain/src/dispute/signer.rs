//! Who says something.

use std::fmt;

use crate::city::City;

/// Whoever says something, by the certificate it is signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The name in the certificate.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// What a signer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An operator of the scheme.
    Operations,
    /// Somebody of a city.
    City(City),
    /// Somebody of the settlement bank.
    Bank,
    /// A program that runs alone.
    Batch,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
