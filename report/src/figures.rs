//! Figures as people read them, without floats.

/// Fen as yuan with two decimals, thousands apart.
#[must_use]
pub fn yuan(fen: i128) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let fen = fen.unsigned_abs();
    format!("{sign}{}.{:02}", thousands(&(fen / 100).to_string()), fen % 100)
}

/// Fen as yuan with a sign before what is not zero, for nets. The minus is a real one.
#[must_use]
pub fn signed_yuan(fen: i128) -> String {
    let sign = match fen {
        0 => "",
        1.. => "+",
        _ => "−",
    };
    let fen = fen.unsigned_abs();
    format!("{sign}{}.{:02}", thousands(&(fen / 100).to_string()), fen % 100)
}

/// Digits with a comma between thousands.
#[must_use]
pub fn thousands(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}")
}

/// A count with a comma between thousands.
#[must_use]
pub fn count(number: u64) -> String {
    thousands(&number.to_string())
}

/// A part of a whole in percent with one decimal, half up; `<0.1` for what would round to nothing.
#[must_use]
pub fn percent(part: u128, whole: u128) -> String {
    match permille(part, whole) {
        0 if part > 0 => "<0.1%".to_owned(),
        permille => format!("{}.{}%", permille / 10, permille % 10),
    }
}

/// A part of a whole in thousandths, half up; 0 of nothing.
#[must_use]
pub fn permille(part: u128, whole: u128) -> u128 {
    (part * 1000 + whole / 2).checked_div(whole).unwrap_or_default()
}

/// The least number of the series 1, 2, 5, 10, 20, 50 … that is at least `number`.
#[must_use]
pub fn round_up(number: u128) -> u128 {
    let mut power = 1_u128;
    loop {
        for step in [1, 2, 5] {
            if power * step >= number {
                return power * step;
            }
        }
        power *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_in_yuan_without_floats() {
        assert_eq!(yuan(123_456_789), "1,234,567.89");
        assert_eq!(yuan(-5), "-0.05");
        assert_eq!(yuan(0), "0.00");
        assert_eq!(thousands("-1000"), "-1,000");
        assert_eq!(thousands("999"), "999");
        let signed = [(123_400, "+1,234.00"), (-7, "−0.07"), (0, "0.00")];
        for (fen, text) in signed {
            assert_eq!(signed_yuan(fen), text);
        }
    }

    #[test]
    fn shares_have_one_decimal() {
        for (part, whole, text) in [
            (1, 3, "33.3%"),
            (2, 3, "66.7%"),
            (3, 3, "100.0%"),
            (0, 7, "0.0%"),
            (0, 0, "0.0%"),
            (1, 100_000, "<0.1%"),
        ] {
            assert_eq!(percent(part, whole), text, "{part} of {whole}");
        }
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (number, end) in [(0, 1), (1, 1), (3, 5), (5, 5), (6, 10), (11, 20), (4_001, 5_000)] {
            assert_eq!(round_up(number), end, "{number}");
        }
    }
}
