//! Columns: which type each has, and the values of one while a group of rows is gathered.

use bytes::Bytes;
use domain::date::{Date, LocalTime};
use parquet::{
    data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type},
    errors::ParquetError,
    file::writer::SerializedColumnWriter,
};

/// The Julian day of 1970-01-01, from which Parquet counts days.
const FIRST_JULIAN_DAY: i32 = 2_440_588;
const MILLIS_A_SECOND: i64 = 1000;
const MILLIS_A_DAY: i64 = 86_400 * MILLIS_A_SECOND;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number, fen too.
    Number,
    /// A number of two bytes.
    Small,
    /// A calendar date.
    Date,
    /// A local time, without a zone: to the millisecond, since Parquet knows none to the second.
    Time,
    /// Anything else, as it stands in the CSV; what is empty there is an empty text.
    Text,
}

impl Kind {
    /// Of a column by its name: one name is one thing in every file.
    pub(crate) fn of(column: &str) -> Self {
        match column {
            "line" | "terminal_seq" => Self::Number,
            "card_counter" => Self::Small,
            "business_date" => Self::Date,
            "tapped_at" => Self::Time,
            summed if files::layout::is_summed(summed) => Self::Number,
            _ => Self::Text,
        }
    }

    /// How a schema declares a column of it.
    pub(crate) fn declared(self, column: &str) -> String {
        match self {
            Self::Number => format!("REQUIRED INT64 {column};"),
            Self::Small => format!("REQUIRED INT32 {column};"),
            Self::Date => format!("REQUIRED INT32 {column} (DATE);"),
            Self::Time => format!("REQUIRED INT64 {column} (TIMESTAMP(MILLIS,false));"),
            Self::Text => format!("REQUIRED BYTE_ARRAY {column} (STRING);"),
        }
    }

    /// What must stand in its fields.
    pub(crate) const fn wanted(self) -> &'static str {
        match self {
            Self::Number | Self::Small => "whole number that fits",
            Self::Date => "date",
            Self::Time => "local time",
            Self::Text => "text in UTF-8",
        }
    }
}

/// The values of a column in the rows that are gathered.
pub(crate) struct Column {
    kind: Kind,
    longs: Vec<i64>,
    ints: Vec<i32>,
    /// Texts one after the other, and where each ends.
    texts: Vec<u8>,
    ends: Vec<usize>,
}

impl Column {
    pub(crate) const fn new(kind: Kind) -> Self {
        Self { kind, longs: Vec::new(), ints: Vec::new(), texts: Vec::new(), ends: Vec::new() }
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of its texts.
    pub(crate) const fn text_bytes(&self) -> usize {
        self.texts.len()
    }

    /// Takes a field; none if it is no value of the column. Returns the number, if it is one.
    pub(crate) fn take(&mut self, field: &[u8]) -> Option<i64> {
        match self.kind {
            Kind::Number => {
                let number = number(field)?;
                self.longs.push(number);
                return Some(number);
            }
            Kind::Small => self.ints.push(number(field).and_then(|it| u16::try_from(it).ok())?.into()),
            Kind::Date => self.ints.push(day(Date::parse(field).ok()?)?),
            Kind::Time => self.longs.push(millis(LocalTime::parse(field).ok()?)?),
            Kind::Text => {
                self.texts.extend_from_slice(str::from_utf8(field).ok()?.as_bytes());
                self.ends.push(self.texts.len());
            }
        }
        Some(0)
    }

    /// Writes what was gathered and forgets it.
    pub(crate) fn write(&mut self, to: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        match self.kind {
            Kind::Number | Kind::Time => {
                to.typed::<Int64Type>().write_batch(&self.longs, None, None)?;
                self.longs.clear();
            }
            Kind::Small | Kind::Date => {
                to.typed::<Int32Type>().write_batch(&self.ints, None, None)?;
                self.ints.clear();
            }
            Kind::Text => {
                let texts = Bytes::from(std::mem::take(&mut self.texts));
                let mut start = 0;
                let text = |end: usize| {
                    let text = texts.slice(start..end);
                    start = end;
                    ByteArray::from(text)
                };
                let arrays: Vec<ByteArray> = self.ends.drain(..).map(text).collect();
                to.typed::<ByteArrayType>().write_batch(&arrays, None, None)?;
            }
        }
        Ok(())
    }
}

/// A number in its one spelling.
fn number(field: &[u8]) -> Option<i64> {
    let text = str::from_utf8(field).ok()?;
    if text.starts_with('+') { None } else { text.parse().ok() }
}

/// Days since 1970-01-01.
fn day(date: Date) -> Option<i32> {
    date.julian_day().checked_sub(FIRST_JULIAN_DAY)
}

/// Milliseconds since 1970-01-01T00:00:00 of a clock without a zone.
fn millis(time: LocalTime) -> Option<i64> {
    let days = i64::from(day(time.date)?).checked_mul(MILLIS_A_DAY)?;
    days.checked_add(i64::from(time.second).checked_mul(MILLIS_A_SECOND)?)
}

#[cfg(test)]
mod tests {
    use files::layout::{ACQUIRER, ISSUER, ITEMS, NET, POSITIONS};

    use super::*;

    #[test]
    fn every_column_of_the_contract_has_its_type() {
        let of = |wanted: Kind| -> Vec<&str> {
            let columns = [POSITIONS, NET, ITEMS, ACQUIRER, ISSUER].map(|layout| layout.columns);
            columns.into_iter().flatten().copied().filter(|column| Kind::of(column) == wanted).collect()
        };
        assert_eq!(of(Kind::Small), ["card_counter"]);
        assert_eq!(of(Kind::Date), ["business_date"; 2]);
        assert_eq!(of(Kind::Time), ["tapped_at"]);
        let texts = of(Kind::Text);
        let number = |column: &&&str| column.ends_with("_fen") || ["count", "line"].contains(*column);
        assert_eq!(texts.iter().find(number), None, "{texts:?}");
        assert!(["terminal", "card", "type", "cycle", "reason"].iter().all(|column| texts.contains(column)));
    }

    #[test]
    fn days_and_times_count_from_1970() {
        let date = |text: &str| day(text.parse().unwrap());
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("1969-12-31"), Some(-1));
        assert_eq!(date("2018-09-01"), Some(17_775));
        let time = |text: &str| millis(LocalTime::parse(text.as_bytes()).unwrap());
        assert_eq!(time("1970-01-01T00:00:01"), Some(1000));
        assert_eq!(time("2018-09-01T08:15:30"), Some(1_535_789_730_000));
    }

    #[test]
    fn what_is_no_value_is_not_taken() {
        for (kind, field) in [
            (Kind::Number, "+1"),
            (Kind::Number, ""),
            (Kind::Number, "1.0"),
            (Kind::Number, "9223372036854775808"),
            (Kind::Small, "65536"),
            (Kind::Small, "-1"),
            (Kind::Date, "2018-02-30"),
            (Kind::Time, "2018-09-01 08:00:00"),
        ] {
            assert_eq!(Column::new(kind).take(field.as_bytes()), None, "{kind:?} {field}");
        }
        assert_eq!(Column::new(Kind::Text).take(b"\xFF"), None);
        assert_eq!(Column::new(Kind::Number).take(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(Column::new(Kind::Text).take(b""), Some(0));
    }
}
