//! `book verify`: recounts positions from the stored detail and compares them with what the book has summed.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use clearing_node::{
    recount::{Recount, Source},
    rocks::RocksStore,
};
use proto::{CycleEvent, Message, Opening, PartitionTotals, cycle_event};
use serde_json::{Map, json};

use super::place::{Place, PlaceArgs};
use crate::output::{Format, Sheet, print};

/// Arguments of `book verify`.
#[derive(Args, Debug)]
pub struct Verify {
    #[command(flatten)]
    place: PlaceArgs,
    /// Folder of a node's stores, also of a running one [default: that of OUT]
    #[arg(long)]
    state: Option<PathBuf>,
    /// How to print what was counted
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the command: exit code 4 if something differs.
pub fn run(args: &Verify) -> Result<ExitCode> {
    let place = Place::read_only(&args.place)?;
    let state = args.state.clone().or_else(|| args.place.book());
    let state = state.context("say where the stores are: --state DIR, the node's state_dir")?;
    let mut stores = stores(&state)?;
    if stores.is_empty() {
        bail!("{} holds no partition; --state names the state_dir of a clearing node", state.display());
    }
    let published = published(&place)?;
    let rulebook_of = |opening: &Opening| place.scheme.rulebook_of(opening);
    let mut counted = Vec::new();
    stores.sort_by_key(|(partition, _)| *partition);
    for (partition, folder) in stores {
        let store =
            RocksStore::open_to_read(&folder).with_context(|| format!("read {}", folder.display()))?;
        let source = Source {
            partition,
            store: &store,
            log: &place.log,
            topics: &place.topics,
            rulebook_of: &rulebook_of,
        };
        let closed = published.iter().rev().find(|totals| totals.partition == partition);
        let closed = closed.map(|totals| source.closed_cycle(totals)).transpose();
        let counting = || format!("count partition {partition}");
        counted.extend(closed.with_context(counting)?.map(|recount| (partition, recount)));
        counted.extend(source.open_cycle().with_context(counting)?.map(|recount| (partition, recount)));
    }
    show(args.output, &counted)?;
    let same = counted.iter().all(|(_, recount)| recount.differences.is_empty());
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

fn stores(state: &Path) -> Result<Vec<(u32, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(state).with_context(|| format!("read {}", state.display()))? {
        let path = entry.with_context(|| format!("read {}", state.display()))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_prefix("partition-").and_then(|number| number.parse().ok()) {
            found.push((number, path));
        }
    }
    Ok(found)
}

/// The totals that partitions have published, in the order of the log.
fn published(place: &Place) -> Result<Vec<Arc<PartitionTotals>>> {
    let cycles = place.topics.cycles();
    let bounds = place.log.bounds(&cycles)?;
    let mut published = Vec::new();
    place.visit(&cycles, bounds.start, bounds.end, &mut |_, payload| {
        let event = CycleEvent::decode(payload).context("read an event of the cycles")?;
        if let Some(cycle_event::Body::Totals(totals)) = event.body {
            published.push(Arc::new(totals));
        }
        Ok(())
    })?;
    published.sort_by_key(|totals| totals.cycle);
    Ok(published)
}

fn show(output: Format, counted: &[(u32, Recount)]) -> Result<()> {
    let columns = ["partition", "cycle", "state", "batches", "records", "cleared", "compared", "differences"];
    let mut sheet = Sheet::new("counted", &columns);
    let columns = [
        "partition",
        "cycle",
        "acquirer",
        "issuer",
        "kind",
        "fee_line",
        "summed_count",
        "counted_count",
        "summed_amount_fen",
        "counted_amount_fen",
        "summed_interchange_fen",
        "counted_interchange_fen",
        "summed_switch_fee_fen",
        "counted_switch_fee_fen",
    ];
    let mut differences = Sheet::new("differences", &columns);
    for (partition, recount) in counted {
        sheet.row(vec![
            json!(partition),
            json!(recount.cycle),
            json!(if recount.open { "open" } else { "closed" }),
            json!(recount.batches),
            json!(recount.records),
            json!(recount.cleared),
            json!(recount.compared),
            json!(recount.differences.len()),
        ]);
        for difference in &recount.differences {
            let (key, summed, counted) = (difference.key, difference.summed, difference.counted);
            differences.row(vec![
                json!(partition),
                json!(recount.cycle),
                json!(key.acquirer.to_string()),
                json!(key.issuer.to_string()),
                json!(key.kind.name()),
                json!(key.fee_line),
                json!(summed.count),
                json!(counted.count),
                json!(summed.amount_fen),
                json!(counted.amount_fen),
                json!(summed.interchange_fen),
                json!(counted.interchange_fen),
                json!(summed.switch_fee_fen),
                json!(counted.switch_fee_fen),
            ]);
        }
    }
    let sheets = if differences.rows.is_empty() { vec![sheet] } else { vec![sheet, differences] };
    print(output, &Map::new(), &sheets)
}
