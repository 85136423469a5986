//! `convert`, both ways.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use city_adapter::tapfile::HEADER;
use tempfile::TempDir;

use crate::{
    mapping::gbk,
    support::{arguments, cityunion, columns, command},
};

pub const MAPPING: &str = r#"layout = "cityunion-mapping/1"
[file]
fixed = true
encoding = "gbk"
[header]
starts_with = "H"
records = { at = 2, length = 6 }
[trailer]
starts_with = "T"
records = { at = 2, length = 6 }
amount = { at = 8, length = 12 }
[columns]
terminal = { at = 2, length = 12 }
terminal_seq = { at = 14, length = 9 }
issuer = { at = 23, length = 7 }
card = { at = 30, length = 16 }
card_counter = { at = 46, length = 5 }
type = { at = 51, length = 2 }
amount_fen = { at = 53, length = 8, form = "hex-le" }
fare_fen = { at = 61, length = 8, form = "hex-le" }
tapped_at = { at = 69, length = 14, formats = ["%Y%m%d%H%M%S"] }
medium = { constant = "cpu" }
sector = { at = 83, length = 1, values = { "1" = "bus", "2" = "metro" } }
product = { constant = "flat" }
station = { at = 84, length = 10 }
key_version = { constant = "1" }
algorithm = { constant = "3des" }
tac = { at = 94, length = 8 }
"#;

fn tap(seq: u32, amount: u32, sector: &str, station: &str) -> String {
    format!(
        "200000000001,{seq},cu-3000,3000000000000017,812,06,{amount},400,2018-09-01T08:05:09,cpu,{sector},flat,,,{station},1,3des,C8AF6E7A\n"
    )
}

struct Folder {
    folder: TempDir,
    mapping: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mapping = folder.path().join("map.toml");
        fs::write(&mapping, MAPPING).unwrap();
        Self { folder, mapping }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

const FORTH: &str = "convert --mapping {} {} --out {}";
const BACK: &str = "convert --mapping {} --back {} --out {}";

#[test]
fn taps_go_into_a_foreign_layout_and_come_back_to_the_byte() {
    let folder = Folder::new();
    let taps: String =
        (0..4500).map(|n| tap(n, n * 7, ["bus", "metro"][n as usize % 2], "人民广场")).collect();
    let canonical = folder.write("taps.csv", format!("{HEADER}\n{taps}").as_bytes());
    let [foreign, again] = ["foreign.dat", "again.csv"].map(|name| folder.path(name));
    let ran = cityunion(BACK, &[&folder.mapping, &canonical, &foreign]).ok();
    assert!(ran.stdout.contains("4,500 lines in") && ran.stderr.is_empty(), "{ran:?}");
    let bytes = fs::read(&foreign).unwrap();
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    assert_eq!((lines[0], lines[4501]), (&b"H004500"[..], &b"T004500000070859250"[..]));
    assert_eq!(
        lines[2],
        gbk(
            " 200000000001000000001cu-3000300000000000001700812060700000090010000201809010805092{}  C8AF6E7A"
        )
    );
    cityunion(FORTH, &[&folder.mapping, &foreign, &again]).ok();
    assert!(fs::read(&again).unwrap() == fs::read(&canonical).unwrap(), "the taps are not the same");
    assert_eq!(folder.names(), ["again.csv", "foreign.dat", "map.toml", "taps.csv"]);
}

#[test]
fn lines_that_cannot_be_written_are_named_and_the_rest_goes_on() {
    let folder = Folder::new();
    let taps = [
        tap(1, 100, "bus", "A"),
        tap(2, 100, "taxi", "A"),
        tap(3, 100, "bus", "much too long a name"),
        "x\n".to_owned(),
        tap(4, 100, "bus", "😀"),
        tap(5, 100, "bus", "A").replace(",1,3des", ",1,sm4"),
        tap(6, 100, "metro", "A"),
    ];
    let canonical = folder.write("taps.csv", format!("{HEADER}\n{}", taps.concat()).as_bytes());
    let foreign = folder.path("foreign.dat");
    let ran = cityunion(BACK, &[&folder.mapping, &canonical, &foreign]).ok();
    assert!(ran.stdout.contains("5 lines could not be converted"), "{}", ran.stdout);
    let quarantine = folder.path("foreign.dat.quarantine.csv");
    assert_eq!(
        columns(&quarantine, &["line", "column"]),
        ["1 header", "3 sector", "4 line", "5 line", "6 line", "7 algorithm"]
    );
    let reasons = columns(&quarantine, &["reason", "raw"]).join("\n");
    for word in
        ["stands for `taxi`", "room for 10", "GBK does not have", "`sm4` comes back as `3des`", ",taxi,flat,"]
    {
        assert!(reasons.contains(word), "{word}: {reasons}");
    }
    let bytes = fs::read(&foreign).unwrap();
    assert!(
        bytes.starts_with(b"H000002\n") && bytes.ends_with(b"T000002000000000200\n"),
        "{}",
        String::from_utf8_lossy(&bytes)
    );
}

#[test]
fn a_file_of_which_nothing_can_be_converted_fails() {
    let folder = Folder::new();
    let foreign = folder.write("foreign.dat", b"H000001\nxx\nT000001000000000000\n");
    let out = folder.path("taps.csv");
    let ran = cityunion(FORTH, &[&folder.mapping, &foreign, &out]).exits(1);
    assert!(ran.stderr.contains("none of 1 lines could be converted"), "{}", ran.stderr);
    let quarantined = columns(&folder.path("taps.csv.quarantine.csv"), &["line", "column"]);
    assert_eq!(quarantined, ["1 header", "2 terminal", "3 trailer"]);
}

#[test]
fn rows_that_cannot_be_read_go_to_the_quarantine_with_their_text() {
    let folder = Folder::new();
    let row = |seq: &str, day: &str| {
        gbk(&format!(
            " 200000000001{seq}cu-30003000000000000017008120607000000900100002018{day}0805091{{}}  C8AF6E7A\n"
        ))
    };
    let mut file = b"H000003\n".to_vec();
    file.extend(row("000000001", "0901"));
    file.extend(row("00000000x", "0901"));
    file.extend(row("000000003", "0931"));
    file.extend(b"T000003000000000021\n");
    let foreign = folder.write("foreign.dat", &file);
    let (out, quarantine) = (folder.path("taps.csv"), folder.path("bad.csv"));
    let words = "convert --mapping {} {} --out {} --quarantine {} -o json";
    let ran = cityunion(words, &[&folder.mapping, &foreign, &out, &quarantine]).ok();
    assert!(ran.stdout.contains("\"malformed\": 2"), "{}", ran.stdout);
    assert_eq!(
        columns(&quarantine, &["line", "column"]),
        ["1 header", "3 terminal_seq", "4 tapped_at", "5 trailer"]
    );
    let raw = &columns(&quarantine, &["raw"])[1];
    assert!(raw.contains("00000000xcu-3000") && raw.contains("人民广场"), "{raw}");
    assert_eq!(fs::read_to_string(&out).unwrap(), format!("{HEADER}\n{}", tap(1, 7, "bus", "人民广场")));
}

#[test]
fn a_file_that_would_be_refused_leaves_nothing() {
    let folder = Folder::new();
    let foreign = folder.write("foreign.dat", b"H000001\nT000001000000000000\n");
    let out = folder.path("taps.csv");
    cityunion(FORTH, &[&folder.mapping, &foreign, &out]).exits(1).says(&[
        "nothing was written",
        "records 1",
        "0 data lines",
    ]);
    let canonical = folder.write("other.csv", b"a,b\n");
    cityunion(BACK, &[&folder.mapping, &canonical, &out])
        .exits(1)
        .says(&["other.csv", "line 1 is not the header"]);
    assert_eq!(folder.names(), ["foreign.dat", "map.toml", "other.csv"]);
}

#[test]
fn nothing_is_overwritten_and_what_cannot_be_turned_round_is_said() {
    let folder = Folder::new();
    let canonical = folder.write("taps.csv", format!("{HEADER}\n{}", tap(1, 1, "bus", "")).as_bytes());
    let taken = folder.write("taken.dat", b"precious");
    cityunion(BACK, &[&folder.mapping, &canonical, &taken])
        .exits(1)
        .says(&["taken.dat exists", "not overwritten"]);
    assert_eq!(fs::read(&taken).unwrap(), b"precious");
    let out = folder.path("out.dat");
    folder.write("out.dat.quarantine.csv", b"");
    cityunion(BACK, &[&folder.mapping, &canonical, &out]).exits(1).says(&["out.dat.quarantine.csv exists"]);
    let open = MAPPING.replace("at = 30, length = 16 }", "at = 30, length = 16, form = \"digest\" }");
    let open = folder.write("open.toml", open.as_bytes());
    let other = folder.path("other.dat");
    cityunion(BACK, &[&open, &canonical, &other])
        .exits(1)
        .says(&["column `card` cannot be written back", "digest"]);
    let less = MAPPING.replace("tac = { at = 94, length = 8 }\n", "");
    let less = folder.write("less.toml", less.as_bytes());
    cityunion(FORTH, &[&less, &canonical, &other]).exits(1).says(&["mapping check", "tac"]);
    assert!(!other.exists());
}

/// Runs the program with bytes on its standard input.
fn piped(words: &str, paths: &[&Path], input: &[u8]) -> (Option<i32>, Vec<u8>, String) {
    let mut command = command(arguments(words, paths));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let done = child.wait_with_output().unwrap();
    (done.status.code(), done.stdout, String::from_utf8(done.stderr).unwrap())
}

#[test]
fn it_stands_in_a_pipe() {
    let folder = Folder::new();
    let file = [b"H000001\n".to_vec(), gbk(" 200000000001000000001cu-3000300000000000001700812060700000090010000201809010805091{}  C8AF6E7A\n"), b"T000001000000000007\n".to_vec()].concat();
    let (code, stdout, stderr) = piped("convert --mapping {} - --out -", &[&folder.mapping], &file);
    let taps = format!("{HEADER}\n{}", tap(1, 7, "bus", "人民广场"));
    assert_eq!((code, String::from_utf8(stdout).unwrap(), stderr), (Some(0), taps.clone(), String::new()));

    // The header of this layout says how many lines follow: a pipe cannot be read twice.
    let (code, _, stderr) =
        piped("convert --mapping {} --back - --out -", &[&folder.mapping], taps.as_bytes());
    assert_eq!(code, Some(1));
    assert!(stderr.contains("name a file"), "{stderr}");
    let plain = MAPPING.replace("[header]\nstarts_with = \"H\"\nrecords = { at = 2, length = 6 }\n", "");
    let plain = folder.write("plain.toml", plain.as_bytes());
    let bad = format!("{taps}{}", tap(2, 1, "taxi", ""));
    let (code, stdout, stderr) = piped("convert --mapping {} --back - --out -", &[&plain], bad.as_bytes());
    assert_eq!((code, stdout), (Some(0), file["H000001\n".len()..].to_vec()));
    assert!(stderr.contains("line 3: sector: no text"), "{stderr}");
}
