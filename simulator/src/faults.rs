//! Every way in which a line can fail to be a record.

use crate::record::{Quoting, Record, columns, quoted};

/// One way: the column that is to blame, or `line`, and what is done to the line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) column: &'static str,
    damage: Damage,
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    /// Another text in the column.
    Text(&'static str),
    /// The last character of the column missing.
    Short,
    /// The column in lower case.
    LowerCase,
    /// A leading zero.
    LeadingZero,
    /// The column and another one wrong; the first in column order is to blame.
    AlsoIn(&'static str),
    /// A text of so many bytes, made of whole Chinese characters as far as possible.
    Long(usize),
    /// A column too few, or too many.
    Columns { more: bool },
    /// Bytes put into the free text of `station` as they are.
    Raw(&'static [u8]),
    /// The whole line longer than a line may be.
    LongLine,
}

const fn text(column: &'static str, text: &'static str) -> Fault {
    Fault { column, damage: Damage::Text(text) }
}

const fn fault(column: &'static str, damage: Damage) -> Fault {
    Fault { column, damage }
}

const fn raw(bytes: &'static [u8]) -> Fault {
    Fault { column: "line", damage: Damage::Raw(bytes) }
}

/// All of them; used in turn. The first ones differ in their column, so that short files show many.
pub(crate) const FAULTS: [Fault; 84] = [
    fault("terminal", Damage::Short),
    text("terminal_seq", "4294967296"),
    fault("issuer", Damage::Text("CU-2000")),
    fault("card", Damage::Short),
    text("card_counter", "65536"),
    text("type", "02"),
    text("amount_fen", "2.00"),
    text("fare_fen", "-200"),
    text("tapped_at", "2018-02-30T10:00:00"),
    text("medium", "card"),
    text("sector", "tram"),
    text("product", "monthly"),
    fault("operator", Damage::Long(65)),
    fault("line", Damage::Columns { more: false }),
    fault("station", Damage::Long(66)),
    text("key_version", "256"),
    text("algorithm", "aes"),
    fault("tac", Damage::Short),
    fault("line", Damage::Columns { more: true }),
    raw(b"\"unclosed"),
    raw(b"in\"side"),
    raw(b"\"closed\" early"),
    raw(&[0xC9, 0xEE, 0xDB, 0xDA]),
    raw(b"bare\rreturn"),
    fault("line", Damage::LongLine),
    fault("amount_fen", Damage::AlsoIn("tac")),
    fault("terminal", Damage::AlsoIn("issuer")),
    fault("terminal", Damage::LowerCase),
    text("terminal", ""),
    text("terminal", "2000000000G1"),
    text("terminal", "20000000000001"),
    text("terminal_seq", ""),
    fault("terminal_seq", Damage::LeadingZero),
    text("terminal_seq", "-1"),
    text("terminal_seq", "+5"),
    text("terminal_seq", "1 "),
    text("terminal_seq", "18446744073709551617"),
    text("issuer", "2000"),
    text("issuer", ""),
    text("issuer", "cu-a004"),
    text("issuer", "xx-2000"),
    text("issuer", "cu-20000"),
    text("issuer", "cu_2000"),
    text("card", ""),
    text("card", "000000000000000g"),
    text("card", "abcdef0000000001"),
    text("card_counter", ""),
    fault("card_counter", Damage::LeadingZero),
    text("card_counter", "0x10"),
    text("type", "6"),
    text("type", ""),
    text("type", "99"),
    text("amount_fen", ""),
    text("amount_fen", "-200"),
    text("amount_fen", "4294967296"),
    text("amount_fen", "1e3"),
    text("amount_fen", " 200"),
    fault("amount_fen", Damage::LeadingZero),
    text("fare_fen", ""),
    text("fare_fen", "free"),
    fault("fare_fen", Damage::LeadingZero),
    text("tapped_at", ""),
    text("tapped_at", "2018-09-01 10:00:00"),
    text("tapped_at", "2018-09-01T24:00:00"),
    text("tapped_at", "2018-09-01T10:00"),
    text("tapped_at", "2018-09-01T10:00:60"),
    text("tapped_at", "20180901100000"),
    text("tapped_at", "2018-09-01T10:00:00Z"),
    text("medium", ""),
    text("medium", "CPU"),
    text("sector", ""),
    text("sector", "Metro"),
    text("product", ""),
    text("product", "flat "),
    fault("line", Damage::Raw(&[0xC3, 0x28])),
    fault("operator", Damage::Long(300)),
    text("key_version", ""),
    fault("key_version", Damage::LeadingZero),
    text("key_version", "-1"),
    text("algorithm", "3DES"),
    text("algorithm", ""),
    text("tac", ""),
    fault("tac", Damage::LowerCase),
    text("tac", "0x000000"),
];

/// A line longer than the 65,536 bytes that a line may have.
const LONG_LINE: usize = 70_000;

impl Fault {
    /// The line of a good record with this fault, without line end.
    pub(crate) fn apply(self, record: &Record, quoting: Quoting) -> Vec<u8> {
        let mut fields = record.fields();
        let at = columns().position(|column| column == self.column).unwrap_or(0);
        let station = columns().position(|column| column == "station").unwrap_or(0);
        match self.damage {
            Damage::Text(text) => fields[at] = text.into(),
            Damage::Short => drop(fields[at].pop()),
            Damage::LowerCase => fields[at].splice(..2, *b"ab").for_each(drop),
            Damage::LeadingZero => fields[at].insert(0, b'0'),
            Damage::AlsoIn(other) => {
                let also = columns().position(|column| column == other).unwrap_or(0);
                fields[at] = b"?".to_vec();
                fields[also] = b"?".to_vec();
            }
            Damage::Long(bytes) => fields[at] = long_text(bytes).into_bytes(),
            Damage::Columns { more: false } => fields.truncate(10),
            Damage::Columns { more: true } => fields.extend([b"1".to_vec(), b"2".to_vec()]),
            Damage::LongLine => fields[station] = long_text(LONG_LINE).into_bytes(),
            Damage::Raw(bytes) => fields[station] = bytes.to_vec(),
        }
        let is_raw = |place: usize| matches!(self.damage, Damage::Raw(_)) && place == station;
        let written: Vec<Vec<u8>> = fields
            .into_iter()
            .enumerate()
            .map(|(place, field)| match quoting {
                _ if is_raw(place) => field,
                Quoting::Needed if !field.iter().any(|byte| matches!(byte, b',' | b'"')) => field,
                _ => quoted(&field),
            })
            .collect();
        written.join(&b',')
    }
}

fn long_text(bytes: usize) -> String {
    let mut text = "站".repeat(bytes / 3);
    text.extend(std::iter::repeat_n('x', bytes % 3));
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_column_has_a_fault() {
        let blamed: BTreeSet<&str> = FAULTS.iter().map(|fault| fault.column).collect();
        // A free text named `line` cannot be told from the whole line in the word for it.
        let all: BTreeSet<&str> = columns().collect();
        assert_eq!(blamed, all);
        let early: BTreeSet<&str> = FAULTS[..18].iter().map(|fault| fault.column).collect();
        assert_eq!(early, all);
    }
}
