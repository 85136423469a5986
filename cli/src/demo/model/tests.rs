use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::demo::facts::{Acquirer, BadFiles, Counts};

fn city(text: &str) -> City {
    text.parse().unwrap()
}

fn model() -> Model {
    let named = |code: &str, name_en: &str, name_zh: &str| Named {
        city: city(code),
        name_en: name_en.to_owned(),
        name_zh: name_zh.to_owned(),
    };
    Model::new(vec![named("cu-2000", "Shanghai", "上海"), named("cu-3000", "Tianjin", "天津")])
}

fn press(model: &mut Model, code: KeyCode) -> Vec<Order> {
    update(model, Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn type_in(model: &mut Model, text: &str) {
    for c in text.chars() {
        assert_eq!(press(model, KeyCode::Char(c)), []);
    }
}

fn tell(model: &mut Model, told: Told) {
    assert_eq!(update(model, Event::Told(told)), []);
}

fn snapshot(second: u64, at_ms: u64, arrived: u64) -> Snapshot {
    let counts = Counts { arrived, ..Counts::default() };
    let acquirer = Acquirer { arrived, ..Acquirer::default() };
    let recent = TapName { terminal: "200000900001".to_owned(), sequence: 7 };
    Snapshot {
        second,
        at_ms,
        counts,
        acquirers: [(city("cu-2000"), acquirer)].into(),
        acquirers_at_ms: at_ms,
        recent: [(city("cu-2000"), recent)].into(),
        ..Snapshot::default()
    }
}

#[test]
fn rates_are_taken_once_a_second_over_the_time_that_passed() {
    let mut model = model();
    let seen = [(3, 1_250, 900), (3, 1_500, 1_700), (4, 2_250, 2_900), (5, 2_350, 4_900), (6, 4_250, 6_900)];
    // What an earlier run left comes in at once when the demo is started again.
    for (second, at_ms, arrived) in [(0, 0, 0), (1, 250, 20), (2, 1_200, 800)].into_iter().chain(seen) {
        tell(&mut model, Told::Snapshot(Box::new(snapshot(second, at_ms, arrived))));
    }
    assert_eq!(model.rates, [2_000, 2_000], "two that come at once are no peak");
    assert_eq!(model.city_rates[&city("cu-2000")], [2_000, 2_000]);
    assert_eq!(model.rate(), 2_000);
}

#[test]
fn d_darkens_the_chosen_city_and_lightens_it_again() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    assert_eq!(press(&mut model, KeyCode::Char('d')), [Order::Darken(city("cu-3000"), true)]);
    let dark = Snapshot { dark: [(city("cu-3000"), 4)].into(), ..Snapshot::default() };
    tell(&mut model, Told::Snapshot(Box::new(dark)));
    assert_eq!(press(&mut model, KeyCode::Char('d')), [Order::Darken(city("cu-3000"), false)]);
    press(&mut model, KeyCode::Down);
    assert_eq!(model.chosen_city(), Some(city("cu-3000")), "the list ends");
    press(&mut model, KeyCode::Home);
    assert_eq!(press(&mut model, KeyCode::Char('b')), [Order::BadFiles(city("cu-2000"))]);
    assert_eq!(press(&mut model, KeyCode::Char('c')), [Order::CutOff]);
}

#[test]
fn what_became_of_bad_files_is_shown_until_it_is_closed() {
    let mut model = model();
    let became = BadFiles { broken: "bad.csv".to_owned(), ..BadFiles::default() };
    tell(&mut model, Told::BadFiles(city("cu-2000"), became.clone()));
    assert_eq!(model.panel, Panel::BadFiles(city("cu-2000"), became));
    press(&mut model, KeyCode::Down);
    assert_eq!((model.scroll, model.chosen), (1, 0), "arrows turn the panel's pages");
    press(&mut model, KeyCode::PageDown);
    assert_eq!(update(&mut model, Event::Drawn { hidden: 3 }), []);
    assert_eq!(model.scroll, 3, "no further than there are rows");
    assert_eq!(press(&mut model, KeyCode::Esc), [], "it closes the panel, not the demo");
    assert_eq!(model.panel, Panel::None);
}

#[test]
fn a_window_takes_no_keys_but_its_own() {
    let tap = TapName { terminal: "200000900001".to_owned(), sequence: 7 };
    let windows = [
        Panel::BadFiles(city("cu-2000"), BadFiles::default()),
        Panel::Trace(tap, None),
        Panel::Help,
        Panel::Messages,
    ];
    for window in windows {
        let mut model = model();
        model.panel = window.clone();
        let own = match window {
            Panel::Help => "?h",
            Panel::Messages => "m",
            _ => "",
        };
        for key in "cdbtm?h".chars().filter(|key| !own.contains(*key)) {
            assert_eq!(press(&mut model, KeyCode::Char(key)), [], "`{key}` acts behind {window:?}");
            assert_eq!(model.panel, window, "`{key}`");
        }
        for key in own.chars() {
            model.panel = window.clone();
            assert_eq!(press(&mut model, KeyCode::Char(key)), []);
            assert_eq!(model.panel, Panel::None, "`{key}`");
        }
        model.panel = window.clone();
        assert_eq!(press(&mut model, KeyCode::Char('q')), [Order::End]);
    }
}

#[test]
fn the_offered_tap_is_traced_with_enter() {
    let mut model = model();
    tell(&mut model, Told::Snapshot(Box::new(snapshot(1, 1, 1))));
    press(&mut model, KeyCode::Char('t'));
    let tap = TapName { terminal: "200000900001".to_owned(), sequence: 7 };
    assert_eq!(press(&mut model, KeyCode::Enter), [Order::Trace(tap.clone())]);
    assert_eq!(model.panel, Panel::Trace(tap.clone(), None));
    let other = TapName { sequence: 8, ..tap.clone() };
    tell(&mut model, Told::Traced(other, Ok(vec!["another".to_owned()])));
    assert_eq!(model.panel, Panel::Trace(tap.clone(), None), "an answer to an older question");
    let life = Ok(vec!["its life".to_owned()]);
    tell(&mut model, Told::Traced(tap.clone(), life.clone()));
    assert_eq!(model.panel, Panel::Trace(tap, Some(life)));
}

#[test]
fn another_tap_is_typed_over_the_offer() {
    let mut model = model();
    tell(&mut model, Told::Snapshot(Box::new(snapshot(1, 1, 1))));
    press(&mut model, KeyCode::Char('t'));
    type_in(&mut model, "30000000000");
    assert_eq!(press(&mut model, KeyCode::Enter), []);
    let Panel::Prompt(prompt) = &model.panel else { panic!("{:?}", model.panel) };
    assert_eq!(prompt.wrong, Some("a terminal has 12 hex digits"));
    type_in(&mut model, "bq");
    press(&mut model, KeyCode::Tab);
    type_in(&mut model, "99999999999");
    assert_eq!(press(&mut model, KeyCode::Enter), [], "beyond 32 bits");
    for _ in 0..9 {
        press(&mut model, KeyCode::Backspace);
    }
    type_in(&mut model, "2");
    let tap = TapName { terminal: "30000000000B".to_owned(), sequence: 92 };
    assert_eq!(press(&mut model, KeyCode::Enter), [Order::Trace(tap)]);
}

#[test]
fn every_way_out_ends_it_once_and_the_second_leaves_at_once() {
    let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    let ways = [
        Event::Key(plain(KeyCode::Char('q'))),
        Event::Key(plain(KeyCode::Esc)),
        Event::Key(control),
        Event::Stopped,
    ];
    for way in ways {
        let mut model = model();
        assert_eq!(update(&mut model, way.clone()), [Order::End], "{way:?}");
        assert!(model.ending && !model.abandoned);
        assert_eq!(press(&mut model, KeyCode::Char('c')), [], "nothing is cut off while it ends");
        assert_eq!(update(&mut model, Event::Key(control)), []);
        assert!(model.abandoned);
    }
    let mut model = model();
    press(&mut model, KeyCode::Char('t'));
    assert_eq!(update(&mut model, Event::Key(control)), [Order::End], "also while something is typed");
}

#[test]
fn warnings_are_counted_until_somebody_looks() {
    let mut model = model();
    let lines =
        vec!["2018-09-01T00:05:09.1Z  WARN the disk is slow".to_owned(), " INFO all is well".to_owned()];
    assert_eq!(update(&mut model, Event::Clock("08:05:09".to_owned())), []);
    assert_eq!(update(&mut model, Event::Log(lines)), []);
    let shown: Vec<_> = model.messages.iter().map(|message| (message.at.as_str(), message.shown())).collect();
    assert_eq!(shown, [("08:05:09", "WARN the disk is slow"), ("08:05:09", "INFO all is well")]);
    assert_eq!(model.unread, 1);
    press(&mut model, KeyCode::Char('m'));
    assert_eq!((model.unread, &model.panel), (0, &Panel::Messages));
    for number in 0..2 * MESSAGES_MAX {
        tell(&mut model, Told::Note(format!("note {number}")));
    }
    assert_eq!(model.messages.len(), MESSAGES_MAX);
    let many = (0..30).map(|number| format!(" WARN {number}")).collect();
    assert_eq!(update(&mut model, Event::Log(many)), []);
    let left: Vec<String> = model.warnings().collect();
    assert_eq!((left.len(), left.last().map(String::as_str)), (WARNINGS_LEFT_MAX, Some(" WARN 29")));
}
