//! Numbers as foreign files write them: floats, hex of both byte orders, amounts with groups and decimal signs.

use super::spec::{Form, Keep, Pad, RuleSpec, Sign, Unit};

/// The most digits of a number that is cut to fit.
const DIGITS_MAX: usize = 64;

/// A whole number by a form.
pub fn whole(text: &[u8], form: Form) -> Option<u64> {
    match form {
        Form::Decimal if !text.is_empty() && text.iter().all(u8::is_ascii_digit) => text
            .iter()
            .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))),
        Form::Hex => hex_number(text),
        Form::HexLe => {
            let mut bytes = [0; DIGITS_MAX];
            hex_number(last_byte_first(text, &mut bytes)?)
        }
        _ => None,
    }
}

fn hex_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, digit| {
        let nibble = char::from(*digit).to_digit(16)?;
        if sum >> 60 == 0 { Some(sum << 4 | u64::from(nibble)) } else { None }
    })
}

/// Pairs of hex digits in the opposite order.
fn last_byte_first<'a>(text: &[u8], to: &'a mut [u8; DIGITS_MAX]) -> Option<&'a [u8]> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let to = to.get_mut(..text.len())?;
    for (to, pair) in to.chunks_mut(2).zip(pairs.iter().rev()) {
        to.copy_from_slice(pair);
    }
    Some(to)
}

/// How a text becomes a number of hex digits.
#[derive(Clone, Debug)]
pub struct HexDigits {
    /// How the source writes it.
    pub form: Form,
    /// Upper-case digits that go before it.
    pub prefix: Vec<u8>,
    pad: Pad,
    pad_with: u8,
    keep: Option<Keep>,
}

impl HexDigits {
    /// The settings of a rule for `all` digits.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(spec: &RuleSpec, all: usize, digest: bool) -> Result<Self, String> {
        let prefix = spec.prefix.as_deref().unwrap_or("").to_ascii_uppercase();
        if prefix.len() >= all || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("has prefix `{prefix}`; expected hex digits, fewer than {all}"));
        }
        let pad_with = match spec.pad_with.as_deref().unwrap_or("0").as_bytes() {
            [digit] if digit.is_ascii_hexdigit() => digit.to_ascii_uppercase(),
            _ => return Err("has a `pad_with` that is not one hex digit".to_owned()),
        };
        let form = spec.form.unwrap_or(Form::Hex);
        if form == Form::Digest && !digest {
            return Err("has form = \"digest\"; only a terminal or a card can be a pseudonym".to_owned());
        }
        let (prefix, pad) = (prefix.into_bytes(), spec.pad.unwrap_or(Pad::Left));
        // A digest has always more digits than there is room for.
        let keep = if form == Form::Digest { Some(Keep::First) } else { spec.keep };
        Ok(Self { form, prefix, pad, pad_with, keep })
    }

    /// The bytes of a text.
    pub fn read<const N: usize>(&self, text: &[u8]) -> Option<[u8; N]> {
        let mut buffer = [0; DIGITS_MAX];
        let digits = self.digits(text, &mut buffer)?;
        let room = (2 * N).checked_sub(self.prefix.len())?;
        let (digits, left) = match room.checked_sub(digits.len()) {
            Some(0) => (digits, 0),
            Some(left) if self.pad != Pad::None => (digits, left),
            Some(_) => return None,
            None => match self.keep? {
                Keep::First => (&digits[..room], 0),
                Keep::Last => (&digits[digits.len() - room..], 0),
            },
        };
        let (before, behind) = if self.pad == Pad::Left { (left, 0) } else { (0, left) };
        let fill = |count| std::iter::repeat_n(&self.pad_with, count);
        let all = self.prefix.iter().chain(fill(before)).chain(digits).chain(fill(behind));
        let mut bytes = [0; N];
        for (place, digit) in all.enumerate() {
            let nibble = u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
            let byte = bytes.get_mut(place / 2)?;
            *byte = *byte << 4 | nibble;
        }
        Some(bytes)
    }

    fn digits<'a>(&self, text: &'a [u8], buffer: &'a mut [u8; DIGITS_MAX]) -> Option<&'a [u8]> {
        let decimal = text.iter().all(u8::is_ascii_digit);
        if text.is_empty() {
            return None;
        }
        match self.form {
            Form::Hex | Form::HexLe if !text.iter().all(u8::is_ascii_hexdigit) => None,
            Form::Hex => Some(text),
            Form::HexLe => last_byte_first(text, buffer),
            Form::Bcd => decimal.then_some(text),
            Form::Decimal if decimal => Some(hex_of(whole(text, Form::Decimal)?, buffer)),
            Form::Decimal => None,
            Form::Digest => {
                use sha2::{Digest, Sha256};
                for (pair, byte) in buffer.chunks_mut(2).zip(Sha256::digest(text)) {
                    pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
                }
                Some(buffer)
            }
        }
    }
}

fn hex_of(mut number: u64, buffer: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let mut at = DIGITS_MAX;
    loop {
        at -= 1;
        buffer[at] = hex_digit((number & 15) as u8);
        number >>= 4;
        if number == 0 {
            return &buffer[at..];
        }
    }
}

/// An upper-case hex digit.
pub const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
}

/// How a text becomes an amount.
#[derive(Clone, Debug)]
pub struct Amount {
    /// How digits are written.
    pub form: Form,
    /// Fen or yuan.
    pub unit: Unit,
    /// The decimal sign.
    pub decimal: u8,
    /// The sign between groups of three digits, if any.
    pub thousands: Vec<u8>,
    /// A factor.
    pub multiply: u32,
    /// A divisor.
    pub divide: u32,
    /// What charges are written with.
    pub sign: Sign,
}

impl Amount {
    /// The settings of a rule.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(spec: &RuleSpec) -> Result<Self, String> {
        let decimal = match spec.decimal.as_deref().unwrap_or(".").as_bytes() {
            [sign] if sign.is_ascii_punctuation() => *sign,
            _ => return Err("has a `decimal` that is not one sign such as \",\"".to_owned()),
        };
        let thousands = spec.thousands.clone().unwrap_or_default().into_bytes();
        if spec.float == Some(true) && (decimal != b'.' || !thousands.is_empty()) {
            return Err(
                "has `float`, which reads numbers with a decimal point and without groups; take away \
                        either `float` or `decimal` and `thousands`"
                    .to_owned(),
            );
        }
        if spec.decimal.is_none() && thousands.contains(&decimal) {
            return Err("has the decimal point in `thousands`; add decimal = \",\"".to_owned());
        }
        if thousands.contains(&decimal) || thousands.iter().any(u8::is_ascii_digit) {
            return Err("has the same sign as `thousands` and as `decimal`".to_owned());
        }
        let form = spec.form.unwrap_or(Form::Decimal);
        let unit = spec.unit.unwrap_or(Unit::Fen);
        if matches!(form, Form::Bcd | Form::Digest) {
            return Err("has a `form` that amounts do not have; known are decimal, hex and hex-le".to_owned());
        }
        let (multiply, divide) = (spec.multiply.unwrap_or(1), spec.divide.unwrap_or(1));
        if multiply == 0 || divide == 0 {
            return Err("has a `multiply` or `divide` of 0".to_owned());
        }
        Ok(Self { form, unit, decimal, thousands, multiply, divide, sign: spec.sign.unwrap_or(Sign::Plus) })
    }

    /// What a text must look like, for the person who has to mend it.
    pub fn expected(&self) -> String {
        let unit = match self.unit {
            Unit::Fen => "fen, a whole number",
            Unit::Yuan if self.decimal == b'.' => "yuan with at most two decimals",
            Unit::Yuan => "yuan with at most two decimals behind the mapping's decimal sign",
        };
        let form = match self.form {
            Form::Hex => " in hex digits",
            Form::HexLe => " in pairs of hex digits, last byte first",
            _ => "",
        };
        let sign = if self.sign == Sign::Minus { ", with a minus" } else { "" };
        let exact =
            if self.divide > 1 { format!(", a multiple of 1/{} of it", self.divide) } else { String::new() };
        format!("expected an amount in {unit}{form}{sign}{exact}")
    }

    /// The amount of a text in fen, exact.
    pub fn read(&self, text: &[u8]) -> Option<u64> {
        let (digits, minus) = match text {
            [b'-', digits @ ..] => (digits, true),
            [b'+', digits @ ..] if self.form == Form::Decimal => (digits, false),
            _ => (text, false),
        };
        let fen = match self.form {
            Form::Decimal => self.decimal_fen(digits)?,
            form => whole(digits, form)?.checked_mul(self.fen_per_unit())?,
        };
        if fen > 0 && minus != (self.sign == Sign::Minus) {
            return None;
        }
        let fen = fen.checked_mul(u64::from(self.multiply))?;
        let divide = u64::from(self.divide);
        fen.is_multiple_of(divide).then_some(fen / divide)
    }

    const fn fen_per_unit(&self) -> u64 {
        match self.unit {
            Unit::Fen => 1,
            Unit::Yuan => 100,
        }
    }

    fn decimal_fen(&self, text: &[u8]) -> Option<u64> {
        let (whole, decimals) = match memchr::memchr(self.decimal, text) {
            Some(at) if self.unit == Unit::Yuan && text.len() > 1 => {
                let (whole, decimals) = (&text[..at], &text[at + 1..]);
                (if at == 0 { b"0" } else { whole }, if decimals.is_empty() { b"0" } else { decimals })
            }
            Some(_) => return None,
            None => (text, &b"0"[..]),
        };
        let fen = self.grouped(whole)?.checked_mul(self.fen_per_unit())?;
        let (two, more) = decimals.split_at_checked(2).unwrap_or((decimals, &[]));
        if !two.iter().all(u8::is_ascii_digit) || more.iter().any(|digit| *digit != b'0') {
            return None;
        }
        match two {
            [tens] => fen.checked_add(u64::from(tens - b'0') * 10),
            [tens, ones] => fen.checked_add(u64::from(tens - b'0') * 10 + u64::from(ones - b'0')),
            _ => None,
        }
    }

    /// Digits, in groups of three if they are in groups.
    fn grouped(&self, text: &[u8]) -> Option<u64> {
        let (mut number, mut rest, mut group) = (0_u64, text, 0);
        let mut groups = false;
        while let Some((first, after)) = rest.split_first() {
            if first.is_ascii_digit() {
                number = number.checked_mul(10)?.checked_add(u64::from(first - b'0'))?;
                (rest, group) = (after, group + 1);
                continue;
            }
            let fits = if groups { group == 3 } else { (1..=3).contains(&group) };
            if self.thousands.is_empty() || !fits {
                return None;
            }
            rest = rest.strip_prefix(self.thousands.as_slice())?;
            (groups, group) = (true, 0);
        }
        let ends_well = if groups { group == 3 } else { group > 0 };
        ends_well.then_some(number)
    }
}

/// Writes a number that may be written as a float as an exact decimal without a useless fraction; false if it is no
/// number.
pub fn plain_number(text: &[u8], to: &mut Vec<u8>) -> bool {
    plain_digits(text, to).is_some()
}

fn plain_digits(text: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let (sign, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&rest[..at], std::str::from_utf8(&rest[at + 1..]).ok()?.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = match memchr::memchr(b'.', mantissa) {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &b""[..]),
    };
    let all_digits = whole.iter().chain(fraction).all(u8::is_ascii_digit);
    if !all_digits || whole.len() + fraction.len() == 0 || exponent.unsigned_abs() > 40 {
        return None;
    }
    let digits: Vec<u8> = whole.iter().chain(fraction).copied().collect();
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let digit =
        |place: i32| usize::try_from(place).ok().and_then(|place| digits.get(place)).copied().unwrap_or(b'0');
    let end = i32::try_from(digits.len()).ok()?;
    if sign && digits.iter().any(|digit| *digit != b'0') {
        to.push(b'-');
    }
    let start = to.len();
    (0..point).map(digit).skip_while(|digit| *digit == b'0').for_each(|digit| to.push(digit));
    if to.len() == start {
        to.push(b'0');
    }
    let behind: Vec<u8> = (point..end).map(digit).collect();
    let kept = behind.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    if kept > 0 {
        to.push(b'.');
        to.extend_from_slice(&behind[..kept]);
    }
    Some(())
}
