//! A row as far as a mapping makes it, and the conversion of each of its fields.

use domain::{
    city::City,
    date::LocalTime,
    tap::{Algorithm, Medium, Product, Sector},
};

use super::{Form, Unit, clock::Format};
use crate::tapfile::{Column, TEXT_LEN_MAX};

/// What a mapping made of one row: the columns of `cityunion-tap/1`, as far as it names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappedRow {
    /// Physical line in the source file, 1-based.
    pub line: u32,
    /// Terminal (PSAM) number.
    pub terminal: Option<[u8; 6]>,
    /// Terminal transaction sequence.
    pub terminal_seq: Option<u32>,
    /// Home city of the card.
    pub issuer: Option<City>,
    /// Application serial of the card.
    pub card: Option<[u8; 8]>,
    /// The card's transaction counter.
    pub card_counter: Option<u16>,
    /// Transaction type byte: `0x06` purchase, `0x09` compound purchase.
    pub type_byte: Option<u8>,
    /// Deducted amount, fen.
    pub amount_fen: Option<u32>,
    /// Fare before discount, fen.
    pub fare_fen: Option<u32>,
    /// Local time of the tap.
    pub tapped_at: Option<LocalTime>,
    /// What was held to the reader.
    pub medium: Option<Medium>,
    /// Where the card was used.
    pub sector: Option<Sector>,
    /// How the fare was made.
    pub product: Option<Product>,
    /// Operator, at most 64 bytes.
    pub operator: Option<String>,
    /// Column `line`, at most 64 bytes.
    pub line_name: Option<String>,
    /// Station, at most 64 bytes.
    pub station: Option<String>,
    /// Key version of the cryptogram.
    pub key_version: Option<u8>,
    /// Algorithm of the cryptogram.
    pub algorithm: Option<Algorithm>,
    /// The cryptogram.
    pub tac: Option<[u8; 4]>,
}

/// How the text of a column becomes its value.
#[derive(Clone, Debug)]
pub enum Convert {
    /// As it stands, in the spelling of the contract.
    Plain,
    /// A number of hex digits, some of them given.
    Hex {
        /// How the source writes it.
        form: Form,
        /// Upper-case digits that go before it.
        prefix: String,
        /// How many digits the source makes.
        digits: usize,
    },
    /// An amount of money.
    Amount(Unit),
    /// A local time, by the first format that fits.
    Time(Vec<Format>),
}

impl Convert {
    /// The conversion of a hex column.
    pub fn hex(target: Column, form: Form, prefix: &str) -> Result<Self, String> {
        let all: usize = match target {
            Column::Terminal => 12,
            Column::Card => 16,
            _ => 8,
        };
        let prefix = prefix.to_ascii_uppercase();
        let digits = all.checked_sub(prefix.len()).filter(|digits| *digits > 0);
        match digits {
            Some(digits) if prefix.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Ok(Self::Hex { form, prefix, digits })
            }
            _ => Err(format!("has prefix `{prefix}`; expected hex digits, fewer than {all}")),
        }
    }

    /// Converts `text` and puts it into its place of the row.
    ///
    /// # Errors
    /// What is wrong with the text, to be read after the name of the column.
    pub fn put(&self, target: Column, text: &str, row: &mut MappedRow) -> Result<(), String> {
        let expected = || format!("`{}`: {}", shortened(text), target.expected());
        match self {
            Self::Hex { form, prefix, digits } => {
                let hex = hex_digits(text, *form, prefix, *digits).ok_or_else(expected)?;
                match target {
                    Column::Terminal => row.terminal = Some(hex_bytes(&hex).ok_or_else(expected)?),
                    Column::Card => row.card = Some(hex_bytes(&hex).ok_or_else(expected)?),
                    _ => row.tac = Some(hex_bytes(&hex).ok_or_else(expected)?),
                }
            }
            Self::Amount(unit) => {
                let amount = amount_fen(text, *unit).ok_or_else(|| {
                    format!("`{}`: expected an amount in {}", shortened(text), unit_name(*unit))
                })?;
                match target {
                    Column::AmountFen => row.amount_fen = Some(amount),
                    _ => row.fare_fen = Some(amount),
                }
            }
            Self::Time(formats) => {
                let time = formats.iter().find_map(|format| format.read(text));
                row.tapped_at = Some(
                    time.ok_or_else(|| format!("`{}`: no time of the mapping's formats", shortened(text)))?,
                );
            }
            Self::Plain => put_plain(target, text, row).ok_or_else(expected)?,
        }
        Ok(())
    }
}

fn put_plain(target: Column, text: &str, row: &mut MappedRow) -> Option<()> {
    match target {
        Column::TerminalSeq => row.terminal_seq = Some(integer(text)?),
        Column::Issuer => row.issuer = Some(text.parse().ok()?),
        Column::CardCounter => row.card_counter = Some(integer(text)?.try_into().ok()?),
        Column::Type => {
            row.type_byte = Some(match text {
                "06" | "6" => 0x06,
                "09" | "9" => 0x09,
                _ => return None,
            });
        }
        Column::Medium => row.medium = Some(Medium::parse(text.as_bytes())?),
        Column::Sector => row.sector = Some(Sector::parse(text.as_bytes())?),
        Column::Product => row.product = Some(Product::parse(text.as_bytes())?),
        Column::Operator => row.operator = Some(free_text(text)?),
        Column::Line => row.line_name = Some(free_text(text)?),
        Column::Station => row.station = Some(free_text(text)?),
        Column::KeyVersion => row.key_version = Some(integer(text)?.try_into().ok()?),
        Column::Algorithm => row.algorithm = Some(Algorithm::parse(text.as_bytes())?),
        Column::Terminal
        | Column::Card
        | Column::Tac
        | Column::AmountFen
        | Column::FareFen
        | Column::TappedAt => return None,
    }
    Some(())
}

fn shortened(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(end, _)| &text[..end])
}

fn free_text(text: &str) -> Option<String> {
    (text.len() <= TEXT_LEN_MAX).then(|| text.to_owned())
}

/// Decimal digits, leading zeros allowed.
fn integer(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn amount_fen(text: &str, unit: Unit) -> Option<u32> {
    match unit {
        Unit::Fen => integer(text),
        Unit::Yuan => {
            let (yuan, decimals) = text.split_once('.').unwrap_or((text, "0"));
            let fen = match decimals.len() {
                1 => integer(decimals)? * 10,
                2 => integer(decimals)?,
                _ => return None,
            };
            integer(yuan)?.checked_mul(100)?.checked_add(fen)
        }
    }
}

const fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Fen => "fen, a whole number",
        Unit::Yuan => "yuan with at most two decimals",
    }
}

fn hex_digits(text: &str, form: Form, prefix: &str, digits: usize) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let hex = match form {
        Form::Hex if text.bytes().all(|b| b.is_ascii_hexdigit()) => text.to_ascii_uppercase(),
        Form::Decimal if text.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{:X}", text.parse::<u64>().ok()?)
        }
        _ => return None,
    };
    (hex.len() <= digits).then(|| format!("{prefix}{hex:0>digits$}"))
}

fn hex_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
