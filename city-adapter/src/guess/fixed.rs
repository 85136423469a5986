//! Where the fields of lines of one length begin and end.

use super::{
    sample::Line,
    split::{Cutter, Cutting},
};

/// Shorter lines are no rows of several fields.
const LINE_LEN_MIN: usize = 12;
/// Longer lines are not looked at.
const LINE_LEN_MAX: usize = 4096;
/// Of a hundred lines so many must be of one length.
const SAME_PERCENT: usize = 90;
/// Of a thousand lines so many must agree on what stands at a place.
const AGREE_PERMILLE: usize = 995;
/// How dates and clocks stand in digits: Y year, M month, D day, h m s clock, `.` one character between.
const MOMENTS: [&str; 4] = ["YYYY.MM.DD.hh.mm.ss", "YYYYMMDDhhmmss", "YYYY.MM.DD", "YYYYMMDD"];
/// What may stand in a run of digits, if it always does.
const BETWEEN_DIGITS: &[u8] = b"-/:.,T";

/// A field by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Where it begins, in bytes, 0-based.
    pub at: usize,
    /// Its length in bytes.
    pub len: usize,
    /// What stands there.
    kind: Kind,
}

/// What stands at a place, in nearly all lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Spaces only.
    Space,
    /// Digits, or spaces before or behind them.
    Digit,
    /// Hex digits, some of them letters.
    Hex,
    /// Anything.
    Text,
}

/// One place of all lines.
struct Place {
    kind: Kind,
    /// The byte that stands there most often, and in how many of a thousand lines.
    top: (u8, usize),
    /// In how many of a thousand lines a space stands there.
    space: usize,
}

/// The fields of lines of one length; `None` if they are not.
pub(super) fn cut(lines: &[Line]) -> Option<Cutter> {
    let mut lens: Vec<usize> = lines.iter().map(|line| line.raw.len()).collect();
    lens.sort_unstable();
    let line_len = lens[lens.len() / 2];
    let rows: Vec<&[u8]> = lines.iter().map(|line| &*line.raw).filter(|raw| raw.len() == line_len).collect();
    let same = rows.len() * 100 >= lines.len() * SAME_PERCENT;
    if !same || !(LINE_LEN_MIN..=LINE_LEN_MAX).contains(&line_len) {
        return None;
    }
    let places: Vec<Place> = (0..line_len).map(|at| Place::of(&rows, at)).collect();
    let mut cuts: Vec<Cut> = Vec::new();
    for (start, end) in runs(&places) {
        let hex = places[start..end].iter().any(|place| place.kind == Kind::Hex);
        match if hex { Kind::Hex } else { places[start].kind } {
            // Texts are filled up with spaces behind.
            Kind::Space => {
                if let Some(text) =
                    cuts.last_mut().filter(|cut| cut.kind == Kind::Text && cut.at + cut.len == start)
                {
                    text.len = end - text.at;
                }
            }
            Kind::Digit => cut_digits(&rows, &places, start, end, &mut cuts),
            kind => cuts.push(Cut { at: start, len: end - start, kind }),
        }
    }
    if cuts.is_empty() {
        return None;
    }
    let evidence = format!(
        "{} of {} lines are {line_len} bytes long, and no character separates",
        rows.len(),
        lines.len()
    );
    let doubt = Some(
        "the places are where digits, letters and spaces change, dates begin, or numbers begin with zeros: \
         check them against the description of the file"
            .to_owned(),
    );
    let columns = cuts.len();
    Some(Cutter { cutting: Cutting::Places { cuts, line_len }, columns, evidence, doubt })
}

/// Whether a line has digits where all others have.
pub(super) fn is_like_the_rest(cuts: &[Cut], line: &[u8]) -> bool {
    cuts.iter().all(|cut| {
        let bytes = &line[cut.at..cut.at + cut.len];
        let digit = |b: &u8| match cut.kind {
            Kind::Digit => b.is_ascii_digit() || *b == b' ' || BETWEEN_DIGITS.contains(b),
            Kind::Hex => b.is_ascii_hexdigit() || *b == b' ',
            Kind::Space | Kind::Text => true,
        };
        bytes.iter().all(digit)
    })
}

impl Place {
    fn of(rows: &[&[u8]], at: usize) -> Self {
        let mut counts = [0_usize; 256];
        for row in rows {
            counts[usize::from(row[at])] += 1;
        }
        let permille = |count: usize| count * 1000 / rows.len();
        let sum = |of: &dyn Fn(u8) -> bool| {
            (0..=u8::MAX).filter(|b| of(*b)).map(|b| counts[usize::from(b)]).sum::<usize>()
        };
        let space = counts[usize::from(b' ')];
        let digits = sum(&|b| b.is_ascii_digit());
        let hex = sum(&|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
        let top = (0..=u8::MAX).max_by_key(|b| counts[usize::from(*b)]).unwrap_or_default();
        let top = (top, permille(counts[usize::from(top)]));
        let kind = match () {
            () if permille(space) >= AGREE_PERMILLE => Kind::Space,
            () if top.1 >= AGREE_PERMILLE && BETWEEN_DIGITS.contains(&top.0) => Kind::Digit,
            () if permille(digits + space) >= AGREE_PERMILLE => Kind::Digit,
            () if permille(hex) >= AGREE_PERMILLE && top.1 < AGREE_PERMILLE => Kind::Hex,
            () => Kind::Text,
        };
        Self { kind, top, space: permille(space) }
    }

    /// Always the same digit, as in the prefix of a number.
    fn is_fixed(&self) -> bool {
        self.top.1 >= AGREE_PERMILLE
    }
}

/// Stretches of places of one kind.
fn runs(places: &[Place]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let begins = at.checked_sub(1).is_none_or(|before| {
            let before = &places[before];
            // A text that is filled up with spaces ends where the next place is nearly never a space.
            let filled = place.kind == Kind::Text && before.space >= 200 && place.space <= 20;
            place.kind != before.kind || filled
        });
        match runs.last_mut() {
            Some((_, end)) if !begins => *end = at + 1,
            _ => runs.push((at, at + 1)),
        }
    }
    join_prefixes(places, runs)
}

/// Digits that never change belong to the hex digits behind them, and so do those that make a number of a usual
/// length with them.
fn join_prefixes(places: &[Place], runs: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for run in runs {
        let Some(last) = joined.last_mut() else {
            joined.push(run);
            continue;
        };
        let kind = |run: (usize, usize)| places[run.0].kind;
        let fixed = (last.0..last.1).all(|at| places[at].is_fixed()) && last.1 - last.0 <= 8;
        let (own, both) = (run.1 - run.0, run.1 - last.0);
        let one_number = fixed || ![8, 12, 16].contains(&own) && [8, 12, 16].contains(&both);
        if kind(*last) == Kind::Digit && kind(run) == Kind::Hex && one_number {
            *last = (last.0, run.1);
        } else {
            joined.push(run);
        }
    }
    joined
}

/// Cuts a run of digits at dates, and before the zeros that fill up a number.
fn cut_digits(rows: &[&[u8]], places: &[Place], start: usize, end: usize, cuts: &mut Vec<Cut>) {
    let mut from = start;
    let mut at = start;
    let cut = |at, len| Cut { at, len, kind: Kind::Digit };
    while at < end {
        let fits = |pattern: &&&str| at + pattern.len() <= end && is_moment(rows, at, pattern);
        if let Some(len) = MOMENTS.iter().find(fits).map(|pattern| pattern.len()) {
            cut_numbers(places, from, at, cuts);
            cuts.push(cut(at, len));
            at += len;
            from = at;
        } else {
            at += 1;
        }
    }
    cut_numbers(places, from, end, cuts);
}

fn cut_numbers(places: &[Place], start: usize, end: usize, cuts: &mut Vec<Cut>) {
    let mut from = start;
    for at in start..end {
        // Last digits of a number vary, the first ones of the next hardly.
        let filled = |place: &Place| matches!(place.top, (b'0' | b' ', 800..));
        let varies = at > start && places[at - 1].top.1 < 500;
        // Zeros up to the end belong to round numbers.
        let ends_round = places[at..end].iter().all(filled);
        if varies && filled(&places[at]) && !ends_round {
            cuts.push(Cut { at: from, len: at - from, kind: Kind::Digit });
            from = at;
        }
    }
    if from < end {
        cuts.push(Cut { at: from, len: end - from, kind: Kind::Digit });
    }
}

/// Whether nearly all rows have a date of these decades there, and a clock behind it if the pattern has one.
fn is_moment(rows: &[&[u8]], at: usize, pattern: &str) -> bool {
    let fits = |row: &&&[u8]| {
        let [mut year, mut month, mut day, mut hour, mut minute, mut second] = [0_u32; 6];
        for (byte, sign) in row[at..].iter().zip(pattern.bytes()) {
            let slot = match sign {
                b'Y' => &mut year,
                b'M' => &mut month,
                b'D' => &mut day,
                b'h' => &mut hour,
                b'm' => &mut minute,
                b's' => &mut second,
                _ if byte.is_ascii_digit() => return false,
                _ => continue,
            };
            if !byte.is_ascii_digit() {
                return false;
            }
            *slot = *slot * 10 + u32::from(byte - b'0');
        }
        let date = (1980..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        date && hour < 30 && minute < 60 && second < 60
    };
    rows.iter().filter(fits).count() * 1000 >= rows.len() * AGREE_PERMILLE
}
