use super::*;

const GOOD: [&str; 18] = [
    "364001000748",
    "291",
    "cu-3000",
    "0000000012345678",
    "7",
    "06",
    "200",
    "250",
    "2024-01-02T03:04:05",
    "cpu",
    "metro",
    "distance",
    "op",
    "line 1",
    "north",
    "1",
    "3des",
    "65DC916F",
];

fn acquirer() -> City {
    "cu-2000".parse().unwrap()
}

fn with(column: Column, value: &str) -> String {
    let mut fields = GOOD.map(str::to_owned);
    fields[column.index()] = value.to_owned();
    fields.join(",")
}

/// What came of a file: `line tap`, `line local`, or `line reason`.
fn read(text: &[u8]) -> Vec<(u32, String)> {
    let mut file = TapFile::open(text, acquirer()).unwrap();
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

/// One data line under the header.
fn read_one(line: impl AsRef<[u8]>) -> String {
    let text = [HEADER.as_bytes(), b"\n", line.as_ref(), b"\n"].concat();
    let all = read(&text);
    assert_eq!(all.len(), 1, "{:?}", String::from_utf8_lossy(line.as_ref()));
    assert_eq!(all[0].0, 2);
    all[0].1.clone()
}

#[test]
fn a_good_line_is_read_field_by_field() {
    let text = [HEADER, &GOOD.join(",")].join("\n");
    let mut file = TapFile::open(text.as_bytes(), acquirer()).unwrap();
    let Some(Line::Tap(got)) = file.next_line().unwrap() else { panic!("a tap") };
    assert_eq!(got.issuer.to_string(), "cu-3000");
    assert_eq!((got.operator, got.line, got.station), (&b"op"[..], &b"line 1"[..], &b"north"[..]));
    let tap = got.tap;
    assert_eq!((tap.line.get(), tap.position.get()), (2, 0));
    assert_eq!(tap.terminal, [0x36, 0x40, 0x01, 0x00, 0x07, 0x48]);
    assert_eq!((tap.terminal_seq.get(), tap.card_counter.get(), tap.type_byte), (291, 7, 6));
    assert_eq!(tap.card, [0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78]);
    assert_eq!((tap.amount_fen.get(), tap.fare_fen.get()), (200, 250));
    assert_eq!(tap.tapped_at().to_string(), "2024-01-02T03:04:05");
    assert_eq!((tap.medium, tap.sector, tap.product, tap.algorithm), (0, 1, 1, 0));
    assert_eq!((tap.key_version, tap.tac), (1, [0x65, 0xDC, 0x91, 0x6F]));
    assert_eq!(file.next_line().unwrap(), None);
}

#[test]
fn every_spelling_but_the_one_of_the_contract_is_malformed() {
    use Column as C;
    let integers = ["", "-1", "+1", "00", "01", " 1", "1 ", "1.0", "4294967296", "99999999999999999999", "١"];
    let words = ["", "BUS", "bus ", "unknown", "0"];
    let times = [
        "",
        "2024-01-02",
        "2024-01-02 03:04:05",
        "2024-02-30T03:04:05",
        "2024-01-02T24:00:00",
        "2024-01-02T23:60:00",
        "2024-01-02T23:59:60",
        "2024-01-02T3:04:05",
        "2024-01-02T03:04:05Z",
        "0000-01-01T00:00:00",
        "２024-01-02T03:04:05",
    ];
    let cities = ["", "cu-200", "cu-20000", "CU-2000", "cu-a004", "xx-2000", "2000"];
    let long = "x".repeat(65);
    let wide = "京".repeat(22);
    let table: [(Column, &[&str]); 18] = [
        (C::Terminal, &["", "36400100074", "3640010007481", "36400100074G", "3640010007ab", "0x3640010007"]),
        (C::TerminalSeq, &integers),
        (C::Issuer, &cities),
        (C::Card, &["", "000000001234567", "00000000123456789", "00000000abcdef00"]),
        (C::CardCounter, &["", "65536", "-1", "007", "4294967296"]),
        (C::Type, &["", "6", "9", "02", "006", "purchase"]),
        (C::AmountFen, &integers),
        (C::FareFen, &integers),
        (C::TappedAt, &times),
        (C::Medium, &words),
        (C::Sector, &words),
        (C::Product, &words),
        (C::Operator, &[&long, &wide]),
        (C::Line, &[&long]),
        (C::Station, &[&long]),
        (C::KeyVersion, &["", "256", "01", "-1"]),
        (C::Algorithm, &["", "3DES", "sm3", "SM4"]),
        (C::Tac, &["", "65DC916", "65dc916f", "65DC916F0"]),
    ];
    for (column, values) in table {
        for value in values {
            let want = format!("{}: {}", column.name(), column.expected());
            assert_eq!(read_one(with(column, value)), want, "{value:?}");
        }
    }
}

#[test]
fn the_edges_of_what_is_allowed_are_taps() {
    use Column as C;
    let text = "x".repeat(64);
    let table: [(Column, &[&str]); 9] = [
        (C::TerminalSeq, &["0", "4294967295"]),
        (C::CardCounter, &["0", "65535"]),
        (C::AmountFen, &["0", "4294967295"]),
        (C::KeyVersion, &["0", "255"]),
        (C::TappedAt, &["0001-01-01T00:00:00", "9999-12-31T23:59:59", "2024-02-29T12:00:00"]),
        (C::Operator, &["", &text, "京津,冀", "\u{1}\u{0}\t", "a\u{FEFF}b"]),
        (C::Issuer, &["tu-2000", "cu-A004"]),
        (C::Type, &["06", "09"]),
        (C::Terminal, &["\"364001000748\""]),
    ];
    for (column, values) in table {
        for value in values {
            let value = if value.contains(',') { format!("\"{value}\"") } else { (*value).to_owned() };
            assert_eq!(read_one(with(column, &value)), "tap", "{value:?}");
        }
    }
    assert_eq!(read_one(with(C::Issuer, "cu-2000")), "local");
}

#[test]
fn the_first_bad_column_is_named_and_its_line_keeps_its_texts() {
    let line = "tt,\"1,\"\"2\",nowhere,,,,3.80,,,,,,,,,,,";
    let text = [HEADER, line].join("\n");
    let mut file = TapFile::open(text.as_bytes(), acquirer()).unwrap();
    let Some(Line::Malformed(bad)) = file.next_line().unwrap() else { panic!("malformed") };
    assert_eq!((bad.line, bad.reason), (2, Reason::Column(Column::Terminal)));
    let texts = bad.texts;
    assert_eq!((texts.terminal, texts.terminal_seq), (&b"tt"[..], &b"1,\"2"[..]));
    assert_eq!((texts.issuer, texts.amount_fen), (&b"nowhere"[..], &b"3.80"[..]));
}

#[test]
fn a_line_that_is_no_record_is_malformed_as_a_line() {
    let good = GOOD.join(",");
    let table: [(Vec<u8>, &str); 12] = [
        (b"x".to_vec(), "wrong number of columns"),
        (b" ".to_vec(), "wrong number of columns"),
        (GOOD[..17].join(",").into(), "wrong number of columns"),
        (format!("{good},").into(), "wrong number of columns"),
        (good.replace("line 1", "line \"1\"").into(), "bad quoting"),
        (good.replace("line 1", "\"line 1").into(), "bad quoting"),
        (good.replace("line 1", "\"line\" 1").into(), "bad quoting"),
        (good.replace("line 1", "line\r1").into(), "a carriage return inside the line"),
        (format!("{good}\r\r").into(), "a carriage return inside the line"),
        (good.replace("line 1", "\"line\r1\"").into(), "a carriage return inside the line"),
        ([good.as_bytes(), b"\xFF"].concat(), "bytes that are not UTF-8"),
        (good.replace("line 1", &"x".repeat(LINE_LEN_MAX)).into(), "longer than 64 KiB"),
    ];
    for (line, why) in table {
        assert_eq!(read_one(&line), format!("line: {why}"), "{:?}", String::from_utf8_lossy(&line));
    }
}

#[test]
fn a_bad_line_does_not_stop_the_rest_and_lines_are_physical() {
    let good = GOOD.join(",");
    let text = format!("\u{FEFF}{HEADER}\r\n\r\n{good}\r\nbad\n\n\"open\n{good}");
    let kinds: Vec<_> = read(text.as_bytes()).into_iter().map(|(n, kind)| format!("{n} {kind}")).collect();
    assert_eq!(kinds, ["3 tap", "4 line: wrong number of columns", "6 line: bad quoting", "7 tap"]);
}

#[test]
fn only_the_header_of_the_layout_opens_a_file() {
    let open = |text: &[u8]| TapFile::open(text, acquirer()).map(|_| ());
    let refused = [
        String::new(),
        "\n".to_owned(),
        format!("\n{HEADER}\n"),
        HEADER.replace("terminal_seq", "sequence"),
        HEADER.replace("terminal,terminal_seq", "terminal_seq,terminal"),
        HEADER.replace(",tac", ""),
        HEADER.to_uppercase(),
        format!("{HEADER}x"),
        format!("{HEADER},\"open"),
        format!(" {HEADER}"),
        format!("\"terminal\"{}", &HEADER[8..]),
        format!("{HEADER},{}", "x".repeat(LINE_LEN_MAX)),
    ];
    for text in refused {
        assert!(matches!(open(text.as_bytes()), Err(TapFileError::Header)), "{text:?}");
    }
    for text in [HEADER.to_owned(), format!("{HEADER}\r\n"), format!("{HEADER},more,\"and, more\"\n")] {
        assert!(open(text.as_bytes()).is_ok(), "{text:?}");
        assert_eq!(read(text.as_bytes()), []);
    }
}

#[test]
fn further_columns_of_the_header_must_be_there_and_are_ignored() {
    let text = format!("{HEADER},a,b\n{0},1,\"x,y\"\n{0}\n{0},1\n", GOOD.join(","));
    let kinds: Vec<_> = read(text.as_bytes()).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["tap", "line: wrong number of columns", "line: wrong number of columns"]);
}
