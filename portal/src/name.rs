//! Names that may stand in an address: a closed cycle's folder, and a file below a folder.

use std::{fmt, str::FromStr};

use domain::cycle::CycleName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The longest name of a file, bytes.
const NAME_LEN_MAX: usize = 512;
/// The most parts of a file's name.
const PARTS_MAX: usize = 6;
/// What stands in an address as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A name of a file.
    #[error(
        "not the name of a published file: expected parts joined with `/`, none of which begins with a dot"
    )]
    File,
    /// A cycle.
    #[error(
        "not a closed cycle: expected a name such as 2018-09-01-001, or 2018-09-01-001.v2 for a correction"
    )]
    Cycle,
}

/// The folder of a closed cycle: its name and, for a correction, which version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CycleFolder {
    /// The cycle.
    pub name: CycleName,
    /// 1 for the first version, whose folder does not say so.
    pub version: u32,
}

impl fmt::Display for CycleFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            1 => self.name.fmt(f),
            version => write!(f, "{}.v{version}", self.name),
        }
    }
}

impl FromStr for CycleFolder {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (name, version) = match text.split_once(".v") {
            None => (text, 1),
            Some((name, version)) => (name, correction(version).ok_or(NameError::Cycle)?),
        };
        Ok(Self { name: name.parse().map_err(|_| NameError::Cycle)?, version })
    }
}

/// A version of a correction: 2, 3, 4 …, spelled in one way.
fn correction(text: &str) -> Option<u32> {
    let version: u32 = text.parse().ok()?;
    (version >= 2 && version.to_string() == text).then_some(version)
}

/// The name of a file below a published folder: plain parts joined with `/`, none hidden, none leading upwards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// Reads a name as it stands in an address.
    ///
    /// # Errors
    /// [`NameError::File`].
    pub fn of_address(path: &str) -> Result<Self, NameError> {
        let decoded = |part| {
            let part = percent_decode_str(part).decode_utf8().map_err(|_| NameError::File)?;
            // An encoded slash would make two parts of one.
            if part.contains('/') { Err(NameError::File) } else { Ok(part) }
        };
        let parts: Result<Vec<_>, NameError> = path.split('/').map(decoded).collect();
        Self::of(&parts?.join("/"))
    }

    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError::File`].
    pub fn of(text: &str) -> Result<Self, NameError> {
        let plain = |part: &str| {
            let bad = |c: char| c.is_control() || c == '\\';
            !part.is_empty() && !part.starts_with('.') && !part.contains(bad)
        };
        let few = text.len() <= NAME_LEN_MAX && text.split('/').count() <= PARTS_MAX;
        if few && text.split('/').all(plain) { Ok(Self(text.to_owned())) } else { Err(NameError::File) }
    }

    /// The name, with `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it stands in an address.
    #[must_use]
    pub fn address(&self) -> String {
        let parts = self.0.split('/').map(|part| utf8_percent_encode(part, KEPT).to_string());
        parts.collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_and_their_corrections_come_back() {
        for text in ["2018-09-01-001", "2018-09-01-1000", "2018-09-01-001.v2", "2018-09-01-001.v10"] {
            assert_eq!(text.parse::<CycleFolder>().unwrap().to_string(), text);
        }
        let order: Vec<CycleFolder> =
            ["2018-09-01-001", "2018-09-01-001.v2", "2018-09-01-002", "2018-09-02-001"]
                .map(|text| text.parse().unwrap())
                .to_vec();
        assert!(order.is_sorted());
        for text in
            ["", "..", "results", ".state", "2018-09-01-001.v1", "2018-09-01-001.v02", "2018-09-01-001.v+2"]
        {
            assert_eq!(text.parse::<CycleFolder>(), Err(NameError::Cycle), "{text}");
        }
    }

    #[test]
    fn names_come_back_from_addresses() {
        for (address, name) in [
            ("net.csv", "net.csv"),
            ("issuer/cu-A004.csv", "issuer/cu-A004.csv"),
            ("results/cu-2000/%E4%B8%8A%E6%B5%B7%20%231.csv", "results/cu-2000/上海 #1.csv"),
        ] {
            let read = FileName::of_address(address).unwrap();
            assert_eq!((read.as_str(), read.address().as_str()), (name, address));
        }
    }

    #[test]
    fn nothing_leads_out_or_to_what_is_hidden() {
        for address in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "%2e%2e/x",
            "%2E%2e",
            "a%2f..%2fb",
            "a/%2e%2e/b",
            ".state",
            "a/.hidden",
            "./a",
            "a//b",
            "a/",
            "a\\b",
            "..%5cx",
            "a%00b",
            "a%0ab",
            "%ff",
            "a/b/c/d/e/f/g",
        ] {
            assert_eq!(FileName::of_address(address), Err(NameError::File), "{address}");
        }
        assert_eq!(FileName::of(&"a".repeat(513)), Err(NameError::File));
    }
}
