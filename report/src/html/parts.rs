//! Pieces that the sections share.

use domain::city::City;
use maud::{Markup, html};

use crate::{
    figures,
    model::{Cycle, Tally},
    words::{Words, words},
};

/// A chart is drawn twice where a desk's would be too small to read on a phone; the page shows the one that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sheet {
    /// For a desk.
    Broad,
    /// For a phone.
    Slim,
    /// For both: too much stands on it for a phone, where it scrolls.
    Only,
}

impl Sheet {
    /// Class of the chart.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Broad => "broad",
            Self::Slim => "slim",
            Self::Only => "only",
        }
    }

    /// What is added to names that must be the page's only ones.
    pub const fn suffix(self) -> &'static str {
        if matches!(self, Self::Slim) { "-slim" } else { "" }
    }

    /// As wide as there is room; `least_px` is what a desk's chart needs to be readable.
    pub fn style(self, least_px: u128) -> String {
        match self {
            Self::Slim => "width:100%;max-width:480px".to_owned(),
            Self::Broad | Self::Only => format!("width:100%;min-width:{least_px}px"),
        }
    }
}

/// Words in both languages, of which the page shows one.
pub fn both(words: &Words) -> Markup {
    html! { span.en lang="en" { (words.en) } span.zh lang="zh-CN" { (words.zh) } }
}

/// The same for words that are written here.
pub fn said(en: &str, zh: &str) -> Markup {
    both(&words(en, zh))
}

/// A text of a chart in both languages, of which the page shows one.
pub fn label(x: &str, y: &str, class: &str, words: &Words) -> Markup {
    html! {
        text x=(x) y=(y) class={ "en " (class) } { (words.en) }
        text x=(x) y=(y) class={ "zh " (class) } { (words.zh) }
    }
}

/// A city's names.
pub fn name(cycle: &Cycle, city: City) -> Words {
    let named = cycle.named(city);
    Words { en: named.en, zh: named.zh }
}

/// A city's names where its code does not stand beside them: with the code if another city has the same name.
pub fn full_name(cycle: &Cycle, city: City) -> Words {
    let Words { mut en, mut zh } = name(cycle, city);
    let others = || cycle.cities.values().filter(|other| other.city != city);
    if others().any(|other| other.en == en || other.zh == zh) {
        en = format!("{en} {city}");
        zh = format!("{zh} {city}");
    }
    Words { en, zh }
}

/// A city as the first cell of a row.
pub fn city_cell(cycle: &Cycle, city: City) -> Markup {
    html! { th.l scope="row" { (both(&name(cycle, city))) span.code { (city) } } }
}

/// The head of a column of texts.
pub fn text_head(en: &str, zh: &str) -> Markup {
    html! { th.l scope="col" { button type="button" data-text { (said(en, zh)) } } }
}

/// The head of a column of figures.
pub fn figure_head(en: &str, zh: &str) -> Markup {
    html! { th scope="col" { button type="button" { (said(en, zh)) } } }
}

/// The head of a column that nobody sorts by.
pub fn plain_head(en: &str, zh: &str) -> Markup {
    html! { th.l scope="col" { (said(en, zh)) } }
}

/// A cell of yuan.
pub fn yuan_cell(fen: i128) -> Markup {
    html! { td data-v=(fen) { (figures::yuan(fen).replace('-', "−")) } }
}

/// A cell with a count.
pub fn count_cell(count: u64) -> Markup {
    html! { td data-v=(count) { (figures::count(count)) } }
}

/// A cell with a share of a whole.
pub fn share_cell(part: u64, whole: u64) -> Markup {
    html! { td data-v=(part) { (figures::percent(part.into(), whole.into())) } }
}

/// The same behind a bar as long as the share.
pub fn part_cell(part: u64, whole: u64) -> Markup {
    let bar = format!("--part:{}", width(part.into(), whole.into()).trim_start_matches("width:"));
    html! { td.part data-v=(part) style=(bar) { (figures::percent(part.into(), whole.into())) } }
}

/// A cell with a bar as long as the share of the largest.
pub fn bar_cell(part: u64, largest: u64) -> Markup {
    html! { td.bar aria-hidden="true" { @if part > 0 { i style=(width(part.into(), largest.into())) {} } } }
}

/// The width of a bar.
pub fn width(part: u128, largest: u128) -> String {
    let permille = figures::permille(part, largest);
    format!("width:{}.{}%", permille / 10, permille % 10)
}

/// What a mark of a chart says: a place, an amount, a number of taps.
pub fn told(place: &Words, tally: Tally) -> Words {
    let (fen, count) = (figures::yuan(tally.amount_fen.into()), figures::count(tally.count));
    Words {
        en: format!("{}\n¥{fen} · {count} taps", place.en),
        zh: format!("{}\n¥{fen} · {count} 笔", place.zh),
    }
}

/// Instead of a chart or table that would be empty.
pub fn nothing(en: &str, zh: &str) -> Markup {
    html! { p.none { (said(en, zh)) } }
}

/// A length in tenths of a unit, as SVG writes it.
pub fn tenths(length: u128) -> String {
    match length % 10 {
        0 => (length / 10).to_string(),
        part => format!("{}.{part}", length / 10),
    }
}
