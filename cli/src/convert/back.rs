//! From `cityunion-tap/1` to another layout.

use std::{
    io::{Read, Write as _},
    path::Path,
};

use anyhow::{Context, Result, bail};
use city_adapter::{
    back::{Back, Totals, Tried, Unfit, row_of},
    quarantine::Script,
    tapfile::{Line, TapFile},
};
use domain::city::{City, Scheme};

use super::{Bad, Convert, Done, Out, Quarantine, Stop};
use crate::{mapping::open, progress::Progress};

/// Lines that are read again together.
const BATCH_LINES: usize = 2000;

/// A line of the tap file, and what became of it.
struct Pending {
    line: u32,
    raw: Vec<u8>,
    tried: Result<Tried, Unfit>,
}

/// Where lines go; nowhere while they are only counted.
type Sink<'a> = Option<(&'a mut Out, &'a mut Quarantine)>;

/// Converts a file.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &Convert, stop: &Stop, out: &mut Out, bad: &mut Quarantine) -> Result<Done> {
    let back = Back::load(&args.mapping)
        .with_context(|| format!("failed to turn {} round", args.mapping.display()))?;
    let mut totals = Totals::default();
    if back.counts_first() {
        if args.input == Path::new("-") {
            bail!("the header of this layout says how many lines follow, so IN is read twice: name a file");
        }
        totals = totals_of(pass(args, &back, stop, None)?);
    }
    let writing = || format!("failed to write {}", args.out.display());
    out.write_all(&back.encoded(back.head(totals))).with_context(writing)?;
    let done = pass(args, &back, stop, Some((&mut *out, bad)))?;
    if back.counts_first() && totals_of(done) != totals {
        bail!("{} changed while it was read; nothing was written, run it again", args.input.display());
    }
    out.write_all(&back.encoded(back.tail(totals_of(done)))).with_context(writing)?;
    Ok(done)
}

const fn totals_of(done: Done) -> Totals {
    Totals { records: done.written, amount_fen: done.amount_fen }
}

/// Goes through the file once.
fn pass(args: &Convert, back: &Back, stop: &Stop, mut sink: Sink<'_>) -> Result<Done> {
    let input: Box<dyn Read> = open(&args.input)?;
    let failed = || format!("failed to convert {}; nothing was written", args.input.display());
    // Whose card it is does not matter here.
    let nobody = City::new(Scheme::CityUnion, *b"0000")?;
    let mut file = TapFile::open(input, nobody).with_context(failed)?;
    if let Some((_, bad)) = &mut sink {
        bad.is_of(Script::UTF_8, file.head());
    }
    let progress = Progress::lines(if sink.is_some() { "lines converted" } else { "lines counted" });
    let mut done = Done::default();
    let mut batch: Vec<Pending> = Vec::with_capacity(BATCH_LINES);
    loop {
        let (line, tried) = match file.next_line().with_context(failed)? {
            None => break,
            Some(Line::Tap(tap) | Line::Local(tap)) => {
                let row = row_of(&tap);
                (tap.tap.line.get(), back.line(&row).map(|line| Tried { line, row }))
            }
            Some(Line::Malformed(bad)) => {
                let unfit = Unfit { column: bad.reason.column(), why: bad.reason.why().to_owned() };
                (bad.line, Err(unfit))
            }
        };
        batch.push(Pending { line, raw: file.raw().to_vec(), tried });
        if batch.len() == BATCH_LINES {
            settle(args, back, &mut batch, &mut sink, &mut done)?;
            stop.check()?;
            progress.add(u64::try_from(BATCH_LINES).unwrap_or(0));
        }
    }
    settle(args, back, &mut batch, &mut sink, &mut done)?;
    progress.finish();
    Ok(done)
}

/// Reads the lines of a batch again and writes those that come back as they were.
fn settle(
    args: &Convert,
    back: &Back,
    batch: &mut Vec<Pending>,
    sink: &mut Sink<'_>,
    done: &mut Done,
) -> Result<()> {
    let lines: Vec<Tried> = batch.iter().filter_map(|pending| pending.tried.as_ref().ok().cloned()).collect();
    let verdicts = if lines.is_empty() { Vec::new() } else { back.verify(&lines)? };
    let mut verdicts = verdicts.into_iter();
    let mut bytes = Vec::new();
    for pending in batch.drain(..) {
        let unfit = match pending.tried {
            Err(unfit) => unfit,
            Ok(tried) => match verdicts.next().flatten() {
                Some(unfit) => unfit,
                None => {
                    done.written += 1;
                    done.amount_fen =
                        done.amount_fen.saturating_add(tried.row.amount_fen.unwrap_or(0).into());
                    bytes.extend_from_slice(&tried.line);
                    bytes.push(b'\n');
                    continue;
                }
            },
        };
        if let Some((_, bad)) = sink {
            bad.put(&Bad {
                line: pending.line,
                column: unfit.column,
                reason: &unfit.why,
                raw: &pending.raw,
                entry: None,
            })?;
        }
    }
    if let Some((out, _)) = sink {
        out.write_all(&back.encoded(bytes))
            .with_context(|| format!("failed to write {}", args.out.display()))?;
    }
    Ok(())
}
