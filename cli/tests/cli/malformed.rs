//! Each kind of malformed line is quarantined by line and column, and the rest of its file goes on.

use std::fs;

use tempfile::TempDir;

use crate::{
    scheme::{HEADER, Scheme, tap},
    support::{clear, cycles, rows, verify_all},
};

/// A good line with one column replaced.
fn with(line: &str, column: usize, text: &str) -> Vec<u8> {
    let mut columns: Vec<&str> = line.trim_end().split(',').collect();
    columns[column] = text;
    (columns.join(",") + "\n").into_bytes()
}

/// Bad lines, each with the column to be named; `None` for a line that cannot be read as such.
fn bad_lines(good: &str) -> Vec<(Vec<u8>, Option<&'static str>)> {
    let long = "x".repeat(65);
    let mut lines: Vec<(Vec<u8>, Option<&str>)> = [
        (0, "20000000000", "terminal"),
        (0, "20000000000g", "terminal"),
        (1, "4294967296", "terminal_seq"),
        (1, "01", "terminal_seq"),
        (2, "CU-3000", "issuer"),
        (2, "cu-a004", "issuer"),
        (3, "300000000000017", "card"),
        (4, "65536", "card_counter"),
        (5, "6", "type"),
        (6, "3.00", "amount_fen"),
        (6, "-300", "amount_fen"),
        (6, "99999999999999999999", "amount_fen"),
        (7, "+3", "fare_fen"),
        (8, "2018-09-01 08:00:00", "tapped_at"),
        (8, "2018-02-30T08:00:00", "tapped_at"),
        (8, "2018-09-01T24:00:00", "tapped_at"),
        (9, "cash", "medium"),
        (10, "Metro", "sector"),
        (11, "", "product"),
        (12, &long, "operator"),
        (13, &long, "line"),
        (14, &long, "station"),
        (15, "256", "key_version"),
        (16, "aes", "algorithm"),
        (17, "abcdef01", "tac"),
        (17, "", "tac"),
    ]
    .map(|(at, text, column)| (with(good, at, text), Some(column)))
    .into();
    let good = good.trim_end();
    let raw: [Vec<u8>; 7] = [
        format!("{good},more\n").into(),
        b"200000000001,1\n".to_vec(),
        format!("\"{good}\n").into(),
        with(good, 12, "a\"b"),
        with(good, 12, "a\rb"),
        with(good, 12, &"y".repeat(70_000)),
        [&b"\xB3\xC7\xCA\xD0,"[..], good.as_bytes(), b"\n"].concat(),
    ];
    lines.extend(raw.map(|line| (line, None)));
    lines
}

#[test]
fn every_kind_is_named_with_its_line_and_column() {
    let folder = TempDir::new().unwrap();
    let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000"]);
    let good = |seq| scheme.sealed(&tap("200000000001", seq, "cu-3000", 300, "2018-09-01T08:00:00", "sm4"));
    let bad = bad_lines(&good(1));
    let mut bytes = HEADER.as_bytes().to_vec();
    for (seq, (line, _)) in (1..).zip(&bad) {
        bytes.extend_from_slice(good(seq).as_bytes());
        bytes.extend_from_slice(line);
    }
    scheme.write("taps/cu-2000/2018-09-01.csv", &bytes);
    let out = folder.path().join("out");
    clear(&scheme.path, &out);

    let answers = rows(&out.join("results/cu-2000/2018-09-01.csv"));
    assert_eq!(answers.len(), 2 * bad.len());
    for (at, (text, column)) in bad.iter().enumerate() {
        let shown = String::from_utf8_lossy(&text[..text.len().min(200)]);
        let (before, row) = (&answers[2 * at], &answers[2 * at + 1]);
        assert_eq!(before["result"], "cleared", "the good line before {shown}");
        assert_eq!(row["line"], (2 * at + 3).to_string(), "{shown}");
        let named = row["reason"].split(": ").next();
        assert_eq!((row["result"].as_str(), named), ("malformed", Some(column.unwrap_or("line"))), "{shown}");
        assert_eq!((row["decided_by"].as_str(), row["cycle"].as_str()), ("edge", ""), "{shown}");
        if column.is_none() {
            let texts = ["terminal", "terminal_seq", "issuer", "amount_fen"].map(|name| row[name].as_str());
            assert_eq!(texts, [""; 4], "{shown}");
        }
    }
    let positions = fs::read_to_string(out.join(&cycles(&out)[0]).join("positions.csv")).unwrap();
    let (count, amount) = (bad.len(), 300 * bad.len());
    assert!(positions.contains(&format!("cu-2000,cu-3000,purchase,{count},{amount},")), "{positions}");
    verify_all(&out);
}

/// Byte order mark, CRLF, blank lines and further columns are no faults.
#[test]
fn what_spreadsheets_do_to_a_file_is_accepted() {
    let folder = TempDir::new().unwrap();
    let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000"]);
    let good = |seq| scheme.sealed(&tap("200000000001", seq, "cu-3000", 300, "2018-09-01T08:00:00", "sm4"));
    let line = |seq| good(seq).trim_end().to_owned();
    let text = format!("\u{FEFF}{},note\r\n\r\n{},\r\n{},\"a, b\"\r\n", HEADER.trim_end(), line(1), line(2));
    scheme.write("taps/cu-2000/2018-09-01.csv", text);
    let out = folder.path().join("out");
    clear(&scheme.path, &out);
    let answers = rows(&out.join("results/cu-2000/2018-09-01.csv"));
    let found: Vec<_> = answers.iter().map(|row| (row["line"].as_str(), row["result"].as_str())).collect();
    assert_eq!(found, [("3", "cleared"), ("4", "cleared")]);
}
