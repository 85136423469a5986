//! Two bad files of a city: one with broken lines among good ones, one with a bad header.

use std::path::Path;

use anyhow::{Context, Result};

use crate::demo::facts::BadLine;

/// Lines of the first file; the good ones among them go on.
pub const LINES: u32 = 24;

/// What can be wrong with a line, and what does it.
const DAMAGES: [fn(&mut Vec<Vec<u8>>); 9] = [
    |fields| set(fields, 6, b"2.50"),
    |fields| set(fields, 0, b"20-07"),
    |fields| set(fields, 2, b"Shanghai"),
    |fields| set(fields, 8, b"2018/09/01 08:05"),
    |fields| set(fields, 9, b"paper"),
    |fields| set(fields, 17, b"12"),
    |fields| {
        fields.pop();
    },
    // 上海 in GBK.
    |fields| set(fields, 12, b"\xC9\xCF\xBA\xA3"),
    |fields| set(fields, 14, b"\"Gate 1"),
];

fn set(fields: &mut [Vec<u8>], column: usize, text: &[u8]) {
    if let Some(field) = fields.get_mut(column) {
        *field = text.to_vec();
    }
}

/// The file with every second of its lines broken, each in another way, as long as there are ways.
#[must_use]
pub fn with_broken_lines(file: &[u8]) -> Vec<u8> {
    let mut damages = DAMAGES.into_iter();
    let mut broken = Vec::with_capacity(file.len());
    for (index, line) in file.split_inclusive(|b| *b == b'\n').enumerate() {
        let plain = !line.contains(&b'"');
        let damage = if index > 0 && index.is_multiple_of(2) && plain { damages.next() } else { None };
        let Some(damage) = damage else {
            broken.extend_from_slice(line);
            continue;
        };
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut fields: Vec<Vec<u8>> = line.split(|b| *b == b',').map(<[u8]>::to_vec).collect();
        damage(&mut fields);
        broken.extend_from_slice(&fields.join(&b','));
        broken.push(b'\n');
    }
    broken
}

/// The file with a column of its header misnamed.
#[must_use]
pub fn with_bad_header(file: &[u8]) -> Vec<u8> {
    let end = file.iter().position(|b| *b == b'\n').unwrap_or(file.len());
    let (header, lines) = file.split_at(end);
    let header = String::from_utf8_lossy(header).replace("amount_fen", "amount_yuan");
    [header.as_bytes(), lines].concat()
}

/// The quarantined lines of a file, as its results file tells them; none if there is no results file.
///
/// # Errors
/// If the results file cannot be read.
pub fn quarantined(results: &Path, file: &[u8]) -> Result<Vec<BadLine>> {
    let context = || format!("failed to read {}", results.display());
    if !results.exists() {
        return Ok(Vec::new());
    }
    let mut reader = csv::Reader::from_path(results).with_context(context)?;
    let headers = reader.headers().with_context(context)?.clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap_or(usize::MAX);
    let (line, result, reason) = (column("line"), column("result"), column("reason"));
    let raw: Vec<&[u8]> = file.split(|b| *b == b'\n').collect();
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.with_context(context)?;
        if record.get(result) != Some("malformed") {
            continue;
        }
        let line = record.get(line).and_then(|line| line.parse().ok()).unwrap_or(0);
        let reason = record.get(reason).unwrap_or_default();
        let (column, why) = reason.split_once(": ").unwrap_or(("line", reason));
        let found = found(&raw, line, column).unwrap_or_default();
        lines.push(BadLine { line, column: column.to_owned(), why: why.to_owned(), found });
    }
    Ok(lines)
}

/// What stands in a column of a line, if the line has such a column. `line` is about the line as such.
fn found(lines: &[&[u8]], line: u64, column: &str) -> Option<String> {
    if column == "line" {
        return None;
    }
    let header = String::from_utf8_lossy(lines.first()?);
    let column = header.split(',').position(|name| name == column)?;
    let line = lines.get(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let field = line.split(|b| *b == b',').nth(column)?;
    Some(String::from_utf8_lossy(field).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_lines_stay_good() {
        let good: String = (1..=24).map(|n| format!("{n},b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r\n")).collect();
        let file = format!("the header\n{good}");
        let broken = with_broken_lines(file.as_bytes());
        let lines: Vec<&[u8]> = broken.split(|b| *b == b'\n').collect();
        let before: Vec<&[u8]> = file.as_bytes().split(|b| *b == b'\n').collect();
        assert_eq!(lines.len(), before.len());
        let changed = lines.iter().zip(&before).filter(|(now, then)| now != then).count();
        assert_eq!(changed, DAMAGES.len(), "each way is there once");
    }

    #[test]
    fn what_stands_in_a_column_is_found_but_nothing_for_a_line_as_such() {
        let lines: [&[u8]; 2] = [b"terminal,amount_fen,line", "1,2.50,20号线".as_bytes()];
        assert_eq!(found(&lines, 2, "amount_fen").as_deref(), Some("2.50"));
        assert_eq!(found(&lines, 2, "line"), None);
        assert_eq!(found(&lines, 3, "amount_fen"), None);
    }

    #[test]
    fn a_bad_header_leaves_the_lines() {
        let bad = with_bad_header(b"terminal,amount_fen\n1,2\n");
        assert_eq!(bad, b"terminal,amount_yuan\n1,2\n");
    }
}
