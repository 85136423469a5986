//! The name of a city, or of the scheme, without a place of its own in memory.

use std::{fmt, ops::Deref};

use domain::city::City;

/// The longest name that is kept: a city's.
pub(crate) const LEN_MAX: usize = City::SPELLING_LEN;

/// A short text, such as `cu-2000` or `scheme`; on the wire a `string`. Totals and plans hold thousands, so it is copied
/// like a number. What is longer than any name is kept as `?`, which names nobody.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Name {
    /// At most [`LEN_MAX`].
    len: u8,
    /// 0 behind its end.
    pub(crate) bytes: [u8; LEN_MAX],
}

impl Name {
    /// Its bytes.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl From<City> for Name {
    #[inline]
    fn from(city: City) -> Self {
        Self { len: LEN_MAX as u8, bytes: city.spelling() }
    }
}

impl From<&str> for Name {
    #[inline]
    fn from(text: &str) -> Self {
        // A city, as nearly always: copied as one.
        if let Ok(bytes) = text.as_bytes().try_into() {
            return Self { len: LEN_MAX as u8, bytes };
        }
        let text = if text.len() <= LEN_MAX { text } else { "?" };
        let mut bytes = [0; LEN_MAX];
        bytes.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte);
        Self { len: text.len() as u8, bytes }
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        // It was made of text.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
