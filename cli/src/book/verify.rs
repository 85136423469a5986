//! `book verify`: recounts positions from the stored detail and compares them with what the book has summed.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use clearing_node::{
    book::rows,
    partition::There,
    recount::{Recount, Source},
    rocks::RocksStore,
    snapshot::{self, Which},
};
use cu_objects::Objects;
use proto::{CycleEvent, Message, Opening, PartitionTotals, cycle_event};
use serde_json::{Map, json};
use tempfile::TempDir;

use super::place::{Place, PlaceArgs};
use crate::output::{Format, Sheet, print};

/// How often a store is looked at that is being worked on.
const LOOKS_MAX: u32 = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Arguments of `book verify`.
#[derive(Args, Debug)]
pub struct Verify {
    #[command(flatten)]
    place: PlaceArgs,
    /// Folder of a node's stores, also of a running one [default: that of OUT, or the state_dir of --config]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Count the newest snapshots in an object store, a folder or s3://BUCKET/PREFIX: of every partition, whichever
    /// node owns it, and from any machine
    #[arg(long, value_name = "PLACE", conflicts_with = "state")]
    objects: Option<String>,
    /// How to print what was counted
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the command: exit code 4 if something differs.
pub fn run(args: &Verify) -> Result<ExitCode> {
    let place = Place::read_only(&args.place)?;
    // Kept until everything is counted.
    let mut brought = None;
    let mut stores = match &args.objects {
        Some(objects) => from_snapshots(&place, objects, brought.insert(TempDir::new()?).path())?,
        None => {
            let state = args.state.clone().map_or_else(|| args.place.book(), |state| Ok(Some(state)))?;
            let state = state.context(
                "say where the stores are: --state DIR, the node's state_dir, or --objects PLACE for its snapshots",
            )?;
            let stores = stores(&state)?;
            if stores.is_empty() {
                bail!(
                    "{} holds no partition; --state names the state_dir of a clearing node",
                    state.display()
                );
            }
            stores
        }
    };
    let published = published(&place)?;
    let rulebook_of = |opening: &Opening| place.scheme.rulebook_of(opening);
    let mut counted = Vec::new();
    stores.sort_by_key(|(partition, _)| *partition);
    for (partition, folder) in stores {
        let store = open(&folder)?;
        // A snapshot may be older than the last close.
        let folded =
            rows::next_offset(&store.begin()).with_context(|| format!("read {}", folder.display()))?;
        let source = Source {
            partition,
            store: &store,
            log: &place.log,
            topics: &place.topics,
            rulebook_of: &rulebook_of,
        };
        let of_it =
            |totals: &&Arc<PartitionTotals>| totals.partition == partition && totals.end_offset <= folded;
        let closed = published.iter().rev().find(of_it);
        let closed = closed.map(|totals| source.closed_cycle(totals)).transpose();
        let counting = || format!("count partition {partition}");
        counted.extend(closed.with_context(counting)?.map(|recount| (partition, recount)));
        counted.extend(source.open_cycle().with_context(counting)?.map(|recount| (partition, recount)));
    }
    show(args.output, &counted)?;
    let same = counted.iter().all(|(_, recount)| recount.differences.is_empty());
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

/// Opens a store to read it. A node that works on it may remove a file just then; a later look finds it whole.
fn open(folder: &Path) -> Result<RocksStore> {
    let mut looks = 1;
    loop {
        match RocksStore::open_to_read(folder) {
            Err(_) if looks < LOOKS_MAX => std::thread::sleep(LOOK_AGAIN),
            opened => return opened.with_context(|| format!("read {}", folder.display())),
        }
        looks += 1;
    }
}

/// The newest whole snapshot of each partition, brought into `scratch`.
fn from_snapshots(place: &Place, objects: &str, scratch: &Path) -> Result<Vec<(u32, PathBuf)>> {
    let objects = Objects::open(objects)?;
    let newest = Which { at_least: 0, at_most: None };
    let one = |partition| {
        let folder = scratch.join(format!("partition-{partition}"));
        let (log, at) = (&*place.log, place.topics.clearing(partition));
        let there = There { log, partition: &at, retained: log.bounds(&at)? };
        match snapshot::restore(&objects, partition, &folder, newest, &|manifest| manifest.is_of(&there))? {
            Some(_) => Ok((partition, folder)),
            None => bail!(
                "{} holds no usable snapshot of partition {partition}; `cityunion book list --objects` shows what is \
                 there, `cityunion book snapshot --partition {partition}` takes one",
                objects.place()
            ),
        }
    };
    (0..place.rulebook()?.partitions).map(one).collect()
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
