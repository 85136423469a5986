//! `prove`: one paid record of a closed cycle, for somebody who has the manifest and none of the other records.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Args;
use domain::city::City;
use files::proof::{Place, ProveError, prove};

use crate::{
    errors::{Refused, Usage},
    output::put,
};

/// Arguments of `prove`.
#[derive(Args, Debug)]
#[command(after_help = "\
The proof goes to standard output. Whoever gets it checks it with the cycle's manifest.json, the signature
manifest.json.p7s beside that and the CA certificate, and needs nothing else:
  cityunion prove --out settled/ --cycle 2018-09-01-001 --terminal 200000000001 --seq 18 > proof.json
  cityunion verify proof.json --manifest manifest.json --ca ca.pem

Exit codes: 0 proved, 1 failed, 2 the command line is wrong, 3 no home city pays for the record in this cycle.")]
pub struct Prove {
    /// The cycle, such as 2018-09-01-001, or its folder
    #[arg(long)]
    cycle: PathBuf,
    /// Terminal (PSAM) number, 12 hex digits
    #[arg(long, value_parser = terminal)]
    terminal: String,
    /// The terminal's sequence number of the tap
    #[arg(long)]
    seq: u32,
    /// Home city of the card, where several records have that terminal and number
    #[arg(long)]
    issuer: Option<City>,
    /// The folder in which closed cycles are [default: the folder here]
    #[arg(long, value_name = "OUT")]
    out: Option<PathBuf>,
}

fn terminal(text: &str) -> Result<String, String> {
    match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_uppercase()),
        false => Err("a terminal has 12 hex digits".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &Prove) -> Result<ExitCode> {
    let folder = args.out.clone().unwrap_or_default().join(&args.cycle);
    if !folder.is_dir() {
        let text = format!("{} is no folder; --out names the one in which cycles are", folder.display());
        return Err(Usage(text).into());
    }
    let place = Place { terminal: &args.terminal, terminal_seq: args.seq, issuer: args.issuer };
    let proof = prove(&folder, &place).map_err(|error| match error {
        ProveError::NotPaid { .. } => Refused(format!("{:#}", anyhow::Error::from(error))).into(),
        error => anyhow::Error::from(error).context("failed to prove"),
    })?;
    let text = String::from_utf8(proof.to_bytes().context("failed to prove")?).context("failed to prove")?;
    put(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
