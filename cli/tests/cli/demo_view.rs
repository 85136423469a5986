//! The demo's screen, as somebody at a terminal sees and uses it.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    support::{arguments, cityunion, cycles, rows, verify_all, wait_for},
    terminal::OnTerminal,
};

const WORDS: &str = "demo --cities 4 --rate 400 --cycle-s 1200 --dir {}";
const DOWN: &str = "\u{1b}[B";
const ESCAPE: &str = "\u{1b}";

/// The number in front of a word on the screen.
fn number_before(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().unwrap_or_default();
    number(before.split_whitespace().next_back())
}

/// The number behind a word on the screen.
fn number_after(text: &str, word: &str) -> u64 {
    number(text.split(word).nth(1).and_then(|after| after.split_whitespace().next()))
}

fn number(word: Option<&str>) -> u64 {
    word.and_then(|word| word.replace(',', "").parse().ok()).unwrap_or(0)
}

fn bad_lines_of(settled: &Path, name: &str) -> Vec<String> {
    let results = settled.join("results/cu-2000").join(name);
    let malformed = rows(&results).into_iter().filter(|row| row["result"] == "malformed");
    malformed.map(|row| format!("{:>4}  {}", row["line"], row["reason"])).collect()
}

#[test]
fn somebody_looks_and_presses_every_key() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("demo");
    let settled = dir.join("settled");
    let mut demo = OnTerminal::start(arguments(WORDS, &[&dir]), &[], 80, 24);
    demo.shows(&["City Union Clearing", "2018-09-01-001  cut-off in", "上海 Shanghai", "杭州 Hangzhou"]);
    demo.until("taps/s beyond 0", |text| number_before(text, " taps/s") > 0);
    demo.until("fees", |text| text.lines().any(|row| row.contains("scheme (fees)") && row.contains('+')));
    assert!(demo.is_coloured());

    demo.press(&format!("{DOWN}d"));
    demo.shows(&["dark: 杭州 Hangzhou (", "batches wait)"]);
    demo.until("parked taps", |text| number_after(text, "│parked ") > 0);
    demo.press("d");
    demo.until("nothing parked", |text| !text.contains("dark: ") && number_after(text, "│parked ") == 0);

    demo.press("\u{1b}[Ab");
    let shown = demo.shows(&["two bad files of 上海 Shanghai", "9 malformed", "refused: line 1"]);
    let name = shown.split_whitespace().find(|word| word.ends_with("-broken-lines.csv")).unwrap();
    let bad = bad_lines_of(&settled, name);
    assert_eq!(bad.len(), 9);
    for line in bad {
        let (place, why) = line.split_once(": ").unwrap();
        let (line, column) = place.trim_start().split_once("  ").unwrap();
        let why = why.split(' ').take(3).collect::<Vec<_>>().join(" ");
        let on_screen =
            shown.lines().any(|row| row.contains(&format!(" {line}  {column} ")) && row.contains(&why));
        assert!(on_screen, "line {line}, {column}: {why} is missing in:\n{shown}");
    }
    let receipts = rows(&settled.join("receipts/cu-2000.csv"));
    let refused = receipts.iter().find(|row| row["file"].ends_with("-bad-header.csv")).unwrap();
    assert_eq!(refused["state"], "refused");
    demo.press(ESCAPE);
    demo.until("no panel", |text| !text.contains("two bad files of"));

    demo.press("c");
    let closed = wait_for("a closed cycle", || cycles(&settled).first().cloned());
    assert_eq!(closed, "2018-09-01-001");
    cityunion("verify {}", &[&settled.join(&closed)]).ok();
    let positions = rows(&settled.join(&closed).join("positions.csv"));
    let fen: u64 = positions.iter().map(|row| row["amount_fen"].parse::<u64>().unwrap()).sum();
    let yuan = format!("{}.{:02}", fen / 100, fen % 100);
    demo.until("the closed cycle with its amount", |text| {
        text.lines().any(|row| row.contains("│2018-09-01-001 ") && row.replace(',', "").contains(&yuan))
    });
    demo.shows(&["2018-09-02-001  cut-off in"]);

    demo.press("t");
    demo.shows(&["trace a tap", "terminal  2000", "sequence "]);
    demo.press("\r");
    demo.shows(&["terminal 2000", "上海", ".csv, line 2", "cleared"]);
    demo.press(ESCAPE);

    demo.resize(120, 40);
    demo.shows(&["messages", "杭州 Hangzhou answers again", "closed cycles: taps, yuan"]);
    demo.resize(40, 10);
    demo.shows(&["40 × 10 is too small"]);
    demo.resize(100, 30);
    demo.press("?");
    demo.shows(&["choose a city", "q end"]);

    demo.press("q");
    let (code, last) = demo.ended();
    assert_eq!(code, 0, "{last}");
    assert!(last.contains("stopped; closed cycles, results and receipts are in"), "{last}");
    verify_all(&settled);
}

#[test]
fn the_terminal_is_given_back_after_a_signal_and_after_an_error() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("demo");
    let demo = OnTerminal::start(arguments(WORDS, &[&dir]), &[("NO_COLOR", "1")], 100, 30);
    demo.until("taps/s beyond 0", |text| number_before(text, " taps/s") > 0);
    assert!(!demo.is_coloured(), "NO_COLOR is set");
    let sent = Command::new("kill").args(["-s", "TERM", &demo.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let (code, last) = demo.ended();
    assert_eq!(code, 0, "{last}");

    let mut demo = OnTerminal::start(arguments(WORDS, &[&dir]), &[], 100, 30);
    demo.until("taps/s beyond 0", |text| number_before(text, " taps/s") > 0);
    demo.press("\u{3}");
    let (code, last) = demo.ended();
    assert_eq!(code, 0, "{last}");

    let demo = OnTerminal::start(arguments(WORDS, &[&dir]), &[], 100, 30);
    demo.until("taps/s beyond 0", |text| number_before(text, " taps/s") > 0);
    let taps = dir.join("scheme/taps/cu-2000");
    fs::rename(&taps, folder.path().join("away")).unwrap();
    fs::write(&taps, "a file in the way").unwrap();
    let (code, last) = demo.ended();
    assert_eq!(code, 1, "{last}");
    assert!(last.contains("cityunion: failed to write"), "{last}");
}

#[test]
fn plain_prints_lines_on_a_terminal_too() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("demo");
    let words = format!("{WORDS} --plain --for-s 2");
    let demo = OnTerminal::start(arguments(&words, &[&dir]), &[], 120, 30);
    let (code, last) = demo.ended();
    assert_eq!(code, 0, "{last}");
    assert!(last.contains("taps/s  cleared") && last.contains("open 2018-09-01-001"), "{last}");
}
