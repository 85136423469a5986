//! The page, opened in a real browser.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use tempfile::TempDir;

use super::browser::Browser;
use crate::{
    scheme::{Scheme, three_cities},
    support::{cityunion, clear, cycles, rows},
};

/// Texts of a table's rows, as the reader sees them.
const CELLS: &str =
    "(id) => [...document.querySelector(id).tBodies[0].rows].map((row) => row.innerText.trim())";

/// The page of the only cycle of an OUT.
fn page(folder: &Path, out: &Path) -> (PathBuf, PathBuf) {
    let cycle = out.join(&cycles(out)[0]);
    let page = folder.join("page.html");
    cityunion("report {} --html {}", &[&cycle, &page]).ok();
    (cycle, page)
}

/// Whole yuan and fen of what a cell shows, back in fen.
fn fen(shown: &str) -> i64 {
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    let fen: i64 = digits.parse().unwrap();
    if shown.starts_with('−') { -fen } else { fen }
}

#[test]
fn eighty_cities_in_a_browser() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (folder.path().join("scheme"), folder.path().join("out"));
    cityunion("simulate --out {} --taps 12000 --cities 80 --seed 11", &[&scheme]).ok();
    clear(&scheme, &out);
    let (cycle, page) = page(folder.path(), &out);
    let mut browser = Browser::start();
    browser.size(1280, 900);
    browser.prefer("en-GB");
    browser.open(&page);
    assert_eq!(browser.value("document.documentElement.lang"), json!("en"));
    nets_are_those_of_the_file(&mut browser, &cycle);
    every_pair_is_a_cell(&mut browser, &cycle);
    language_changes_at_a_press(&mut browser);
    tables_sort_at_a_press(&mut browser);
    keys_walk_through_the_heat_map(&mut browser);
    long_tables_unfold_at_a_press(&mut browser);
    nothing_is_wider_than_a_phone(&mut browser);
    paper_shows_every_figure(&mut browser);
    browser.assert_quiet();
}

fn nets_are_those_of_the_file(browser: &mut Browser, cycle: &Path) {
    let shown = browser.texts(
        "[...document.querySelectorAll('#net-table tbody tr')].map((row) => \
         [row.querySelector('.code').textContent, ...[...row.cells].slice(1, 8).map((cell) => cell.textContent)].join(' '))",
    );
    let shown: BTreeMap<String, Vec<i64>> = shown
        .iter()
        .map(|row| {
            let (city, figures) = row.split_once(' ').unwrap();
            (city.to_owned(), figures.split(' ').map(fen).collect())
        })
        .collect();
    let columns = [
        "receivable_fen",
        "payable_fen",
        "interchange_receivable_fen",
        "interchange_payable_fen",
        "switch_fee_fen",
        "adjustment_fen",
        "net_fen",
    ];
    let wanted: BTreeMap<String, Vec<i64>> = rows(&cycle.join("net.csv"))
        .into_iter()
        .filter(|row| row["participant"] != "scheme")
        .map(|row| {
            (row["participant"].clone(), columns.iter().map(|name| row[*name].parse().unwrap()).collect())
        })
        .collect();
    assert!(wanted.len() > 70, "{} participants", wanted.len());
    assert_eq!(shown, wanted);
}

fn every_pair_is_a_cell(browser: &mut Browser, cycle: &Path) {
    let shown = browser.texts(
        "(() => { const cities = JSON.parse(document.getElementById('cities').textContent); \
         return [...document.querySelectorAll('#heat-map rect[data-v]')].map((cell) => \
         [cities[cell.parentNode.dataset.r][0], cities[cell.dataset.c][0], cell.dataset.v].join(' ')).sort(); })()",
    );
    let mut wanted: Vec<String> = rows(&cycle.join("positions.csv"))
        .into_iter()
        .map(|row| ["acquirer", "issuer", "count", "amount_fen"].map(|name| row[name].clone()).join(" "))
        .collect();
    wanted.sort();
    assert!(wanted.len() > 2000, "{} pairs", wanted.len());
    assert_eq!(shown, wanted);
}

fn language_changes_at_a_press(browser: &mut Browser) {
    let seen = "[document.title, document.querySelector('h2').innerText, \
                document.querySelector('#heat-map').getAttribute('aria-label')].join('|')";
    let english = browser.value(seen);
    assert!(english.as_str().unwrap().contains("|Net by participant|Heat map"), "{english}");
    browser.click("#language");
    let chinese = browser.value(seen);
    assert!(chinese.as_str().unwrap().contains("清算报告"), "{chinese}");
    assert!(chinese.as_str().unwrap().contains("|各城市净额|热力图"), "{chinese}");
    assert_eq!(browser.value("document.documentElement.lang"), json!("zh-CN"));
    // Nothing of the other language is left in sight.
    let left = "[...document.querySelectorAll('.en')].filter((e) => e.checkVisibility()).length";
    assert_eq!(browser.value(left), json!(0));
    browser.click("#language");
    assert_eq!(browser.value(seen), english);
}

fn tables_sort_at_a_press(browser: &mut Browser) {
    browser.click("#net details > summary");
    let column = "[...document.querySelectorAll('#net-table tbody tr')].map((row) => row.cells[1].dataset.v)";
    browser.click("#net-table thead th:nth-child(2) button");
    let down: Vec<i64> = browser.texts(column).iter().map(|v| v.parse().unwrap()).collect();
    assert!(down.is_sorted_by(|a, b| a >= b) && down.first() > down.last(), "{down:?}");
    browser.click("#net-table thead th:nth-child(2) button");
    let up: Vec<i64> = browser.texts(column).iter().map(|v| v.parse().unwrap()).collect();
    assert!(up.is_sorted() && up.len() == down.len(), "{up:?}");
    let heads = "[...document.querySelectorAll('#net-table th[aria-sort]')].map((head) => \
                 head.cellIndex + head.getAttribute('aria-sort'))";
    assert_eq!(browser.texts(heads), ["1ascending"]);
    browser.click("#net-table thead th:first-child button");
    let names: Vec<String> = browser.texts(&format!("({CELLS})('#net-table')"));
    assert!(names[0].starts_with("Anqing"), "{}", names[0]);
}

fn keys_walk_through_the_heat_map(browser: &mut Browser) {
    browser.value("document.querySelector('#heat-map').focus({ focusVisible: true })");
    browser.key("ArrowRight");
    let first = browser.value("document.getElementById('live').textContent");
    browser.key("ArrowDown");
    let below = browser.value("document.getElementById('live').textContent");
    assert_ne!(first, below);
    assert!(below.as_str().unwrap().contains(" owes ") && below.as_str().unwrap().contains('¥'), "{below}");
    assert_eq!(browser.value("document.getElementById('tip').hidden"), json!(false));
    browser.key("Escape");
    assert_eq!(browser.value("document.getElementById('tip').hidden"), json!(true));
}

fn long_tables_unfold_at_a_press(browser: &mut Browser) {
    let seen = "[...document.querySelectorAll('#late-table tbody tr')].filter((row) => row.checkVisibility()).length";
    let all = browser.value("document.querySelectorAll('#late-table tbody tr').length");
    assert!(all.as_u64().unwrap() > 10, "{all} cities were late");
    assert_eq!(browser.value(seen), json!(10));
    browser.click("#late-table + .more");
    assert_eq!(browser.value(seen), all);
}

fn nothing_is_wider_than_a_phone(browser: &mut Browser) {
    browser.size(400, 800);
    for _ in 0..2 {
        let widths =
            browser.value("[document.documentElement.scrollWidth, document.documentElement.clientWidth]");
        assert_eq!(widths[0], widths[1], "the page scrolls sideways");
        what_decides_is_in_sight(browser);
        browser.click("#language");
    }
}

/// On a phone who pays, who receives, and what is left to pay are seen without scrolling sideways.
fn what_decides_is_in_sight(browser: &mut Browser) {
    let marks = [
        ("#flow-chart-slim text", 30),
        ("#hour-chart-slim .hit", 24),
        ("#flows-table tbody td:last-child", 15),
        ("#net-table tbody td:nth-child(8)", 70),
    ];
    for (selector, least) in marks {
        let places = browser.value(&format!(
            "(() => {{ const boxes = [...document.querySelectorAll('{selector}')].filter((e) => e.checkVisibility()) \
             .map((e) => e.getBoundingClientRect()); \
             return [boxes.length, boxes.filter((b) => b.left < 0 || b.right > innerWidth).length]; }})()"
        ));
        assert!(places[0].as_u64().unwrap() >= least, "{selector}: {places}");
        assert_eq!(places[1], json!(0), "{selector} are out of sight: {places}");
    }
}

fn paper_shows_every_figure(browser: &mut Browser) {
    let hidden = "[...document.querySelectorAll('details:not([open]) table')].map((table) => table.id)";
    assert_eq!(browser.texts(hidden), ["hours-table", "acquirers-table"]);
    browser.value("dispatchEvent(new Event('beforeprint'))");
    // The chart of hours says what its table says.
    assert_eq!(browser.texts(hidden), ["hours-table"]);
}

#[test]
fn a_reader_of_chinese_sees_chinese_and_names_are_only_names() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let nasty = "</script><img src=x onerror=alert(1)>\\\"&amp;";
    scheme.change_rules(|rules| rules.replace("\"City 0\"", &format!("\"{nasty}\"")));
    let out = folder.path().join("out");
    clear(&scheme.path, &out);
    let (_, page) = page(folder.path(), &out);
    let mut browser = Browser::start();
    browser.prefer("zh-CN,zh;q=0.9");
    browser.open(&page);
    assert_eq!(browser.value("document.documentElement.lang"), json!("zh-CN"));
    assert_eq!(browser.value("document.querySelector('h1').innerText"), json!("2018年9月1日"));
    browser.click("#language");
    let name = "document.querySelector('#net-table tbody th .en').textContent";
    assert_eq!(browser.value(name), json!(nasty.replace("\\\"", "\"")));
    assert_eq!(
        browser.value("JSON.parse(document.getElementById('cities').textContent)[0][1]"),
        browser.value(name)
    );
    assert_eq!(browser.value("document.querySelectorAll('img').length"), json!(0));
    browser.assert_quiet();
}

#[test]
fn a_day_without_taps_is_a_good_page() {
    let folder = TempDir::new().unwrap();
    let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000"]);
    let out = folder.path().join("out");
    cityunion("clear {} --out {} --business-date 2018-09-01", &[&scheme.path, &out]).ok();
    let (_, page) = page(folder.path(), &out);
    let mut browser = Browser::start();
    browser.prefer("en");
    browser.open(&page);
    let empty = browser.value("document.querySelectorAll('.none').length");
    assert!(empty.as_u64().unwrap() >= 5, "{empty} sections say that they are empty");
    assert_eq!(browser.value("document.querySelectorAll('#net-table tbody tr').length"), json!(2));
    let text = browser.value("document.body.innerText");
    for word in ["NaN", "undefined", "null"] {
        assert!(!text.as_str().unwrap().contains(word), "{word} in {text}");
    }
    browser.assert_quiet();
}

#[test]
fn the_same_folder_gives_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let out = folder.path().join("out");
    clear(&scheme.path, &out);
    let (cycle, first) = page(folder.path(), &out);
    let second = folder.path().join("again.html");
    cityunion("report {} --html {}", &[&cycle, &second]).ok();
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
    let text = fs::read_to_string(&first).unwrap();
    for outside in ["http://", "https://", "url(//", "@import"] {
        assert!(!text.contains(outside), "{outside}");
    }
}
