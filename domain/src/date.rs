//! Calendar days and local time of China's one zone (UTC+8), without a clock.

use std::{fmt, str::FromStr};

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// A calendar date, `YYYY-MM-DD`, years 0001 to 9999, kept as its Julian day number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

/// Why a text is no date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a calendar date: expected YYYY-MM-DD, such as 2018-09-01")]
pub struct DateError;

impl Date {
    /// The day from which Unix counts seconds, in UTC.
    pub const UNIX_EPOCH: Self = Self(2_440_588);

    /// The date of a Julian day number, as [`Date::julian_day`] gives it.
    #[must_use]
    pub const fn from_julian_day(day: i32) -> Self {
        Self(day)
    }

    /// The Julian day number: days can be subtracted, compared and stored.
    #[must_use]
    pub const fn julian_day(self) -> i32 {
        self.0
    }

    /// The date `days` later (earlier if negative). Saturates far outside the calendar.
    #[must_use]
    pub const fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Builds a date from year, month and day.
    ///
    /// # Errors
    /// [`DateError`] if there is no such day in years 1 to 9999.
    pub fn from_ymd(year: u16, month: u8, day: u8) -> Result<Self, DateError> {
        if year == 0 || year > 9999 {
            return Err(DateError);
        }
        let month = time::Month::try_from(month).map_err(|_| DateError)?;
        let date = time::Date::from_calendar_date(i32::from(year), month, day).map_err(|_| DateError)?;
        Ok(Self(date.to_julian_day()))
    }

    /// Year, month and day.
    #[must_use]
    pub fn ymd(self) -> (u16, u8, u8) {
        let date = time::Date::from_julian_day(self.0).unwrap_or(time::Date::MAX);
        (u16::try_from(date.year()).unwrap_or(0), u8::from(date.month()), date.day())
    }

    /// Reads `YYYY-MM-DD`.
    ///
    /// # Errors
    /// [`DateError`] for any other form, or a day that is in no calendar.
    pub fn parse(text: &[u8]) -> Result<Self, DateError> {
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return Err(DateError) };
        let year = u16::from(two(*y1, *y2)?) * 100 + u16::from(two(*y3, *y4)?);
        Self::from_ymd(year, two(*m1, *m2)?, two(*d1, *d2)?)
    }
}

/// Two decimal digits as a number.
fn two(a: u8, b: u8) -> Result<u8, DateError> {
    if a.is_ascii_digit() && b.is_ascii_digit() { Ok((a - b'0') * 10 + (b - b'0')) } else { Err(DateError) }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Date {
    type Err = DateError;
    fn from_str(text: &str) -> Result<Self, DateError> {
        Self::parse(text.as_bytes())
    }
}

impl<'de> serde::Deserialize<'de> for Date {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(|e| serde::de::Error::custom(format_args!("`{text}` is {e}")))
    }
}

impl serde::Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A local date and time to the second, `YYYY-MM-DDTHH:MM:SS`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTime {
    /// The calendar date.
    pub date: Date,
    /// Seconds since midnight, 0 to 86,399.
    pub second: u32,
}

impl LocalTime {
    /// Seconds by which China's one zone is ahead of UTC.
    pub const AHEAD_OF_UTC_S: i32 = 8 * 3_600;

    /// The local time of a moment, in seconds since the Unix epoch.
    #[must_use]
    pub fn of_unix(seconds: i64) -> Self {
        let local = seconds.saturating_add(Self::AHEAD_OF_UTC_S.into());
        let days = i32::try_from(local.div_euclid(DAY_S)).unwrap_or(i32::MAX);
        let second = u32::try_from(local.rem_euclid(DAY_S)).unwrap_or_default();
        Self { date: Date::UNIX_EPOCH.plus_days(days), second }
    }

    /// The moment of a local time, in seconds since the Unix epoch.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        let epoch = i64::from(Date::UNIX_EPOCH.julian_day()) * DAY_S;
        self.seconds() - epoch - i64::from(Self::AHEAD_OF_UTC_S)
    }

    /// The last second of a day.
    #[must_use]
    pub const fn end_of(date: Date) -> Self {
        Self { date, second: 86_399 }
    }

    /// Builds a time of day.
    ///
    /// # Errors
    /// [`DateError`] if hour, minute or second is out of range (24:00:00 and leap seconds too).
    pub fn new(date: Date, hour: u8, minute: u8, second: u8) -> Result<Self, DateError> {
        if hour > 23 || minute > 59 || second > 59 {
            return Err(DateError);
        }
        Ok(Self { date, second: u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second) })
    }

    /// Reads `YYYY-MM-DDTHH:MM:SS`.
    ///
    /// # Errors
    /// [`DateError`] for any other form or a time that is in no calendar.
    pub fn parse(text: &[u8]) -> Result<Self, DateError> {
        let Some((date, b'T', [h1, h2, b':', m1, m2, b':', s1, s2])) =
            text.split_at_checked(10).and_then(|(d, rest)| rest.split_first().map(|(t, time)| (d, *t, time)))
        else {
            return Err(DateError);
        };
        Self::new(Date::parse(date)?, two(*h1, *h2)?, two(*m1, *m2)?, two(*s1, *s2)?)
    }

    /// Hour, minute and second.
    #[must_use]
    pub fn hms(self) -> (u8, u8, u8) {
        let part = |n: u32| u8::try_from(n).unwrap_or(u8::MAX);
        (part(self.second / 3600), part(self.second / 60 % 60), part(self.second % 60))
    }

    /// Seconds on one continuous scale, to compare and subtract times.
    #[must_use]
    pub fn seconds(self) -> i64 {
        i64::from(self.date.julian_day()) * DAY_S + i64::from(self.second)
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = self.hms();
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}", self.date)
    }
}

impl fmt::Debug for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_come_back_as_they_were_written() {
        for text in ["0001-01-01", "2018-09-01", "2024-02-29", "9999-12-31"] {
            assert_eq!(text.parse::<Date>().map(|d| d.to_string()), Ok(text.to_owned()));
        }
        let time = LocalTime::parse(b"2018-09-01T23:59:58").map(|t| t.to_string());
        assert_eq!(time, Ok("2018-09-01T23:59:58".to_owned()));
    }

    #[test]
    fn a_moment_is_a_local_time_in_china() {
        for (seconds, text) in [
            (0, "1970-01-01T08:00:00"),
            (-28_801, "1969-12-31T23:59:59"),
            (1_535_817_599, "2018-09-01T23:59:59"),
            (1_535_817_600, "2018-09-02T00:00:00"),
        ] {
            let time = LocalTime::of_unix(seconds);
            assert_eq!((time.to_string(), time.unix_seconds()), (text.to_owned(), seconds));
        }
        let date = LocalTime::of_unix(1_535_817_599).date;
        assert_eq!(LocalTime::end_of(date).unix_seconds(), 1_535_817_599);
        assert_eq!(Date::UNIX_EPOCH.to_string(), "1970-01-01");
    }

    #[test]
    fn times_in_no_calendar_are_refused() {
        for text in
            ["2023-02-29", "2018-13-01", "2018-00-10", "2018-04-31", "0000-01-01", "18-09-01", "2018-9-01"]
        {
            assert_eq!(text.parse::<Date>(), Err(DateError), "{text}");
        }
        for text in
            ["2018-09-01T24:00:00", "2018-09-01T23:59:60", "2018-09-01 10:00:00", "2018-09-01T10:00", ""]
        {
            assert_eq!(LocalTime::parse(text.as_bytes()), Err(DateError), "{text}");
        }
    }
}
