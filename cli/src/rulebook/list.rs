//! `rulebook list`: the versions on the log, and which cycles each has ruled.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use clearing_node::book::opening_name;
use domain::rulebook::Rulebook;
use proto::Opening;
use serde_json::{Map, Value, json};

use super::hex;
use crate::{
    book::place::{Place, PlaceArgs},
    output::{Format, Sheet, print, say},
};

/// Arguments of `rulebook list`.
#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    place: PlaceArgs,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the command.
pub fn run(args: &List) -> Result<ExitCode> {
    let place = Place::read_only(&args.place)?;
    let (rulebooks, openings) = (place.scheme.rulebooks(), place.scheme.openings());
    let columns = ["version", "sha256", "participants", "rules_from", "rules_until", "cycles"];
    let mut sheet = Sheet::new("rulebooks", &columns);
    for rulebook in &rulebooks {
        let ruled: Vec<&Opening> = openings.iter().filter(|opening| rules(rulebook, opening)).collect();
        let name = |opening: Option<&&Opening>| {
            opening.map_or(Value::Null, |it| json!(opening_name(it).to_string()))
        };
        let last =
            ruled.last().filter(|last| openings.last().is_none_or(|newest| newest.cycle != last.cycle));
        sheet.row(vec![
            json!(rulebook.version),
            Value::String(hex(&rulebook.digest())),
            json!(rulebook.participants.len()),
            name(ruled.first()),
            name(last),
            json!(ruled.len()),
        ]);
    }
    print(args.output, &Map::new(), &[sheet])?;
    let waits = rulebooks.last().filter(|newest| !openings.iter().any(|opening| rules(newest, opening)));
    if let Some(newest) = waits {
        say(args.output, &format!("\nversion {} rules from the next opening on", newest.version));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether it rules the cycle: the opening names its bytes.
fn rules(rulebook: &Rulebook, opening: &Opening) -> bool {
    opening.rulebook_version == rulebook.version
        && opening.rulebook_digest.as_ref() == rulebook.digest().as_slice()
}
