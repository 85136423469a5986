//! Reads a text piece by piece.

use domain::date::Date;

use super::{Digits, MONTHS, Piece, WEEKDAYS, Written};

/// The year of two digits.
pub fn full_year(short: u8, pivot: u8) -> u16 {
    u16::from(short) + if short < pivot { 2000 } else { 1900 }
}

/// What was read of a time so far.
#[derive(Default)]
pub struct Parts {
    year: Option<u16>,
    short_year: u8,
    month: u8,
    day: u8,
    day_of_year: Option<u16>,
    hour: u8,
    minute: u8,
    second: u8,
    /// Seconds since midnight, before hour, minute and second are added.
    since_midnight: u32,
    afternoon: Option<bool>,
    offset: Option<i32>,
}

impl Parts {
    /// Takes a piece from the beginning of `text`; returns what follows it.
    pub fn take<'a>(&mut self, piece: Piece, text: &'a [u8]) -> Option<&'a [u8]> {
        let slot = match piece {
            Piece::Literal(byte) => return text.strip_prefix(&[byte]),
            Piece::Space => {
                let rest = text.trim_ascii_start();
                return (rest.len() < text.len()).then_some(rest);
            }
            Piece::Year => {
                let (year, rest) = digits(text, 4, 4)?;
                self.year = u16::try_from(year).ok();
                return Some(rest);
            }
            Piece::DayOfYear => {
                let (day, rest) = digits(text, 3, 3)?;
                self.day_of_year = u16::try_from(day).ok();
                return Some(rest);
            }
            Piece::DayMinutes | Piece::DaySeconds => {
                let (count, rest) = digits(text, 1, 5)?;
                self.since_midnight += if piece == Piece::DayMinutes { count * 60 } else { count };
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

    /// The whole time; `None` if it is in no calendar or beyond `until`.
    pub fn written(&self, pivot: u8, until: u32) -> Option<Written> {
        let year = self.year.unwrap_or_else(|| full_year(self.short_year, pivot));
        let date = match self.day_of_year {
            None => Date::from_ymd(year, self.month, self.day).ok()?,
            Some(day) => {
                let date = Date::from_ymd(year, 1, 1).ok()?.plus_days(i32::from(day) - 1);
                let (found, month, day) = date.ymd();
                if found != year || Date::from_ymd(year, month, day) != Ok(date) {
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
        let clock = u32::from(hour) * 3600 + u32::from(self.minute) * 60 + u32::from(self.second);
        let second = self.since_midnight + clock;
        let fits = self.minute < 60 && self.second < 60 && second < until;
        fits.then_some(Written { date, second, offset: self.offset })
    }
}

/// A number of `least` to `most` digits at the beginning of a text.
fn digits(text: &[u8], least: usize, most: usize) -> Option<(u32, &[u8])> {
    let count = text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    if count < least {
        return None;
    }
    let (number, rest) = text.split_at(count);
    let number = number.iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
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
    names.iter().position(fits).map(|place| (place, rest))
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
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    fits.then_some((sign * seconds, rest))
}
