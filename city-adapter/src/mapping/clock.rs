//! Date formats such as `%Y-%m-%d %H:%M:%S`.

use domain::date::{Date, LocalTime};

use parts::{Parts, full_year};
pub use settings::Clock;

mod parts;
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
    /// Since midnight.
    DayMinutes,
    /// Since midnight.
    DaySeconds,
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
const KNOWN: &str =
    "%Y %y %m %d %j %b %B %a %A %H %I %p %M %S %f %z %% %{minutes} %{seconds} and %-m %-d %-H %-I %-M %-S";

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
                    Some(b'{') => {
                        since_midnight(&bytes.by_ref().take_while(|b| *b != b'}').collect::<Vec<_>>())
                    }
                    letter => number(letter, Digits::Two).or_else(|| other(letter?)),
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
                Piece::DayMinutes => to.extend_from_slice((time.second / 60).to_string().as_bytes()),
                Piece::DaySeconds => to.extend_from_slice(time.second.to_string().as_bytes()),
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

fn since_midnight(unit: &[u8]) -> Option<Piece> {
    match unit {
        b"minutes" => Some(Piece::DayMinutes),
        b"seconds" => Some(Piece::DaySeconds),
        _ => None,
    }
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
