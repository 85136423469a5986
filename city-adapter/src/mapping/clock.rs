//! Date formats such as `%Y-%m-%d %H:%M:%S`.

use domain::date::{Date, LocalTime};

pub use settings::Clock;

mod settings;

/// A compiled format.
#[derive(Clone, Debug)]
pub struct Format(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    Year,
    /// Two digits.
    ShortYear,
    Month(Digits),
    MonthName,
    Day(Digits),
    DayOfYear,
    WeekdayName,
    Hour(Digits),
    /// 1 to 12, with `HalfDay`.
    Hour12(Digits),
    HalfDay,
    Minute(Digits),
    Second(Digits),
    /// Digits behind a decimal sign; they are dropped.
    Fraction,
    Offset,
    /// One or more.
    Space,
    Literal(u8),
}

/// How many digits a number has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    Two,
    OneOrTwo,
}

/// A time as a text says it: seconds may lie beyond the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The date.
    pub date: Date,
    /// Seconds from its midnight.
    pub second: u32,
    /// The offset to UTC that stands with it, in seconds.
    pub offset: Option<i32>,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const KNOWN: &str = "%Y %y %m %d %j %b %B %a %A %H %I %p %M %S %f %z %% and %-m %-d %-H %-I %-M %-S";

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// What is wrong with it: another `%` sequence, no full date, or half an hour.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            let piece = match byte {
                b'%' => match bytes.next() {
                    Some(b'-') => number(bytes.next(), Digits::OneOrTwo),
                    letter => number(letter, Digits::Two).or_else(|| Some(other(letter?)?)),
                },
                b' ' if pieces.last() == Some(&Piece::Space) => continue,
                b' ' => Some(Piece::Space),
                other => Some(Piece::Literal(other)),
            };
            pieces.push(piece.ok_or_else(|| format!("has format `{text}`; known are {KNOWN}"))?);
        }
        let has = |wanted: fn(&Piece) -> bool| pieces.iter().any(wanted);
        let year = has(|p| matches!(p, Piece::Year | Piece::ShortYear));
        let month = has(|p| matches!(p, Piece::Month(_) | Piece::MonthName));
        let day = has(|p| matches!(p, Piece::Day(_)));
        if !(year && (month && day || has(|p| *p == Piece::DayOfYear))) {
            return Err(format!("has format `{text}`, which lacks one of %Y %m %d"));
        }
        if has(|p| matches!(p, Piece::Hour12(_))) != has(|p| *p == Piece::HalfDay) {
            return Err(format!("has format `{text}`; %I and %p go together"));
        }
        Ok(Self(pieces))
    }

    /// Its pieces.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Whether it has a piece.
    pub fn has(&self, piece: Piece) -> bool {
        self.0.contains(&piece)
    }

    /// The time that `text` says; parts of the day that the format lacks are 0. `pivot` is the first two-digit year
    /// of the 1900s, `until` the second at which a day ends.
    pub fn read(&self, text: &[u8], pivot: u8, until: u32) -> Option<Written> {
        let mut rest = text;
        let mut parts = Parts::default();
        for piece in &self.0 {
            rest = parts.take(*piece, rest)?;
        }
        if rest.is_empty() { parts.written(pivot, until) } else { None }
    }

    /// Writes a time; a fraction is 0. `None` if the format has a year that it cannot write.
    pub fn write(&self, time: LocalTime, pivot: u8, offset: i32, to: &mut Vec<u8>) -> Option<()> {
        let (year, month, day) = time.date.ymd();
        let (hour, minute, second) = time.hms();
        let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
        for piece in &self.0 {
            match piece {
                Piece::Year => to.extend_from_slice(format!("{year:04}").as_bytes()),
                Piece::ShortYear => {
                    let short = u8::try_from(year % 100).ok()?;
                    if full_year(short, pivot) != year {
                        return None;
                    }
                    write_number(short, Digits::Two, to);
                }
                Piece::Month(digits) => write_number(month, *digits, to),
                Piece::MonthName => {
                    to.extend_from_slice(&MONTHS.get(usize::from(month) - 1)?.as_bytes()[..3])
                }
                Piece::Day(digits) => write_number(day, *digits, to),
                Piece::DayOfYear => {
                    let first = Date::from_ymd(year, 1, 1).ok()?;
                    let number = time.date.julian_day() - first.julian_day() + 1;
                    to.extend_from_slice(format!("{number:03}").as_bytes());
                }
                Piece::WeekdayName => {
                    let weekday = usize::try_from(time.date.julian_day().rem_euclid(7)).ok()?;
                    to.extend_from_slice(&WEEKDAYS.get(weekday)?.as_bytes()[..3]);
                }
                Piece::Hour(digits) => write_number(hour, *digits, to),
                Piece::Hour12(digits) => write_number(hour12, *digits, to),
                Piece::HalfDay => to.extend_from_slice(if hour < 12 { b"AM" } else { b"PM" }),
                Piece::Minute(digits) => write_number(minute, *digits, to),
                Piece::Second(digits) => write_number(second, *digits, to),
                Piece::Fraction => to.extend_from_slice(b"000"),
                Piece::Offset => {
                    let sign = if offset < 0 { '-' } else { '+' };
                    let minutes = offset.unsigned_abs() / 60;
                    to.extend_from_slice(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60).as_bytes());
                }
                Piece::Space => to.push(b' '),
                Piece::Literal(byte) => to.push(*byte),
            }
        }
        Some(())
    }
}

fn number(letter: Option<u8>, digits: Digits) -> Option<Piece> {
    Some(match letter? {
        b'm' => Piece::Month(digits),
        b'd' => Piece::Day(digits),
        b'H' => Piece::Hour(digits),
        b'I' => Piece::Hour12(digits),
        b'M' => Piece::Minute(digits),
        b'S' => Piece::Second(digits),
        _ => return None,
    })
}

fn other(letter: u8) -> Option<Piece> {
    Some(match letter {
        b'Y' => Piece::Year,
        b'y' => Piece::ShortYear,
        b'j' => Piece::DayOfYear,
        b'b' | b'B' => Piece::MonthName,
        b'a' | b'A' => Piece::WeekdayName,
        b'p' => Piece::HalfDay,
        b'f' => Piece::Fraction,
        b'z' => Piece::Offset,
        b'%' => Piece::Literal(b'%'),
        _ => return None,
    })
}

fn write_number(number: u8, digits: Digits, to: &mut Vec<u8>) {
    if number >= 10 || digits == Digits::Two {
        to.push(b'0' + number / 10);
    }
    to.push(b'0' + number % 10);
}

fn full_year(short: u8, pivot: u8) -> u16 {
    u16::from(short) + if short < pivot { 2000 } else { 1900 }
}

/// What was read of a time so far.
#[derive(Default)]
struct Parts {
    year: Option<u16>,
    short_year: u8,
    month: u8,
    day: u8,
    day_of_year: Option<u16>,
    hour: u8,
    minute: u8,
    second: u8,
    afternoon: Option<bool>,
    offset: Option<i32>,
}

impl Parts {
    /// Takes a piece from the beginning of `text`; returns what follows it.
    fn take<'a>(&mut self, piece: Piece, text: &'a [u8]) -> Option<&'a [u8]> {
        let slot = match piece {
            Piece::Literal(byte) => return text.strip_prefix(&[byte]),
            Piece::Space => {
                let rest = text.trim_ascii_start();
                return (rest.len() < text.len()).then_some(rest);
            }
            Piece::Year => {
                let (year, rest) = digits(text, 4, 4)?;
                self.year = Some(year);
                return Some(rest);
            }
            Piece::DayOfYear => {
                let (day, rest) = digits(text, 3, 3)?;
                self.day_of_year = Some(day);
                return Some(rest);
            }
            Piece::Fraction => return digits(text, 1, 9).map(|(_, rest)| rest),
            Piece::MonthName => {
                let (place, rest) = name(text, &MONTHS)?;
                self.month = u8::try_from(place + 1).ok()?;
                return Some(rest);
            }
            Piece::WeekdayName => return name(text, &WEEKDAYS).map(|(_, rest)| rest),
            Piece::HalfDay => {
                let (afternoon, rest) = half_day(text)?;
                self.afternoon = Some(afternoon);
                return Some(rest);
            }
            Piece::Offset => {
                let (seconds, rest) = offset(text)?;
                self.offset = Some(seconds);
                return Some(rest);
            }
            Piece::ShortYear => (&mut self.short_year, Digits::Two),
            Piece::Month(count) => (&mut self.month, count),
            Piece::Day(count) => (&mut self.day, count),
            Piece::Hour(count) | Piece::Hour12(count) => (&mut self.hour, count),
            Piece::Minute(count) => (&mut self.minute, count),
            Piece::Second(count) => (&mut self.second, count),
        };
        let (slot, count) = slot;
        let (number, rest) = digits(text, if count == Digits::Two { 2 } else { 1 }, 2)?;
        *slot = u8::try_from(number).ok()?;
        Some(rest)
    }

    fn written(&self, pivot: u8, until: u32) -> Option<Written> {
        let year = self.year.unwrap_or_else(|| full_year(self.short_year, pivot));
        let date = match self.day_of_year {
            None => Date::from_ymd(year, self.month, self.day).ok()?,
            Some(day) => {
                let date = Date::from_ymd(year, 1, 1).ok()?.plus_days(i32::from(day) - 1);
                if day == 0 || date.ymd().0 != year {
                    return None;
                }
                date
            }
        };
        let hour = match self.afternoon {
            None => self.hour,
            Some(afternoon) if (1..=12).contains(&self.hour) => {
                self.hour % 12 + if afternoon { 12 } else { 0 }
            }
            Some(_) => return None,
        };
        let second = u32::from(hour) * 3600 + u32::from(self.minute) * 60 + u32::from(self.second);
        let fits = self.minute < 60 && self.second < 60 && second < until;
        fits.then_some(Written { date, second, offset: self.offset })
    }
}

/// A number of `least` to `most` digits at the beginning of a text.
fn digits(text: &[u8], least: usize, most: usize) -> Option<(u16, &[u8])> {
    let count = text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    if count < least {
        return None;
    }
    let (number, rest) = text.split_at(count);
    let number =
        number.iter().fold(0_u16, |sum, digit| sum.wrapping_mul(10).wrapping_add(u16::from(digit - b'0')));
    Some((number, rest))
}

/// The place of a name, whole or by its first three letters, in any case.
fn name<'a>(text: &'a [u8], names: &[&str]) -> Option<(usize, &'a [u8])> {
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (word, rest) = text.split_at(letters);
    let fits = |name: &&str| {
        let name = name.as_bytes();
        word.eq_ignore_ascii_case(name) || word.eq_ignore_ascii_case(&name[..3])
    };
    names.iter().position(|name| fits(&name)).map(|place| (place, rest))
}

/// Whether it is afternoon.
fn half_day(text: &[u8]) -> Option<(bool, &[u8])> {
    let words: [(&str, bool); 6] =
        [("AM", false), ("PM", true), ("A.M.", false), ("P.M.", true), ("上午", false), ("下午", true)];
    words.into_iter().find_map(|(word, afternoon)| {
        let (start, rest) = text.split_at_checked(word.len())?;
        start.eq_ignore_ascii_case(word.as_bytes()).then_some((afternoon, rest))
    })
}

/// An offset such as `+08:00`, `-0330`, `+08` or `Z`, in seconds, at the beginning of a text.
pub fn offset(text: &[u8]) -> Option<(i32, &[u8])> {
    let (sign, rest) = match text {
        [b'Z' | b'z', rest @ ..] => return Some((0, rest)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = digits(rest, 2, 2)?;
    let (minutes, rest) = match rest {
        [b':', after @ ..] => digits(after, 2, 2)?,
        _ => digits(rest, 2, 2).unwrap_or((0, rest)),
    };
    let fits = hours <= 18 && minutes < 60;
    fits.then(|| (sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60), rest))
}
