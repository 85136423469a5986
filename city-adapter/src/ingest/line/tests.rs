use proto::{Algorithm as A, Medium as M, Product as P, Sector as S, TransactionType as T};

use super::*;
use crate::tapfile::{HEADER, Line, TapFile};

fn good() -> proto::Tap {
    proto::Tap {
        terminal: vec![0x20, 0, 0, 0, 0, 1].into(),
        terminal_seq: 4_294_967_295,
        issuer: "cu-3000".into(),
        card: vec![0x30, 0, 0, 0, 0, 0, 0, 0x1F].into(),
        card_counter: 65_535,
        r#type: T::CompoundPurchase.into(),
        amount_fen: 300,
        fare_fen: 400,
        tapped_at: "2018-09-01T08:05:09".into(),
        medium: M::Bank.into(),
        sector: S::Retail.into(),
        product: P::Pass.into(),
        operator: "Shanghai \"Metro\", 2".into(),
        line: String::new(),
        station: "人民广场".into(),
        key_version: 255,
        algorithm: A::Sm4.into(),
        tac: vec![0x0F, 0xB6, 0xC6, 0x4F].into(),
    }
}

fn tap(tap: proto::Tap) -> Record {
    Record { content: Some(Content::Tap(tap)) }
}

fn text(text: &[u8]) -> Record {
    Record { content: Some(Content::Line(text.to_vec().into())) }
}

/// What a tap file of these records is read as: line, and `tap` or the reason.
fn read(records: &[Record]) -> Vec<(u32, String)> {
    let file = [HEADER.as_bytes(), b"\n", Lines::of(records).bytes_from(0)].concat();
    let mut file = TapFile::open(file.as_slice(), "cu-2000".parse().unwrap()).unwrap();
    let mut all = Vec::new();
    while let Some(line) = file.next_line().unwrap() {
        all.push(match line {
            Line::Tap(tap) => (tap.tap.line.get(), "tap".to_owned()),
            Line::Local(tap) => (tap.tap.line.get(), "local".to_owned()),
            Line::Malformed(bad) => (bad.line, bad.reason.to_string()),
        });
    }
    all
}

#[test]
fn a_typed_tap_is_the_line_of_the_contract() {
    let lines = Lines::of(&[tap(good())]);
    let want = "200000000001,4294967295,cu-3000,300000000000001F,65535,09,300,400,2018-09-01T08:05:09,bank,\
                retail,pass,\"Shanghai \"\"Metro\"\", 2\",,人民广场,255,sm4,0FB6C64F\n";
    assert_eq!(String::from_utf8_lossy(lines.bytes_from(0)), want);
    assert_eq!(read(&[tap(good())]), [(2, "tap".to_owned())]);
}

#[test]
fn every_word_of_the_contract_can_be_said() {
    use domain::tap::{Algorithm, Medium, Product, Sector};
    fn check<W: Copy>(
        words: &[W],
        word: fn(W) -> &'static str,
        set: fn(&mut proto::Tap, i32),
        column: usize,
    ) {
        for (value, expected) in (1..).zip(words) {
            let mut changed = good();
            changed.operator.clear();
            set(&mut changed, value);
            let lines = Lines::of(&[tap(changed.clone())]);
            let line = String::from_utf8_lossy(lines.bytes_from(0)).into_owned();
            assert_eq!(line.split(',').nth(column), Some(word(*expected)));
            assert_eq!(read(&[tap(changed)]), [(2, "tap".to_owned())]);
        }
    }
    check(Medium::ALL, Medium::word, |tap, value| tap.medium = value, 9);
    check(Sector::ALL, Sector::word, |tap, value| tap.sector = value, 10);
    check(Product::ALL, Product::word, |tap, value| tap.product = value, 11);
    check(Algorithm::ALL, Algorithm::word, |tap, value| tap.algorithm = value, 16);
}

#[test]
fn what_is_no_good_tap_is_one_malformed_line_that_names_its_column() {
    type Change = fn(&mut proto::Tap);
    let changes: [(&str, Change); 16] = [
        ("terminal", |tap| tap.terminal = vec![1; 5].into()),
        ("terminal_seq", |tap| tap.terminal_seq = 4_294_967_296),
        ("terminal_seq", |tap| tap.terminal_seq = -1),
        ("issuer", |tap| tap.issuer.clear()),
        ("card", |tap| tap.card = vec![1; 9].into()),
        ("card_counter", |tap| tap.card_counter = 65_536),
        ("type", |tap| tap.r#type = 7),
        ("type", |tap| tap.r#type = -7),
        ("amount_fen", |tap| tap.amount_fen = -200),
        ("fare_fen", |tap| tap.fare_fen = i64::MAX),
        ("tapped_at", |tap| tap.tapped_at = "2018-09-01 08:05:09".into()),
        ("medium", |tap| tap.medium = 0),
        ("sector", |tap| tap.sector = 99),
        ("station", |tap| tap.station = "站".repeat(22)),
        ("key_version", |tap| tap.key_version = 256),
        ("tac", |tap| tap.tac = bytes::Bytes::new()),
    ];
    for (column, change) in changes {
        let mut bad = good();
        change(&mut bad);
        let all = read(&[tap(good()), tap(bad), tap(good())]);
        assert_eq!(all.len(), 3, "{column}");
        assert!(all[1].1.starts_with(&format!("{column}: ")), "{column}: {}", all[1].1);
        assert_eq!((all[0].1.as_str(), all[2].1.as_str()), ("tap", "tap"));
    }
}

#[test]
fn a_record_is_one_physical_line_whatever_it_holds() {
    let long = vec![b'x'; 70_000];
    let broken = proto::Tap { operator: "a\nb".into(), ..good() };
    let records = [
        text(b""),
        text(b"\n\n"),
        text(b"\r"),
        text(b"one\ntwo"),
        text(b"\xFF\xFE"),
        text(&long),
        text(b"\"never closed"),
        Record { content: None },
        tap(broken),
        tap(proto::Tap::default()),
        tap(good()),
    ];
    let all = read(&records);
    let lines: Vec<u32> = all.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, (2..13).collect::<Vec<u32>>());
    assert!(all[..10].iter().all(|(_, what)| what.contains(": ")), "{all:?}");
    assert_eq!(all[3].1, "line: a carriage return inside the line");
    assert_eq!(all[5].1, "line: longer than 64 KiB");
    assert_eq!(all[8].1, "line: a carriage return inside the line");
    assert_eq!(all[10].1, "tap");
}

#[test]
fn a_good_line_as_text_is_the_same_as_the_typed_tap() {
    let typed = Lines::of(&[tap(good())]);
    let line = typed.bytes_from(0).strip_suffix(b"\n").unwrap().to_vec();
    assert_eq!(Lines::of(&[text(&line)]), typed);
    let other = Lines::of(&[tap(proto::Tap { terminal_seq: 1, ..good() })]);
    assert_ne!(other.digests(), typed.digests());
}
