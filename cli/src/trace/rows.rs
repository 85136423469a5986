//! Single rows of published files.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use domain::city::City;

use super::{
    life::{FileRow, Near},
    query::Query,
};

/// Whether a row has the identity; a malformed issuer hides the scheme, so it may.
pub fn is_meant(query: &Query, row: &FileRow) -> bool {
    let scheme = City::parse(row.get("issuer").as_bytes()).map(City::scheme);
    row.get("terminal") == query.terminal.to_string()
        && row.get("terminal_seq") == query.terminal_seq.to_string()
        && scheme.is_ok_and(|scheme| query.fits_scheme(scheme)) | scheme.is_err()
}

/// Whether nobody can say to which terminal and sequence a malformed row belongs.
pub fn is_unnamed(row: &FileRow) -> bool {
    let why = row.get("reason");
    row.get("result") == "malformed"
        && ["line:", "terminal:", "terminal_seq:"].iter().any(|column| why.starts_with(column))
}

/// The record of a row of `acquirer/<city>.csv`.
pub fn near_of(city: City, row: &FileRow) -> Option<Near> {
    Some(Near {
        terminal_seq: row.get("terminal_seq").parse().ok()?,
        acquirer: city,
        file: row.get("file").to_owned(),
        line: row.get("line").parse().ok()?,
        issuer: row.get("issuer").parse().ok()?,
        amount_fen: row.get("amount_fen").parse().ok()?,
        tapped_at: None,
    })
}

/// The column names of a file.
///
/// # Errors
/// If it cannot be read.
pub fn read_header(path: &Path) -> io::Result<Vec<String>> {
    let mut line = Vec::new();
    BufReader::new(File::open(path)?).read_until(b'\n', &mut line)?;
    Ok(fields(line.strip_suffix(b"\n").unwrap_or(&line)))
}

/// The fields of one line of CSV.
pub fn fields(line: &[u8]) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line);
    let mut record = csv::ByteRecord::new();
    match reader.read_byte_record(&mut record) {
        Ok(true) => record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect(),
        _ => Vec::new(),
    }
}
