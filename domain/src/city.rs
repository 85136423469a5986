//! A city: the scheme it belongs to and its four-digit code.

use std::{cmp::Ordering, fmt, str::FromStr};

/// The interconnection scheme a card or a city belongs to.
///
/// The city codes of the two schemes collide (3120 is Shaoxing in one, Yangzhou in the other), so
/// a code alone never names a city.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Scheme {
    /// City Union (城市一卡通互联互通), spelled `cu`.
    CityUnion = b'c',
    /// China T-Union (交通联合), spelled `tu`.
    TUnion = b't',
}

/// A participant city, spelled `cu-2000` or `tu-2900` (files contract §0).
///
/// `Ord` is the bytewise order of that spelling.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct City {
    scheme: Scheme,
    code: [u8; 4],
}

impl Ord for City {
    fn cmp(&self, other: &Self) -> Ordering {
        // As one number: this is compared for every part of every batch.
        self.number().cmp(&other.number())
    }
}

impl PartialOrd for City {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Why a text is no city.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a city: expected `cu-` or `tu-` and four upper-case hex digits, such as cu-2000")]
pub struct CityError;

impl City {
    /// The length in bytes of a city's spelling.
    pub const SPELLING_LEN: usize = 7;

    /// Builds a city from its scheme and its four upper-case hex digits.
    ///
    /// # Errors
    /// [`CityError`] if a character is not `0-9A-F`.
    pub fn new(scheme: Scheme, code: [u8; 4]) -> Result<Self, CityError> {
        let hex = |b: &u8| b.is_ascii_digit() || (b'A'..=b'F').contains(b);
        if code.iter().all(hex) { Ok(Self { scheme, code }) } else { Err(CityError) }
    }

    /// Scheme and code as one number, in the same order as the spelling.
    const fn number(self) -> u64 {
        let [a, b, c, d] = self.code;
        u64::from_be_bytes([0, 0, 0, self.scheme as u8, a, b, c, d])
    }

    /// Reads the spelling `cu-2000`.
    ///
    /// # Errors
    /// [`CityError`] for any other spelling, lower-case hex included.
    pub fn parse(text: &[u8]) -> Result<Self, CityError> {
        match text {
            [b'c', b'u', b'-', code @ ..] => {
                Self::new(Scheme::CityUnion, code.try_into().map_err(|_| CityError)?)
            }
            [b't', b'u', b'-', code @ ..] => {
                Self::new(Scheme::TUnion, code.try_into().map_err(|_| CityError)?)
            }
            _ => Err(CityError),
        }
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(self) -> Scheme {
        self.scheme
    }

    /// The four upper-case hex digits, as text.
    #[must_use]
    pub const fn code(self) -> [u8; 4] {
        self.code
    }

    /// The city code as the two bytes that stand in a card's file 0x15.
    #[must_use]
    pub fn code_bytes(self) -> [u8; 2] {
        let [a, b, c, d] = self.code.map(|h| if h <= b'9' { h - b'0' } else { h - b'A' + 10 });
        [a << 4 | b, c << 4 | d]
    }

    /// The spelling `cu-2000` as bytes, for writers that avoid formatting.
    #[must_use]
    pub const fn spelling(self) -> [u8; Self::SPELLING_LEN] {
        let [a, b, c, d] = self.code;
        [self.scheme as u8, b'u', b'-', a, b, c, d]
    }
}

impl fmt::Display for City {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // At once: a plan spells thousands of cities.
        f.write_str(std::str::from_utf8(&self.spelling()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for City {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for City {
    type Err = CityError;
    fn from_str(text: &str) -> Result<Self, CityError> {
        Self::parse(text.as_bytes())
    }
}

impl<'de> serde::Deserialize<'de> for City {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(|e| serde::de::Error::custom(format_args!("`{text}` is {e}")))
    }
}

impl serde::Serialize for City {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_the_order_of_the_spelling() {
        let mut cities: Vec<City> =
            ["tu-2900", "cu-A004", "cu-2000", "cu-0001"].iter().filter_map(|t| t.parse().ok()).collect();
        cities.sort_unstable();
        let spelled: Vec<String> = cities.iter().map(City::to_string).collect();
        assert_eq!(spelled, ["cu-0001", "cu-2000", "cu-A004", "tu-2900"]);
        assert_eq!(cities[2].code_bytes(), [0xA0, 0x04]);
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["", "cu-200", "cu-20000", "cu-a004", "CU-2000", "xu-2000", "cu_2000", "cu-200G"] {
            assert_eq!(text.parse::<City>(), Err(CityError), "{text}");
        }
    }
}
