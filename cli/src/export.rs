//! `export`: the tables of a closed cycle in another form, beside what is published.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::output::Format;

/// Arguments of `export`.
#[derive(Args, Debug)]
pub struct Export {
    /// The form.
    #[command(subcommand)]
    pub form: Form,
}

/// The forms.
#[derive(Debug, Subcommand)]
pub enum Form {
    /// As Parquet files with types, for DuckDB, pandas, Spark and the like
    Parquet(Parquet),
}

/// Arguments of `export parquet`.
#[derive(Args, Debug)]
#[command(after_help = "\
The folder is verified first. DIR/<cycle> appears whole or not at all; the cycle's own folder is only read.
  cityunion export parquet settled/2018-09-01-001 --to analysis
  duckdb -c \"select acquirer, sum(amount_fen) from 'analysis/2018-09-01-001/issuer/*.parquet' group by all\"")]
pub struct Parquet {
    /// Folder of a closed cycle
    pub cycle: PathBuf,
    /// Where the folder with the Parquet files appears; made if there is none
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// CA certificates (PEM) by which signatures are checked [default: ca.pem beside the cycles]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// How to print what was written
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next; nothing is written then.
pub fn run(args: &Export) -> Result<ExitCode> {
    match &args.form {
        Form::Parquet(args) => parquet::run(args),
    }
}

#[cfg(feature = "parquet")]
mod parquet;

/// What a program says that was built without it.
#[cfg(not(feature = "parquet"))]
mod parquet {
    use std::process::ExitCode;

    use anyhow::Result;

    use super::Parquet;
    use crate::errors::Usage;

    pub(super) fn run(args: &Parquet) -> Result<ExitCode> {
        let text = format!(
            "this program is built without Parquet, so {} was not exported; build it with: make build \
             FEATURES=cityunion/parquet",
            args.cycle.display()
        );
        Err(Usage(text).into())
    }
}
