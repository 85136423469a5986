//! The command line of City Union Clearing.
fn main() {}
