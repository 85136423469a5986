//! The hotlist: cards that a home city does not pay for any more, each from a time on.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    city::City,
    date::{Date, LocalTime},
};

/// The header of `hotlist.csv`; further columns at its end are ignored.
const HEADER: [&str; 3] = ["issuer", "card", "effective_at"];

/// When each card of one home city becomes hot, in continuous seconds.
type Cards = HashMap<[u8; 8], i64>;

/// The hotlist of a whole scheme.
#[derive(Clone, Debug, Default)]
pub struct Hotlist {
    issuers: BTreeMap<City, Arc<Cards>>,
}

/// The hotlist of one home city. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct IssuerHotlist {
    cards: Arc<Cards>,
}

/// Why a hotlist is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HotlistError {
    /// The first line is not the header.
    #[error("hotlist line 1 is not the header; write `issuer,card,effective_at`")]
    Header,
    /// A line has too few columns or is badly quoted.
    #[error("hotlist line {line}: {why}")]
    Line {
        /// Physical line, 1-based.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A field has another form.
    #[error("hotlist line {line}, column {column}: expected {expected}")]
    Field {
        /// Physical line, 1-based.
        line: usize,
        /// The column's name.
        column: &'static str,
        /// What stands there in a right line.
        expected: &'static str,
    },
}

impl Hotlist {
    /// Reads `hotlist.csv`; CRLF, a BOM and blank lines are accepted. Of several rows for a card
    /// the earliest counts.
    ///
    /// # Errors
    /// [`HotlistError`], naming line and column.
    pub fn parse(csv_bytes: &[u8]) -> Result<Self, HotlistError> {
        let body = csv_bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(csv_bytes);
        let mut lines = (1..).zip(body.split(|byte| *byte == b'\n').map(without_cr));
        let header = lines.next().and_then(|(_, line)| columns(line).ok());
        if header.is_none_or(|header| header != HEADER.map(str::as_bytes)) {
            return Err(HotlistError::Header);
        }
        let mut issuers: BTreeMap<City, Cards> = BTreeMap::new();
        for (line, bytes) in lines.filter(|(_, bytes)| !bytes.is_empty()) {
            let (issuer, card, effective_at) = row(line, bytes)?;
            let earliest = issuers.entry(issuer).or_default().entry(card).or_insert(effective_at);
            *earliest = effective_at.min(*earliest);
        }
        Ok(Self { issuers: issuers.into_iter().map(|(city, cards)| (city, Arc::new(cards))).collect() })
    }

    /// The hotlist of a home city; empty if it has none.
    #[must_use]
    pub fn of(&self, city: City) -> IssuerHotlist {
        IssuerHotlist { cards: self.issuers.get(&city).cloned().unwrap_or_default() }
    }
}

impl IssuerHotlist {
    /// From when on a card is hot, if it is; local time.
    #[must_use]
    pub fn hot_from(&self, card: [u8; 8]) -> Option<LocalTime> {
        let seconds = *self.cards.get(&card)?;
        let day = i32::try_from(seconds.div_euclid(86_400)).ok()?;
        let second = u32::try_from(seconds.rem_euclid(86_400)).ok()?;
        Some(LocalTime { date: Date::from_julian_day(day), second })
    }

    /// Whether the card was hot, grace over, when it was tapped.
    #[must_use]
    pub fn is_hot(&self, card: [u8; 8], tapped_at: LocalTime, grace_hours: u32) -> bool {
        let grace = i64::from(grace_hours) * 3600;
        self.cards.get(&card).is_some_and(|effective_at| tapped_at.seconds() >= effective_at + grace)
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A data line as issuer, card and time.
fn row(line: usize, bytes: &[u8]) -> Result<(City, [u8; 8], i64), HotlistError> {
    let [issuer, card, effective_at] = columns(bytes).map_err(|why| HotlistError::Line { line, why })?;
    let wrong = |column, expected| HotlistError::Field { line, column, expected };
    let issuer = City::parse(issuer).map_err(|_| wrong("issuer", "a city such as cu-2000"))?;
    let card = serial(card).ok_or_else(|| wrong("card", "16 upper-case hex digits"))?;
    let effective_at = LocalTime::parse(effective_at)
        .map_err(|_| wrong("effective_at", "a local time such as 2018-09-01T00:00:00"))?;
    Ok((issuer, card, effective_at.seconds()))
}

/// The first three columns of a line, without quotes.
fn columns(line: &[u8]) -> Result<[&[u8]; 3], &'static str> {
    let mut rest = Some(line);
    let mut next = || {
        let (field, after) = field(rest.ok_or("expected 3 columns: issuer, card, effective_at")?)?;
        rest = after;
        Ok::<_, &'static str>(field)
    };
    Ok([next()?, next()?, next()?])
}

/// The first field and what follows its comma. No field read here may hold a quote, so an escaped
/// one is refused with the rest.
fn field(line: &[u8]) -> Result<(&[u8], Option<&[u8]>), &'static str> {
    const BAD: &str = "badly quoted; write the fields without quotes";
    let (field, after) = match line.strip_prefix(b"\"") {
        None => {
            let end = line.iter().position(|byte| *byte == b',').unwrap_or(line.len());
            line.split_at(end)
        }
        Some(quoted) => {
            let end = quoted.iter().position(|byte| *byte == b'"').ok_or(BAD)?;
            let (field, closing) = quoted.split_at(end);
            (field, closing.get(1..).unwrap_or_default())
        }
    };
    match after {
        _ if field.contains(&b'"') => Err(BAD),
        [] => Ok((field, None)),
        [b',', after @ ..] => Ok((field, Some(after))),
        _ => Err(BAD),
    }
}

/// 16 upper-case hex digits.
fn serial(text: &[u8]) -> Option<[u8; 8]> {
    let upper_hex = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    if text.len() != 16 || !text.iter().all(upper_hex) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    u64::from_str_radix(text, 16).ok().map(u64::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{city, hex, time};

    const CARD: [u8; 8] = [0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78];

    #[test]
    fn the_earliest_row_counts_and_grace_ends_to_the_second() -> Result<(), HotlistError> {
        let list = Hotlist::parse(
            b"issuer,card,effective_at\n\
              cu-2000,0000000012345678,2018-09-03T00:00:00\n\
              cu-2000,0000000012345678,2018-09-01T12:00:00\n\
              cu-2000,0000000012345678,2018-09-02T00:00:00\n",
        )?;
        let home = list.of(city("cu-2000"));
        assert!(!home.is_hot(CARD, time("2018-09-02T11:59:59"), 24));
        assert!(home.is_hot(CARD, time("2018-09-02T12:00:00"), 24));
        assert!(home.is_hot(CARD, time("2018-09-01T12:00:00"), 0));
        assert!(!home.is_hot(hex("0000000012345679"), time("2020-01-01T00:00:00"), 0));
        assert_eq!(home.hot_from(CARD), Some(time("2018-09-01T12:00:00")));
        assert_eq!(home.hot_from(hex("0000000012345679")), None);
        assert!(!list.of(city("tu-2000")).is_hot(CARD, time("2020-01-01T00:00:00"), 0));
        Ok(())
    }

    #[test]
    fn what_spreadsheets_do_to_it_is_accepted() -> Result<(), HotlistError> {
        let list = Hotlist::parse(
            b"\xEF\xBB\xBFissuer,card,effective_at,note\r\n\r\n\
              \"cu-2000\",\"0000000012345678\",\"2018-09-01T12:00:00\",\"lost, found\"\r\n\
              \n\
              cu-3000,00000000000000AB,2018-09-01T12:00:00",
        )?;
        assert!(list.of(city("cu-2000")).is_hot(CARD, time("2018-09-01T12:00:00"), 0));
        assert!(list.of(city("cu-3000")).is_hot(hex("00000000000000AB"), time("2018-09-01T12:00:00"), 0));
        assert!(Hotlist::parse(b"issuer,card,effective_at").is_ok(), "no cards at all");
        Ok(())
    }

    #[test]
    fn refusals_name_line_and_column() {
        let good = "cu-2000,0000000012345678,2018-09-01T12:00:00";
        let cases = [
            ("", "line 1 is not the header"),
            ("card,issuer,effective_at\n", "line 1 is not the header"),
            ("\nissuer,card,effective_at\n", "line 1 is not the header"),
            (&format!("issuer,card,effective_at\n\n{good}\ncu-2000,00\n"), "line 4: expected 3 columns"),
            (&good.replace("cu-2000", "cu-200g"), "line 2, column issuer"),
            (&good.replace("12345678", "1234567"), "line 2, column card"),
            (&good.replace("12345678", "1234567a"), "line 2, column card"),
            (&good.replace("T12", " 12"), "line 2, column effective_at"),
            (&good.replace("09-01", "02-30"), "line 2, column effective_at"),
            (&good.replace("cu-2000", "\"cu-2000"), "line 2: badly quoted"),
            (&good.replace("cu-2000", "cu-\"2000"), "line 2: badly quoted"),
        ];
        for (text, expected) in cases {
            let text = if text.starts_with("cu-") || text.starts_with("\"cu-") {
                format!("issuer,card,effective_at\n{text}\n")
            } else {
                text.to_owned()
            };
            let message =
                Hotlist::parse(text.as_bytes()).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }
}
