//! The cities with their traffic.

use domain::city::City;
use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    text::{Line, Span},
    widgets::{Cell, Row, Table, TableState},
};

use super::{
    Theme,
    text::{bars, board, figure, fitting, number},
};
use crate::demo::{
    facts::{Acquirer, Named},
    model::Model,
};

/// A board of this many cells has room for taps/s, and for figures in full.
const WITH_RATE: u16 = 56;
const WITH_FULL_FIGURES: u16 = 90;
/// Cells of everything but the counts and the bars: mark, name, taps/s, rejected, parked and the gaps.
const OTHERS: u16 = 46;
/// Cells of a sparkline: so few say nothing, more are not needed.
const BARS: (u16, u16) = (8, 60);

/// Which columns there is room for.
#[derive(Clone, Copy)]
struct Columns {
    rate: bool,
    bars: u16,
    figure: u16,
}

impl Columns {
    fn of(width: u16) -> Self {
        let figure = if width >= WITH_FULL_FIGURES { 10 } else { 7 };
        let left = width.saturating_sub(2 + OTHERS + 2 * figure).min(BARS.1);
        Self { rate: width >= WITH_RATE, bars: if left < BARS.0 { 0 } else { left }, figure }
    }

    fn widths(self) -> Vec<Constraint> {
        let mut widths = vec![Constraint::Length(1), Constraint::Fill(1)];
        if self.rate {
            widths.push(Constraint::Length(7));
        }
        widths.extend([self.figure, self.figure, 5, 6].map(Constraint::Length));
        if self.bars > 0 {
            widths.push(Constraint::Length(self.bars));
        }
        widths
    }
}

/// Draws the board.
pub fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let columns = Columns::of(area.width);
    let most = model.city_rates.values().flatten().copied().max().unwrap_or(0);
    let rows = model.cities.iter().map(|named| row(model, named, columns, most, theme));
    let mut block = board("cities", theme);
    if let Some(text) = dark_cities(model, area.width.saturating_sub(2)) {
        block = block.title_bottom(Line::styled(text, theme.dark));
    }
    let table = Table::new(rows, columns.widths())
        .header(header(columns, theme))
        .column_spacing(1)
        .row_highlight_style(theme.chosen)
        .block(block);
    let mut state = TableState::new().with_selected(Some(model.chosen));
    frame.render_stateful_widget(table, area, &mut state);
}

fn header<'a>(columns: Columns, theme: &Theme) -> Row<'a> {
    let mut cells = vec![Cell::from(""), Cell::from("city")];
    let right = |name: &'static str| Cell::from(Line::from(name).right_aligned());
    if columns.rate {
        cells.push(right("taps/s"));
    }
    cells.extend(["taps", "cleared", "rej.", "parked"].map(right));
    if columns.bars > 0 {
        cells.push(Cell::from("by second"));
    }
    Row::new(cells).style(theme.faint)
}

fn row<'a>(model: &'a Model, named: &'a Named, columns: Columns, most: u64, theme: &Theme) -> Row<'a> {
    let now = model.now.as_ref();
    let none = Acquirer::default();
    let acquirer = now.and_then(|now| now.acquirers.get(&named.city)).unwrap_or(&none);
    let dark = now.is_some_and(|now| now.dark.contains_key(&named.city));
    let absent = now.is_some_and(|now| now.absent.contains(&named.city));
    let (mark, style) = match (dark, absent) {
        (true, _) => ("○", theme.dark),
        (_, true) => ("–", theme.faint),
        _ => ("●", theme.good),
    };
    let name = format!("{} {}", named.name_zh, named.name_en);
    let name = if dark { Span::styled(name, theme.dark) } else { Span::raw(name) };
    let mut cells = vec![Cell::from(Span::styled(mark, style)), Cell::from(name)];
    let rates = model.city_rates.get(&named.city);
    if columns.rate {
        let rate = rates.and_then(|rates| rates.back()).copied().unwrap_or(0);
        cells.push(Cell::from(figure(fitting(rate, 7), theme.strong)));
    }
    let width = columns.figure.into();
    cells.push(Cell::from(figure(fitting(acquirer.arrived, width), theme.strong)));
    cells.push(Cell::from(figure(fitting(acquirer.cleared(), width), theme.good)));
    cells.push(Cell::from(figure(fitting(acquirer.rejected(), 5), theme.bad)));
    let parked = if acquirer.parked > 0 { theme.dark } else { theme.faint };
    cells.push(Cell::from(figure(fitting(acquirer.parked, 6), parked)));
    if columns.bars > 0 {
        let values = rates.into_iter().flatten().copied();
        cells.push(Cell::from(Span::styled(bars(values, most, columns.bars.into()), theme.bars)));
    }
    if absent { Row::new(cells).style(theme.faint) } else { Row::new(cells) }
}

/// What is dark, and how much waits for it, in at most `width` cells: by name, else by number.
fn dark_cities(model: &Model, width: u16) -> Option<String> {
    let dark = &model.now.as_ref()?.dark;
    let parts = |parts: usize| number(u64::try_from(parts).unwrap_or(u64::MAX));
    let one = |(city, waiting): (&City, &usize)| {
        format!("{} ({} batches wait)", model.name(*city), parts(*waiting))
    };
    let by_name = format!(" dark: {} ", dark.iter().map(one).collect::<Vec<_>>().join(", "));
    let text = if Span::raw(by_name.as_str()).width() <= width.into() {
        by_name
    } else {
        format!(" dark: {} home cities ({} batches wait) ", dark.len(), parts(dark.values().sum()))
    };
    (!dark.is_empty()).then_some(text)
}
