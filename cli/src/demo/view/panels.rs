//! What lies over the picture: help, messages, bad files, the question for a tap, a tap's life.

use domain::city::City;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Clear, Padding, Paragraph},
};

use super::{
    Theme,
    text::{board, padded, wrap},
};
use crate::demo::{
    facts::{BadFiles, TapName},
    model::{Model, Panel},
    prompt::Prompt,
};

/// Cells that a column's name, and what stands in it, take in the list of quarantined lines.
const COLUMN_WIDTH: usize = 12;
const FOUND_WIDTH: usize = 18;
/// Cells that the name of a step of a tap's life takes, its indent included.
const STEP_WIDTH: usize = 17;
/// A panel of this many cells has room for what stands in a column.
const WITH_FOUND: usize = 96;

/// Draws the panel in the middle of `area`. Returns how many rows found no room.
pub fn draw(model: &Model, panel: &Panel, theme: &Theme, frame: &mut Frame<'_>, area: Rect) -> u16 {
    let width = area.width.saturating_sub(2).min(112);
    let inner = usize::from(width.saturating_sub(4)).max(1);
    let (title, lines) = match panel {
        Panel::None => return 0,
        Panel::Help => ("help".to_owned(), help(theme)),
        Panel::Messages => ("messages, the last first, UTC+8".to_owned(), messages(model, theme)),
        Panel::BadFiles(city, became) => (
            format!("two bad files of {}", model.name(*city)),
            bad_files(*city, became, inner >= WITH_FOUND, theme),
        ),
        Panel::Prompt(prompt) => ("trace a tap".to_owned(), question(prompt, theme)),
        Panel::Trace(tap, life) => (trace_title(tap), traced(life.as_ref(), theme)),
    };
    let lines: Vec<Line<'_>> = lines.iter().flat_map(|line| wrap(line, inner)).collect();
    let rows = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let height = rows.saturating_add(2).min(area.height);
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    let hidden = rows.saturating_sub(height.saturating_sub(2));
    let mut block = board(&title, theme).border_style(theme.strong).padding(Padding::horizontal(1));
    if hidden > model.scroll {
        block = block.title_bottom(Line::styled(" more below: ↓ ", theme.faint).right_aligned());
    }
    let text = Paragraph::new(lines).scroll((model.scroll.min(hidden), 0)).block(block);
    frame.render_widget(Clear, place);
    frame.render_widget(text, place);
    hidden
}

fn help(theme: &Theme) -> Vec<Line<'static>> {
    let key = |key: &'static str, does: &'static str| {
        Line::from(vec![Span::styled(format!("{key:<8}"), theme.strong), Span::raw(does)])
    };
    let word = |word: &'static str, means: &'static str| {
        Line::from(vec![Span::styled(format!("{word:<10}"), theme.strong), Span::styled(means, theme.faint)])
    };
    vec![
        key("↑ ↓", "choose a city (also PageUp, PageDown, Home, End)"),
        key("d", "the chosen city's own systems go dark, or answer again"),
        key("b", "the chosen city hands in two bad files; see what becomes of them"),
        key("c", "cut off now: the open cycle ends, its settlement is written"),
        key("t", "trace a tap: its whole life, from its file to its settlement"),
        key("m", "all messages, warnings among them"),
        key("q Esc", "end cleanly; started again it goes on (Ctrl-C twice: at once)"),
        Line::default(),
        word("taps", "records of this city's terminals, since the demo was started"),
        word("cleared", "the card's home city pays"),
        word("rej.", "rejected, paid before (duplicate), or in conflict"),
        word("parked", "waits for a home city that is dark; delivered when it answers"),
        word("net", "what net.csv would say if it were cut off now; sums to zero"),
        word("", "with the fees that would be due then, by the settlement's rules"),
        word("○ – ●", "home city dark; not a member on this business date; answers"),
    ]
}

fn messages(model: &Model, theme: &Theme) -> Vec<Line<'static>> {
    if model.messages.is_empty() {
        return vec![Line::styled("nothing so far", theme.faint)];
    }
    let line = |message: &crate::demo::model::Message| {
        let mark = if message.warning { Span::styled("! ", theme.bad) } else { Span::raw("  ") };
        let at = Span::styled(format!("{} ", message.at), theme.faint);
        Line::from(vec![at, mark, Span::raw(message.shown().to_owned())])
    };
    model.messages.iter().rev().map(line).collect()
}

fn bad_files(city: City, became: &BadFiles, wide: bool, theme: &Theme) -> Vec<Line<'static>> {
    let found = |text: &str| if wide { padded(text, FOUND_WIDTH) } else { String::new() };
    let mut lines = vec![
        Line::styled(became.broken.clone(), theme.strong),
        Line::from(became.broken_receipt.clone()),
        Line::styled(
            format!("line  {:<COLUMN_WIDTH$}  {}what is wrong", "column", found("stands there")),
            theme.faint,
        ),
    ];
    for bad in &became.lines {
        lines.push(Line::from(vec![
            Span::raw(format!("{:>4}  ", bad.line)),
            Span::styled(format!("{:<COLUMN_WIDTH$}  ", bad.column), theme.dark),
            Span::raw(found(&bad.found)),
            Span::styled(bad.why.clone(), theme.bad),
        ]));
    }
    let answers = became.answers.display();
    lines.extend([
        Line::default(),
        Line::styled(became.headless.clone(), theme.strong),
        Line::styled(became.headless_receipt.clone(), theme.bad),
        Line::styled(format!("answers in {answers}: results/{city}/, receipts/{city}.csv"), theme.faint),
    ]);
    lines
}

fn question(prompt: &Prompt, theme: &Theme) -> Vec<Line<'static>> {
    let field = |name: &'static str, text: &str, here: bool| {
        let mut spans = vec![Span::styled(format!("{name:<10}"), theme.faint)];
        spans.push(Span::styled(text.to_owned(), if here { theme.strong } else { theme.faint }));
        if here {
            spans.push(Span::styled(" ", theme.chosen));
        }
        Line::from(spans)
    };
    let mut lines = vec![
        Line::styled("Which tap? Offered is one of the chosen city's last.", theme.faint),
        Line::default(),
        field("terminal", &prompt.terminal, !prompt.at_sequence),
        field("sequence", &prompt.sequence, prompt.at_sequence),
    ];
    if let Some(wrong) = prompt.wrong {
        lines.push(Line::styled(wrong, theme.bad));
    }
    lines
}

fn trace_title(tap: &TapName) -> String {
    format!("terminal {} sequence {}", tap.terminal, tap.sequence)
}

fn traced(life: Option<&Result<Vec<String>, String>>, theme: &Theme) -> Vec<Line<'static>> {
    match life {
        None => vec![Line::styled("looking it up on the log …", theme.faint)],
        Some(Ok(lines)) => lines.iter().map(|line| step(line, theme)).collect(),
        Some(Err(why)) => vec![Line::styled(why.clone(), theme.bad)],
    }
}

/// A line of a tap's life. Steps are indented, their name stands in a column of its own.
fn step(line: &str, theme: &Theme) -> Line<'static> {
    match line.split_at_checked(STEP_WIDTH) {
        Some((name, what)) if name.starts_with("   ") && name.ends_with(' ') => {
            Line::from(vec![Span::styled(name.to_owned(), theme.strong), Span::raw(what.to_owned())])
        }
        _ => Line::from(line.to_owned()),
    }
}
