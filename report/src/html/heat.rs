//! Who owes whom: every pair of cities as a cell.

use std::{cmp::Reverse, collections::BTreeMap};

use domain::city::City;
use maud::{Markup, html};

use super::parts::{full_name, nothing, said};
use crate::{
    figures::{count, round_up, yuan},
    model::{Cycle, Pair},
    words::{Words, words},
};

/// Shades of a cell; each stands for amounts up to a round number.
const SHADES: usize = 8;
/// The longest name at an axis, characters.
const NAME_CHARS_MAX: usize = 20;

/// How large things are drawn, by the number of cities.
struct Size {
    across: usize,
    down: usize,
    font: usize,
    gap: usize,
    /// Amounts stand in the cells, names across above them.
    roomy: bool,
}

impl Size {
    const fn of(cities: usize) -> Self {
        match cities {
            0..=8 => Self { across: 96, down: 36, font: 13, gap: 2, roomy: true },
            9..=22 => Self { across: 40, down: 24, font: 12, gap: 2, roomy: false },
            23..=45 => Self { across: 20, down: 18, font: 11, gap: 1, roomy: false },
            _ => Self { across: 11, down: 11, font: 10, gap: 1, roomy: false },
        }
    }
}

/// The cities of the map: those with most money between them and others first.
pub fn by_volume(cycle: &Cycle) -> Vec<City> {
    let mut volumes: BTreeMap<City, u64> = cycle.nets.keys().map(|city| (*city, 0)).collect();
    for ((creditor, debtor), pair) in &cycle.pairs {
        *volumes.entry(*creditor).or_default() += pair.amount_fen;
        *volumes.entry(*debtor).or_default() += pair.amount_fen;
    }
    let mut order: Vec<City> = volumes.keys().copied().collect();
    order.sort_by_key(|city| (Reverse(volumes.get(city).copied().unwrap_or_default()), *city));
    order
}

/// The section.
pub fn section(cycle: &Cycle, order: &[City]) -> Markup {
    let largest = cycle.pairs.values().map(|pair| pair.amount_fen).max();
    let body = match largest {
        None => nothing("No record was cleared.", "没有已清算的记录。"),
        Some(largest) => {
            let shades = shades(largest);
            html! { (legend(&shades)) div.scroll { (map(cycle, order, &shades)) } }
        }
    };
    let pairs = cycle.pairs.len() as u64;
    let lead = Words {
        en: format!(
            "Each row receives (the city where it was tapped), each column pays (the card’s home city): {} pairs, before anything is set against each other, the busiest cities first. From positions.csv.",
            count(pairs)
        ),
        zh: format!(
            "行为收款方（刷卡城市），列为付款方（发卡城市），共 {} 对，未作轧差，业务量大的城市在前。来源：positions.csv。",
            count(pairs)
        ),
    };
    super::section("heat", &words("Every pair of cities", "城市两两往来"), &lead, &body)
}

/// The upper ends of the shades: the last of 1, 2, 5, 10, 20 … fen up to the largest amount.
fn shades(largest_fen: u64) -> Vec<u128> {
    let end = round_up(largest_fen.into());
    let mut ends = vec![round_up(1)];
    while let Some(last) = ends.last().copied().filter(|last| *last < end) {
        ends.push(round_up(last + 1));
    }
    ends.split_off(ends.len().saturating_sub(SHADES))
}

/// The shade of an amount, from 1; the darkest is always [`SHADES`].
fn shade(shades: &[u128], amount_fen: u64) -> usize {
    let below = shades.iter().filter(|end| **end < u128::from(amount_fen)).count();
    below + 1 + SHADES.saturating_sub(shades.len())
}

fn legend(shades: &[u128]) -> Markup {
    html! {
        div.legend {
            span { (said("Amount up to, in yuan", "金额上限（元）")) }
        }
        div.scale style="margin-bottom:16px" aria-hidden="true" {
            @for (index, end) in shades.iter().enumerate() {
                span {
                    i class={ "h" (index + 1 + SHADES.saturating_sub(shades.len())) } {}
                    @if end % 100 == 0 { (count(u64::try_from(end / 100).unwrap_or(u64::MAX))) } @else { (yuan((*end).try_into().unwrap_or(i128::MAX))) }
                }
            }
        }
    }
}

fn map(cycle: &Cycle, order: &[City], shades: &[u128]) -> Markup {
    let size = Size::of(order.len());
    let names: Vec<Words> = order.iter().map(|city| axis_name(cycle, *city)).collect();
    let beside = names.iter().map(|name| room(name, size.font)).max().unwrap_or(0) + 10;
    let above = if size.roomy { 26 } else { beside };
    let (wide, high) = (order.len() * size.across, order.len() * size.down);
    let view = format!("0 0 {} {}", beside + wide + 2, above + high + 2);
    html! {
        svg.chart.heat #heat-map viewBox=(view) style={ "width:" (beside + wide + 2) "px" } tabindex="0" role="group"
            data-en="Heat map: what each column’s city owes each row’s city. Arrow keys go from cell to cell."
            data-zh="热力图：每列城市欠每行城市的金额。用方向键在格间移动。" {
            g transform={ "translate(" (beside) "," (above) ")" } {
                rect.ground width=(wide) height=(high) {}
                line.own x2=(wide) y2=(high) {}
                @for (index, name) in names.iter().enumerate() {
                    (row_name(&size, index, name))
                    (column_name(&size, index, name))
                }
                @for (row, creditor) in order.iter().enumerate() {
                    g data-r=(row) transform={ "translate(0," (row * size.down) ")" } {
                        @for (column, debtor) in order.iter().enumerate() {
                            @if let Some(pair) = cycle.pairs.get(&(*creditor, *debtor)) {
                                (cell(&size, column, pair, shade(shades, pair.amount_fen)))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(size: &Size, column: usize, pair: &Pair, shade: usize) -> Markup {
    let (x, wide, high) = (column * size.across, size.across - size.gap, size.down - size.gap);
    html! {
        rect x=(x) width=(wide) height=(high) class={ "h" (shade) } data-c=(column)
            data-v={ (pair.count) " " (pair.amount_fen) } {}
        @if size.roomy {
            text class={ "value end " (if shade > SHADES / 2 { "light" } else { "dark" }) }
                x=(x + wide - 8) y=(high / 2 + 5) { (yuan(pair.amount_fen.into())) }
        }
    }
}

fn row_name(size: &Size, index: usize, name: &Words) -> Markup {
    let y = index * size.down + (size.down - size.gap) / 2 + size.font * 35 / 100;
    html! {
        @for (language, text) in [("en", &name.en), ("zh", &name.zh)] {
            text class={ (language) " end" } x="-6" y=(y) style={ "font-size:" (size.font) "px" } { (text) }
        }
    }
}

fn column_name(size: &Size, index: usize, name: &Words) -> Markup {
    let middle = index * size.across + (size.across - size.gap) / 2;
    let (class, place) = if size.roomy {
        ("mid", format!("translate({middle},-9)"))
    } else {
        ("", format!("translate({},-5) rotate(-90)", middle + size.font * 35 / 100))
    };
    html! {
        @for (language, text) in [("en", &name.en), ("zh", &name.zh)] {
            text class={ (language) " " (class) } transform=(place) style={ "font-size:" (size.font) "px" } { (text) }
        }
    }
}

/// A city's names, short enough for an axis.
pub fn axis_name(cycle: &Cycle, city: City) -> Words {
    let short = |text: String| match text.char_indices().nth(NAME_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    };
    let Words { en, zh } = full_name(cycle, city);
    Words { en: short(en), zh: short(zh) }
}

/// How wide a name is at most, in whole units: a Latin letter is about six tenths of the font's size.
pub fn room(name: &Words, font: usize) -> usize {
    let tenths = |text: &str| text.chars().map(|c| if c.is_ascii() { 6 } else { 10 }).sum::<usize>();
    tenths(&name.en).max(tenths(&name.zh)) * font / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_are_round_numbers_up_to_the_largest() {
        assert_eq!(
            shades(1_234_567),
            [10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000]
        );
        assert_eq!(shades(3), [1, 2, 5]);
        assert_eq!(shades(0), [1]);
        let ends = shades(1_234_567);
        for (fen, expected) in [(0, 1), (10_000, 1), (10_001, 2), (1_000_000, 7), (1_234_567, 8)] {
            assert_eq!(shade(&ends, fen), expected, "{fen}");
        }
        assert_eq!(shade(&shades(3), 3), SHADES);
    }
}
