//! A tap as it is written into a file.

use std::sync::Arc;

use domain::{
    city::City,
    date::Date,
    tap::{Algorithm, Medium, Product, Sector, Tap},
};

/// The header of a tap file, without line end.
pub(crate) const HEADER: &str = "terminal,terminal_seq,issuer,card,card_counter,type,amount_fen,fare_fen,\
tapped_at,medium,sector,product,operator,line,station,key_version,algorithm,tac";

/// The columns of a tap file, in order.
pub(crate) fn columns() -> impl Iterator<Item = &'static str> {
    HEADER.split(',')
}

/// Operator, line and station.
pub(crate) type Texts = Arc<[String; 3]>;

/// A tap with its home city and texts.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) issuer: City,
    pub(crate) tap: Tap,
    pub(crate) texts: Texts,
}

/// Whether every field is put in quotes, needed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quoting {
    Needed,
    Everything,
}

impl Record {
    /// Appends the record's fields, comma between them, without line end.
    pub(crate) fn write(&self, quoting: Quoting, out: &mut Vec<u8>) {
        if quoting == Quoting::Everything {
            let fields: Vec<Vec<u8>> = self.fields().into_iter().map(|field| quoted(&field)).collect();
            out.extend_from_slice(&fields.join(&b','));
            return;
        }
        let tap = &self.tap;
        push_hex(&tap.terminal, out);
        push_number_field(tap.terminal_seq.get(), out);
        out.push(b',');
        out.extend_from_slice(&self.issuer.spelling());
        out.push(b',');
        push_hex(&tap.card, out);
        push_number_field(tap.card_counter.get().into(), out);
        out.push(b',');
        push_hex(&[tap.type_byte], out);
        push_number_field(tap.amount_fen.get(), out);
        push_number_field(tap.fare_fen.get(), out);
        out.push(b',');
        push_time(tap, out);
        for word in [
            Medium::from_index(tap.medium).map(Medium::word),
            Sector::from_index(tap.sector).map(Sector::word),
            Product::from_index(tap.product).map(Product::word),
        ] {
            out.push(b',');
            out.extend_from_slice(word.unwrap_or_default().as_bytes());
        }
        for text in self.texts.iter() {
            out.push(b',');
            push_text(text, out);
        }
        push_number_field(tap.key_version.into(), out);
        out.push(b',');
        out.extend_from_slice(Algorithm::from_index(tap.algorithm).map_or("", Algorithm::word).as_bytes());
        out.push(b',');
        push_hex(&tap.tac, out);
    }

    /// The texts of the fields, without quotes.
    pub(crate) fn fields(&self) -> Vec<Vec<u8>> {
        let plain = Self { texts: Arc::default(), ..self.clone() };
        let mut line = Vec::new();
        plain.write(Quoting::Needed, &mut line);
        let mut fields: Vec<Vec<u8>> = line.split(|byte| *byte == b',').map(<[u8]>::to_vec).collect();
        for (column, field) in columns().zip(&mut fields) {
            match column {
                "operator" => *field = self.texts[0].clone().into_bytes(),
                "line" => *field = self.texts[1].clone().into_bytes(),
                "station" => *field = self.texts[2].clone().into_bytes(),
                _ => {}
            }
        }
        fields
    }
}

/// A field in quotes.
pub(crate) fn quoted(field: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in field {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

/// A free text, in quotes if it needs them.
pub(crate) fn push_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|byte| matches!(byte, b',' | b'"')) {
        out.extend_from_slice(&quoted(text.as_bytes()));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// A comma and a decimal number.
fn push_number_field(number: u32, out: &mut Vec<u8>) {
    out.push(b',');
    push_number(number, out);
}

fn push_number(number: u32, out: &mut Vec<u8>) {
    let mut digits = [0; 10];
    let (mut at, mut rest) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = digit(rest % 10);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn digit(value: u32) -> u8 {
    b'0' + u8::try_from(value).unwrap_or(0)
}

fn push_two(value: u32, out: &mut Vec<u8>) {
    out.push(digit(value / 10));
    out.push(digit(value % 10));
}

fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

fn push_time(tap: &Tap, out: &mut Vec<u8>) {
    let (year, month, day) = Date::from_julian_day(tap.tapped_day.get()).ymd();
    push_two(u32::from(year) / 100, out);
    push_two(u32::from(year) % 100, out);
    let second = tap.tapped_second.get();
    let parts = [
        (b'-', month.into()),
        (b'-', day.into()),
        (b'T', second / 3600),
        (b':', second / 60 % 60),
        (b':', second % 60),
    ];
    for (separator, part) in parts {
        out.push(separator);
        push_two(part, out);
    }
}
