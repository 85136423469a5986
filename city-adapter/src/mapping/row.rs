//! A row as far as a mapping makes it.

use domain::{
    city::City,
    date::LocalTime,
    tap::{Algorithm, Medium, Product, Sector},
};

use crate::{fields::write_field, mapping::number::hex_digit, tapfile::Column};

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

impl MappedRow {
    /// Appends the value of a column as `cityunion-tap/1` spells it; nothing if the row does not have it.
    pub fn write(&self, column: Column, to: &mut Vec<u8>) {
        match column {
            Column::Terminal => write_hex(self.terminal.as_ref(), to),
            Column::Card => write_hex(self.card.as_ref(), to),
            Column::Tac => write_hex(self.tac.as_ref(), to),
            Column::Type => write_hex(self.type_byte.map(|byte| [byte]).as_ref(), to),
            Column::TerminalSeq => write_number(self.terminal_seq, to),
            Column::CardCounter => write_number(self.card_counter.map(u32::from), to),
            Column::KeyVersion => write_number(self.key_version.map(u32::from), to),
            Column::AmountFen => write_number(self.amount_fen, to),
            Column::FareFen => write_number(self.fare_fen, to),
            Column::Issuer => {
                if let Some(city) = self.issuer {
                    to.extend_from_slice(&city.spelling());
                }
            }
            Column::TappedAt => {
                if let Some(time) = self.tapped_at {
                    to.extend_from_slice(time.to_string().as_bytes());
                }
            }
            Column::Medium => write_text(self.medium.map(Medium::word), to),
            Column::Sector => write_text(self.sector.map(Sector::word), to),
            Column::Product => write_text(self.product.map(Product::word), to),
            Column::Algorithm => write_text(self.algorithm.map(Algorithm::word), to),
            Column::Operator => write_text(self.operator.as_deref(), to),
            Column::Line => write_text(self.line_name.as_deref(), to),
            Column::Station => write_text(self.station.as_deref(), to),
        }
    }

    /// Appends the row as a line of `cityunion-tap/1` with its line end. Columns that it does not have are empty.
    pub fn write_line(&self, to: &mut Vec<u8>) {
        let mut field = Vec::new();
        for column in Column::ALL {
            if column.index() > 0 {
                to.push(b',');
            }
            if matches!(column, Column::Operator | Column::Line | Column::Station) {
                field.clear();
                self.write(column, &mut field);
                write_field(to, &field);
            } else {
                self.write(column, to);
            }
        }
        to.push(b'\n');
    }
}

fn write_text(text: Option<&str>, to: &mut Vec<u8>) {
    to.extend_from_slice(text.unwrap_or_default().as_bytes());
}

fn write_hex<const N: usize>(bytes: Option<&[u8; N]>, to: &mut Vec<u8>) {
    for byte in bytes.into_iter().flatten() {
        to.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
    }
}

fn write_number(number: Option<u32>, to: &mut Vec<u8>) {
    let Some(mut number) = number else { return };
    let start = to.len();
    loop {
        to.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    to[start..].reverse();
}
