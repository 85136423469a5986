//! Cycles that were closed before cycles were signed, or before there were messages to banks: what the folders beside
//! them say of it.
//!
//! Such a folder lacks what later ones have, and nothing is wrong with it. What is accepted so must not be a way to take
//! signatures off: an unsigned cycle counts as an early one only if a later one is signed, whose manifest covers it
//! through the chain of manifests; and where one is signed, or has messages, no later one may be without.

use std::path::{Path, PathBuf};

use super::{chain, signatures};
use crate::{error::FilesError, manifest::Manifest};

/// What had not begun when a folder was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// No cycle was signed yet.
    pub signing: bool,
    /// Banks were not told anything yet.
    pub messages: bool,
}

/// A folder as far as it matters here.
#[derive(Clone, Copy, Debug)]
struct Seen {
    version: Option<chain::Version>,
    signed: bool,
    told: bool,
}

/// What had not begun when each of these folders was closed; they are all that there are.
///
/// # Errors
/// [`FilesError::Io`] if one cannot be read.
pub fn began(folders: &[PathBuf]) -> Result<Vec<Before>, FilesError> {
    let seen = folders.iter().map(|folder| look(folder)).collect::<Result<Vec<_>, _>>()?;
    Ok(seen.iter().map(|one| before(one, &seen)).collect())
}

fn look(folder: &Path) -> Result<Seen, FilesError> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let manifest = chain::read_manifest(folder)?.and_then(|bytes| Manifest::from_bytes(&bytes).ok());
    let told = manifest.is_some_and(|manifest| manifest.settlement_files().next().is_some());
    let signed = !signatures::signatures(folder)?.is_empty();
    Ok(Seen { version: chain::parse_name(name), signed, told })
}

/// Corrections came after signing did, so they never count as early.
fn before(one: &Seen, all: &[Seen]) -> Before {
    let Some((cycle, 1)) = one.version else { return Before::default() };
    let others = || all.iter().filter_map(|seen| seen.version.map(|(of, version)| (of, version, seen)));
    let later_signed = others().any(|(of, version, seen)| of > cycle && version == 1 && seen.signed);
    let earlier_signed = others().any(|(of, _, seen)| of < cycle && seen.signed);
    let none_signed = !all.iter().any(|seen| seen.signed);
    let earlier_told = others().any(|(of, _, seen)| of < cycle && seen.told);
    let signing = !one.signed && later_signed && !earlier_signed;
    Before { signing, messages: !one.told && !earlier_told && (signing || none_signed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as `name`, with `s` if it is signed and `m` if it has messages.
    fn seen(text: &str) -> Seen {
        let (name, marks) = text.split_once(' ').unwrap_or((text, ""));
        Seen { version: chain::parse_name(name), signed: marks.contains('s'), told: marks.contains('m') }
    }

    /// Which of them count as before signing (`s`), or before messages (`m`).
    fn told(folders: &[&str]) -> Vec<&'static str> {
        let all: Vec<Seen> = folders.iter().map(|text| seen(text)).collect();
        let one = |before: Before| match (before.signing, before.messages) {
            (false, false) => "",
            (true, false) => "s",
            (false, true) => "m",
            (true, true) => "sm",
        };
        all.iter().map(|it| one(before(it, &all))).collect()
    }

    #[test]
    fn only_what_a_later_signature_covers_counts_as_early() {
        for (folders, expected) in [
            (vec!["2018-09-01-001", "2018-09-02-001 m", "2018-09-03-001 sm"], vec!["sm", "s", ""]),
            (vec!["2018-09-01-001 sm", "2018-09-02-001", "2018-09-03-001 sm"], vec!["", "", ""]),
            // Nothing behind it is signed: its signature may have been taken off.
            (vec!["2018-09-01-001 sm", "2018-09-02-001 m"], vec!["", ""]),
            // Where nothing is signed at all, nothing counts as before signing.
            (vec!["2018-09-01-001", "2018-09-02-001 m", "2018-09-03-001"], vec!["m", "", ""]),
            (vec!["2018-09-01-001"], vec!["m"]),
            // A signed correction covers what it corrects, and no other cycle.
            (vec!["2018-09-01-001 m", "2018-09-01-001.v2 sm", "2018-09-02-001 m"], vec!["", "", ""]),
            (vec!["2018-09-01-001 m", "2018-09-01-001.v2 m", "2018-09-02-001 sm"], vec!["s", "", ""]),
            // By number, not by text.
            (vec!["2018-09-01-999 m", "2018-09-01-1000 sm"], vec!["s", ""]),
        ] {
            assert_eq!(told(&folders), expected, "{folders:?}");
        }
    }
}
