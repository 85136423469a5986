//! What is released: the clearing node's record of a cycle, beside the cycles, says how far it is. A bank gets what is
//! released and nothing before; what nobody has a record of, or a record is about other files, is not released.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    sync::{Arc, Mutex, PoisonError},
};

use domain::cycle::CycleName;
use serde::Deserialize;

use crate::{
    access::Role,
    digests::Digests,
    name::{CycleFolder, FileName},
    published::{Published, Stamp},
};

/// The folder of the records.
const FOLDER: &str = "releases";
/// The most records that are remembered.
const RECORDS_MAX: usize = 16_384;
/// The largest record, bytes.
const RECORD_LEN_MAX: u64 = 4 << 20;
/// The state of a version whose place another has taken.
const REPLACED: &str = "replaced";

/// What of `releases/<cycle>.json` counts here (docs/contract.md §6).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Record {
    /// The version of the cycle that counts.
    pub version: u32,
    /// SHA-256 of that version's manifest.
    pub manifest_sha256: String,
    /// How far it is.
    pub state: String,
    /// Whether its files may be carried out.
    pub released: bool,
}

/// How a published folder stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its state; none if no record is about these files.
    pub state: Option<String>,
    /// Whether its files may be carried out.
    pub released: bool,
}

/// How a version with this manifest stands by the record of its cycle.
#[must_use]
pub fn standing(record: &Record, version: u32, manifest_sha256: Option<&str>) -> Standing {
    if version < record.version {
        return Standing { state: Some(REPLACED.to_owned()), released: false };
    }
    if version > record.version || manifest_sha256 != Some(&record.manifest_sha256) {
        return Standing::default();
    }
    Standing { state: Some(record.state.clone()), released: record.released }
}

/// Whether a published folder is there for a role: for a bank what is released, for everybody else each.
#[must_use]
pub const fn is_for(role: Role, standing: &Standing) -> bool {
    !matches!(role, Role::Bank) || standing.released
}

/// The records, each read once for a content.
#[derive(Debug)]
pub struct Records {
    released_only: bool,
    known: Mutex<BTreeMap<Stamp, Option<Arc<Record>>>>,
}

impl Records {
    /// Records; without `released_only` a bank gets every published cycle.
    #[must_use]
    pub fn new(released_only: bool) -> Self {
        Self { released_only, known: Mutex::default() }
    }

    /// How a published folder stands.
    ///
    /// # Errors
    /// If the published folder cannot be read.
    pub fn standing(
        &self,
        published: &Published,
        digests: &Digests,
        cycle: CycleFolder,
    ) -> io::Result<Standing> {
        let Some(record) = self.record(published, cycle.name)? else { return Ok(Standing::default()) };
        let current = cycle.version == record.version;
        let manifest = if current { digests.of_manifest(published, cycle)? } else { None };
        let standing = standing(&record, cycle.version, manifest.as_deref());
        if current && standing.state.is_none() {
            tracing::error!(
                "{cycle} has another manifest than its record says: the published folder is damaged"
            );
        }
        Ok(standing)
    }

    /// Whether a published folder that stands so is there for a role.
    #[must_use]
    pub const fn are_for(&self, role: Role, standing: &Standing) -> bool {
        !self.released_only || is_for(role, standing)
    }

    fn record(&self, published: &Published, cycle: CycleName) -> io::Result<Option<Arc<Record>>> {
        let name = FileName::of(&format!("{FOLDER}/{cycle}.json")).map_err(io::Error::other)?;
        let Some(opened) = published.open(None, &name)? else { return Ok(None) };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = known.get(&opened.stamp) {
            return Ok(record.clone());
        }
        let mut bytes = Vec::new();
        opened.file.take(RECORD_LEN_MAX).read_to_end(&mut bytes)?;
        // One that is damaged is none: nothing is handed out on its word.
        let record = serde_json::from_slice(&bytes)
            .map_err(|error| tracing::error!("{} cannot be used: {error}", name.as_str()))
            .ok()
            .map(Arc::new);
        if known.len() >= RECORDS_MAX {
            known.pop_first();
        }
        known.insert(opened.stamp, record.clone());
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_bank_gets_exactly_the_version_that_is_released() {
        let city = Role::City("cu-2000".parse().unwrap());
        // The record's version, state and whether it is released; the folder's version and manifest; its state, and
        // whether a bank gets it.
        for (version, state, released, folder, manifest, wanted, bank) in [
            (1, "closed", false, 1, Some("a"), Some("closed"), false),
            (1, "disputed", false, 1, Some("a"), Some("disputed"), false),
            (1, "released", true, 1, Some("a"), Some("released"), true),
            (1, "confirmed", true, 1, Some("a"), Some("confirmed"), true),
            (1, "settled", true, 1, Some("a"), Some("settled"), true),
            (1, "refused", false, 1, Some("a"), Some("refused"), false),
            // Other files than those that were released.
            (1, "released", true, 1, Some("b"), None, false),
            (1, "released", true, 1, None, None, false),
            // A version that nobody has spoken of, one that was replaced, and the one in its place.
            (1, "released", true, 2, Some("a"), None, false),
            (2, "closed", false, 1, Some("a"), Some("replaced"), false),
            (2, "released", true, 1, Some("a"), Some("replaced"), false),
            (2, "released", true, 2, Some("a"), Some("released"), true),
        ] {
            let record =
                Record { version, manifest_sha256: "a".to_owned(), state: state.to_owned(), released };
            let standing = standing(&record, folder, manifest);
            let row = format!("{version} {state}, folder {folder} {manifest:?}");
            assert_eq!(standing.state.as_deref(), wanted, "{row}");
            assert_eq!(is_for(Role::Bank, &standing), bank, "{row}");
            assert!(is_for(city, &standing) && is_for(Role::Operations, &standing), "{row}");
        }
        assert!(!is_for(Role::Bank, &Standing::default()), "what has no record is not released");
        assert!(Records::new(false).are_for(Role::Bank, &Standing::default()), "unless one says so");
    }

    #[test]
    fn a_record_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let cycle: CycleFolder = "2018-09-01-001".parse().unwrap();
        for name in ["releases", "2018-09-01-001"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("2018-09-01-001/manifest.json"), "{}").unwrap();
        // sha256sum of `{}`
        let sha256 = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let write = |text: &str| {
            let path = folder.path().join("releases/2018-09-01-001.json");
            fs::write(path.with_extension("new"), text).unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        };
        let record = |state: &str, released: bool| {
            format!(
                "{{\"manifest_sha256\":\"{sha256}\",\"released\":{released},\"state\":\"{state}\",\"steps\":[],\
                 \"version\":1}}"
            )
        };
        let (published, digests, records) =
            (Published::new(folder.path()), Digests::default(), Records::new(true));
        let now = || {
            let standing = records.standing(&published, &digests, cycle).unwrap();
            (standing.state, standing.released)
        };
        assert_eq!(now(), (None, false), "no record");
        for (text, wanted) in [
            (record("closed", false), (Some("closed"), false)),
            (record("released", true), (Some("released"), true)),
            ("{".to_owned(), (None, false)),
            (record("refused", false), (Some("refused"), false)),
        ] {
            write(&text);
            assert_eq!(now(), (wanted.0.map(str::to_owned), wanted.1), "{text}");
            assert_eq!(now().1, wanted.1, "and so again");
        }
        assert_eq!(records.known.lock().unwrap().len(), 4, "each content is read once");
    }
}
