//! Taps/s, results, the open cycle's net, closed cycles, messages.

use std::collections::BTreeMap;

use domain::{result::RecordResult, settlement::Party};
use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    text::{Line, Span},
    widgets::{Cell, Paragraph, RenderDirection, Row, Sparkline, Table},
};

use super::{
    Theme,
    text::{board, cut, figure, fitting, fitting_yuan, number, percent, spread},
};
use crate::demo::model::{Message, Model};

/// Cells of a net.
const NET_WIDTH: usize = 14;
/// A board of this many cells has room for the records of a closed cycle.
const WITH_RECORDS: u16 = 44;

/// Taps/s over all cities, the present at the right.
pub fn rates(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let most = model.rates.iter().copied().max().unwrap_or(0);
    let block = board("taps/s", theme).title(
        Line::styled(format!(" now {}, most {} ", number(model.rate()), number(most)), theme.faint)
            .right_aligned(),
    );
    let line = Sparkline::default()
        .block(block)
        .style(theme.bars)
        .direction(RenderDirection::RightToLeft)
        .max(most.max(1))
        .data(model.rates.iter().rev().copied());
    frame.render_widget(line, area);
}

/// What became of the records, the most frequent first, cleared ones and parked ones before all.
#[must_use]
pub fn result_rows(model: &Model) -> Vec<(RecordResult, u64)> {
    let Some(now) = &model.now else { return Vec::new() };
    let mut sums: BTreeMap<RecordResult, u64> = BTreeMap::new();
    for (result, count) in now.acquirers.values().flat_map(|acquirer| &acquirer.results) {
        *sums.entry(*result).or_default() += count;
    }
    let cleared = sums.remove(&RecordResult::Cleared).unwrap_or(0);
    let mut others: Vec<_> = sums.into_iter().collect();
    others.sort_by_key(|(result, count)| (std::cmp::Reverse(*count), *result));
    let mut rows = vec![(RecordResult::Cleared, cleared), (RecordResult::Parked, now.counts.parked)];
    rows.extend(others);
    rows
}

/// Results by reason since the demo was started.
pub fn results(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let rows = result_rows(model);
    let whole: u64 = rows.iter().map(|(_, count)| count).sum();
    let shown = rows.into_iter().map(|(result, count)| {
        let name = match result {
            RecordResult::Rejected(_) => result.reason(),
            _ => result.name(),
        };
        let style = match result {
            RecordResult::Cleared => theme.good,
            RecordResult::Parked if count > 0 => theme.dark,
            RecordResult::Parked => theme.faint,
            _ => theme.bad,
        };
        Row::new([
            Cell::from(Span::styled(name, style)),
            Cell::from(figure(fitting(count, 11), theme.strong)),
            Cell::from(figure(percent(count, whole), theme.faint)),
        ])
    });
    let widths = [Constraint::Fill(1), Constraint::Length(11), Constraint::Length(7)];
    frame.render_widget(Table::new(shown, widths).block(board("results", theme)), area);
}

/// The largest nets of the open cycle, as it would be settled now.
pub fn net(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let open = model.now.as_ref().and_then(|now| now.open.as_ref());
    let mut nets: Vec<_> = open.map(|open| open.net.iter().collect()).unwrap_or_default();
    nets.sort_by_key(|net| (std::cmp::Reverse(net.net_fen.unsigned_abs()), net.participant));
    let rows = nets.into_iter().map(|net| {
        let name = match net.participant {
            Party::City(city) => model.name(city),
            Party::Scheme => "scheme (fees)".to_owned(),
        };
        let style = if net.net_fen < 0 { theme.bad } else { theme.good };
        let sign = if net.net_fen > 0 { "+" } else { "" };
        let amount = format!("{sign}{}", fitting_yuan(net.net_fen.into(), NET_WIDTH - sign.len()));
        Row::new([Cell::from(name), Cell::from(figure(amount, style))])
    });
    let block = board("open cycle: net so far, yuan", theme)
        .title_bottom(Line::styled(" as if cut off now, with fees ", theme.faint).right_aligned());
    let widths = [Constraint::Fill(1), Constraint::Length(NET_WIDTH.try_into().unwrap_or(u16::MAX))];
    frame.render_widget(Table::new(rows, widths).block(block), area);
}

/// The closed cycles, the last first.
pub fn closed(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let cycles = model.now.as_ref().map(|now| now.closed.as_slice()).unwrap_or_default();
    let wide = area.width >= WITH_RECORDS;
    let title = if wide { "closed cycles: taps, yuan" } else { "closed cycles: yuan" };
    let mut block = board(title, theme);
    if cycles.is_empty() {
        let text = Line::styled(" none yet", theme.faint);
        return frame.render_widget(Paragraph::new(text).block(block), area);
    }
    if let Some(folder) = cycles.last().and_then(|closed| closed.folder.parent()) {
        let text = Line::styled(format!(" in {} ", folder.display()), theme.faint);
        if text.width() + 2 <= usize::from(area.width) {
            block = block.title_bottom(text.right_aligned());
        }
    }
    let amount = usize::from(area.width.saturating_sub(if wide { 28 } else { 17 }));
    let rows = cycles.iter().rev().map(|closed| {
        let mut cells = vec![Cell::from(closed.name.as_str())];
        if wide {
            cells.push(Cell::from(figure(fitting(closed.records, 10), theme.strong)));
        }
        cells.push(Cell::from(figure(fitting_yuan(closed.amount_fen.into(), amount), theme.good)));
        Row::new(cells)
    });
    let mut widths = vec![Constraint::Length(14), Constraint::Fill(1)];
    if wide {
        widths.insert(1, Constraint::Length(10));
    }
    frame.render_widget(Table::new(rows, widths).block(block), area);
}

/// The last messages, the last first.
pub fn messages(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let framed = area.height > 2;
    let rows = usize::from(if framed { area.height - 2 } else { area.height });
    let line = |message: &Message| {
        let style = if message.warning { theme.bad } else { theme.faint };
        Line::from(vec![
            Span::styled(format!(" {} ", message.at), theme.faint),
            Span::styled(message.shown().to_owned(), style),
        ])
    };
    let mut lines: Vec<Line<'_>> = model.messages.iter().rev().take(rows).map(line).collect();
    let unread = match model.unread {
        0 => None,
        1 => Some("1 warning: m ".to_owned()),
        many => Some(format!("{many} warnings: m ")),
    };
    if framed {
        let mut block = board("messages", theme);
        if let Some(unread) = unread {
            block = block.title(Line::styled(format!(" {unread}"), theme.bad).right_aligned());
        }
        return frame.render_widget(Paragraph::new(lines).block(block), area);
    }
    if let (Some(unread), Some(line)) = (unread, lines.pop()) {
        let room = usize::from(area.width).saturating_sub(unread.len());
        let left = vec![Span::styled(cut(&line.to_string(), room), theme.faint)];
        lines.push(spread(left, vec![Span::styled(unread, theme.bad)], area.width));
    }
    frame.render_widget(Paragraph::new(lines), area);
}
