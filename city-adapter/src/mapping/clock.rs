//! Date formats such as `%Y-%m-%d %H:%M:%S`.

use domain::date::{Date, LocalTime};

/// A compiled format.
#[derive(Clone, Debug)]
pub struct Format(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Literal(u8),
}

impl Format {
    /// Reads a format of `%Y %m %d %H %M %S %%` and literal characters.
    ///
    /// # Errors
    /// What is wrong with it: another `%` sequence, or no full date.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            pieces.push(match byte {
                b'%' => match bytes.next() {
                    Some(b'Y') => Piece::Year,
                    Some(b'm') => Piece::Month,
                    Some(b'd') => Piece::Day,
                    Some(b'H') => Piece::Hour,
                    Some(b'M') => Piece::Minute,
                    Some(b'S') => Piece::Second,
                    Some(b'%') => Piece::Literal(b'%'),
                    _ => return Err(format!("has format `{text}`; known are %Y %m %d %H %M %S %%")),
                },
                other => Piece::Literal(other),
            });
        }
        if [Piece::Year, Piece::Month, Piece::Day].iter().all(|needed| pieces.contains(needed)) {
            Ok(Self(pieces))
        } else {
            Err(format!("has format `{text}`, which lacks one of %Y %m %d"))
        }
    }

    /// The time that `text` says; parts of the day that the format lacks are 0.
    pub fn read(&self, text: &str) -> Option<LocalTime> {
        let mut rest = text.as_bytes();
        let [mut year, mut month, mut day, mut hour, mut minute, mut second] = [0_u16; 6];
        for piece in &self.0 {
            let (slot, digits) = match piece {
                Piece::Literal(byte) => {
                    rest = rest.strip_prefix(&[*byte])?;
                    continue;
                }
                Piece::Year => (&mut year, 4),
                Piece::Month => (&mut month, 2),
                Piece::Day => (&mut day, 2),
                Piece::Hour => (&mut hour, 2),
                Piece::Minute => (&mut minute, 2),
                Piece::Second => (&mut second, 2),
            };
            let (number, after) = rest.split_at_checked(digits)?;
            *slot = number.iter().try_fold(0_u16, |sum, digit| {
                digit.is_ascii_digit().then(|| sum * 10 + u16::from(digit - b'0'))
            })?;
            rest = after;
        }
        let small = |number: u16| u8::try_from(number).ok();
        let date = Date::from_ymd(year, small(month)?, small(day)?).ok()?;
        rest.is_empty().then(|| LocalTime::new(date, small(hour)?, small(minute)?, small(second)?).ok())?
    }
}
