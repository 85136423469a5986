//! The files `acquirer/<city>.csv` and `issuer/<city>.csv`, and the Merkle tree over the latter.

use std::{collections::BTreeSet, path::Path};

use domain::{
    city::City,
    date::{Date, LocalTime},
    merkle::Merkle,
    result::RecordResult,
    tap::{Medium, Product, Sector, Tap},
};

use crate::{
    detail::{AcquirerRows, IssuerTaps, Merge, PackedRow},
    error::FilesError,
    layout,
    manifest::FileEntry,
    table::Table,
    text,
};

/// Writes a file for each city, with a row for each record the centre took from it.
pub(crate) fn write_acquirers(
    dir: &Path,
    cities: &BTreeSet<City>,
    rows: &mut [AcquirerRows],
) -> Result<Vec<FileEntry>, FilesError> {
    rows.iter_mut().try_for_each(AcquirerRows::seal).map_err(FilesError::Spool)?;
    cities.iter().map(|city| write_acquirer(dir, *city, rows)).collect()
}

fn write_acquirer(dir: &Path, city: City, rows: &[AcquirerRows]) -> Result<FileEntry, FilesError> {
    let mut table = Table::create(dir, layout::acquirer_file(city), &layout::ACQUIRER)?;
    let files: BTreeSet<&str> = rows.iter().flat_map(|rows| rows.files_of(city)).collect();
    for file in files {
        let mut merge = Merge::new();
        for rows in rows {
            rows.give(city, file, &mut merge);
        }
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
    table.finish()
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

/// Writes a file for each city, with a row for each record it pays for.
pub(crate) fn write_issuers(
    dir: &Path,
    cities: &BTreeSet<City>,
    taps: &mut [IssuerTaps],
) -> Result<(Vec<FileEntry>, Merkle), FilesError> {
    taps.iter_mut().try_for_each(IssuerTaps::seal).map_err(FilesError::Spool)?;
    let mut merkle = Merkle::default();
    let files: Result<Vec<_>, _> =
        cities.iter().map(|city| write_issuer(dir, *city, taps, &mut merkle)).collect();
    Ok((files?, merkle))
}

fn write_issuer(
    dir: &Path,
    city: City,
    taps: &[IssuerTaps],
    merkle: &mut Merkle,
) -> Result<FileEntry, FilesError> {
    let mut table = Table::create(dir, layout::issuer_file(city), &layout::ISSUER)?;
    let mut leaf = Vec::new();
    let acquirers: BTreeSet<City> = taps.iter().flat_map(|taps| taps.acquirers_of(city)).collect();
    for acquirer in acquirers {
        let mut merge = Merge::new();
        for taps in taps {
            taps.give(city, acquirer, &mut merge);
        }
        let mut last = None;
        while let Some(tap) = merge.next().map_err(FilesError::Spool)? {
            // One identity may be paid again with other content when its window is over.
            if last.is_some_and(|last: Tap| last.content_bytes() == tap.content_bytes()) {
                let row = format!("{acquirer} terminal {} number {}", hex(&tap.terminal), tap.terminal_seq);
                return Err(FilesError::RowTwice { file: table.name().to_owned(), row });
            }
            last = Some(tap);
            let row = write_issuer_row(&mut table, acquirer, &tap)?;
            leaf.clear();
            leaf.extend_from_slice(&city.spelling());
            leaf.push(b',');
            leaf.extend_from_slice(row);
            merkle.push(&leaf);
        }
    }
    table.finish()
}

/// Writes a row and returns its bytes.
fn write_issuer_row<'t>(table: &'t mut Table, acquirer: City, tap: &Tap) -> Result<&'t [u8], FilesError> {
    let bad = |table: &Table, column| bad_tap(table, tap.terminal, tap.terminal_seq.get(), column);
    let sector = Sector::from_index(tap.sector).ok_or_else(|| bad(table, "sector"))?;
    let product = Product::from_index(tap.product).ok_or_else(|| bad(table, "product"))?;
    let medium = Medium::from_index(tap.medium).ok_or_else(|| bad(table, "medium"))?;
    let tapped_at = tap.tapped_at();
    if !in_calendar(tapped_at) {
        return Err(bad(table, "tapped_at"));
    }
    Ok(table
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
        .end())
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
