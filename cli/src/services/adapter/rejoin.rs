//! `cityunion adapter rejoin`: an adapter goes on with a log that was restored from an archive.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, Result, bail};
use city_adapter::acquirer::AcquirerHost;
use cu_log::{Log, topics::Topics};
use serde_json::json;

use super::load;
use crate::{
    archive::source::LogArgs,
    output::{Format, Sheet, print, say},
};

/// Arguments of `adapter rejoin`.
#[derive(clap::Args, Debug)]
pub struct RejoinArgs {
    /// The configuration of an adapter that does not run
    #[arg(long, required_unless_present = "state", conflicts_with_all = ["state", "log", "kafka"])]
    config: Option<PathBuf>,
    /// The folder of its journal instead, such as OUT/.state/adapter of `clear`
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    /// How to print what became of it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub fn run(args: &RejoinArgs) -> Result<ExitCode> {
    let (state, log, topics) = open(args)?;
    if !state.join("journal").is_dir() {
        bail!("{} holds no journal of an adapter", state.display());
    }
    let host = AcquirerHost::open(&state, log, topics, &state.join("rejoin"));
    let host = host.context("open the journal; does the adapter still run?")?;
    let mut sheet =
        Sheet::new("rejoined", &["city", "last_batch_on_log", "batches_taken_back", "hand_in_again"]);
    sheet.below = vec!["hand_in_again"];
    let mut again = 0;
    for city in host.cities() {
        let rejoined = host.rejoin(city).with_context(|| format!("rejoin {city}"))?;
        again += rejoined.again.len();
        sheet.row(vec![
            json!(city.to_string()),
            json!(rejoined.known),
            json!(rejoined.batches),
            json!(rejoined.again.join(", ")),
        ]);
    }
    print(args.output, &serde_json::Map::new(), &[sheet])?;
    let text = if again == 0 {
        "\nthe log knows every batch: start the adapter, it reads all results again".to_owned()
    } else {
        format!(
            "\n{again} uploads are not on the log, or in part: put them into the inbox again, in this order"
        )
    };
    say(args.output, &text);
    Ok(ExitCode::SUCCESS)
}

fn open(args: &RejoinArgs) -> Result<(PathBuf, Arc<dyn Log>, Topics)> {
    match (&args.config, &args.state) {
        (Some(path), _) => {
            let config = load(path)?;
            let (log, topics) = config.log.open("cityunion-rejoin")?;
            Ok((config.state_dir, log, topics))
        }
        (None, state) => {
            let (log, topics) = args.log.open()?;
            Ok((state.clone().unwrap_or_default(), log, topics))
        }
    }
}
