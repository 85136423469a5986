//! `book snapshot|restore|list`: snapshots of partitions in an object store.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use clap::Args;
use clearing_node::snapshot::{self, Catalog, Which};
use cu_objects::Objects;
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    errors::{Refused, Usage},
    nodes::Nodes,
    output::{Format, Sheet, print, say},
};

/// Arguments of `book snapshot`.
#[derive(Args, Debug)]
pub(super) struct Snapshot {
    /// Number of the partition
    #[arg(long, value_name = "N")]
    partition: u32,
    /// Folder of a stopped clearing node's stores (its state_dir), instead of asking a running one
    #[arg(long, value_name = "DIR", requires = "objects", conflicts_with_all = ["nodes", "config"])]
    state: Option<PathBuf>,
    /// With --state: where the snapshot goes, a folder or s3://BUCKET/PREFIX
    #[arg(long, value_name = "PLACE", requires = "state")]
    objects: Option<String>,
    #[command(flatten)]
    nodes: Nodes,
}

/// Arguments of `book restore`.
#[derive(Args, Debug)]
pub(super) struct Restore {
    /// Number of the partition
    #[arg(long, value_name = "N")]
    partition: u32,
    /// Where the snapshots are, a folder or s3://BUCKET/PREFIX
    #[arg(long, value_name = "PLACE")]
    objects: String,
    /// Folder of the clearing node's stores (its state_dir); the node must not run
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Use no snapshot beyond this offset [default: the one that goes furthest]
    #[arg(long, value_name = "OFFSET")]
    at_most: Option<u64>,
    /// Put it in the place of a store that is there; that one is kept beside it as partition-N.replaced
    #[arg(long)]
    replace: bool,
}

/// Arguments of `book list`.
#[derive(Args, Debug)]
pub(super) struct List {
    /// Where the snapshots are, a folder or s3://BUCKET/PREFIX
    #[arg(long, value_name = "PLACE")]
    objects: String,
    /// Only this partition
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// Read every file and compare its digest
    #[arg(long)]
    check: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn snapshot(args: &Snapshot) -> Result<ExitCode> {
    let (Some(state), Some(objects)) = (&args.state, &args.objects) else {
        let node = args.nodes.snapshot(args.partition)?;
        say(Format::Table, &format!("a snapshot of partition {} was taken by {node}", args.partition));
        say(Format::Table, "next: cityunion node list");
        return Ok(ExitCode::SUCCESS);
    };
    let folder = state.join(format!("partition-{}", args.partition));
    let taken = snapshot::take_stopped(&open(objects)?, args.partition, &folder, SystemTime::now());
    let taken = taken.with_context(|| in_use_hint(&folder))?;
    let manifest = &taken.manifest;
    let text = format!(
        "{}\noffset {}, {} files of {} bytes, {} bytes of them copied",
        taken.name,
        manifest.next_offset,
        manifest.files.len(),
        manifest.bytes(),
        taken.new_bytes
    );
    say(Format::Table, &text);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn restore(args: &Restore) -> Result<ExitCode> {
    let folder = args.state.join(format!("partition-{}", args.partition));
    // Held until the end, so that no node begins with it meanwhile.
    let mut held = None;
    if folder.exists() {
        if !args.replace {
            let text = format!(
                "{} is there already; --replace puts the restored store in its place and keeps it as {}",
                folder.display(),
                folder.with_extension("replaced").display()
            );
            return Err(Refused(text).into());
        }
        held = Some(lock(&folder)?);
    }
    std::fs::create_dir_all(&args.state).with_context(|| format!("make {}", args.state.display()))?;
    let which = Which { at_least: 0, at_most: args.at_most };
    let restored = snapshot::restore(&open(&args.objects)?, args.partition, &folder, which, &|_| Ok(true))?;
    drop(held);
    let Some(restored) = restored else {
        let text = format!(
            "{} holds no usable snapshot of partition {}; `cityunion book list --check` tells why",
            args.objects, args.partition
        );
        return Err(Refused(text).into());
    };
    for (name, why) in &restored.passed_over {
        say(Format::Table, &format!("passed over: {name}: {why}"));
    }
    say(Format::Table, &format!("restored {} from {}", folder.display(), restored.name));
    if let Some(replaced) = &restored.replaced {
        say(Format::Table, &format!("what was there is now {}", replaced.display()));
    }
    let next = restored.manifest.next_offset;
    say(Format::Table, &format!("next: start the clearing node; it goes on at offset {next} of the log"));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list(args: &List) -> Result<ExitCode> {
    let objects = open(&args.objects)?;
    let partitions = match args.partition {
        Some(partition) => vec![partition],
        None => snapshot::partitions(&objects)?,
    };
    let columns = ["partition", "next_offset", "closed_cycle", "taken_at", "files", "bytes", "state", "name"];
    let mut sheet = Sheet::new("snapshots", &columns);
    sheet.below = vec!["name"];
    let mut broken = 0;
    for partition in partitions {
        let catalog = Catalog::read(&objects, partition)?;
        let wrong = if args.check { catalog.verify(&objects)? } else { BTreeMap::new() };
        for found in &catalog.snapshots {
            let why = found.manifest.as_ref().err().or_else(|| wrong.get(&found.object.name));
            broken += usize::from(why.is_some());
            let manifest = found.manifest.as_ref().ok();
            sheet.row(vec![
                json!(partition),
                json!(found.next_offset),
                json!(manifest.map(|m| m.closed_cycle())),
                json!(manifest.and_then(|m| rfc3339(m.taken_at_s))),
                json!(manifest.map(|m| m.files.len())),
                json!(manifest.map(|m| m.bytes())),
                why.map_or_else(|| json!(if args.check { "checked" } else { "whole" }), |why| json!(why)),
                json!(found.object.name),
            ]);
        }
    }
    let mut facts = Map::new();
    facts.insert("objects".to_owned(), Value::from(objects.place()));
    print(args.output, &facts, std::slice::from_ref(&sheet))?;
    if sheet.rows.is_empty() {
        say(args.output, &format!("{} holds no snapshots", objects.place()));
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

fn open(place: &str) -> Result<Objects> {
    Objects::open(place).map_err(|error| Usage(runtime::whole_text(&error)).into())
}

fn in_use_hint(folder: &Path) -> String {
    format!(
        "failed to copy {}; if its clearing node runs, ask it instead: leave out --state and --objects",
        folder.display()
    )
}

/// The lock that whoever works with a store holds. It is taken without opening the store, which may be damaged.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("LOCK");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("failed to open {}", path.display()))?;
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(error) => {
            let text = format!("{} is in use: stop its clearing node first ({error})", folder.display());
            Err(Refused(text).into())
        }
    }
}

fn rfc3339(unix_s: u64) -> Option<String> {
    let at = UNIX_EPOCH.checked_add(Duration::from_secs(unix_s))?;
    OffsetDateTime::from(at).format(&Rfc3339).ok()
}
