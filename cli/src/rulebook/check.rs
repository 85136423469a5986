//! `rulebook check`: every fault of a file at once, and what is often a slip.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;
use domain::rulebook::{Rulebook, RulebookError};
use serde_json::{Map, Value, json};

use super::{bytes, hex};
use crate::{
    errors::Usage,
    output::{Format, Sheet, print, say},
};

/// Arguments of `rulebook check`.
#[derive(Args, Debug)]
pub struct Check {
    /// The rulebook
    file: PathBuf,
    /// How to print what was found
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the command.
pub fn run(args: &Check) -> Result<ExitCode> {
    let path = args.file.display();
    let bytes = bytes(&args.file)?;
    let refused = |error: RulebookError| Usage(format!("use {path}: {error}"));
    let faults = Rulebook::faults(&bytes).map_err(refused)?;
    let mut facts = Map::new();
    facts.insert("file".to_owned(), json!(args.file));
    facts.insert("good".to_owned(), json!(faults.is_empty()));
    let mut wrong = Sheet::new("faults", &["line", "entry", "field", "fault"]);
    for fault in &faults {
        wrong.row(vec![json!(fault.line), json!(fault.entry), json!(fault.field), json!(fault.why)]);
    }
    if !faults.is_empty() {
        print(args.output, &facts, &[wrong])?;
        let (number, s) = (faults.len(), if faults.len() == 1 { "" } else { "s" });
        say(args.output, &format!("\n{number} fault{s} in {path}; docs/rulebook.md has every key"));
        return Ok(ExitCode::FAILURE);
    }
    let rulebook = Rulebook::parse(&bytes).map_err(refused)?;
    facts.insert("version".to_owned(), json!(rulebook.version));
    facts.insert("sha256".to_owned(), Value::String(hex(&rulebook.digest())));
    facts.insert("participants".to_owned(), json!(rulebook.participants.len()));
    facts.insert("fee_lines".to_owned(), json!(rulebook.fees.lines.len()));
    let warnings = rulebook.warnings();
    let mut sheet = Sheet::new("warnings", &["warning"]);
    for warning in &warnings {
        sheet.row(vec![json!(warning)]);
    }
    let sheets = if args.output == Format::Table && warnings.is_empty() { vec![] } else { vec![sheet] };
    print(args.output, &facts, &sheets)?;
    say(
        args.output,
        &format!(
            "\n{path} is good: version {}, {} participants, {} fee lines, {} warnings",
            rulebook.version,
            rulebook.participants.len(),
            rulebook.fees.lines.len(),
            warnings.len()
        ),
    );
    Ok(ExitCode::SUCCESS)
}
