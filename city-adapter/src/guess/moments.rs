//! Which columns say when, and how they write it.

use super::profile::Profile;
use crate::mapping::clock::Format;

/// Of a hundred texts so many must be of a format.
const FITS_PERCENT: usize = 95;
/// Texts that are tried first, to leave most formats out.
const TRIED: usize = 8;
/// The second at which the longest service day ends.
const SERVICE_DAY_END: u32 = 30 * 3600;
const DAY: u32 = 24 * 3600;
/// The first two-digit year of the 1900s.
const PIVOT: u8 = 70;

const DATES: [&str; 33] = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%m.%d.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d/%b/%Y",
    "%d%b%Y",
    "%a, %d %b %Y",
    "%Y年%m月%d日",
    "%Y-%j",
    "%Y%j",
    "%y-%m-%d",
    "%d/%m/%y",
    "%m/%d/%y",
    "%y/%m/%d",
    "%d.%m.%y",
    "%d-%b-%y",
    "%d-%m-%y",
    "%m-%d-%y",
    "%y%m%d",
    "%d%m%y",
    "%m%d%y",
    "%d%m%Y",
    "%m%d%Y",
];
const BETWEEN: [&str; 4] = [" ", "T", "_", ":"];
/// Clocks with signs, which are told from other numbers.
const CLOCKS: [&str; 14] = [
    "%H:%M:%S",
    "%H:%M:%S.%f",
    "%H:%M:%S,%f",
    "%H:%M",
    "%H.%M.%S",
    "%H.%M.%S.%f",
    "%I:%M:%S %p",
    "%I:%M %p",
    "%I:%M:%S%p",
    "%I:%M%p",
    "%H时%M分%S秒",
    "%Hh%M",
    "%H%M%S",
    "%H%M",
];
/// Dates and clocks in digits alone.
const COMPACT: [&str; 7] = [
    "%Y%m%d%H%M%S",
    "%Y%m%d%H%M",
    "%Y%m%d%H%M%S%f",
    "%y%m%d%H%M%S",
    "%d%m%y%H%M%S",
    "%m%d%y%H%M%S",
    "%d%m%Y%H%M%S",
];
const BEHIND: [&str; 4] = ["", "%z", " %z", " UTC"];
/// Years in which a file of cards is more likely written than in others.
const LIKELY: std::ops::Range<u16> = 2010..2040;

/// How a column says when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Date and clock.
    Whole(Written),
    /// A date alone.
    Date(Written),
    /// A clock alone.
    Clock(Written),
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
}

/// A format and what it leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The format; for a clock alone without a date.
    pub format: String,
    /// Texts of a hundred that are of it.
    pub percent: usize,
    /// The other format that all texts are of too.
    pub or: Option<String>,
    /// Whether hours run past 24.
    pub past_midnight: bool,
}

impl Moment {
    /// Looks at a column.
    pub fn of(column: &Profile) -> Option<Self> {
        let texts: Vec<&str> = column.texts.iter().map(|(text, _)| text.as_str()).take(2000).collect();
        if texts.is_empty() {
            return None;
        }
        if let Some(counted) = counted(&texts) {
            return Some(counted);
        }
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let has_digits = texts.iter().take(TRIED).all(|text| text.bytes().any(|b| b.is_ascii_digit()));
        if longest > 40 || !has_digits {
            return None;
        }
        let compact = texts.iter().take(TRIED).all(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let wholes: Box<dyn Iterator<Item = String>> = if compact {
            Box::new(COMPACT.iter().map(|format| (*format).to_owned()))
        } else {
            Box::new(wholes(texts[0]))
        };
        if let Some(written) = best(&texts, wholes, "", "") {
            return Some(Self::Whole(written));
        }
        if let Some(written) = best(&texts, DATES.iter().map(|date| (*date).to_owned()), "", "") {
            return Some(Self::Date(written));
        }
        best(&texts, CLOCKS.iter().map(|clock| (*clock).to_owned()), "%Y-%m-%d ", "2018-09-01 ")
            .map(Self::Clock)
    }

    /// Whether its digits stand without anything between, so that they might be any number.
    pub fn is_plain_number(&self) -> bool {
        match self {
            Self::Whole(written) | Self::Date(written) | Self::Clock(written) => {
                !written.format.bytes().any(|b| b":-/.T ".contains(&b)) && written.format.is_ascii()
            }
            Self::Seconds | Self::Millis => true,
        }
    }
}

/// The formats with date and clock whose signs a text has.
fn wholes(text: &str) -> impl Iterator<Item = String> {
    let clocks: Vec<String> = CLOCKS
        .iter()
        .flat_map(|clock| BEHIND.iter().map(move |end| format!("{clock}{end}")))
        .filter(|clock| has_signs_of(text, clock))
        .collect();
    let dates = DATES.iter().filter(|date| has_signs_of(text, date)).collect::<Vec<_>>();
    dates.into_iter().flat_map(move |date| {
        let clocks = clocks.clone();
        BETWEEN.iter().flat_map(move |between| {
            clocks.clone().into_iter().map(move |clock| format!("{date}{between}{clock}"))
        })
    })
}

/// Seconds or milliseconds since 1970, of a time in the last decades, and not more than ten years apart.
fn counted(texts: &[&str]) -> Option<Moment> {
    let numbers: Vec<u64> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    let (first, last) = (*numbers.iter().min()?, *numbers.iter().max()?);
    let all = numbers.len() == texts.len();
    let between = |from: u64, to: u64, span: u64| all && first >= from && last <= to && last - first <= span;
    if between(946_684_800, 4_102_444_800, 320_000_000) {
        return Some(Moment::Seconds);
    }
    between(946_684_800_000, 4_102_444_800_000, 320_000_000_000).then_some(Moment::Millis)
}

/// The first of the formats that most texts are of. Dates outside of 1980 to 2099 are no dates.
fn best(texts: &[&str], formats: impl Iterator<Item = String>, before: &str, date: &str) -> Option<Written> {
    let mut found: Option<(Written, usize, Years)> = None;
    for padded in formats {
        for format in [Some(padded.clone()), unpadded(&padded)].into_iter().flatten() {
            if !texts.iter().take(TRIED).any(|text| has_signs_of(text, &format)) {
                continue;
            }
            let Ok(compiled) = Format::parse(&format!("{before}{format}")) else { continue };
            let second = |text: &str| {
                let written = compiled.read(format!("{date}{text}").as_bytes(), PIVOT, SERVICE_DAY_END)?;
                (1980..2100).contains(&written.date.ymd().0).then_some(written.second)
            };
            if !texts.iter().take(TRIED).any(|text| second(text).is_some()) {
                continue;
            }
            let seconds: Vec<u32> = texts.iter().filter_map(|text| second(text)).collect();
            let years = || {
                let read = texts.iter().filter_map(|text| {
                    compiled.read(format!("{date}{text}").as_bytes(), PIVOT, SERVICE_DAY_END)
                });
                Years::of(read.map(|written| written.date.ymd().0))
            };
            if seconds.len() * 100 < texts.len() * FITS_PERCENT {
                continue;
            }
            let past_midnight = seconds.iter().any(|second| *second >= DAY);
            let percent = seconds.len() * 100 / texts.len();
            match &mut found {
                Some((_, count, _)) if *count > seconds.len() => {}
                Some((best, count, best_years)) if *count == seconds.len() => {
                    if !is_other_order(&best.format, &format) {
                        continue;
                    }
                    let years = years();
                    if format.contains("%y") && years < *best_years {
                        *best_years = years;
                        best.or = Some(std::mem::replace(&mut best.format, format));
                    } else if best.or.is_none() {
                        best.or = Some(format);
                        // Where clocks have twelve hours, the month stands first.
                        if let Some(or) = best.or.as_mut().filter(|or| or.contains("%p")) {
                            std::mem::swap(or, &mut best.format);
                        }
                    }
                }
                _ => {
                    let years = years();
                    found =
                        Some((Written { format, percent, or: None, past_midnight }, seconds.len(), years));
                }
            }
        }
    }
    found.map(|(written, ..)| written)
}

/// What the years of a column are if it is read by a format; the less, the likelier is the format.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Years {
    unlikely: usize,
    different: usize,
}

impl Years {
    fn of(years: impl Iterator<Item = u16>) -> Self {
        let (mut unlikely, mut all) = (0, std::collections::BTreeSet::new());
        for year in years {
            unlikely += usize::from(!LIKELY.contains(&year));
            all.insert(year);
        }
        Self { unlikely, different: all.len() }
    }
}

/// Whether a text has the signs that stand in a format.
fn has_signs_of(text: &str, format: &str) -> bool {
    [':', '/', '.', '-', ' ', 'T', '_', ',', '年'].into_iter().all(|sign| {
        let wanted = format.replace("%-", "%").matches(sign).count();
        wanted == 0 || text.matches(sign).count() >= wanted
    })
}

/// The format with one or two digits where it has two, if signs stand between them.
fn unpadded(format: &str) -> Option<String> {
    if ["Y%", "y%", "m%", "d%", "H%", "M%S"].into_iter().any(|close| format.contains(close)) {
        return None;
    }
    let mut loose = format.to_owned();
    for piece in ["m", "d", "H", "I"] {
        loose = loose.replace(&format!("%{piece}"), &format!("%-{piece}"));
    }
    (loose != format).then_some(loose)
}

/// Whether two formats differ in nothing but the order of day, month and a year of two digits.
fn is_other_order(one: &str, other: &str) -> bool {
    let padded = |format: &str| format.replace("%-", "%");
    let signs =
        |format: &str| ["%d", "%m", "%y"].iter().fold(padded(format), |text, part| text.replace(part, "#"));
    padded(one) != padded(other) && signs(one) == signs(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(texts: &[&str]) -> Profile {
        Profile {
            name: String::new(),
            source: String::new(),
            reference: None,
            values: texts.iter().map(|text| (*text).to_owned()).collect(),
            texts: texts.iter().map(|text| ((*text).to_owned(), 1)).collect(),
            nothing: Vec::new(),
        }
    }

    fn written(texts: &[&str]) -> (String, Option<String>, bool) {
        match Moment::of(&column(texts)) {
            Some(Moment::Whole(written) | Moment::Date(written) | Moment::Clock(written)) => {
                (written.format, written.or, written.past_midnight)
            }
            other => panic!("{texts:?}: {other:?}"),
        }
    }

    #[test]
    fn formats_of_many_countries_are_told() {
        let table: [(&[&str], &str); 18] = [
            (&["2018-09-01 06.00.00.000000"], "%Y-%m-%d %H.%M.%S.%f"),
            (&["2021-03-09 06:00:00 UTC"], "%Y-%m-%d %H:%M:%S UTC"),
            (&["2018-09-01 11:17:31"], "%Y-%m-%d %H:%M:%S"),
            (&["20180901111731"], "%Y%m%d%H%M%S"),
            (&["2018-09-01T11:17:31Z"], "%Y-%m-%dT%H:%M:%S%z"),
            (&["2018-09-01T11:17:31.000+0800"], "%Y-%m-%dT%H:%M:%S.%f%z"),
            (&["9/1/2018 7:05", "12/31/2018 17:05"], "%-m/%-d/%Y %-H:%M"),
            (&["31/08/2018 07:05", "01/09/2018 17:05"], "%d/%m/%Y %H:%M"),
            (&["31.08.2018 07:05:01", "01.09.2018 17:05:00"], "%d.%m.%Y %H:%M:%S"),
            (&["09/01/2018 07:05:00 PM", "09/28/2018 07:05:00 AM"], "%m/%d/%Y %I:%M:%S %p"),
            (&["01-SEP-18", "30-SEP-18"], "%d-%b-%y"),
            (&["1 Sep 2018", "30 Sep 2018"], "%-d %b %Y"),
            (&["20180901", "20180930"], "%Y%m%d"),
            (&["2018年09月01日"], "%Y年%m月%d日"),
            (&["11:17:31", "00:00:00"], "%H:%M:%S"),
            (&["11:17", "23:59"], "%H:%M"),
            (&["180931", "235959"], "%H%M%S"),
            (&["7:05 AM", "12:15 PM"], "%-I:%M %p"),
        ];
        for (texts, want) in table {
            assert_eq!(written(texts).0, want, "{texts:?}");
        }
    }

    #[test]
    fn years_of_two_digits_are_told_by_how_little_they_differ() {
        let table: [(&[&str], &str, Option<&str>); 6] = [
            (&["25/09/18 10:00", "26/09/18 10:00"], "%d/%m/%y %H:%M", Some("%y/%m/%d %H:%M")),
            (&["01/09/18", "12/09/18", "30/09/18"], "%d/%m/%y", Some("%y/%m/%d")),
            (&["18/09/01", "18/09/30"], "%y/%m/%d", Some("%d/%m/%y")),
            (&["010918101500", "300918101500"], "%d%m%y%H%M%S", Some("%y%m%d%H%M%S")),
            (&["180901101500", "180930101500"], "%y%m%d%H%M%S", Some("%d%m%y%H%M%S")),
            (&["18-09-01", "18-09-30"], "%y-%m-%d", Some("%d-%m-%y")),
        ];
        for (texts, want, or) in table {
            let (format, other, _) = written(texts);
            assert_eq!((format.as_str(), other.as_deref()), (want, or), "{texts:?}");
        }
    }

    #[test]
    fn what_a_text_leaves_open_is_said() {
        assert_eq!(written(&["01/02/2018 07:05", "03/04/2018 07:05"]).1.as_deref(), Some("%m/%d/%Y %H:%M"));
        assert_eq!(written(&["25:10:00", "07:00:00"]), ("%H:%M:%S".to_owned(), None, true));
        assert_eq!(written(&["2018-09-01 25:10"]), ("%Y-%m-%d %H:%M".to_owned(), None, true));
    }

    #[test]
    fn numbers_that_are_no_times_are_none() {
        for texts in [&["37031563"][..], &["263027121"], &["99999999"], &["a"], &["61:00"], &["2018-13-01"]] {
            assert_eq!(Moment::of(&column(texts)), None, "{texts:?}");
        }
        assert_eq!(Moment::of(&column(&["1535772000", "1535773000"])), Some(Moment::Seconds));
        assert_eq!(Moment::of(&column(&["1535772000123", "1535773000000"])), Some(Moment::Millis));
        // Card numbers of ten digits lie further apart.
        assert_eq!(Moment::of(&column(&["1000000000", "3999999999"])), None);
    }
}
