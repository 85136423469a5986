use super::*;

mod controls;
mod damage;
mod encodings;
mod examples;
mod numbers;
mod texts;
mod times;
mod trips;

fn mapping(text: &str) -> Result<Mapping, MappingError> {
    Mapping::parse(&format!("layout = \"cityunion-mapping/1\"\n{text}"))
}

fn rows(mapping: &Mapping, file: &str) -> (Vec<Result<MappedRow, String>>, u64) {
    let mut reader = mapping.reader(file.as_bytes()).unwrap();
    let mut all = Vec::new();
    while let Some(row) = reader.next_row().unwrap() {
        all.push(match row {
            Mapped::Row(row) => Ok(row.clone()),
            Mapped::Bad(bad) => Err(bad.to_string()),
        });
    }
    (all, reader.dropped())
}

/// Every row of a file as text, and how its end is.
fn texts_of(mapping: &Mapping, file: &[u8]) -> (Vec<String>, Result<Counts, String>) {
    let mut reader = match mapping.reader(file) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Err(error.to_string())),
    };
    let mut all = Vec::new();
    loop {
        match reader.next_row() {
            Ok(None) => return (all, Ok(reader.counts())),
            Err(error) => return (all, Err(error.to_string())),
            Ok(Some(Mapped::Bad(bad))) => all.push(bad.to_string()),
            Ok(Some(Mapped::Row(row))) => {
                let mut line = format!("{} ", row.line).into_bytes();
                row.write_line(&mut line);
                all.push(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
        }
    }
}

/// One column made from one field.
fn one(target: &str, settings: &str, field: &str) -> Result<MappedRow, String> {
    let mapping = mapping(&format!("[columns.{target}]\ncolumn = \"x\"\n{settings}")).unwrap();
    let (mut rows, _) = rows(&mapping, &format!("x,y\n{field},\n"));
    rows.remove(0)
}

#[test]
fn the_example_of_the_documentation_is_a_mapping() {
    let source = include_str!("../mapping.rs");
    let example: Vec<&str> = source
        .lines()
        .skip_while(|line| *line != "//! ```toml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| line.trim_start_matches("//!").trim_start())
        .collect();
    let mapping = Mapping::parse(&example.join("\n")).unwrap();
    let file = "time;kind;gate;charged\n\
                2018-09-01 11:17:55;exit;263035112;3.8\n\
                20180901111756;entry;263035112;0\n\
                20180901111757;other;1;12.05\n";
    let (rows, dropped) = rows(&mapping, file);
    assert_eq!(dropped, 1);
    let first = rows[0].as_ref().unwrap();
    assert_eq!(first.terminal, Some([0x51, 0x80, 0x0F, 0xAD, 0x98, 0xE8]));
    assert_eq!(first.tapped_at.map(|t| t.to_string()), Some("2018-09-01T11:17:55".to_owned()));
    assert_eq!((first.amount_fen, first.sector), (Some(380), Some(domain::tap::Sector::Metro)));
    assert_eq!((first.medium, first.fare_fen), (Some(domain::tap::Medium::Cpu), None));
    let second = rows[1].as_ref().unwrap();
    assert_eq!((second.line, second.amount_fen), (4, Some(1205)));
    assert_eq!(second.sector, Some(domain::tap::Sector::Retail));
    assert!(mapping.missing().any(|column| column == Column::Tac));
}

#[test]
fn amounts_are_exact_in_both_units() {
    let yuan = |field: &str| one("amount_fen", "unit = \"yuan\"", field).map(|row| row.amount_fen.unwrap());
    let fen = |field: &str| one("fare_fen", "", field).map(|row| row.fare_fen.unwrap());
    let good = [
        ("0", 0),
        ("3", 300),
        ("3.8", 380),
        ("3.80", 380),
        ("003.05", 305),
        ("42949672.95", u32::MAX),
        (".5", 50),
        ("5.", 500),
        ("+3.5", 350),
        ("-0.00", 0),
    ];
    for (field, want) in good {
        assert_eq!(yuan(field), Ok(want), "{field}");
    }
    for field in ["", ".", "3.805", "-1", "--1", "+-1", "1e3", "3,80", "42949672.96", "99999999999"] {
        let field = if field.contains(',') { format!("\"{field}\"") } else { field.to_owned() };
        let error = yuan(&field).unwrap_err();
        assert!(error.starts_with("line 2: amount_fen: "), "{field}: {error}");
    }
    assert!(yuan("42949672.96").unwrap_err().contains("too large; an amount is at most"));
    assert_eq!((fen("0380"), fen(" 7 "), fen("4294967295")), (Ok(380), Ok(7), Ok(u32::MAX)));
    assert!(fen("3.8").is_err() && fen("4294967296").is_err() && fen("").is_err());
}

#[test]
fn terminals_are_padded_and_prefixed() {
    let terminal = |settings: &str, field: &str| one("terminal", settings, field).ok()?.terminal;
    assert_eq!(terminal("", "ab12"), Some([0, 0, 0, 0, 0xAB, 0x12]));
    assert_eq!(terminal("prefix = \"5180\"", "1"), Some([0x51, 0x80, 0, 0, 0, 1]));
    let decimal = "form = \"decimal\"\nprefix = \"5180\"";
    assert_eq!(terminal(decimal, "4294967295"), Some([0x51, 0x80, 0xFF, 0xFF, 0xFF, 0xFF]));
    for (settings, field) in [(decimal, "4294967296"), (decimal, "1F"), (decimal, ""), ("", "G"), ("", "+1")]
    {
        assert_eq!(terminal(settings, field), None, "{settings} {field}");
    }
}

#[test]
fn times_are_read_by_the_first_format_that_fits() {
    let settings = "formats = [\"%d/%m/%Y %H.%M\", \"%Y%m%d\", \"%Y-%m-%d %H:%M:%S\"]";
    let time = |field: &str| one("tapped_at", settings, field).ok()?.tapped_at.map(|t| t.to_string());
    assert_eq!(time("31/08/2018 21.15").as_deref(), Some("2018-08-31T21:15:00"));
    assert_eq!(time("20180901").as_deref(), Some("2018-09-01T00:00:00"));
    assert_eq!(time("2018-09-01 05:24:59").as_deref(), Some("2018-09-01T05:24:59"));
    for field in ["", "2018-09-31 05:24:59", "2018-09-01 24:00:00", "2018-09-01 05:24:59 ", "201809011"] {
        assert_eq!(time(field).is_some(), field.ends_with(' '), "{field}");
    }
}

#[test]
fn columns_are_found_by_name_in_any_order() {
    let mapping = mapping("[columns.operator]\ncolumn = \"o\"\n[columns.station]\ncolumn = \"s\"").unwrap();
    for file in ["o,s,z\nA,B,1\n", "z,s,o\n1,B,A\n", "\u{FEFF}\"s\", o ,z\r\nB, A,1\r\n"] {
        let (rows, _) = rows(&mapping, file);
        let row = rows[0].as_ref().unwrap();
        assert_eq!((row.operator.as_deref(), row.station.as_deref()), (Some("A"), Some("B")), "{file:?}");
    }
    let error = |file: &str| mapping.reader(file.as_bytes()).err().map(|error| error.to_string());
    let missing = error("o,z,S_,kind\n").unwrap();
    assert!(missing.contains("column `s`") && missing.contains("(did you mean `S_`?)"), "{missing}");
    assert!(missing.ends_with("its columns are: `o`, `z`, `S_`, `kind`"), "{missing}");
    let twice = error("o,s,s\n").unwrap();
    assert!(twice.contains("names column `s` 2 times, as columns 2 and 3"), "{twice}");
    assert!(twice.contains("`column = 2`"), "{twice}");
    assert!(error("").unwrap().contains("no readable line of column names"));
}

#[test]
fn a_bad_row_is_named_and_the_rest_goes_on() {
    let mapping = mapping("[columns.sector]\ncolumn = \"k\"\nvalues = { a = \"bus\" }").unwrap();
    let (rows, dropped) = rows(&mapping, "k,l\na,\nb,\na\n\n\"a,\na,\n");
    let rows: Vec<String> =
        rows.into_iter().map(|row| row.map_or_else(|bad| bad, |row| row.line.to_string())).collect();
    let want = [
        "2",
        "line 3: sector: `b` is not in the mapping's value table",
        "line 4: line: wrong number of columns: 1 instead of 2",
        "line 6: line: bad quoting",
        "7",
    ];
    assert_eq!((rows, dropped), (want.map(str::to_owned).to_vec(), 0));
}

#[test]
fn a_wrong_mapping_names_what_is_wrong() {
    let table = [
        ("[columns.fare]\ncolumn = \"x\"", "[columns.fare] is no column"),
        ("[columns.tac]\n", "[columns.tac] needs either `column` or `constant`"),
        ("[columns.tac]\ncolumn = \"x\"\nconstant = \"0\"", "needs either `column` or `constant`"),
        ("[columns.tac]\ncolumn = \"x\"\nunit = \"fen\"", "has `unit`"),
        ("[columns.fare_fen]\ncolumn = \"x\"\nfloat = true\ndecimal = \",\"", "either `float` or `decimal`"),
        ("[columns.fare_fen]\ncolumn = \"x\"\nthousands = \".\"", "add decimal = \",\""),
        ("[columns.medium]\nconstant = \"card\"", "[columns.medium] `card`: expected cpu"),
        ("[columns.medium]\ncolumn = \"x\"\nvalues = { a = \"card\" }", "`card`: expected cpu"),
        ("[columns.medium]\ncolumn = \"x\"\ndefault = \"cpu\"", "has a `default` but no `values`"),
        ("[columns.medium]\nconstant = \"cpu\"\ndefault = \"cpu\"", "has a constant"),
        ("[columns.tapped_at]\ncolumn = \"x\"\nformats = [\"%Q%m%d\"]", "has format `%Q%m%d`; known are"),
        ("[columns.tapped_at]\ncolumn = \"x\"\nformats = [\"%H:%M\"]", "lacks one of"),
        ("[columns.tapped_at]\ncolumn = \"x\"\nformats = []", "empty list"),
        ("[columns.terminal]\ncolumn = \"x\"\nprefix = \"518000000000\"", "has prefix"),
        ("[columns.terminal]\ncolumn = \"x\"\nprefix = \"深\"", "has prefix"),
        ("[columns.terminal]\ncolumn = \"x\"\npadding = 3", "unknown field `padding`"),
        ("[columns]\n[file]\nencoding = \"gbq\"", "file.encoding = \"gbq\"; expected the name of"),
        ("[columns]\n[file]\nseparator = \",,\"", "expected one ASCII character"),
        ("[columns]\n[extra]\n", "unknown field `extra`"),
    ];
    for (text, want) in table {
        let error = runtime::whole_text(&mapping(text).unwrap_err());
        assert!(error.contains(want), "{text}: {error}");
    }
    let other = Mapping::parse("layout = \"other/1\"\n[columns]").unwrap_err().to_string();
    assert!(other.contains("expected cityunion-mapping/1"), "{other}");
}

/// The real file, where it is at hand.
pub(crate) fn shared(name: &str) -> Option<std::fs::File> {
    let folder = std::env::var_os("CU_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        std::path::PathBuf::from,
    );
    std::fs::File::open(folder.join("data").join(name)).ok()
}

#[test]
fn the_shenzhen_mapping_reads_the_real_file_whole() {
    let mapping = Mapping::parse(include_str!("../../mappings/shenzhen.toml")).unwrap();
    let Some(file) = shared("shenzhen-2018-09-01.csv") else { return };
    let mut reader = mapping.reader(file).unwrap();
    let (mut rows, mut first) = (0, None);
    while let Some(row) = reader.next_row().unwrap() {
        let Mapped::Row(row) = row else { panic!("{row:?}") };
        rows += 1;
        first.get_or_insert_with(|| row.clone());
    }
    assert_eq!((rows, reader.dropped()), (27_380, 9_620));
    let first = first.unwrap();
    assert_eq!((first.line, first.amount_fen, first.fare_fen), (3, Some(380), Some(400)));
    assert_eq!(first.terminal, Some([0x51, 0x80, 0x0F, 0xAD, 0x98, 0xE8]));
    assert_eq!(first.station.as_deref(), Some("太安"));
}
