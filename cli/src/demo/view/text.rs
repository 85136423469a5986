//! Figures and lines as they are shown.

use ratatui::{
    style::Style,
    symbols::bar,
    text::{Line, Span},
    widgets::{Block, BorderType},
};

use super::Theme;
use crate::output::{thousands, yuan};

/// Heights of a bar in one cell, from nothing to full.
const LEVELS: [&str; 9] = [
    " ",
    bar::ONE_EIGHTH,
    bar::ONE_QUARTER,
    bar::THREE_EIGHTHS,
    bar::HALF,
    bar::FIVE_EIGHTHS,
    bar::THREE_QUARTERS,
    bar::SEVEN_EIGHTHS,
    bar::FULL,
];

/// A count, thousands apart.
pub fn number(count: u64) -> String {
    thousands(&count.to_string())
}

/// A count in at most `width` cells: whole, else in thousands, millions or milliards.
pub fn fitting(count: u64, width: usize) -> String {
    let scaled = [(1, ""), (1_000, "k"), (1_000_000, "M"), (1_000_000_000, "G")];
    let texts = scaled.map(|(scale, unit)| format!("{}{unit}", number(count / scale)));
    let last = texts.last().cloned().unwrap_or_default();
    texts.into_iter().find(|text| text.len() <= width).unwrap_or(last)
}

/// An amount in yuan in at most `width` cells: with fen, else whole yuan, thousands or millions, cut off towards 0.
pub fn fitting_yuan(fen: i128, width: usize) -> String {
    let whole = [(100, ""), (100_000, "k"), (100_000_000, "M")];
    let whole = whole.map(|(scale, unit)| format!("{}{unit}", thousands(&(fen / scale).to_string())));
    let last = whole.last().cloned().unwrap_or_default();
    std::iter::once(yuan(fen)).chain(whole).find(|text| text.len() <= width).unwrap_or(last)
}

/// A time in seconds, or in minutes and seconds if it is long.
pub fn time(seconds: u64) -> String {
    if seconds < 120 { format!("{seconds} s") } else { format!("{}:{:02} min", seconds / 60, seconds % 60) }
}

/// A share in percent with one decimal; nothing of nothing is empty.
pub fn percent(part: u64, whole: u64) -> String {
    let Some(permille) = (u128::from(part) * 1000).checked_div(u128::from(whole)) else {
        return String::new();
    };
    format!("{}.{} %", permille / 10, permille % 10)
}

/// The last values as bars of one cell each, as high as their share of `most`.
pub fn bars(values: impl DoubleEndedIterator<Item = u64>, most: u64, width: usize) -> String {
    let level = |value: u64| {
        let eighths = (u128::from(value) * 8).div_ceil(u128::from(most.max(1)));
        LEVELS.get(usize::try_from(eighths).unwrap_or(8).min(8)).copied().unwrap_or(bar::FULL)
    };
    let mut cells: Vec<&str> = values.rev().take(width).map(level).collect();
    cells.resize(width, " ");
    cells.reverse();
    cells.concat()
}

/// As much of a text as `width` cells hold.
pub fn cut(text: &str, width: usize) -> String {
    let mut left = width;
    let fits = |c: &char| {
        let cells = Span::raw(c.to_string()).width();
        left.checked_sub(cells).inspect(|rest| left = *rest).is_some()
    };
    text.chars().take_while(fits).collect()
}

/// A text cut or filled up to `width` cells, the last of them empty.
pub fn padded(text: &str, width: usize) -> String {
    let mut padded = cut(text, width.saturating_sub(1));
    let cells = Span::raw(padded.as_str()).width();
    padded.push_str(&" ".repeat(width.saturating_sub(cells)));
    padded
}

/// A line with something at each end.
pub fn spread<'a>(left: Vec<Span<'a>>, right: Vec<Span<'a>>, width: u16) -> Line<'a> {
    let taken: usize = left.iter().chain(&right).map(Span::width).sum();
    let gap = usize::from(width).saturating_sub(taken);
    let mut spans = left;
    spans.push(Span::raw(" ".repeat(gap)));
    spans.extend(right);
    Line::from(spans)
}

/// A line broken between words into lines of `width` cells. All but the first begin below the line's last span.
pub fn wrap(line: &Line<'_>, width: usize) -> Vec<Line<'static>> {
    let width = width.max(1);
    let before = line.spans.len().saturating_sub(1);
    let indent: usize = line.spans.iter().take(before).map(Span::width).sum();
    let indent = if indent < width / 2 { indent } else { 0 };
    let mut cells: Vec<(char, Style)> =
        line.spans.iter().flat_map(|span| span.content.chars().map(|c| (c, span.style))).collect();
    let mut lines = Vec::new();
    loop {
        let end = row_end(&cells, if lines.is_empty() { 0 } else { indent }, width);
        let rest = cells.split_off(end);
        let shift = if lines.is_empty() { 0 } else { indent };
        let mut spans = vec![Span::raw(" ".repeat(shift))];
        spans.extend(cells.iter().map(|(c, style)| Span::styled(c.to_string(), *style)));
        lines.push(Line::from(spans).style(line.style));
        cells = rest.into_iter().skip_while(|(c, _)| *c == ' ').collect();
        if cells.is_empty() {
            return lines;
        }
    }
}

/// How many of the characters a row holds that begins at cell `at`.
fn row_end(cells: &[(char, Style)], at: usize, width: usize) -> usize {
    let mut taken = at;
    let mut space = None;
    for (index, (c, _)) in cells.iter().enumerate() {
        taken += Span::raw(c.to_string()).width();
        if taken > width {
            return space.unwrap_or(index).max(1);
        }
        if *c == ' ' && cells.get(..index).is_some_and(|before| before.iter().any(|(c, _)| *c != ' ')) {
            space = Some(index);
        }
    }
    cells.len()
}

/// Keys with what they do.
pub fn keys<'a>(pairs: &[(&'a str, &'a str)], theme: &Theme) -> Line<'a> {
    let mut spans = vec![Span::raw(" ")];
    for (key, does) in pairs {
        spans.push(Span::styled(*key, theme.strong));
        spans.push(Span::styled(format!(" {does}  "), theme.faint));
    }
    Line::from(spans)
}

/// A right-aligned figure.
pub fn figure<'a>(text: String, style: Style) -> Line<'a> {
    Line::styled(text, style).right_aligned()
}

/// The frame of a board.
pub fn board<'a>(title: &'a str, theme: &Theme) -> Block<'a> {
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.frame)
        .title(Line::styled(format!(" {title} "), theme.board))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_fit_their_column() {
        assert_eq!(fitting(9_999, 7), "9,999");
        assert_eq!(fitting(1_234_567, 7), "1,234k");
        assert_eq!(fitting(1_234_567, 9), "1,234,567");
        assert_eq!(fitting(123_456_789_012, 6), "123G");
        assert_eq!(fitting(u64::MAX, 3), "18,446,744,073G", "never less than the truth");
    }

    #[test]
    fn an_amount_never_loses_its_head() {
        assert_eq!(fitting_yuan(-123_456_789, 13), "-1,234,567.89");
        assert_eq!(fitting_yuan(-123_456_789, 12), "-1,234,567");
        assert_eq!(fitting_yuan(-123_456_789, 7), "-1,234k");
        assert_eq!(fitting_yuan(i64::MAX.into(), 4), "92,233,720,368M");
    }

    #[test]
    fn columns_are_counted_in_cells() {
        assert_eq!(padded("20号线", 9), "20号线   ");
        assert_eq!(padded("上海的地铁", 6), "上海  ");
    }

    #[test]
    fn long_times_have_minutes() {
        assert_eq!([time(119), time(120), time(3_599)], ["119 s", "2:00 min", "59:59 min"]);
    }

    #[test]
    fn shares_are_exact_without_floats() {
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(3, 3), "100.0 %");
        assert_eq!(percent(0, 0), "");
    }

    #[test]
    fn lines_break_between_words_below_their_last_column() {
        let wrapped = |line: &Line<'_>, width| {
            wrap(line, width).iter().map(|line| line.to_string()).collect::<Vec<_>>()
        };
        let line = Line::from(vec![Span::raw("   card    "), Span::raw("上海 pays twenty yuan")]);
        assert_eq!(wrapped(&line, 24), ["   card    上海 pays", "           twenty yuan"]);
        assert_eq!(
            wrapped(&Line::from("上海上海上海"), 5),
            ["上海", "上海", "上海"],
            "a word longer than a row"
        );
        assert_eq!(wrapped(&Line::from("some words"), 10), ["some words"]);
        assert_eq!(wrapped(&Line::default(), 10), [""]);
        assert_eq!(wrapped(&Line::from("宽"), 1), ["宽"], "too narrow for any");
    }

    #[test]
    fn bars_show_the_last_values_and_never_hide_one() {
        assert_eq!(bars([0, 1, 4, 8].into_iter(), 8, 6), "   ▁▄█");
        assert_eq!(bars([1, 2, 3].into_iter(), 1_000, 2), "▁▁");
    }
}
