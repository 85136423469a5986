use super::*;
use crate::{
    mapping::Mapped,
    tapfile::{HEADER, Line, TapFile},
};
use domain::city::City;

const LINES: [&str; 5] = [
    "200000000001,41,cu-3000,3000000000000017,812,09,300,400,2018-09-01T08:05:09,cpu,metro,distance,Metro,2,人民广场,1,3des,C8AF6E7A",
    "200000000002,42,tu-2610,2610000000000001,0,06,65535,70000,2018-09-02T01:10:00,qr,bus,flat,\"Bus, 49\",49,\"Gate \"\"1\"\"\",255,sm4,00000001",
    "2000FFFFFFFF,4294967295,cu-A004,FFFFFFFFFFFFFFFF,65535,06,0,0,2018-12-31T23:59:59,nfc,bus,flat,,,,0,3des,FFFFFFFF",
    "200000000001,43,cu-3000,3000000000000018,1,06,4294967295,4294967295,2018-09-01T00:00:00,sim,metro,flat,Métro,,,7,sm4,0A0B0C0D",
    "200012345678,7,cu-3000,0000000000000000,9,09,1,2,2018-02-28T12:34:56,bank,metro,distance,a b,c,d,1,3des,12345678",
];

fn rows(lines: &[&str]) -> Vec<MappedRow> {
    let text = format!("{HEADER}\n{}\n", lines.join("\n"));
    let mut file = TapFile::open(text.as_bytes(), "cu-0000".parse::<City>().unwrap()).unwrap();
    let mut rows = Vec::new();
    while let Some(line) = file.next_line().unwrap() {
        match line {
            Line::Tap(tap) | Line::Local(tap) => rows.push(row_of(&tap)),
            Line::Malformed(bad) => panic!("{bad:?}"),
        }
    }
    rows
}

fn back(text: &str) -> Result<Back, BackError> {
    let table =
        |_: &str| Ok(b"gate,psam\nA,200000000001\nB,200000000002\nC,2000FFFFFFFF\nD,200012345678\n".to_vec());
    Back::of(&format!("layout = \"cityunion-mapping/1\"\n{text}"), &table)
}

/// All columns under their own names but those that `other` makes.
fn columns(other: &str) -> String {
    let own = Column::ALL
        .into_iter()
        .map(Column::name)
        .filter(|name| !other.contains(&format!("[columns.{name}]")));
    let own: String = own.map(|name| format!("[columns.{name}]\ncolumn = \"{name}\"\n")).collect();
    format!("{other}\n{own}")
}

/// The file that these taps are in the other layout.
fn written(back: &Back, rows: &[MappedRow]) -> Vec<u8> {
    let tried: Vec<Tried> =
        rows.iter().map(|row| Tried { line: back.line(row).unwrap(), row: row.clone() }).collect();
    for (index, unfit) in back.verify(&tried).unwrap().into_iter().enumerate() {
        assert_eq!(unfit, None, "line {index}: {}", String::from_utf8_lossy(&tried[index].line));
    }
    let totals = Totals {
        records: u64::try_from(rows.len()).unwrap(),
        amount_fen: rows.iter().map(|row| u64::from(row.amount_fen.unwrap())).sum(),
    };
    let mut file = back.head(totals);
    for tried in tried {
        file.extend_from_slice(&tried.line);
        file.push(b'\n');
    }
    file.extend_from_slice(&back.tail(totals));
    back.encoded(file)
}

/// Writes taps in another layout, reads that file, and compares to the byte.
#[track_caller]
fn check_round_trip(name: &str, text: &str, lines: &[&str]) -> Vec<u8> {
    let back = back(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
    let file = written(&back, &rows(lines));
    let mut reader = back.mapping.reader(&*file).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut again = Vec::new();
    while let Some(mapped) = reader.next_row().unwrap_or_else(|error| panic!("{name}: {error}")) {
        match mapped {
            Mapped::Row(row) => row.write_line(&mut again),
            Mapped::Bad(bad) => panic!("{name}: {bad}"),
        }
    }
    assert_eq!(String::from_utf8(again).unwrap(), format!("{}\n", lines.join("\n")), "{name}");
    file
}

#[test]
fn separated_layouts_come_back_to_the_byte() {
    check_round_trip("its own names", &columns(""), &LINES);
    let semicolons = "[file]\nseparator = \"semicolon\"\n\
        [fields.when]\njoin = [\"day\", \"clock\"]\nwith = \" \"\n\
        [columns.tapped_at]\ncolumn = \"when\"\nformats = [\"%-d.%-m.%y %I:%M:%S %p\"]\npivot = 70\n\
        [columns.amount_fen]\ncolumn = \"paid\"\nunit = \"yuan\"\ndecimal = \",\"\nremove = [\"€\"]\n\
        [columns.fare_fen]\ncolumn = \"full\"\nunit = \"yuan\"\nfloat = true\n\
        [columns.sector]\ncolumn = \"kind\"\nvalues = { M = \"metro\", L = \"metro\", B = \"bus\" }\n\
        [columns.product]\ncolumn = \"kind\"\nvalues = { M = \"distance\", L = \"flat\", B = \"flat\" }\n\
        [columns.terminal]\ncolumn = \"gate\"\ntable = \"gates\"\n\
        [tables.gates]\nfile = \"gates.csv\"\nkey = \"gate\"\nvalue = \"psam\"\n";
    let file = check_round_trip("semicolons and tables", &columns(semicolons), &LINES);
    let text = String::from_utf8(file).unwrap();
    assert!(text.contains(";3,00;4.00;1.9.18;08:05:09 AM;"), "{text}");
    assert!(
        text.contains("A;") && text.contains(";L;") && text.contains(";M;") && text.contains(";B;"),
        "{text}"
    );
    let tabs = "[file]\nseparator = \"tab\"\nencoding = \"utf-16le\"\nskip = 2\n\
        [columns.card]\ncolumn = \"card\"\nform = \"hex-le\"\n\
        [columns.terminal]\ncolumn = \"t\"\nform = \"decimal\"\nprefix = \"2000\"\nfloat = true\n";
    let file = check_round_trip("tabs in UTF-16", &columns(tabs), &LINES);
    assert!(file.windows(4).any(|four| four == [b'\t', 0, b'4', 0]));
}

#[test]
fn positions_filters_and_control_lines_come_back() {
    let mut text = "[file]\nseparator = \"pipe\"\nnames = false\n\
        [header]\nstarts_with = \"HDR\"\nrecords = { column = 3, subtract = 2 }\n\
        [trailer]\nstarts_with = \"TRL\"\nrecords = { column = 2 }\namount = { column = 4, unit = \"yuan\" }\n\
        [[keep]]\ncolumn = 1\nvalues = [\"D\"]\n[[drop]]\ncolumn = 2\nvalues = [\"x\"]\n\
        [columns.amount_fen]\ncolumn = 21\ndivide = 10\nsign = \"minus\"\n\
        [columns.terminal_seq]\ncolumn = 4\nform = \"hex\"\n[columns.card_counter]\ncolumn = 7\nform = \"hex-le\"\n\
        [columns.tapped_at]\ncolumn = 22\nunix = \"millis\"\n"
        .to_owned();
    for (position, column) in (3..).zip(Column::ALL) {
        if !text.contains(&format!("[columns.{}]", column.name())) {
            text.push_str(&format!("[columns.{}]\ncolumn = {position}\n", column.name()));
        }
    }
    let file = String::from_utf8(check_round_trip("pipes", &text, &LINES)).unwrap();
    assert!(
        file.starts_with("HDR||7\nD||200000000001|") && file.contains("|-3000|1535760309000\n"),
        "{file}"
    );
    assert!(file.ends_with("TRL|5||42950331.31\n"), "{file}");
}

#[test]
fn places_come_back() {
    let places = |encoding: &str, texts: usize| {
        format!(
            "[file]\nfixed = true\nencoding = \"{encoding}\"\n\
            [header]\nstarts_with = \"H\"\nrecords = {{ at = 2, length = 6 }}\n\
            [trailer]\nstarts_with = \"T\"\nrecords = {{ at = 2, length = 6 }}\namount = {{ at = 8, length = 14 }}\n\
            [columns.issuer]\nat = 150\nlength = 7\n\
            [columns.terminal]\nat = 2\nlength = 8\nprefix = \"2000\"\n[columns.terminal_seq]\nat = 10\nlength = 10\n\
            [columns.card]\nat = 20\nlength = 20\nkeep = \"last\"\n[columns.card_counter]\nat = 40\nlength = 4\nform = \"hex-le\"\n\
            [columns.type]\nat = 44\nlength = 2\n[columns.amount_fen]\nat = 46\nlength = 8\nform = \"hex-le\"\n\
            [columns.fare_fen]\nat = 54\nlength = 8\nform = \"hex\"\n\
            [fields.day]\nat = 62\nlength = 8\n[fields.clock]\nat = 70\nlength = 6\n\
            [columns.tapped_at]\njoin = [\"day\", \"clock\"]\nformats = [\"%Y%m%d%H%M%S\"]\n\
            [columns.medium]\nat = 76\nlength = 4\n[columns.sector]\nat = 80\nlength = 8\n[columns.product]\nat = 88\nlength = 8\n\
            [columns.operator]\nat = 160\nlength = {texts}\n[columns.line]\nat = 100\nlength = 4\n[columns.station]\nat = 104\nlength = {texts}\n\
            [columns.key_version]\nat = 130\nlength = 3\n[columns.algorithm]\nat = 133\nlength = 4\n[columns.tac]\nat = 137\nlength = 8\n"
        )
    };
    let lines: Vec<&str> = LINES.into_iter().filter(|line| !line.contains('é')).collect();
    let file = check_round_trip("GBK in places", &places("gbk", 8), &lines);
    let rows: Vec<&[u8]> = file.split(|byte| *byte == b'\n').collect();
    assert_eq!((rows[0], rows[5], rows.len()), (&b"H000004"[..], &b"T00000400000000065836"[..], 7));
    assert!(rows[1..5].iter().all(|row| row.len() == 167));
    assert_eq!(&rows[1][103..111], &[0xC8, 0xCB, 0xC3, 0xF1, 0xB9, 0xE3, 0xB3, 0xA1]);

    let narrow = back(&places("gbk", 7)).unwrap();
    let unfit = narrow.line(&self::rows(&LINES[..1])[0]).unwrap_err().to_string();
    assert_eq!(unfit, "line: bytes 104 to 110: `人民广场` has 8 bytes, there is room for 7");
    let latin = back(&places("windows-1252", 8)).unwrap();
    let unfit = latin.line(&self::rows(&LINES[..1])[0]).unwrap_err().to_string();
    assert_eq!(unfit, "line: bytes 104 to 111: `人民广场` has a character that windows-1252 does not have");
}

#[test]
fn values_that_follow_from_others_are_compared() {
    let text = "[tables.home.prefixes]\n30 = \"cu-3000\"\n26 = \"tu-2610\"\n\
        [columns.issuer]\ncolumn = \"card\"\ntable = \"home\"\n\
        [columns.terminal_seq]\nderive = \"second\"\n[columns.type]\nconstant = \"06\"\n";
    let mut line = LINES[3].replace(",43,", ",589075200,");
    check_round_trip("derived", &columns(text), &[&line]);
    let back = back(&columns(text)).unwrap();
    let unfit = |line: &str| {
        let row = rows(&[line])[0].clone();
        let tried = Tried { line: back.line(&row).unwrap(), row };
        back.verify(&[tried]).unwrap().remove(0).unwrap().to_string()
    };
    assert_eq!(
        unfit(LINES[3]),
        "terminal_seq: `43` comes back as `589075200`: the other layout cannot hold it"
    );
    line = line.replace("cu-3000", "cu-2000");
    assert_eq!(unfit(&line), "issuer: `cu-2000` comes back as `cu-3000`: the other layout cannot hold it");
    line = line.replace("cu-2000", "cu-3000").replace(",06,", ",09,");
    assert_eq!(unfit(&line), "type: `09` comes back as `06`: the other layout cannot hold it");
}

#[test]
fn what_does_not_fit_is_named() {
    let check = |text: &str, line: &str, want: &str| {
        let back = back(&columns(text)).unwrap_or_else(|error| panic!("{text}: {error}"));
        let row = rows(&[line])[0].clone();
        let unfit = match back.line(&row) {
            Err(unfit) => Some(unfit),
            Ok(line) => back.verify(&[Tried { line, row }]).unwrap().remove(0),
        };
        let unfit = unfit.unwrap_or_else(|| panic!("{text} takes {line}")).to_string();
        assert!(unfit.contains(want), "{text}: {unfit}");
    };
    let [first, second, ..] = LINES;
    check(
        "[columns.terminal]\ncolumn = \"t\"\nprefix = \"30\"\n",
        first,
        "terminal: `200000000001` does not begin",
    );
    check(
        "[columns.terminal]\ncolumn = \"t\"\nform = \"bcd\"\n",
        LINES[2],
        "terminal: `2000FFFFFFFF` has letters",
    );
    check(
        "[columns.issuer]\ncolumn = \"i\"\nscheme = \"cu\"\n",
        second,
        "issuer: `tu-2610` is not of scheme cu",
    );
    check(
        "[columns.sector]\ncolumn = \"k\"\nvalues = { b = \"bus\" }\n",
        first,
        "sector: no text of the mapping's table stands for `metro`",
    );
    check(
        "[columns.fare_fen]\ncolumn = \"amount_fen\"\n",
        first,
        "fare_fen: needs another text in column `amount_fen`",
    );
    check(
        "[columns.amount_fen]\ncolumn = \"a\"\nmultiply = 7\n",
        first,
        "amount_fen: 300 fen are no multiple",
    );
    check(
        "[columns.tapped_at]\ncolumn = \"a\"\nformats = [\"%Y-%m-%d %H:%M\"]\n",
        first,
        "tapped_at: `2018-09-01T08:05:09` comes back as",
    );
    check("[file]\nquote = \"none\"\n", second, "`Bus, 49` has the separator in it");
    check(
        "[file]\nencoding = \"gbk\"\n",
        &first.replace("Metro", "Ω😀"),
        "has a character that GBK does not have",
    );
    check("[file]\nempty = [\"Metro\"]\n", first, "operator: `Metro` comes back as ``");
    check(
        "[[drop]]\ncolumn = \"operator\"\nvalues = [\"Metro\"]\n",
        first,
        "line: the mapping's filters leave",
    );
    check("[file]\ncomment = \"2\"\n", first, "line: the mapping's filters leave");
}

#[test]
fn a_mapping_that_cannot_be_turned_round_names_the_column() {
    let check = |text: &str, want: &str| {
        let error = back(text).err().unwrap_or_else(|| panic!("{text} can be turned round")).to_string();
        assert!(error.contains(want), "{text}: {error}");
    };
    let check_column = |text: &str, want: &str| check(&columns(text), want);
    check_column(
        "[columns.card]\ncolumn = \"c\"\nform = \"digest\"\n",
        "column `card` cannot be written back: a digest",
    );
    check_column(
        "[columns.station]\ncolumn = \"s\"\nsplit = \"/\"\npart = 2\n",
        "column `station` cannot be written back: it is a part",
    );
    check_column(
        "[tables.home.prefixes]\n30 = \"cu-3000\"\n[columns.issuer]\ncolumn = \"c\"\ntable = \"home\"\n",
        "column `issuer` cannot be written back: a table of beginnings",
    );
    check_column(
        "[columns.sector]\ncolumn = \"k\"\nvalues = { a = \"bus\", b = \"bus\" }\n",
        "the texts `a` and `b` both stand for it",
    );
    check_column(
        "[columns.terminal_seq]\nderive = \"count\"\n",
        "column `terminal_seq` cannot be written back: it is counted",
    );
    check_column(
        "[columns.tapped_at]\njoin = [\"d\", \"t\"]\nformats = [\"%Y%m%d%H%M%S\"]\n",
        "column `tapped_at` cannot be written back: it joins columns with nothing between",
    );
    check_column(
        "[header]\nstarts_with = \"H\"\n[columns.operator]\nheader = 2\n",
        "column `operator` cannot be written back: it comes from the header",
    );
    check_column(
        "[fields.x]\ncolumn = \"y\"\nupper = true\n[columns.operator]\ncolumn = \"x\"\n",
        "the field `x` that it comes from is edited",
    );
    check("[columns.tac]\ncolumn = \"tac\"\n", "makes no column `terminal`");
    let pairing =
        "[pairing]\ncard = \"card\"\nkind = \"type\"\nentry = [\"1\"]\nexit = [\"2\"]\nrows = \"in_order\"\n";
    check_column(pairing, "[pairing] makes one record of two rows");
}

/// The layouts that the documentation shows: each goes back, or says why not.
#[test]
fn the_examples_go_back_or_say_why_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    let of = |name: &str| Back::load(&folder.join(name)).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(of("examples/harbour.toml"), Ok(()));
    assert!(
        of("examples/northern.toml").unwrap_err().contains("column `terminal_seq` cannot be written back")
    );
    assert!(of("examples/riverside.toml").unwrap_err().contains("column `tapped_at` cannot be written back"));
    assert!(of("examples/valley.toml").unwrap_err().contains("[pairing]"));
    assert!(of("shenzhen.toml").unwrap_err().contains("makes no column `terminal_seq`"));

    let mapping = Mapping::load(&folder.join("examples/harbour.toml")).unwrap();
    let file = std::fs::read(folder.join("examples/harbour.csv")).unwrap();
    let mut reader = mapping.reader(&*file).unwrap();
    let mut rows = Vec::new();
    while let Some(mapped) = reader.next_row().unwrap() {
        if let Mapped::Row(row) = mapped {
            rows.push(row.clone());
        }
    }
    assert!(!rows.is_empty());
    let again = written(&Back::load(&folder.join("examples/harbour.toml")).unwrap(), &rows);
    let mut reader = mapping.reader(&*again).unwrap();
    for row in rows {
        let Some(Mapped::Row(came)) = reader.next_row().unwrap() else { panic!("{row:?} did not come back") };
        assert_eq!(MappedRow { line: row.line, ..came.clone() }, row);
    }
}
