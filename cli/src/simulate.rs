//! `simulate`: makes a scheme folder.

use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::{Map, json};
use simulator::{BaseInput, SimulateConfig, TAPS_DEFAULT, simulate};

use crate::{
    args::Simulate,
    output::{Sheet, print, say, thousands},
    progress::Progress,
};

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &Simulate) -> Result<ExitCode> {
    let mut config = SimulateConfig::new(args.out.clone());
    if let Some((file, mapping)) = args.base.clone().zip(args.mapping.clone()) {
        let acquirer = args.base_city;
        config.base = Some(BaseInput { file, mapping, acquirer });
    }
    config.taps = args.taps;
    config.cities = args.cities;
    config.days = args.days;
    config.seed = args.seed;
    config.first_date = args.first_date;
    config.signatures = args.signatures;
    let progress = match config.base {
        Some(_) => Progress::lines("taps made"),
        None => Progress::of("taps made", config.taps.unwrap_or(TAPS_DEFAULT)),
    };
    let mut shown = 0;
    let summary = simulate(&config, &mut |made| {
        progress.add(made.saturating_sub(shown));
        shown = made;
    })
    .context("failed to simulate")?;
    progress.finish();
    let mut expected = Sheet::new("expected", &["result", "records"]);
    for (result, count) in &summary.expected {
        expected.row(vec![json!(result), json!(count)]);
    }
    let mut facts = Map::new();
    facts.insert("scheme".to_owned(), json!(args.out));
    facts.insert("files".to_owned(), json!(summary.files));
    facts.insert("overlay".to_owned(), json!(summary.overlay));
    print(args.output, &facts, &[expected])?;
    for line in &summary.overlay {
        say(args.output, &format!("overlay: {line}"));
    }
    let number = |n: u64| thousands(&n.to_string());
    say(args.output, &format!("\n{} tap files in {}", number(summary.files), args.out.display()));
    say(args.output, &format!("next: cityunion clear {} --out settled/", args.out.display()));
    Ok(ExitCode::SUCCESS)
}
