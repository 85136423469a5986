use domain::{
    result::{RecordResult, Rejection},
    settlement::{Net, Party},
};
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Color};

use super::*;
use crate::demo::{
    facts::{Acquirer, BadFiles, BadLine, Closed, Counts, Named, OpenCycle, Snapshot, TapName, Told},
    model::{Event, FIRST_RATED_SECOND, update},
    prompt::Prompt,
};

fn city(text: &str) -> domain::city::City {
    text.parse().unwrap()
}

fn net(participant: Party, net_fen: i64) -> Net {
    Net {
        participant,
        receivable_fen: 0,
        payable_fen: 0,
        interchange_receivable_fen: 0,
        interchange_payable_fen: 0,
        switch_fee_fen: 0,
        adjustment_fen: 0,
        net_fen,
    }
}

/// Two cities, one dark, after ten seconds of taps.
fn model() -> Model {
    let named = |code: &str, name_en: &str, name_zh: &str| Named {
        city: city(code),
        name_en: name_en.to_owned(),
        name_zh: name_zh.to_owned(),
    };
    let cities = vec![named("cu-2000", "Shanghai", "上海"), named("cu-0500", "Shijiazhuang", "石家庄")];
    let mut model = Model::new(cities);
    for second in FIRST_RATED_SECOND..FIRST_RATED_SECOND + 10 {
        let arrived = (second - FIRST_RATED_SECOND) * 1_000;
        let results = [
            (RecordResult::Cleared, arrived * 9 / 10),
            (RecordResult::Rejected(Rejection::TacInvalid), arrived / 10),
        ];
        let acquirer = Acquirer { arrived, results: results.into(), parked: 23 };
        let open = OpenCycle {
            name: "2018-09-03-001".to_owned(),
            cut_off_in_s: 17,
            closing: false,
            net: vec![
                net(Party::City(city("cu-0500")), 10_000),
                net(Party::City(city("cu-2000")), -123_456_789),
                net(Party::Scheme, 123_446_789),
            ],
        };
        let closed = Closed {
            name: "2018-09-02-001".to_owned(),
            folder: ".demo/settled/2018-09-02-001".into(),
            records: 59_312,
            amount_fen: 17_800_310,
        };
        let snapshot = Snapshot {
            second,
            at_ms: second * 1_000,
            acquirers_at_ms: second * 1_000,
            counts: Counts { arrived, cleared: arrived * 9 / 10, rejected: arrived / 10, parked: 23 },
            acquirers: [(city("cu-2000"), acquirer)].into(),
            dark: [(city("cu-0500"), 5)].into(),
            open: Some(open),
            closed: vec![closed],
            ..Snapshot::default()
        };
        let event = Event::Told(Told::Snapshot(Box::new(snapshot)));
        assert_eq!(update(&mut model, event), []);
    }
    model
}

fn buffer(model: &Model, theme: &Theme, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut hidden = 0;
    terminal.draw(|frame| hidden = draw(model, theme, frame)).unwrap();
    assert!(hidden == 0 || model.panel != Panel::None);
    terminal.backend().buffer().clone()
}

/// The rows as a terminal shows them. The cell behind a wide character is none of its own.
fn rows(model: &Model, width: u16, height: u16) -> Vec<String> {
    let buffer = buffer(model, &Theme::coloured(), width, height);
    let row = |y: u16| {
        let mut text = String::new();
        let mut x = 0;
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            text.push_str(symbol);
            x += u16::try_from(Line::from(symbol).width().max(1)).unwrap();
        }
        text
    };
    (0..height).map(row).collect()
}

#[track_caller]
fn shows(rows: &[String], words: &[&str]) {
    for word in words {
        assert!(rows.iter().any(|row| row.contains(word)), "`{word}` is missing in:\n{}", rows.join("\n"));
    }
}

#[test]
fn a_terminal_of_80_by_24_shows_everything() {
    let rows = rows(&model(), 80, 24);
    let words = [
        "2018-09-03-001  cut-off in 17 s",
        "1,000 taps/s",
        "23 parked",
        "● 上海 Shanghai    9,000   8,100   900     23",
        "○ 石家庄 Shijia",
        "cleared           8,100  89.7 %",
        "tac_invalid         900   9.9 %",
        "上海 Shanghai     -1,234,567.89",
        "石家庄 Shijiazhu        +100.00",
        "2018-09-02-001       178,003.10",
        "dark: 石家庄 Shijiazhuang (5 batches wait)",
        "q end",
    ];
    shows(&rows, &words);
}

#[test]
fn many_dark_cities_are_counted_where_their_names_find_no_room() {
    let mut model = model();
    let dark = [("cu-2000", 3), ("cu-0500", 5)].map(|(code, parts)| (city(code), parts));
    model.now.as_mut().unwrap().dark = dark.into();
    shows(&rows(&model, 80, 24), &["dark: 2 home cities (8 batches wait)"]);
    shows(
        &rows(&model, 200, 50),
        &["dark: 石家庄 Shijiazhuang (5 batches wait), 上海 Shanghai (3 batches wait)"],
    );
}

#[test]
fn boards_are_straight_beside_chinese_names() {
    for (width, height) in [(80, 24), (120, 40), (200, 50), (60, 16)] {
        for row in rows(&model(), width, height) {
            assert_eq!(Line::from(row.as_str()).width(), usize::from(width), "{row}");
        }
        let buffer = buffer(&model(), &Theme::coloured(), width, height);
        let right_edge = |y| buffer[(width - 1, y)].symbol() == "│";
        let straight = (1..height).filter(|y| right_edge(*y)).count();
        assert!(straight > usize::from(height) / 3, "the right edge is torn at {width} × {height}");
    }
}

#[test]
fn a_wide_terminal_has_a_sparkline_for_each_city() {
    for (width, height) in [(120, 40), (200, 50)] {
        let wide = rows(&model(), width, height);
        shows(&wide, &["by second", "○ 石家庄 Shijiazhuang "]);
        let shanghai = wide.iter().find(|row| row.contains("● 上海")).unwrap();
        assert!(shanghai.contains("████████"), "{shanghai}");
    }
    assert!(!rows(&model(), 80, 24).iter().any(|row| row.contains("by second")));
}

#[test]
fn a_tiny_terminal_is_told_what_is_needed() {
    shows(&rows(&model(), 30, 10), &["30 × 10 is too small", "needs 60 × 16"]);
    for (width, height) in [(1, 1), (60, 16), (61, 3), (3, 61)] {
        rows(&model(), width, height);
    }
}

#[test]
fn panels_fit_80_by_24() {
    let mut model = model();
    let bad = |line, column: &str, why: &str| BadLine {
        line,
        column: column.to_owned(),
        why: why.to_owned(),
        found: "2.50".to_owned(),
    };
    let lines = vec![bad(3, "amount_fen", "expected whole fen"), bad(15, "line", "bytes that are not UTF-8")];
    let became = BadFiles {
        broken: "2018-09-03-000000000042-broken-lines.csv".to_owned(),
        broken_receipt: "taken: 24 lines, 15 presented".to_owned(),
        lines,
        headless: "2018-09-03-000000000042-bad-header.csv".to_owned(),
        headless_receipt: "refused: line 1 is not the header".to_owned(),
        answers: ".demo/settled".into(),
    };
    model.panel = Panel::BadFiles(city("cu-2000"), became);
    let words = [
        "two bad files of 上海 Shanghai",
        "   3  amount_fen    expected whole fen",
        "  15  line",
        "refused: line 1",
    ];
    shows(&rows(&model, 80, 24), &words);
    shows(&rows(&model, 120, 40), &["amount_fen    2.50              expected whole fen"]);
    model.panel = Panel::Help;
    shows(&rows(&model, 80, 24), &["cut off now", "sums to zero", "answers"]);
    let tap = TapName { terminal: "200000900001".to_owned(), sequence: 7 };
    model.panel = Panel::Prompt(Prompt::offering(Some(&tap)));
    shows(&rows(&model, 80, 24), &["terminal  200000900001", "sequence  7", "Enter trace"]);
    let life = (1..=100).map(|step| format!("step {step}")).collect();
    model.panel = Panel::Trace(tap, Some(Ok(life)));
    shows(&rows(&model, 80, 24), &["terminal 200000900001 sequence 7", "step 1", "more below"]);
    model.scroll = u16::MAX;
    shows(&rows(&model, 80, 24), &["step 100"]);
}

#[test]
fn a_warning_is_seen_without_looking_for_it() {
    let mut model = model();
    let long = format!(" WARN {}", "上海的日志磁盘已满 ".repeat(20));
    assert_eq!(update(&mut model, Event::Log(vec![long])), []);
    let small = rows(&model, 80, 24);
    shows(&small, &["1 warning: m", "WARN 上海"]);
    assert!(small.iter().all(|row| Line::from(row.as_str()).width() == 80), "{}", small.join("\n"));
    shows(&rows(&model, 120, 40), &["messages", "WARN 上海"]);
}

#[test]
fn without_colours_the_same_is_said() {
    let buffer = buffer(&model(), &Theme::plain(), 120, 40);
    let coloured = |cell: &&ratatui::buffer::Cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset);
    assert_eq!(buffer.content().iter().filter(coloured).count(), 0);
}
