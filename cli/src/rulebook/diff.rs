//! `rulebook diff`: what one version changes in another, in words.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;
use domain::{
    date::Date,
    rulebook::{
        Rulebook,
        changes::{Change, changes},
    },
};
use serde_json::{Map, json};

use super::read;
use crate::output::{Format, Sheet, print, say};

/// Arguments of `rulebook diff`.
#[derive(Args, Debug)]
pub struct Diff {
    /// The rulebook that holds
    old: PathBuf,
    /// The one that is to hold
    new: PathBuf,
    /// How to print what changes
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the command.
pub fn run(args: &Diff) -> Result<ExitCode> {
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let mut facts = Map::new();
    facts.insert("old_version".to_owned(), json!(old.version));
    facts.insert("new_version".to_owned(), json!(new.version));
    let found = changes(&old, &new);
    let sheets =
        if args.output == Format::Table && found.is_empty() { vec![] } else { vec![sheet(&found, None)] };
    print(args.output, &facts, &sheets)?;
    if found.is_empty() {
        say(args.output, &format!("{} and {} rule alike", words(&old), words(&new)));
    }
    if new.version <= old.version {
        say(
            args.output,
            &format!(
                "\nversion {} could not follow version {}: give it a higher one",
                new.version, old.version
            ),
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn words(rulebook: &Rulebook) -> String {
    format!("version {}", rulebook.version)
}

/// What changes. `opens` is the first business date that a cycle could open on, where that is known: what is dated before
/// comes with the next opening.
pub(super) fn sheet(changes: &[Change], opens: Option<Date>) -> Sheet {
    let mut sheet = Sheet::new("changes", &["what", "from", "change"]);
    for change in changes {
        let from = change.from.filter(|from| opens.is_none_or(|opens| *from > opens));
        let from = from.map_or_else(|| "next opening".to_owned(), |date| date.to_string());
        sheet.row(vec![json!(change.subject), json!(from), json!(change.what)]);
    }
    sheet
}
