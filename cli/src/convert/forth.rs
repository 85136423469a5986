//! From another layout to `cityunion-tap/1`.

use std::io::Write as _;

use anyhow::{Context, Result};
use city_adapter::{
    mapping::{Mapped, Mapping},
    tapfile::HEADER,
};

use super::{Bad, Convert, Done, Out, Quarantine, Stop};
use crate::{mapping::open, progress::Progress};

/// Converts a file.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &Convert, stop: &Stop, out: &mut Out, bad: &mut Quarantine) -> Result<Done> {
    let mapping = Mapping::load(&args.mapping).with_context(|| {
        format!("failed to read {}; docs/mappings.md describes every key", args.mapping.display())
    })?;
    mapping.check_complete().with_context(|| {
        let check =
            format!("cityunion mapping check {} --sample {}", args.mapping.display(), args.input.display());
        format!("no whole tap can be made; `{check}` lists what is missing")
    })?;
    let input = open(&args.input)?;
    let failed = || format!("failed to convert {}; nothing was written", args.input.display());
    let writing = || format!("failed to write {}", args.out.display());
    let mut reader = mapping.reader(input).with_context(failed)?;
    bad.is_of(mapping.script(), reader.head());
    let mut done = Done::default();
    let mut line = format!("{HEADER}\n").into_bytes();
    out.write_all(&line).with_context(writing)?;
    let progress = Progress::lines("lines converted");
    while let Some(mapped) = reader.next_row().with_context(failed)? {
        match mapped {
            Mapped::Row(row) => {
                line.clear();
                row.write_line(&mut line);
                done.written += 1;
                done.amount_fen = done.amount_fen.saturating_add(row.amount_fen.unwrap_or(0).into());
                out.write_all(&line).with_context(writing)?;
            }
            Mapped::Bad(row) => {
                let row = row.clone();
                let (raw, entry) = (reader.raw(), reader.entry());
                bad.put(&Bad { line: row.line, column: row.column, reason: &row.reason, raw, entry })?;
            }
        }
        progress.add(1);
        stop.check()?;
    }
    bad.end(reader.tail())?;
    progress.finish();
    done.dropped = reader.dropped();
    Ok(done)
}
