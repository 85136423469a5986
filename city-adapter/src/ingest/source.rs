//! The name of a back-end that streams.

use std::{fmt, str::FromStr};

/// The longest name, in bytes.
pub const NAME_LEN_MAX: usize = 32;

/// The name of a source: 1 to 32 of a-z, 0-9 and `-`, beginning with a letter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(String);

/// A text that names no source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a source is 1 to 32 of a-z, 0-9 and `-`, and begins with a letter")]
pub struct SourceError;

impl Source {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let begins = text.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
        if !begins || text.len() > NAME_LEN_MAX || !text.bytes().all(allowed) {
            return Err(SourceError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_plain_and_begins_with_a_letter() {
        for good in ["a", "metro-2", "x-", &"a".repeat(32)] {
            assert_eq!(good.parse::<Source>().map(|source| source.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "2018-09-01", "-a", "Metro", "a b", "a/b", "a.b", "a\0", "地铁", &"a".repeat(33)] {
            assert_eq!(bad.parse::<Source>(), Err(SourceError), "{bad:?}");
        }
    }
}
