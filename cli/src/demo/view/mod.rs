//! The picture: a function of the model, nothing else.

mod boards;
mod cities;
mod panels;
mod text;
mod theme;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::model::{Model, Panel};
use boards::{closed, messages, net, rates, results};
use text::{keys, spread};
pub use theme::Theme;

/// The smallest terminal that is drawn on.
const SIZE_MIN: (u16, u16) = (60, 16);
/// Rows of the sparkline's board, on a small and on a tall terminal.
const RATES_ROWS: (u16, u16) = (5, 8);
/// Terminals of this many rows are tall.
const TALL_ROWS: u16 = 34;

/// Draws everything. Returns how many rows of a panel found no room: so far it can be scrolled.
pub fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>) -> u16 {
    let area = frame.area();
    if area.width < SIZE_MIN.0 || area.height < SIZE_MIN.1 {
        too_small(frame, area);
        return 0;
    }
    let tall = area.height >= TALL_ROWS;
    let below = if tall { 6 } else { 1 };
    let [head, body, foot_notes, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(below),
        Constraint::Length(1),
    ])
    .areas(area);
    header(model, theme, frame, head);
    boards_of(model, theme, frame, body, tall);
    messages(model, theme, frame, foot_notes);
    footer(model, theme, frame, foot);
    match &model.panel {
        Panel::None => 0,
        panel => panels::draw(model, panel, theme, frame, body),
    }
}

fn boards_of(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect, tall: bool) {
    let right = (area.width * 2 / 5).clamp(33, 64);
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(right)]).areas(area);
    let rates_rows = if tall { RATES_ROWS.1 } else { RATES_ROWS.0 };
    let [top, below] = Layout::vertical([Constraint::Length(rates_rows), Constraint::Fill(1)]).areas(left);
    rates(model, theme, frame, top);
    cities::draw(model, theme, frame, below);
    let kinds = u16::try_from(boards::result_rows(model).len()).unwrap_or(u16::MAX);
    let most = right.height / 3;
    let [first, second, third] = Layout::vertical([
        Constraint::Length(kinds.saturating_add(2).clamp(most.min(6), most)),
        Constraint::Fill(3),
        Constraint::Fill(2),
    ])
    .areas(right);
    results(model, theme, frame, first);
    net(model, theme, frame, second);
    closed(model, theme, frame, third);
}

fn header(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let cycle = match model.now.as_ref().and_then(|now| now.open.as_ref()) {
        _ if model.ending => "ending: waiting for the last results".to_owned(),
        None => "no cycle is open yet".to_owned(),
        Some(open) if open.closing => format!("{}  being cut off", open.name),
        Some(open) => format!("{}  cut-off in {}", open.name, text::time(open.cut_off_in_s)),
    };
    let left = vec![
        Span::styled(" City Union Clearing ", theme.title),
        Span::raw("  "),
        Span::styled(cycle, theme.strong),
    ];
    let parked = model.now.as_ref().map_or(0, |now| now.counts.parked);
    let parked = Span::styled(format!("{} parked  ", text::number(parked)), theme.dark);
    let rate = Span::styled(format!("{} taps/s ", text::number(model.rate())), theme.strong);
    let taken: usize = left.iter().chain([&parked, &rate]).map(Span::width).sum();
    let anything = model.now.as_ref().is_some_and(|now| now.counts.parked > 0);
    let fits = taken < area.width.into();
    let right = if anything && fits { vec![parked, rate] } else { vec![rate] };
    frame.render_widget(Paragraph::new(spread(left, right, area.width)), area);
}

fn footer(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let line = match &model.panel {
        _ if model.ending => keys(&[("Ctrl-C", "leave at once")], theme),
        Panel::Prompt(_) => keys(&[("Tab", "next field"), ("Enter", "trace"), ("Esc", "close")], theme),
        Panel::None => keys(
            &[
                ("↑↓", "city"),
                ("d", "dark"),
                ("b", "bad file"),
                ("c", "cut off"),
                ("t", "trace"),
                ("m", "messages"),
                ("?", "help"),
                ("q", "end"),
            ],
            theme,
        ),
        Panel::Help => panel_keys("? Enter Esc", theme),
        Panel::Messages => panel_keys("m Enter Esc", theme),
        Panel::BadFiles(..) | Panel::Trace(..) => panel_keys("Enter Esc", theme),
    };
    frame.render_widget(Paragraph::new(line), area);
}

fn panel_keys(close: &'static str, theme: &Theme) -> Line<'static> {
    keys(&[("↑↓", "scroll"), (close, "close"), ("q", "end the demo")], theme)
}

fn too_small(frame: &mut Frame<'_>, area: Rect) {
    let (width, height) = SIZE_MIN;
    let lines = [
        Line::from(format!("{} × {} is too small", area.width, area.height)),
        Line::from(format!("needs {width} × {height}")),
        Line::from("q ends the demo"),
    ];
    frame.render_widget(Paragraph::new(lines.to_vec()), area);
}

#[cfg(test)]
mod tests;
