//! Mended rows become an upload that the same mapping reads, whatever the file is like.

use std::{
    fs,
    path::{Path, PathBuf},
};

use city_adapter::tapfile::HEADER;
use cu_log::testing::Broker;
use tempfile::TempDir;

use crate::{
    convert::MAPPING,
    edge::{CITY, Edge},
    mapping::gbk,
    support::{Ran, cityunion, columns, wait_for},
};

/// What the files with separators of these tests do not have.
const REST: &str = r#"
[columns]
terminal = { constant = "200000000001" }
issuer = { constant = "cu-3000" }
card_counter = { constant = "1" }
type = { constant = "06" }
medium = { constant = "cpu" }
sector = { constant = "metro" }
product = { constant = "flat" }
key_version = { constant = "1" }
algorithm = { constant = "3des" }
tac = { constant = "00000000" }
terminal_seq = { column = 1 }
card = { column = 2 }
tapped_at = { column = 3, formats = ["%Y-%m-%d %H:%M"] }
amount_fen = { column = 4 }
fare_fen = { column = 4 }
station = { column = 5 }
"#;

/// A city with a mapping and a file of which some lines are bad.
struct Desk {
    folder: TempDir,
}

impl Desk {
    /// Converts the file, so that its bad lines are in the quarantine.
    fn new(mapping: &str, file: &[u8]) -> Self {
        let desk = Self { folder: TempDir::new().unwrap() };
        let here = desk.folder.path().display();
        fs::create_dir(desk.path("inbox")).unwrap();
        fs::write(desk.path("map.toml"), mapping).unwrap();
        fs::write(desk.path("file"), file).unwrap();
        let config = format!(
            "city = \"cu-2000\"\nstate_dir = \"{here}/state\"\ninbox_dir = \"{here}/inbox\"\nout_dir = \"{here}/out\"\n\
             mapping = \"{here}/map.toml\"\n[log]\nkafka = \"127.0.0.1:1\"\n"
        );
        fs::write(desk.path("adapter.toml"), config).unwrap();
        desk.convert("file", "taps");
        desk
    }

    fn with(settings: &str, file: &str) -> Self {
        Self::new(&format!("layout = \"cityunion-mapping/1\"\n{settings}\n{REST}"), file.as_bytes())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn convert(&self, from: &str, to: &str) -> Ran {
        let paths = [self.path("map.toml"), self.path(from), self.path(to)];
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        cityunion("convert --mapping {} {} --out {}", &paths).ok()
    }

    fn quarantine(&self) -> PathBuf {
        self.path("taps.quarantine.csv")
    }

    fn requeue(&self) -> Ran {
        cityunion("adapter requeue {} --config {}", &[&self.quarantine(), &self.path("adapter.toml")])
    }

    fn mend(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.quarantine()).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        fs::write(self.quarantine(), text.replace(from, to)).unwrap();
    }

    /// Mends the rows and sends them; gives the upload, and its lines in the contract's layout.
    fn mended(&self, mends: &[(&str, &str)]) -> (Vec<u8>, String) {
        self.requeue().exits(1).says(&["still malformed"]);
        mends.iter().for_each(|(from, to)| self.mend(from, to));
        self.sent()
    }

    fn sent(&self) -> (Vec<u8>, String) {
        self.requeue().ok();
        let files: Vec<PathBuf> =
            fs::read_dir(self.path("inbox")).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [upload] = &files[..] else { panic!("{files:?}") };
        fs::copy(upload, self.path("again")).unwrap();
        self.convert("again", "taps-again");
        assert!(!self.path("taps-again.quarantine.csv").exists(), "every line of it is good");
        let taps = fs::read_to_string(self.path("taps-again")).unwrap();
        let taps = taps.strip_prefix(&format!("{HEADER}\n")).unwrap();
        (fs::read(upload).unwrap(), taps.to_owned())
    }
}

fn tap(seq: u32, minute: &str, fen: u32, station: &str) -> String {
    format!(
        "200000000001,{seq},cu-3000,00000000000000AA,1,06,{fen},{fen},2018-09-01T{minute}:00,cpu,metro,flat,,,{station},1,3des,00000000\n"
    )
}

#[test]
fn fixed_widths_in_gbk_between_control_lines() {
    let row = |seq: &str, day: &str| {
        gbk(&format!(
            " 200000000001{seq}cu-30003000000000000017008120607000000900100002018{day}0805091{{}}  C8AF6E7A\n"
        ))
    };
    let mut broken = row("000000004", "0901");
    let at = broken.windows(2).position(|two| two == b"\xB3\xA1").unwrap();
    broken[at + 1] = 0xFF;
    let lines = [
        b"H000004\n".to_vec(),
        row("000000001", "0901"),
        row("00000000x", "0901"),
        row("000000003", "0931"),
        broken,
    ];
    let file = [lines.concat(), b"T000004000000000028\n".to_vec()].concat();
    let desk = Desk::new(MAPPING, &file);
    let raws = columns(&desk.quarantine(), &["line", "raw"]);
    assert!(raws[1].contains("00000000xcu-3000") && raws[1].contains("人民广场"), "{raws:?}");
    assert!(raws[3].starts_with("5 ") && raws[3].contains("人民广\\xB3\\xFF "), "{raws:?}");
    let (upload, taps) =
        desk.mended(&[("00000000x", "000000002"), ("20180931", "20180901"), ("\\xB3\\xFF", "场")]);
    let rows = ["000000002", "000000003", "000000004"].map(|seq| row(seq, "0901")).concat();
    assert_eq!(upload, [&b"H000003\n"[..], &rows, b"T000003000000000021\n"].concat());
    assert_eq!(taps.matches(",人民广场,").count(), 3);
}

#[test]
fn utf_16_behind_titles_with_a_last_line_of_figures() {
    let text = "导出\n\nn;card;t;fen;s\n1;AA;2018-09-01 08:00;5;站\n2;AA;2018-09-01 08:01;x;\"a;b\\\"\n\
                3;AA;2018-09-01 08:02;6;c\n\"合计;\";3;11\n";
    let text = format!("\u{FEFF}{text}");
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let settings = "layout = \"cityunion-mapping/1\"\n[file]\nencoding = \"utf-16\"\nskip = 2\nseparator = \";\"\n\
                    [trailer]\nrecords = { column = 2 }\namount = { column = 3 }\n";
    let desk = Desk::new(&format!("{settings}{REST}"), &units);
    let (upload, taps) = desk.mended(&[(";x;", ";7;")]);
    let units: Vec<u16> = upload.as_chunks::<2>().0.iter().map(|two| u16::from_le_bytes(*two)).collect();
    let want = "\u{FEFF}导出\n\nn;card;t;fen;s\n2;AA;2018-09-01 08:01;7;\"a;b\\\"\n\"合计;\";1;7\n";
    assert_eq!(String::from_utf16(&units).unwrap(), want);
    assert_eq!(taps, tap(2, "08:01", 7, "a;b\\"));
    desk.mend(";7;", ";7\\xFF;");
    desk.requeue().exits(2).says(&["line 5", "\\xFF is no character of UTF-16"]);
}

#[test]
fn an_exit_goes_with_its_entry_and_half_a_trip_alone_is_refused() {
    let file = "n,card,t,fen,s,k\n1,AA,2018-09-01 08:00,0,A,in\n2,AA,2018-09-01 08:30,x,B,out\n\
                3,BB,2018-09-01 25:00,0,A,in\n4,CC,2018-09-01 08:00,1,A,ride\n";
    for rows in ["in_order", "any_order"] {
        let pairing = format!(
            "[pairing]\ncard = \"card\"\nkind = \"k\"\nentry = [\"in\"]\nexit = [\"out\"]\nrows = \"{rows}\""
        );
        let rest = REST
            .replace("station = { column = 5 }", "station = { join = [\"entry.s\", \"s\"], with = \">\" }");
        let mapping = format!("layout = \"cityunion-mapping/1\"\n{pairing}\n{rest}");
        let desk = Desk::new(&mapping, file.as_bytes());
        desk.requeue().exits(1).says(&["still malformed"]);
        desk.mend(",x,", ",9,");
        desk.mend(" 25:00", " 09:00");
        desk.requeue().exits(1).says(&["1 of its rows would come to no tap", "entries without exit: 1"]);
        let text = fs::read_to_string(desk.quarantine()).unwrap();
        let kept: Vec<&str> = text.lines().filter(|row| !row.contains(",BB,")).collect();
        fs::write(desk.quarantine(), kept.join("\n")).unwrap();
        let (_, taps) = desk.sent();
        assert_eq!(taps, tap(2, "08:30", 9, "A>B"), "{rows}");
    }
}

#[test]
fn figures_that_cannot_be_written_are_left_to_a_person() {
    let settings = "[file]\nnames = false\n[header]\nstarts_with = \"H\"\nrecords = { column = 2, split = \"/\", part = 2 }";
    let file = "H,of/2\n1,AA,2018-09-01 08:00,5,A\n2,AA,2018-09-01 08:01,x,B\n";
    let desk = Desk::with(settings, file);
    desk.mend(",x,", ",7,");
    desk.requeue().exits(1).says(&["`header`", "records 2, but the file has 1 data lines"]);
    desk.mend("of/2", "of/1");
    let (upload, taps) = desk.sent();
    assert_eq!(String::from_utf8(upload).unwrap(), "H,of/1\n2,AA,2018-09-01 08:01,7,B\n");
    assert_eq!(taps, tap(2, "08:01", 7, "B"));
}

#[test]
fn lines_without_any_head_and_what_cannot_be_sent_alone() {
    let file = "1,AA,2018-09-01 08:00,5,A\n2,AA,2018-09-01 08:01,x,B\n";
    let desk = Desk::with("[file]\nnames = false", file);
    let (upload, _) = desk.mended(&[(",x,", ",7,")]);
    assert_eq!(upload, b"2,AA,2018-09-01 08:01,7,B\n");
    desk.mend("\"2,AA,2018-09-01 08:01,7,B\"", "\"\"");
    desk.requeue().exits(2).says(&["line 2", "raw is empty"]);
    let text = fs::read_to_string(desk.path("map.toml")).unwrap();
    fs::write(
        desk.path("map.toml"),
        text.replace("terminal_seq = { column = 1 }", "terminal_seq = { derive = \"count\" }"),
    )
    .unwrap();
    desk.requeue().exits(1).says(&["derive = \"count\"", "the city's own file"]);
}

#[test]
fn a_mended_line_of_another_layout_is_cleared() {
    let folder = TempDir::new().unwrap();
    let map = folder.path().join("map.toml");
    let rules: String =
        HEADER.split(',').map(|column| format!("{column} = {{ column = \"{column}\" }}\n")).collect();
    let text = format!(
        "layout = \"cityunion-mapping/1\"\n[file]\nencoding = \"gbk\"\nseparator = \"pipe\"\n\
         [trailer]\nstarts_with = \"T\"\nrecords = {{ column = 2 }}\namount = {{ column = 3 }}\n[columns]\n{rules}"
    );
    fs::write(&map, text).unwrap();
    let edge = Edge::new(Broker::shared().bootstrap(), &format!("mapping = \"{}\"", map.display()));
    let _centre = edge.centre();
    let [taps, foreign] = ["taps.csv", "foreign"].map(|name| folder.path().join(name));
    fs::write(&taps, edge.taps(1..=3).replace(",49,,", ",49,人民广场,")).unwrap();
    cityunion("convert --mapping {} --back {} --out {}", &[&map, &taps, &foreign]).ok();
    let mut bytes = fs::read(&foreign).unwrap();
    let at = bytes.windows(11).position(|part| part == b"|3|cu-3000|").unwrap();
    bytes.splice(at + 11..at + 13, *b"zz");
    edge.put("2018-09-01.csv", &bytes);
    let adapter = edge.adapter();
    let archived = |files: u64| {
        wait_for("the archive", || (edge.status()["files_archived"] == files).then_some(()));
    };
    archived(1);
    let quarantine = edge.path("answers/quarantine/2018-09-01.csv");
    assert_eq!(columns(&quarantine, &["line", "column"]), ["1 header", "4 card", "5 trailer"]);
    let text = fs::read_to_string(&quarantine).unwrap();
    assert!(text.contains("|人民广场|") && text.contains("\"T|3|6\""), "{text}");
    fs::write(&quarantine, text.replace("|zz00000000000017|", "|3000000000000017|")).unwrap();
    cityunion("adapter requeue {} --config {}", &[&quarantine, &edge.path("adapter.toml")]).ok();
    archived(2);
    let results = fs::read_dir(edge.path("answers/results").join(CITY)).unwrap();
    let corrected =
        results.map(|entry| entry.unwrap().path()).find(|path| path.to_string_lossy().contains("corrected"));
    assert_eq!(columns(&corrected.unwrap(), &["line", "terminal_seq", "result"]), ["2 3 cleared"]);
    adapter.signal("TERM").ok();
}
