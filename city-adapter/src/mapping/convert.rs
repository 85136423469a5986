//! How the text of a column becomes its value.

use domain::{
    date::LocalTime,
    tap::{Algorithm, Medium, Product, Sector},
};

use super::{
    clock::Clock,
    number::{Amount, HexDigits, whole},
    row::MappedRow,
    spec::{Form, RuleSpec},
    text::shortened,
};
use crate::tapfile::{Column, TEXT_LEN_MAX};

/// The conversion of a column.
#[derive(Clone, Debug)]
pub enum Convert {
    /// Digits of terminal, card and cryptogram.
    Hex(HexDigits),
    /// A whole number.
    Number(Form),
    /// An amount of money.
    Amount(Amount),
    /// A local time.
    Time(Box<Clock>),
    /// A city by its spelling.
    City,
    /// A city by its code alone, with the letters of its scheme.
    Code(&'static str),
    /// A word of the contract.
    Word,
    /// Free text; whether a long one is cut.
    Free(bool),
}

impl Convert {
    /// The conversion that a rule says.
    ///
    /// # Errors
    /// What is wrong with the rule.
    pub fn of(spec: &RuleSpec, target: Column) -> Result<Self, String> {
        refuse_other_keys(spec, keys_of(target))?;
        Ok(match target {
            Column::Terminal => Self::Hex(HexDigits::of(spec, 12, true)?),
            Column::Card => Self::Hex(HexDigits::of(spec, 16, true)?),
            Column::Tac => Self::Hex(HexDigits::of(spec, 8, false)?),
            Column::AmountFen | Column::FareFen => Self::Amount(Amount::of(spec)?),
            Column::TappedAt => Self::Time(Box::new(Clock::of(spec)?)),
            Column::TerminalSeq | Column::CardCounter | Column::KeyVersion => {
                match spec.form.unwrap_or(Form::Decimal) {
                    Form::Bcd | Form::Digest => {
                        return Err(
                            "has a `form` that numbers do not have; known are decimal, hex and hex-le"
                                .to_owned(),
                        );
                    }
                    form => Self::Number(form),
                }
            }
            Column::Issuer => match spec.scheme.as_deref() {
                None => Self::City,
                Some("cu") => Self::Code("cu-"),
                Some("tu") => Self::Code("tu-"),
                Some(other) => return Err(format!("has scheme `{other}`; known are cu and tu")),
            },
            Column::Operator | Column::Line | Column::Station => Self::Free(spec.shorten.unwrap_or(false)),
            Column::Type | Column::Medium | Column::Sector | Column::Product | Column::Algorithm => {
                Self::Word
            }
        })
    }

    /// Converts `text` and puts it into its place of the row.
    ///
    /// # Errors
    /// What is wrong with the text, to be read after the name of the column.
    pub fn put(&self, target: Column, text: &[u8], row: &mut MappedRow) -> Result<(), String> {
        self.place(target, text, row).ok_or_else(|| match self {
            Self::Amount(amount) if amount.read(text).is_some() => {
                format!("`{}`: too large; an amount is at most 42949672.95 yuan", shortened(text))
            }
            _ => format!("`{}`: {}", shortened(text), self.expected(target)),
        })
    }

    fn place(&self, target: Column, text: &[u8], row: &mut MappedRow) -> Option<()> {
        match self {
            Self::Hex(digits) => match target {
                Column::Terminal => row.terminal = Some(digits.read(text)?),
                Column::Card => row.card = Some(digits.read(text)?),
                _ => row.tac = Some(digits.read(text)?),
            },
            Self::Number(form) => {
                let number = u32::try_from(whole(text, *form)?).ok()?;
                match target {
                    Column::TerminalSeq => row.terminal_seq = Some(number),
                    Column::CardCounter => row.card_counter = Some(number.try_into().ok()?),
                    _ => row.key_version = Some(number.try_into().ok()?),
                }
            }
            Self::Amount(amount) => match target {
                Column::AmountFen => row.amount_fen = Some(amount.read(text)?.try_into().ok()?),
                _ => row.fare_fen = Some(amount.read(text)?.try_into().ok()?),
            },
            Self::Time(clock) => row.tapped_at = Some(clock.read(text)?),
            Self::City => row.issuer = Some(domain::city::City::parse(text).ok()?),
            Self::Code(scheme) => {
                let mut spelling = *b"xx-0000";
                spelling[..3].copy_from_slice(scheme.as_bytes());
                let start = 7_usize.checked_sub(text.len()).filter(|start| (3..7).contains(start))?;
                spelling[start..].copy_from_slice(text);
                spelling[3..].make_ascii_uppercase();
                row.issuer = Some(domain::city::City::parse(&spelling).ok()?);
            }
            Self::Word => put_word(target, text, row)?,
            Self::Free(shorten) => {
                let mut text = std::str::from_utf8(text).ok()?;
                if *shorten {
                    text = &text[..text.floor_char_boundary(TEXT_LEN_MAX)];
                }
                let slot = match target {
                    Column::Operator => &mut row.operator,
                    Column::Line => &mut row.line_name,
                    _ => &mut row.station,
                };
                let slot = slot.get_or_insert_default();
                slot.clear();
                (text.len() <= TEXT_LEN_MAX).then(|| slot.push_str(text))?;
            }
        }
        Some(())
    }

    fn expected(&self, target: Column) -> String {
        match self {
            Self::Amount(amount) => amount.expected(),
            Self::Time(clock) => {
                let mut such = Vec::new();
                let known = LocalTime::parse(b"2018-09-01T07:30:00")
                    .ok()
                    .and_then(|time| clock.write(time, &mut such));
                let such = known.map_or_else(String::new, |()| format!(", such as `{}`", shortened(&such)));
                format!("no time of the mapping's formats{such}")
            }
            Self::Number(Form::Hex | Form::HexLe) => format!("{}, in hex digits", target.expected()),
            Self::Number(_) => {
                let float = " (if the file writes 1.0 for 1, let the mapping say `float = true`)";
                format!("{}{float}", target.expected().trim_end_matches(" without leading zeros"))
            }
            Self::Code(_) => "expected the code of a city, up to four hex digits".to_owned(),
            Self::Hex(digits) => match digits.form {
                Form::Decimal => format!("expected a decimal number that fits into {}", room(target, digits)),
                Form::Bcd => format!("expected decimal digits, at most {}", room(target, digits)),
                _ => format!("expected hex digits, at most {}", room(target, digits)),
            },
            _ => target.expected().to_owned(),
        }
    }
}

fn room(target: Column, digits: &HexDigits) -> String {
    let all: usize = match target {
        Column::Terminal => 12,
        Column::Card => 16,
        _ => 8,
    };
    let room = all.saturating_sub(digits.prefix.len());
    if digits.form == Form::Decimal { format!("{room} hex digits") } else { room.to_string() }
}

fn put_word(target: Column, text: &[u8], row: &mut MappedRow) -> Option<()> {
    match target {
        Column::Type => {
            row.type_byte = Some(match text {
                b"06" | b"6" => 0x06,
                b"09" | b"9" => 0x09,
                _ => return None,
            });
        }
        Column::Medium => row.medium = Some(Medium::parse(text)?),
        Column::Sector => row.sector = Some(Sector::parse(text)?),
        Column::Product => row.product = Some(Product::parse(text)?),
        Column::Algorithm => row.algorithm = Some(Algorithm::parse(text)?),
        _ => return None,
    }
    Some(())
}

/// The keys of conversions that a rule has and `takes` does not name.
///
/// # Errors
/// Naming the first of them.
pub fn refuse_other_keys(spec: &RuleSpec, takes: &[&str]) -> Result<(), String> {
    let keys: [(&str, bool); 21] = [
        ("form", spec.form.is_some()),
        ("prefix", spec.prefix.is_some()),
        ("pad", spec.pad.is_some()),
        ("pad_with", spec.pad_with.is_some()),
        ("keep", spec.keep.is_some()),
        ("unit", spec.unit.is_some()),
        ("decimal", spec.decimal.is_some()),
        ("thousands", spec.thousands.is_some()),
        ("multiply", spec.multiply.is_some()),
        ("divide", spec.divide.is_some()),
        ("sign", spec.sign.is_some()),
        ("formats", spec.formats.is_some()),
        ("unix", spec.unix.is_some()),
        ("pivot", spec.pivot.is_some()),
        ("zone", spec.zone.is_some()),
        ("local", spec.local.is_some()),
        ("service_day_until", spec.service_day_until.is_some()),
        ("scheme", spec.scheme.is_some()),
        ("shorten", spec.shorten.is_some()),
        ("derive", spec.derive.is_some()),
        ("subtract", spec.subtract.is_some()),
    ];
    match keys.iter().find(|(key, has)| *has && !takes.contains(key)) {
        Some((key, _)) => Err(format!("has `{key}`, which this column does not take")),
        None => Ok(()),
    }
}

/// The keys of amounts.
pub const AMOUNT_KEYS: [&str; 8] =
    ["form", "unit", "decimal", "thousands", "multiply", "divide", "sign", "subtract"];

fn keys_of(target: Column) -> &'static [&'static str] {
    match target {
        Column::Terminal | Column::Card | Column::Tac => &["form", "prefix", "pad", "pad_with", "keep"],
        Column::TerminalSeq => &["form", "derive"],
        Column::CardCounter | Column::KeyVersion => &["form"],
        Column::AmountFen | Column::FareFen => &AMOUNT_KEYS[..7],
        Column::TappedAt => &["formats", "unix", "pivot", "zone", "local", "service_day_until"],
        Column::Issuer => &["scheme"],
        Column::Operator | Column::Line | Column::Station => &["shorten"],
        Column::Type | Column::Medium | Column::Sector | Column::Product | Column::Algorithm => &[],
    }
}
