//! `mapping check` and `mapping guess`, as a city's engineer uses them.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, cityunion};

const MAPPING: &str = r#"layout = "cityunion-mapping/1"
[file]
separator = "semicolon"
encoding = "gbk"
[[drop]]
column = "kind"
values = ["in"]
[columns.terminal]
column = "gate"
prefix = "2000"
[columns.terminal_seq]
column = "seq"
[columns.issuer]
column = "home"
[columns.card]
column = "card"
form = "bcd"
[columns.card_counter]
constant = "0"
[columns.type]
constant = "06"
[columns.amount_fen]
column = "paid"
unit = "yuan"
[columns.fare_fen]
column = "paid"
unit = "yuan"
[columns.tapped_at]
column = "time"
formats = ["%d.%m.%Y %H:%M"]
[columns.medium]
constant = "cpu"
[columns.sector]
column = "kind"
values = { out = "metro", bus = "bus" }
[columns.product]
constant = "flat"
[columns.station]
column = "stop"
[columns.key_version]
constant = "1"
[columns.algorithm]
constant = "sm4"
"#;
const TAC: &str = "[columns.tac]\ncolumn = \"tac\"\n";

/// Lines of the sample; `{}` is a station in GBK.
const SAMPLE: &str = "gate;seq;home;card;paid;time;kind;stop;tac;remark\n\
    01;1;cu-3000;3000000000000017;3.5;01.09.2018 08:05;out;{};0A0B0C0D;\n\
    01;2;cu-3000;3000000000000017;0;01.09.2018 07:45;in;{};0A0B0C0D;\n\
    02;9;cu-2000;2000000000000005;2;01.09.2018 08:06;bus;{};0A0B0C0D;\n\
    02;10;cu-3000;3000000000000017;2;01.09.2018 08:06;tram;{};0A0B0C0D;\n\
    02;11;cu-3000;3000000000000017;-2;01.09.2018 08:06;bus;{};0A0B0C0D;\n\
    02;12;cu-3000\n";
/// 人民广场 in GBK.
const STATION: &[u8] = b"\xC8\xCB\xC3\xF1\xB9\xE3\xB3\xA1";

pub fn gbk(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in text.split("{}").enumerate() {
        if index > 0 {
            bytes.extend_from_slice(STATION);
        }
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

fn files(folder: &Path, mapping: &str, sample: &[u8]) -> [std::path::PathBuf; 2] {
    let [mapping_file, sample_file] = ["map.toml", "sample.csv"].map(|name| folder.join(name));
    fs::write(&mapping_file, mapping).unwrap();
    fs::write(&sample_file, sample).unwrap();
    [mapping_file, sample_file]
}

fn check(mapping: &str, sample: &[u8], more: &str) -> Ran {
    let folder = TempDir::new().unwrap();
    let [mapping, sample] = files(folder.path(), mapping, sample);
    cityunion(&format!("mapping check {{}} --sample {{}} {more}"), &[&mapping, &sample])
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

fn counts(document: &Value) -> Vec<(String, u64)> {
    let rows = document["rows"].as_array().unwrap();
    rows.iter().map(|row| (row["what"].as_str().unwrap().to_owned(), row["rows"].as_u64().unwrap())).collect()
}

#[test]
fn a_check_shows_what_would_be_taken_and_why_the_rest_not() {
    let mapping = format!("{MAPPING}{TAC}");
    let ran = check(&mapping, &gbk(SAMPLE), "--city cu-2000 --rows 1 -o json").ok();
    let found = json(&ran);
    assert_eq!(found["can_present_taps"], true);
    let first = found["first_rows"].as_array().unwrap();
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0]["file_line"], 2);
    assert_eq!(first[0]["terminal"], "200000000001");
    assert_eq!(
        (&first[0]["amount_fen"], &first[0]["tapped_at"]),
        (&350.into(), &"2018-09-01T08:05:00".into())
    );
    assert_eq!((&first[0]["station"], &first[0]["sector"]), (&"人民广场".into(), &"metro".into()));
    let want = [
        ("taken", 2),
        ("of these local, left to the city", 1),
        ("malformed", 3),
        ("dropped by the mapping's filters", 1),
    ];
    assert_eq!(counts(&found), want.map(|(what, rows)| (what.to_owned(), rows)));
    let bad: Vec<String> = found["malformed_rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            format!("{} {} {}", row["line"], row["column"].as_str().unwrap(), row["raw"].as_str().unwrap())
        })
        .collect();
    assert_eq!(bad[2], "7 line 02;12;cu-3000");
    assert!(bad[0].starts_with("5 sector 02;10;") && bad[0].contains("人民广场"), "{bad:?}");
    assert!(bad[1].starts_with("6 amount_fen 02;11;"), "{bad:?}");
    assert_eq!(found["columns_not_used"][0]["column"], "remark");
    let missing: Vec<&str> = found["missing_columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["column"].as_str().unwrap())
        .collect();
    assert_eq!(missing, ["operator", "line"]);

    let table = check(&mapping, &gbk(SAMPLE), "").ok().stdout;
    assert!(
        table.contains("人民广场")
            && table.contains("3.50")
            && table.contains("2 rows would be taken; 3 would be quarantined"),
        "{table}"
    );
    let csv = check(&mapping, &gbk(SAMPLE), "-o csv").ok().stdout;
    assert!(csv.contains("\nwhat,rows\ntaken,2\nmalformed,3\n"), "{csv}");
}

#[test]
fn a_check_ends_with_1_if_no_tap_can_be_presented() {
    let lacking = check(MAPPING, &gbk(SAMPLE), "").exits(1);
    assert!(lacking.stdout.contains("no tap can be presented: 1 columns are missing"), "{}", lacking.stdout);
    assert!(lacking.stdout.contains("the terminals must deliver it"), "{}", lacking.stdout);
    let mapping = format!("{MAPPING}{TAC}");
    let none = check(&mapping, b"gate;seq;home;card;paid;time;kind;stop;tac\n1;2\n", "").exits(1);
    assert!(none.stdout.contains("the sample has no good row"), "{}", none.stdout);
    let trailer = format!("{mapping}[trailer]\nstarts_with = \"END\"\nrecords = {{ column = 2 }}\n");
    let sample = [gbk(SAMPLE), b"END;7\n".to_vec()].concat();
    let refused = check(&trailer, &sample, "").exits(1);
    assert!(
        refused.stdout.contains("the whole file would be refused") && refused.stdout.contains("records 7"),
        "{}",
        refused.stdout
    );
    let good = [gbk(SAMPLE), b"END;6\n".to_vec()].concat();
    check(&trailer, &good, "").ok();
}

#[test]
fn what_cannot_be_checked_is_said() {
    let mapping = format!("{MAPPING}{TAC}");
    let other = b"gates;seq;home;card;paid;time;kind;stop;tac\n";
    check(&mapping, other, "").exits(1).says(&["sample.csv is no file of this mapping", "`gate`", "gates"]);
    check("layout = \"cityunion-mapping/1\"\n[columns.fare]\nconstant = \"1\"\n", b"", "").exits(1).says(&[
        "map.toml",
        "[columns.fare]",
        "docs/mappings.md",
    ]);
    let folder = TempDir::new().unwrap();
    let [mapping, sample] = files(folder.path(), &mapping, b"x\n");
    let missing = folder.path().join("none.csv");
    cityunion("mapping check {} --sample {}", &[&mapping, &missing])
        .exits(1)
        .says(&["failed to open", "none.csv"]);
    cityunion("mapping check {} --sample {}", &[&missing, &sample]).exits(1).says(&["none.csv"]);
    cityunion("mapping check {} --sample {}", &[&mapping, folder.path()]).exits(1).says(&["is a folder"]);
    cityunion("mapping check {}", &[&mapping]).exits(2).says(&["--sample"]);
}

/// A file of which nobody knows anything: guess, fill in, check, convert.
#[test]
fn a_guess_is_a_start_that_leads_to_taps() {
    let folder = TempDir::new().unwrap();
    let head = "卡号,交易时间,终端编号,流水号,金额,业务类型,线路,站点\n";
    let rows: String = (0..200)
        .map(|n| {
            let kind = ["公交", "地铁"][n % 2];
            let (h, m) = (6 + n % 15, n * 7 % 60);
            format!(
                "30000000000{:05},2018-09-01 {h:02}:{m:02}:11,20000000{:04},{},{}.{}0,{kind},{n}路,站{n}\n",
                n * 31,
                n % 4,
                100 + n,
                n % 9,
                n % 10
            )
        })
        .collect();
    let data = folder.path().join("unknown.csv");
    fs::write(&data, format!("{head}{rows}")).unwrap();
    let guessed = folder.path().join("guessed.toml");
    let ran = cityunion("mapping guess {} --out {}", &[&data, &guessed]).ok();
    assert!(
        ran.stdout
            .contains("found: terminal, terminal_seq, card, amount_fen, tapped_at, sector, line, station"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("to fill in: issuer, card_counter,") && ran.stdout.contains("next:"),
        "{}",
        ran.stdout
    );
    cityunion("mapping check {} --sample {}", &[&guessed, &data]).exits(1);
    cityunion("mapping guess {} --out {}", &[&data, &guessed]).exits(1).says(&["must not exist"]);

    // The same is printed without --out, and from standard input.
    let text = fs::read_to_string(&guessed).unwrap();
    assert_eq!(cityunion("mapping guess {}", &[&data]).ok().stdout, text);

    // What a person does: take the # of a gap away and write what is missing.
    let mut filled = String::new();
    for line in text.lines() {
        let line =
            line.strip_prefix('#').filter(|gap| !gap.starts_with(' ') && !gap.is_empty()).unwrap_or(line);
        filled.push_str(match line {
            "\"?\" = \"cu-0000\"" => "\"3000\" = \"cu-3000\"",
            line => line,
        });
        filled.push('\n');
    }
    let open = |filled: &str, table: &str, settings: &str| {
        let at =
            filled.find(&format!("[columns.{table}]\n")).unwrap_or_else(|| panic!("{table} in {filled}"));
        let rest = &filled[at..];
        let end = rest.find("\n\n").unwrap_or(rest.len());
        format!("{}[columns.{table}]\n{settings}\n{}", &filled[..at], &rest[end..])
    };
    for (table, settings) in [
        ("issuer", "column = \"卡号\"\ntable = \"home\"\n[tables.home.prefixes]\n3000 = \"cu-3000\""),
        ("card_counter", "constant = \"0\""),
        ("fare_fen", "column = \"金额\"\nunit = \"yuan\""),
        ("product", "constant = \"flat\""),
        ("key_version", "constant = \"1\""),
        ("tac", "constant = \"00000000\""),
        ("terminal", "column = \"终端编号\"\nform = \"bcd\""),
    ] {
        filled = open(&filled, table, settings);
    }
    fs::write(&guessed, filled).unwrap();
    let ran = cityunion("mapping check {} --sample {}", &[&guessed, &data]).ok();
    assert!(ran.stdout.contains("all 200 rows would be taken"), "{}", ran.stdout);
    let out = folder.path().join("taps.csv");
    cityunion("convert --mapping {} {} --out {}", &[&guessed, &data, &out]).ok();
    let taps = fs::read_to_string(&out).unwrap();
    let second = "200000000001,101,cu-3000,3000000000000031,0,06,110,110,2018-09-01T07:07:11,cpu,metro,flat,,1路,站1,1,3des,00000000";
    assert_eq!(taps.lines().nth(2), Some(second));
}

#[test]
fn a_guess_says_when_there_is_nothing_to_guess() {
    let folder = TempDir::new().unwrap();
    let [empty, canonical] = ["empty.csv", "canonical.csv"].map(|name| folder.path().join(name));
    fs::write(&empty, "\n\n").unwrap();
    fs::write(&canonical, format!("{}\n", city_adapter::tapfile::HEADER)).unwrap();
    cityunion("mapping guess {}", &[&empty]).exits(1).says(&["empty.csv has no rows"]);
    let ran = cityunion("mapping guess {}", &[&canonical]).ok();
    assert!(ran.stdout.contains("needs no mapping"), "{}", ran.stdout);
    cityunion("mapping guess {}", &[folder.path()]).exits(1).says(&["is a folder"]);
    cityunion("mapping guess {}", &[&folder.path().join("none")]).exits(1).says(&["failed to open"]);
}

/// A kind that first occurs some megabytes in is seen.
#[test]
fn a_guess_looks_further_in_than_the_beginning() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("large.csv");
    let line = |n: u32, kind: &str| {
        format!("{:07},2018-09-01 08:{:02}:{:02},{kind},{}\n", n, n / 60 % 60, n % 60, 100 + n % 7 * 50)
    };
    let mut text = String::from("seq,time,sector,amount\n");
    text.extend((0..60_000).map(|n| line(n, "bus")));
    text.extend((60_000..200_000).map(|n| line(n, "ferry")));
    fs::write(&data, text).unwrap();
    let toml = cityunion("mapping guess {}", &[&data]).ok().stdout;
    assert!(toml.contains("places further in") && toml.contains("`ferry` 54 %"), "{toml}");
}
