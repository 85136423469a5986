//! `releases/`: beside the cycles, how far each one is, for whoever reads the published folder alone. The portal hands
//! a bank what is released and nothing before.

use std::{collections::BTreeMap, fs, io::Write as _, path::Path, sync::Arc};

use domain::{
    cycle::CycleName,
    release::{Closed, State},
};
use serde::Serialize;

use super::{super::status::Role, Shell};

/// The folder of the records.
const RELEASES: &str = "releases";
/// The most steps in a record; all of them stand on the log.
const STEPS_MAX: usize = 500;

/// A record: `releases/<cycle>.json`. It follows from the log alone.
#[derive(Serialize)]
struct Record<'a> {
    cycle: CycleName,
    /// The version of its plan that counts.
    version: u32,
    /// SHA-256 of that version's manifest.
    manifest_sha256: &'a str,
    state: &'a str,
    /// Whether its files may be carried out.
    released: bool,
    /// Who proposed and who approved it.
    released_by: Vec<String>,
    /// Home cities that have not agreed.
    not_agreed: Vec<String>,
    /// Number of all steps; the last of them follow.
    steps_in_all: usize,
    steps: Vec<Step<'a>>,
}

#[derive(Serialize)]
struct Step<'a> {
    act: &'a str,
    at: &'a str,
    by: String,
    what: &'a str,
}

/// What was written last of each cycle that is there.
#[derive(Default)]
pub(super) struct Records(BTreeMap<CycleName, Arc<Closed>>);

impl Shell<'_> {
    /// Writes the records of cycles that have gone a step. A failure is an alarm, and is tried again with the next step.
    pub(super) fn follow_records(&mut self) {
        // Where the log cannot be followed to its end, nothing is known of how far cycles are.
        if !self.changed || self.role != Role::Coordinates || self.core.halted().is_some() {
            return;
        }
        let folder = self.around.config.out_dir.join(RELEASES);
        for closed in self.core.releases().shared() {
            let cycle = closed.plan.cycle;
            let known = self.records.0.get(&cycle);
            if (closed.folder.is_none() && closed.plan.version == 1)
                || known.is_some_and(|known| Arc::ptr_eq(known, closed))
            {
                continue;
            }
            match write(&folder, &self.around.config.work_dir, closed) {
                Ok(()) => drop(self.records.0.insert(cycle, Arc::clone(closed))),
                Err(error) => {
                    let at = folder.display();
                    self.around
                        .shown
                        .alarm(format!("the record of {cycle} cannot be written to {at}: {error}"));
                }
            }
        }
    }
}

/// Writes a record, whole or not at all. What stands there already is left alone if it is the same. Drafts are made in
/// `work`, on the same file system, so that a killed node leaves none beside the records.
fn write(folder: &Path, work: &Path, closed: &Closed) -> std::io::Result<()> {
    // The folder of a later version may not be there yet: by then the one before counts no more.
    let manifest = closed.folder.as_ref().map_or("", |folder| &folder.manifest_sha256);
    let by = closed.released_by.iter().flat_map(|(one, two)| [one.to_string(), two.to_string()]);
    let mut released_by: Vec<String> = by.collect();
    released_by.dedup();
    let step = |step: &'_ domain::release::Step| step.by.to_string();
    let record = Record {
        cycle: closed.plan.cycle,
        version: closed.plan.version,
        manifest_sha256: manifest,
        state: closed.word(),
        released: matches!(closed.state, State::Released | State::Confirmed | State::Settled),
        released_by,
        not_agreed: closed.disagreements().iter().map(ToString::to_string).collect(),
        steps_in_all: closed.steps.len(),
        steps: closed
            .steps
            .iter()
            .skip(closed.steps.len().saturating_sub(STEPS_MAX))
            .map(|it| Step { act: &it.act, at: &it.at, by: step(it), what: &it.what })
            .collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&serde_json::to_value(&record)?)?;
    bytes.push(b'\n');
    let path = folder.join(format!("{}.json", record.cycle));
    if fs::read(&path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    fs::create_dir_all(work)?;
    let mut draft = tempfile::Builder::new().prefix(".draft-").tempfile_in(work)?;
    draft.write_all(&bytes)?;
    // Everybody may read what is published.
    fs::set_permissions(draft.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    draft.as_file().sync_all()?;
    draft.persist(&path)?;
    fs::File::open(folder)?.sync_all()
}
