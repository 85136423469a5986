use super::*;

fn gbk(text: &str) -> Vec<u8> {
    encoding_rs::GBK.encode(text).0.into_owned()
}

fn stations(mapping: &Mapping, file: &[u8]) -> Vec<Result<String, String>> {
    let mut reader = mapping.reader(file).unwrap();
    let mut all = Vec::new();
    while let Some(row) = reader.next_row().unwrap() {
        all.push(match row {
            Mapped::Row(row) => Ok(row.station.clone().unwrap()),
            Mapped::Bad(bad) => Err(bad.to_string()),
        });
    }
    all
}

#[test]
fn a_separator_inside_a_character_separates_nothing() {
    let mapping =
        mapping("[file]\nencoding = \"gbk\"\nseparator = \"|\"\n[columns.station]\ncolumn = \"站\"").unwrap();
    // The second byte of the first character is the separator.
    let mut file = gbk("站|线\n");
    file.extend_from_slice(b"\x81\x7C\xC9\xEE|1\n\x81|\xC9|1\n");
    let read = stations(&mapping, &file);
    let first = encoding_rs::GBK.decode(b"\x81\x7C\xC9\xEE").0.into_owned();
    assert_eq!((&read[0], first.chars().count()), (&Ok(first), 2));
    assert!(read[1].as_ref().is_err_and(|bad| bad.starts_with("line 3: line: ")), "{read:?}");
}

#[test]
fn a_character_cut_in_the_middle_is_a_bad_line_wherever_it_is_cut() {
    let separated = mapping("[file]\nencoding = \"gbk\"\n[columns.station]\ncolumn = \"s\"").unwrap();
    // At the end of a line, and at the end of the file.
    let file = b"n,s\n1,\xC9\xEE\xDB\n2,\xC9\xEE\n3,\xC9\xEE\xDB\xDA\n4,\xC9";
    let read = stations(&separated, file);
    let cut = |line, byte| {
        Err(format!("line {line}: line: the last character is cut in the middle (GBK, byte {byte})"))
    };
    assert_eq!(read, [cut(2, 5), Ok("深".to_owned()), Ok("深圳".to_owned()), cut(5, 3)]);

    let fixed = "[file]\nencoding = \"gbk\"\nfixed = true\n[columns.station]\nat = 2\nlength = 4\n[columns.line]\nat = 1\nlength = 1";
    let fixed = mapping(fixed).unwrap();
    let read = stations(&fixed, b"1\xC9\xEE\xDB\xDArest\n2x\xC9\xEE\xDB\xDA\n3\xC9\xEE\n4ab  \n");
    let want = "line 2: station: bytes 2 to 5: the last character is cut in the middle (GBK, byte 4)";
    assert_eq!(read[0], Ok("深圳".to_owned()));
    assert_eq!(read[1], Err(want.to_owned()));
    assert_eq!(read[2], Err("line 3: station: stands at bytes 2 to 5, but the line has only 3".to_owned()));
    assert_eq!(read[3], Ok("ab".to_owned()));

    let utf8 = mapping("[columns.station]\ncolumn = \"s\"").unwrap();
    let read = stations(&utf8, b"s\n\xE6\xB7\n\xE6\xB7\xB1\n\xFFa\n");
    let want = "line 2: line: bytes that are not UTF-8: the last character is cut in the middle";
    assert_eq!(read[..2], [Err(want.to_owned()), Ok("深".to_owned())]);
    assert_eq!(read[2], Err("line 4: line: bytes that are not UTF-8".to_owned()));
}

#[test]
fn encodings_have_their_own_names_marks_and_characters() {
    let read = |label: &str, file: &[u8]| {
        let mapping =
            mapping(&format!("[file]\nencoding = \"{label}\"\n[columns.station]\ncolumn = \"s\"")).unwrap();
        mapping.reader(file).map_err(|error| error.to_string()).map(|_| stations(&mapping, file).remove(0))
    };
    // Four bytes that GBK of old does not have.
    assert_eq!(read("gb18030", b"\x84\x31\x95\x33s\n\x82\x35\x8F\x33\n"), Ok(Ok("\u{9FA6}".to_owned())));
    assert_eq!(read("latin1", b"s\n\xC9lys\xE9e\n"), Ok(Ok("Élysée".to_owned())));
    assert_eq!(read("big5", b"s\n\xA5x\xA5_\n"), Ok(Ok("台北".to_owned())));
    assert_eq!(read("shift_jis", b"s\n\x93\x8C\x8B\x9E\n"), Ok(Ok("東京".to_owned())));
    assert_eq!(read("euc-kr", b"s\n\xBC\xAD\xBF\xEF\n"), Ok(Ok("서울".to_owned())));
    let error = read("gbk", "\u{FEFF}s\n".as_bytes()).unwrap_err();
    assert!(error.contains("byte order mark of UTF-8, but the mapping says encoding = \"gbk\""), "{error}");
}

#[test]
fn a_fixed_field_that_begins_inside_a_character_is_bad() {
    let read = |encoding: &str, at: usize, length: usize, line: &[u8]| {
        let text = format!(
            "[file]\nencoding = \"{encoding}\"\nfixed = true\n[columns.station]\nat = {at}\nlength = {length}"
        );
        stations(&mapping(&text).unwrap(), line).remove(0)
    };
    let inside = |name: &str, from: usize, to: usize| {
        Err(format!("line 1: station: bytes {from} to {to}: begin in the middle of a character ({name})"))
    };
    let line = gbk("1深圳南山50");
    assert_eq!(read("gbk", 3, 2, &line), inside("GBK", 3, 4));
    assert_eq!(read("gbk", 4, 4, &line), Ok("圳南".to_owned()));
    // One character of four bytes, whose second and last are digits.
    let line = b"\x81\x39\xEE\x3950";
    assert_eq!(read("gb18030", 4, 3, line), inside("gb18030", 4, 6));
    assert_eq!(read("gb18030", 5, 2, line), Ok("50".to_owned()));
    assert_eq!(read("big5", 2, 1, b"\xA5x\xA5_"), inside("Big5", 2, 2));
    assert_eq!(read("shift_jis", 2, 2, b"\xB1\x93\x8C"), Ok("東".to_owned()));
    assert_eq!(read("euc-jp", 2, 2, b"\x8F\xB0\xA1\xB0\xA1"), inside("EUC-JP", 2, 3));
    assert_eq!(read("latin1", 2, 1, b"\xC9\xE9"), Ok("é".to_owned()));
}

#[test]
fn fixed_lines_have_their_width() {
    let text = "[file]\nfixed = true\nwidth = 6\n[columns.station]\nat = 1\nlength = 6";
    let read = stations(&mapping(text).unwrap(), "abc  x\r\nabc\nabc def\n".as_bytes());
    assert_eq!(read[0], Ok("abc  x".to_owned()));
    assert_eq!(read[1], Err("line 2: line: 3 bytes long; expected 6".to_owned()));
    assert!(read[2].is_err());
    let any = "[file]\nfixed = true\nlength = \"any\"\n[columns.station]\nat = 3\nlength = 4";
    let read = stations(&mapping(any).unwrap(), b"12abcd\n12ab\n1\n");
    assert_eq!(read, ["abcd", "ab", ""].map(|text| Ok(text.to_owned())));
}
