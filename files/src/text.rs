//! Fields as bytes, without the formatting machinery: files have millions of rows.

use domain::date::LocalTime;

/// Appends a decimal number.
pub fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = digit(number % 10);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// Appends a decimal number with `-` before a negative one.
pub fn push_signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    push_decimal(out, number.unsigned_abs());
}

/// Appends bytes as upper-case hex.
pub fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Appends `YYYY-MM-DDTHH:MM:SS`.
pub fn push_time(out: &mut Vec<u8>, time: LocalTime) {
    let (year, month, day) = time.date.ymd();
    let (hour, minute, second) = time.hms();
    let century = two((year / 100 % 100) as u8);
    let of_century = two((year % 100) as u8);
    out.extend_from_slice(&[century[0], century[1], of_century[0], of_century[1]]);
    for (mark, part) in [(b'-', month), (b'-', day), (b'T', hour), (b':', minute), (b':', second)] {
        let [tens, ones] = two(part);
        out.extend_from_slice(&[mark, tens, ones]);
    }
}

/// Appends a text, quoted as RFC 4180 says where it has a comma or a quote. A line break inside a
/// field is not allowed: see [`has_line_break`].
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    if !text.bytes().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r')) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Whether a text would break a line in two.
#[must_use]
pub fn has_line_break(text: &str) -> bool {
    text.bytes().any(|b| matches!(b, b'\n' | b'\r'))
}

/// A digest as lower-case hex, the one exception to upper-case in the contract.
#[must_use]
pub fn digest_hex(digest: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

/// Two decimal digits.
const fn two(number: u8) -> [u8; 2] {
    [b'0' + number / 10 % 10, b'0' + number % 10]
}

/// One decimal digit of a number below ten.
const fn digit(number: u64) -> u8 {
    b'0' + number as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `push` appends, as text.
    fn pushed(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_plain_decimals() {
        for number in [0, 7, 10, 4_294_967_295, u64::MAX] {
            assert_eq!(pushed(|out| push_decimal(out, number)), number.to_string());
        }
        for number in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(pushed(|out| push_signed(out, number)), number.to_string());
        }
    }

    #[test]
    fn texts_are_quoted_only_where_needed() {
        for (text, field) in [
            ("2018-09-01.csv", "2018-09-01.csv"),
            ("", ""),
            ("一号线 metro.csv", "一号线 metro.csv"),
            ("a,b.csv", "\"a,b.csv\""),
            ("say \"hi\".csv", "\"say \"\"hi\"\".csv\""),
        ] {
            assert_eq!(pushed(|out| push_text(out, text)), field);
        }
    }

    #[test]
    fn times_and_hex_have_their_form() {
        for text in ["0001-01-01T00:00:00", "2018-09-01T23:05:09", "9999-12-31T23:59:59"] {
            let time = LocalTime::parse(text.as_bytes()).unwrap();
            assert_eq!(pushed(|out| push_time(out, time)), text);
        }
        assert_eq!(pushed(|out| push_hex(out, &[0x36, 0x40, 0x01, 0xFA])), "364001FA");
        assert_eq!(digest_hex(&[0xAB; 32]), "ab".repeat(32));
    }
}
