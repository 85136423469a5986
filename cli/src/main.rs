//! The command line of City Union Clearing.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cityunion::run(cityunion::args::Cli::parse())
}
