//! What people hand in by mistake: a clear word, the right exit code, and nothing half done.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::Path,
};

use tempfile::TempDir;

use crate::{
    scheme::{tap, three_cities},
    support::{
        Running, arguments, assert_same, cityunion, clear, columns, command, cycles, tree, verify_all,
        wait_for,
    },
};

const RECEIPT: [&str; 4] = ["file", "records", "presented", "state"];

fn reason(out: &Path, city: &str, file: &str) -> String {
    let receipts = crate::support::rows(&out.join("receipts").join(format!("{city}.csv")));
    let row = receipts.iter().find(|row| row["file"] == file && row["state"] == "refused");
    row.unwrap_or_else(|| panic!("{file} of {city} is not refused: {receipts:?}"))["reason"].clone()
}

/// Cleared records of a cycle.
fn cleared(out: &Path, cycle: &str) -> u64 {
    let counts = columns(&out.join(cycle).join("positions.csv"), &["count"]);
    counts.iter().map(|count| count.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_folder_of_no_city_is_passed_over_and_one_of_no_member_refused() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let out = folder.path().join("out");
    let line = scheme.sealed(&tap("999900000001", 1, "cu-3000", 100, "2018-09-01T08:00:00", "sm4"));
    scheme.raw("cu-9999", "2018-09-01.csv", &line);
    scheme.raw("shanghai", "2018-09-01.csv", &line);
    scheme.write("taps/cu-2000/notes.txt", "x");
    clear(&scheme.path, &out).says(&["taps/shanghai", "cu-9999/2018-09-01.csv", "member", "notes.txt"]);
    assert!(reason(&out, "cu-9999", "2018-09-01.csv").contains("member"));
    assert_eq!(cleared(&out, "2018-09-01-001"), 5);
    assert!(!out.join("results/cu-9999").join("2018-09-01.csv").exists());
    verify_all(&out);
}

#[test]
fn an_empty_file_is_refused_and_a_header_alone_is_taken() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let out = folder.path().join("out");
    scheme.write("taps/cu-3000/2018-09-01-empty.csv", "");
    scheme.raw("cu-3000", "2018-09-01-header.csv", "");
    scheme.write("taps/cu-3000/2018-09-01-other.csv", "a,b\n1,2\n");
    clear(&scheme.path, &out).says(&["2018-09-01-empty.csv", "2018-09-01-other.csv", "line 1", "header"]);
    assert_eq!(
        columns(&out.join("receipts/cu-3000.csv"), &RECEIPT),
        [
            "2018-09-01-empty.csv 0 0 refused",
            "2018-09-01-header.csv 0 0 taken",
            "2018-09-01-other.csv 1 0 refused"
        ]
    );
    assert_eq!(cleared(&out, "2018-09-01-001"), 5);
}

#[test]
fn a_file_cut_short_loses_only_its_last_line() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let out = folder.path().join("out");
    let path = scheme.path.join("taps/cu-2000/2018-09-01.csv");
    let len = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 30).unwrap();
    clear(&scheme.path, &out);
    let answers = columns(&out.join("results/cu-2000/2018-09-01.csv"), &["line", "result"]);
    assert_eq!(answers, ["2 cleared", "3 cleared", "4 cleared", "5 cleared", "6 malformed"]);
}

/// A line of 256 MiB is one malformed line, read in little memory.
#[test]
fn an_enormous_line_is_skipped_in_little_memory() {
    const LINE_LEN: u64 = 256 << 20;
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let out = folder.path().join("out");
    let line = |seq| scheme.sealed(&tap("300000000001", seq, "cu-2000", 10, "2018-09-01T08:00:00", "3des"));
    scheme.raw("cu-3000", "2018-09-01.csv", &line(1));
    let path = scheme.path.join("taps/cu-3000/2018-09-01.csv");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    // A hole in the file reads as zero bytes.
    file.set_len(fs::metadata(&path).unwrap().len() + LINE_LEN).unwrap();
    file.write_all(format!("\n{}", line(2)).as_bytes()).unwrap();
    drop(file);

    let mut running = Running::start(command(arguments("clear {} --out {}", &[&scheme.path, &out])));
    let mut peak_kib = 0;
    while running.ended().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak_kib = kib.unwrap_or(0).max(peak_kib);
    }
    running.wait().ok();
    assert!((1..LINE_LEN / 1024 * 3 / 4).contains(&peak_kib), "{peak_kib} KiB at the peak");
    let answers = columns(&out.join("results/cu-3000/2018-09-01.csv"), &["line", "result"]);
    assert_eq!(answers, ["2 cleared", "3 malformed", "4 cleared"]);
}

#[test]
fn a_manifest_must_agree_in_every_figure() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let out = folder.path().join("out");
    let path = scheme.path.join("taps/cu-2000/2018-09-01.csv");
    let manifest = path.with_extension("csv.manifest.json");
    let good = fs::read(&path).unwrap();
    scheme.write("taps/cu-2000/2018-09-01.csv.manifest.json", "{}");
    // What the program itself writes into a receipt is the digest that a sender would have computed.
    clear(&scheme.path, &out);
    let sha256 = columns(&out.join("receipts/cu-2000.csv"), &["sha256"]).remove(0);
    assert!(reason(&out, "cu-2000", "2018-09-01.csv").contains("manifest"));
    fs::remove_file(manifest).unwrap();

    let cases = [
        ("records", 6, 1500, sha256.clone()),
        ("amount_fen", 5, 1501, sha256.clone()),
        ("sha256", 5, 1500, "0".repeat(64)),
        ("good", 5, 1500, sha256),
    ];
    for (name, records, amount_fen, sha256) in &cases {
        let file = format!("taps/cu-2000/2018-09-01-{name}.csv");
        scheme.write(&file, &good);
        let text =
            format!("{{\"records\": {records}, \"amount_fen\": {amount_fen}, \"sha256\": \"{sha256}\"}}");
        scheme.write(&format!("{file}.manifest.json"), text);
    }
    clear(&scheme.path, &out).says(&[
        "2018-09-01-records.csv",
        "2018-09-01-amount_fen.csv",
        "2018-09-01-sha256.csv",
    ]);
    for (name, ..) in &cases[..3] {
        let why = reason(&out, "cu-2000", &format!("2018-09-01-{name}.csv"));
        assert!(why.contains("manifest") && why.contains(name), "{name}: {why}");
    }
    assert_eq!(cycles(&out), ["2018-09-01-001", "2018-09-01-002"]);
    assert_eq!((cleared(&out, "2018-09-01-001"), cleared(&out, "2018-09-01-002")), (0, 5));
    assert_eq!(fs::read_dir(out.join("results/cu-2000")).unwrap().count(), 1);
    verify_all(&out);
}

#[test]
fn a_broken_scheme_folder_is_named_with_its_place_and_mended_it_clears() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let out = folder.path().join("out");
    let break_and_mend = |file: &str, broken: Option<&str>, words: &[&str]| {
        let path = scheme.path.join(file);
        let good = fs::read_to_string(&path).unwrap();
        match broken {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        cityunion("clear {} --out {}", &[&scheme.path, &out]).exits(1).says(words);
        assert_eq!(cycles(&out), [""; 0], "{file}");
        fs::write(&path, good).unwrap();
    };
    let rules = fs::read_to_string(scheme.path.join("rulebook.toml")).unwrap();
    let twice = rules.replace("city = \"cu-4000\"\n", "city = \"cu-4000\"\nterminal_prefixes = [\"2000\"]\n");
    break_and_mend("keys.toml", None, &["keys.toml"]);
    break_and_mend("rulebook.toml", None, &["rulebook.toml"]);
    break_and_mend(
        "rulebook.toml",
        Some(&twice),
        &["rulebook.toml", "line", "terminal_prefixes", "cu-2000", "cu-4000"],
    );
    break_and_mend(
        "rulebook.toml",
        Some(&rules.replace("\"0.003\"", "\"3\"")),
        &["rulebook.toml", "line 7", "interchange_rate"],
    );
    break_and_mend(
        "hotlist.csv",
        Some("issuer,card,effective_at\ncu-2000,12,x\n"),
        &["hotlist.csv", "line 2", "card"],
    );
    break_and_mend("keys.toml", Some("[[key]]\ncity = \"cu-20\"\n"), &["keys.toml", "line 2", "city"]);
    scheme.write("outages.csv", "issuer,business_date\ncu-2000,someday\n");
    break_and_mend(
        "outages.csv",
        Some("issuer,business_date\ncu-2000,someday\n"),
        &["outages.csv", "line 2", "business_date"],
    );
    fs::remove_file(scheme.path.join("outages.csv")).unwrap();
    clear(&scheme.path, &out);
    assert_eq!(cleared(&out, "2018-09-01-001"), 5);
    let nowhere = folder.path().join("nowhere");
    cityunion("clear {} --out {}", &[&nowhere, &out]).exits(1).says(&["nowhere"]);
    cityunion("clear --out {}", &[&out]).exits(2);
    cityunion("verify {}", &[&nowhere]).exits(1).says(&["nowhere"]);
}

#[test]
fn the_same_name_with_other_bytes_is_refused_and_the_same_bytes_again_are_duplicates() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let out = folder.path().join("out");
    clear(&scheme.path, &out);
    let first = fs::read(scheme.path.join("taps/cu-2000/2018-09-01.csv")).unwrap();
    let before = tree(&out);

    // The same name and bytes: nothing new.
    assert!(clear(&scheme.path, &out).stdout.contains("nothing has changed"));
    assert_same("nothing new", &before, &out);

    // The same bytes under another name: each record is judged.
    scheme.write("taps/cu-2000/2018-09-01-again.csv", &first);
    clear(&scheme.path, &out);
    assert_eq!(cycles(&out), ["2018-09-01-001", "2018-09-01-002"]);
    let rows = columns(&out.join("2018-09-01-002/acquirer/cu-2000.csv"), &["file", "result"]);
    assert_eq!(rows, vec!["2018-09-01-again.csv duplicate"; 5]);

    // The same name with other bytes is refused when the day's files are looked at again.
    let extra = scheme.sealed(&tap("200000000001", 9, "cu-3000", 100, "2018-09-01T08:00:00", "sm4"));
    scheme.write("taps/cu-2000/2018-09-01.csv", [&first[..], extra.as_bytes()].concat());
    scheme.raw("cu-2000", "2018-09-01-last.csv", "");
    clear(&scheme.path, &out).says(&["2018-09-01.csv", "refused"]);
    assert!(!reason(&out, "cu-2000", "2018-09-01.csv").is_empty());
    assert_eq!(cleared(&out, "2018-09-01-003"), 0);
    let first_cycle = |files: &std::collections::BTreeMap<String, Vec<u8>>| {
        files
            .iter()
            .filter(|(name, _)| name.starts_with("2018-09-01-001/"))
            .map(|(n, b)| (n.clone(), b.clone()))
            .collect::<Vec<_>>()
    };
    assert!(first_cycle(&before) == first_cycle(&tree(&out)), "a closed cycle never changes");
    verify_all(&out);
}

#[test]
fn a_business_date_never_goes_back() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let out = folder.path().join("out");
    let dated = |date: &str| {
        cityunion(&format!("clear {{}} --out {{}} --business-date {date}"), &[&scheme.path, &out])
    };
    dated("2018-09-03").ok();
    let before = tree(&out);
    dated("2018-09-02").exits(3).says(&["refused", "2018-09-02", "2018-09-03"]);
    assert!(dated("2018-09-03").ok().stdout.contains("nothing has changed"));
    dated("2018-09-31").exits(2);
    assert_same("refused", &before, &out);
    // With a new file the closed date gets another cycle.
    let line = scheme.sealed(&tap("400000000001", 1, "cu-2000", 100, "2018-09-02T08:00:00", "3des"));
    scheme.raw("cu-4000", "2018-09-02.csv", &line);
    dated("2018-09-03").ok();
    assert_eq!(cycles(&out), ["2018-09-03-001", "2018-09-03-002"]);
    assert_eq!(cleared(&out, "2018-09-03-002"), 1);
    verify_all(&out);
}

#[test]
fn a_second_clear_on_the_same_out_is_refused() {
    let folder = TempDir::new().unwrap();
    let scheme = folder.path().join("scheme");
    let out = folder.path().join("out");
    cityunion("simulate --out {} --seed 2 --cities 5 --taps 20000", &[&scheme]).ok();
    let mut first = Running::start(command(arguments("clear {} --out {}", &[&scheme, &out])));
    // Written once the OUT is locked.
    let mark = out.join(".state/log.json");
    wait_for("the first run's lock", || mark.exists().then_some(()));
    let pause = |name: &str, id: u32| {
        let sent = std::process::Command::new("kill").args(["-s", name, &id.to_string()]).status().unwrap();
        assert!(sent.success());
    };
    pause("STOP", first.id());
    assert!(first.ended().is_none(), "the first run has ended already");
    cityunion("clear {} --out {}", &[&scheme, &out]).exits(3).says(&["refused", "another process"]);
    pause("CONT", first.id());
    first.wait().ok();
    assert_eq!(cycles(&out).len(), 1);
    verify_all(&out);
}

#[test]
fn a_reader_that_goes_away_is_no_crash() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let out = folder.path().join("out");
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "\"$0\" clear \"$1\" --out \"$2\" 2>\"$3\" | true"])
        .arg(env!("CARGO_BIN_EXE_cityunion"));
    let said = folder.path().join("stderr");
    File::create(&said).unwrap();
    shell.args([&scheme.path, &out, &said]);
    Running::start(shell).wait().ok();
    let said = fs::read_to_string(said).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(cleared(&out, "2018-09-01-001"), 5);
}

#[test]
fn simulate_does_not_write_into_a_folder_in_use() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let before = tree(&scheme.path);
    let ran = cityunion("simulate --out {} --cities 2 --taps 10", &[&scheme.path]);
    assert_ne!(ran.code, Some(0));
    ran.says(&["scheme"]);
    assert_same("refused", &before, &scheme.path);
}

#[test]
fn the_cause_is_said_once_with_what_to_look_at() {
    let ran = cityunion("simulate --out /proc/none/scheme --cities 2 --taps 10", &[]).exits(1);
    let ran = ran.says(&["/proc/none/scheme", "may it be written"]);
    assert_eq!(ran.stderr.matches("os error").count(), 1, "{}", ran.stderr);
}
