//! Fen as yuan with two decimals, and back, without floats.

use rust_decimal::{Decimal, prelude::ToPrimitive as _};

/// Digits behind the point.
const DECIMALS: u32 = 2;

/// Fen as messages write them: `1234.05`.
pub(crate) fn yuan(fen: u64) -> String {
    Decimal::from_i128_with_scale(fen.into(), DECIMALS).to_string()
}

/// The fen that a message states; `None` for any other spelling than [`yuan`]'s.
pub(crate) fn fen(text: &str) -> Option<u64> {
    fen_stated(text).filter(|fen| yuan(*fen) == text)
}

/// The fen of an amount that somebody else wrote: no decimals, one, or two.
pub(crate) fn fen_stated(text: &str) -> Option<u64> {
    // The library also reads signs, underscores and a missing whole part.
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !text.split('.').all(digits) {
        return None;
    }
    let amount = Decimal::from_str_exact(text).ok().filter(|amount| amount.scale() <= DECIMALS)?;
    amount.checked_mul(Decimal::ONE_HUNDRED)?.to_u64()
}

/// Fen as people read them: `1,234.05`, with a real minus before a negative figure.
pub(crate) fn readable(fen: i128) -> String {
    let whole = (fen.unsigned_abs() / 100).to_string();
    let mut out = String::from(if fen < 0 { "−" } else { "" });
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{out}.{:02}", fen.unsigned_abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_come_back() {
        for (number, text) in [
            (0, "0.00"),
            (1, "0.01"),
            (99, "0.99"),
            (100, "1.00"),
            (9_007_199_254_740_991, "90071992547409.91"),
        ] {
            assert_eq!(yuan(number), text);
            assert_eq!(fen(text), Some(number));
        }
        for text in
            ["", "1", "1.0", "1.000", "01.00", ".50", "-1.00", "+1.00", "1,00", "1.0x", " 1.00", "１.00"]
        {
            assert_eq!(fen(text), None, "{text}");
        }
        for text in ["184467440737095516.16", "99999999999999999999999.00"] {
            assert_eq!(fen(text), None, "{text}");
        }
        for (text, stated) in [
            ("12.30", Some(1230)),
            ("12.3", Some(1230)),
            ("12", Some(1200)),
            ("0012.03", Some(1203)),
            ("0.00", Some(0)),
            ("184467440737095516.15", Some(u64::MAX)),
            ("184467440737095516.16", None),
            ("184467440737095517", None),
        ] {
            assert_eq!(fen_stated(text), stated, "{text}");
        }
        for text in ["", ".", "12.", ".5", "12.345", "12.300", "-1", "+1", "1e3", "1,000.00", " 1", "１"] {
            assert_eq!(fen_stated(text), None, "{text}");
        }
        assert_eq!(readable(-123_456_789), "−1,234,567.89");
        assert_eq!((readable(5), readable(100_000)), ("0.05".to_owned(), "1,000.00".to_owned()));
    }
}
