//! The files `acquirer/<city>.csv` and `issuer/<city>.csv` of one partition.

use std::path::Path;

use domain::{
    city::City,
    date::{Date, LocalTime},
    result::RecordResult,
    tap::{Medium, Product, Sector, Tap},
};

use crate::{
    detail::{AcquirerRows, IssuerTaps, Merge, PackedRow},
    error::FilesError,
    layout,
    segment::{Block, SegmentFile},
    table::Table,
    text,
};

/// Writes a file with a row for each record that the centre took from a city.
pub(crate) fn write_acquirer(dir: &Path, city: City, rows: &AcquirerRows) -> Result<SegmentFile, FilesError> {
    let mut table = Table::create(dir, layout::acquirer_file(city), &layout::ACQUIRER)?;
    for file in rows.files_of(city) {
        let mut merge = Merge::new();
        rows.give(city, file, &mut merge);
        let mut last_line = 0;
        while let Some(row) = merge.next().map_err(FilesError::Spool)? {
            if row.line.get() <= last_line {
                let (file, row) = (table.name().to_owned(), format!("{file} line {last_line}"));
                return Err(FilesError::RowTwice { file, row });
            }
            last_line = row.line.get();
            write_acquirer_row(&mut table, file, &row)?;
        }
    }
    Ok(SegmentFile::new(table.finish()?, Vec::new()))
}

fn write_acquirer_row(table: &mut Table, file: &str, row: &PackedRow) -> Result<(), FilesError> {
    let bad = |table: &Table| bad_tap(table, row.terminal, row.terminal_seq.get(), "result");
    let result = RecordResult::from_code(row.result).ok_or_else(|| bad(table))?;
    table
        .begin()?
        .text(file)?
        .number(row.line.get().into())
        .hex(&row.terminal)
        .number(row.terminal_seq.get().into())
        .plain(&row.issuer)
        .summed(row.amount_fen.get().into())
        .plain(result.name().as_bytes())
        .plain(result.reason().as_bytes())
        .plain(result.decided_by().as_bytes())
        .end();
    Ok(())
}

/// Writes a file with a row for each record that a city pays for.
pub(crate) fn write_issuer(dir: &Path, city: City, taps: &IssuerTaps) -> Result<SegmentFile, FilesError> {
    let mut table = Table::create(dir, layout::issuer_file(city), &layout::ISSUER)?;
    let mut blocks = Vec::new();
    for acquirer in taps.acquirers_of(city) {
        blocks.push(write_block(&mut table, city, acquirer, taps)?);
    }
    Ok(SegmentFile::new(table.finish()?, blocks))
}

/// Writes the rows of one acquirer.
fn write_block(
    table: &mut Table,
    issuer: City,
    acquirer: City,
    taps: &IssuerTaps,
) -> Result<Block, FilesError> {
    let before = table.size();
    let mut block = Block { acquirer, amount_fen: 0, rows: 0, size: 0 };
    let mut merge = Merge::new();
    taps.give(issuer, acquirer, &mut merge);
    let mut last = None;
    while let Some(tap) = merge.next().map_err(FilesError::Spool)? {
        // One identity may be paid again with other content when its window is over.
        if last.is_some_and(|last: Tap| last.content_bytes() == tap.content_bytes()) {
            let row = format!("{acquirer} terminal {} number {}", hex(&tap.terminal), tap.terminal_seq);
            return Err(FilesError::RowTwice { file: table.name().to_owned(), row });
        }
        last = Some(tap);
        write_issuer_row(table, acquirer, &tap)?;
        block.rows += 1;
        block.amount_fen += u64::from(tap.amount_fen.get());
    }
    block.size = table.size() - before;
    Ok(block)
}

fn write_issuer_row(table: &mut Table, acquirer: City, tap: &Tap) -> Result<(), FilesError> {
    let bad = |table: &Table, column| bad_tap(table, tap.terminal, tap.terminal_seq.get(), column);
    let sector = Sector::from_index(tap.sector).ok_or_else(|| bad(table, "sector"))?;
    let product = Product::from_index(tap.product).ok_or_else(|| bad(table, "product"))?;
    let medium = Medium::from_index(tap.medium).ok_or_else(|| bad(table, "medium"))?;
    let tapped_at = tap.tapped_at();
    if !in_calendar(tapped_at) {
        return Err(bad(table, "tapped_at"));
    }
    table
        .begin()?
        .city(acquirer)
        .hex(&tap.terminal)
        .number(tap.terminal_seq.get().into())
        .hex(&tap.card)
        .number(tap.card_counter.get().into())
        .hex(&[tap.type_byte])
        .summed(tap.amount_fen.get().into())
        .summed(tap.fare_fen.get().into())
        .time(tapped_at)
        .plain(sector.word().as_bytes())
        .plain(product.word().as_bytes())
        .plain(medium.word().as_bytes())
        .end();
    Ok(())
}

/// Whether a time can be written: a day of years 1 to 9999 and a second of a day.
fn in_calendar(time: LocalTime) -> bool {
    let (year, month, day) = time.date.ymd();
    time.second < 86_400 && Date::from_ymd(year, month, day) == Ok(time.date)
}

fn bad_tap(table: &Table, terminal: [u8; 6], terminal_seq: u32, column: &'static str) -> FilesError {
    let (file, terminal) = (table.name().to_owned(), hex(&terminal));
    FilesError::BadTap { file, terminal, terminal_seq, column }
}

fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    text::push_hex(&mut out, bytes);
    String::from_utf8_lossy(&out).into_owned()
}
