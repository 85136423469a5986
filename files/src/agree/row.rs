//! A row of `issuer/<city>.csv`: made from an accepted tap, and read as far as its place in the file.

use domain::{
    city::City,
    tap::{Medium, Product, Sector, Tap},
};

use crate::{text, verify::Fields};

/// Makes the row of a tap, without line end; empty if its bytes stand for nothing that a row could say.
pub(super) fn make(out: &mut Vec<u8>, acquirer: City, tap: &Tap) {
    out.clear();
    let words =
        (Sector::from_index(tap.sector), Product::from_index(tap.product), Medium::from_index(tap.medium));
    let (Some(sector), Some(product), Some(medium)) = words else { return };
    out.extend_from_slice(&acquirer.spelling());
    hex(out, &tap.terminal);
    number(out, tap.terminal_seq.get());
    hex(out, &tap.card);
    number(out, tap.card_counter.get().into());
    hex(out, &[tap.type_byte]);
    number(out, tap.amount_fen.get());
    number(out, tap.fare_fen.get());
    out.push(b',');
    text::push_time(out, tap.tapped_at());
    for word in [sector.word(), product.word(), medium.word()] {
        out.push(b',');
        out.extend_from_slice(word.as_bytes());
    }
}

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b',');
    text::push_hex(out, bytes);
}

fn number(out: &mut Vec<u8>, number: u32) {
    out.push(b',');
    text::push_decimal(out, number.into());
}

/// The place of a row: acquirer, terminal, number at the terminal.
pub(super) type Place = (City, u64, u32);

/// The place that a row names.
///
/// # Errors
/// What is wrong with it.
pub(super) fn place(fields: &mut Fields, row: &[u8]) -> Result<Place, &'static str> {
    fields.split(row)?;
    let acquirer = City::parse(fields.get(0)).map_err(|_| "its acquirer is no city")?;
    let terminal = terminal(fields.get(1)).ok_or("its terminal is not 12 upper-case hex digits")?;
    let number = fields.text(2).and_then(|text| text.parse().ok()).ok_or("its terminal_seq is no number")?;
    Ok((acquirer, terminal, number))
}

fn terminal(digits: &[u8]) -> Option<u64> {
    let upper = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    let digits = (digits.len() == 12 && digits.iter().all(upper)).then_some(digits)?;
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}
