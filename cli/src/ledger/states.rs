//! How far the cycles of an OUT are: by the log where that is at hand, else by the records beside the cycles.

use std::{collections::BTreeMap, fs, io, path::Path};

use anyhow::{Context, Result};
use domain::{cycle::CycleName, ledger::Event, release::Releases};
use serde::Deserialize;

/// The records of an OUT.
const RELEASES: &str = "releases";

/// The version of a cycle's plan that counts, and its state in a word.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Standing {
    version: u32,
    state: String,
}

/// How far each cycle is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct States(BTreeMap<CycleName, Standing>);

impl States {
    /// By the log.
    pub(super) fn of(releases: &Releases) -> Self {
        let one = |closed: &domain::release::Closed| {
            let (version, state) = (closed.plan.version, closed.state.word().to_owned());
            (closed.plan.cycle, Standing { version, state })
        };
        Self(releases.cycles().map(one).collect())
    }

    /// By `releases/<cycle>.json` of an OUT; empty if there are none.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(super) fn beside(out: &Path) -> Result<Self> {
        let folder = out.join(RELEASES);
        let failed = || format!("failed to read {}", folder.display());
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(failed),
        };
        let mut found = BTreeMap::new();
        for entry in entries {
            let path = entry.with_context(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let cycle = name.strip_suffix(".json").and_then(|name| name.parse::<CycleName>().ok());
            let Some(cycle) = cycle else { continue };
            let read = || format!("failed to read {}", path.display());
            let standing = serde_json::from_slice(&fs::read(&path).with_context(read)?).with_context(read)?;
            found.insert(cycle, standing);
        }
        Ok(Self(found))
    }

    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What came behind the close of a version. Another version takes the place only of one that was released and came
    /// back.
    pub(super) fn later(&self, cycle: CycleName, version: u32) -> Vec<Event<'static>> {
        let Some(standing) = self.0.get(&cycle) else { return Vec::new() };
        if version < standing.version {
            return vec![Event::Released, Event::Refused];
        }
        match standing.state.as_str() {
            "released" => vec![Event::Released],
            "confirmed" => vec![Event::Released, Event::Confirmed],
            "settled" => vec![Event::Released, Event::Confirmed, Event::Settled],
            "refused" => vec![Event::Released, Event::Refused],
            "failed" => vec![Event::Released, Event::Failed],
            _ => Vec::new(),
        }
    }
}
