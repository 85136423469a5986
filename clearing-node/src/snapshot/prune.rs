//! Old snapshots go.
//!
//! Kept are: the newest `keep` whole ones; and for the open cycle and the one closed last, the newest that does not
//! reach into it, so that the cycle can be folded again without the whole log. A file goes when no snapshot that is
//! kept names it.
//!
//! What is younger than the grace is left alone, whatever the counting says: the snapshots of a lost log may go
//! further than those of the one that was brought back from an archive, and must not crowd these out. Others may be
//! taking snapshots meanwhile, too; whoever writes a manifest looks afterwards whether everything that it names is there, and puts it again.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime},
};

use cu_objects::Objects;

use super::{Catalog, Manifest, SnapshotError, manifest::folder};

/// How many of the newest snapshots are kept unless told otherwise.
pub const KEEP: usize = 3;
/// What is younger may belong to a snapshot that is being taken.
const GRACE: Duration = Duration::from_secs(3600);
/// A look that is older decides nothing any more: this process may have been paused.
const LOOK_AGE_MAX: Duration = Duration::from_secs(60);

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// How many of the newest snapshots, at least 1.
    pub keep: usize,
    /// What is younger is left alone, whatever it is.
    pub grace: Duration,
}

impl Default for Pruning {
    fn default() -> Self {
        Self { keep: KEEP, grace: GRACE }
    }
}

/// What pruning removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Snapshots.
    pub snapshots: usize,
    /// Files that nobody named any more, and drafts of puts that were killed.
    pub files: usize,
}

/// Removes a partition's old snapshots.
///
/// # Errors
/// [`SnapshotError::Objects`]; what was not removed is removed the next time.
pub fn prune(objects: &Objects, partition: u32, pruning: Pruning) -> Result<Pruned, SnapshotError> {
    let looked = Instant::now();
    let catalog = Catalog::read(objects, partition)?;
    let (snapshots, files) = doomed(&catalog, pruning);
    let mut pruned = Pruned { files: objects.sweep(&folder(partition), pruning.grace)?, ..Pruned::default() };
    // Manifests first: a snapshot without a manifest is none, one without a file would be a broken one.
    for (name, is_snapshot) in snapshots.iter().map(|n| (n, true)).chain(files.iter().map(|n| (n, false))) {
        if looked.elapsed() > LOOK_AGE_MAX {
            break;
        }
        objects.delete(name)?;
        if is_snapshot {
            pruned.snapshots += 1;
        } else {
            pruned.files += 1;
        }
    }
    Ok(pruned)
}

/// The manifests and the files that go.
fn doomed(catalog: &Catalog, pruning: Pruning) -> (Vec<String>, Vec<String>) {
    // The store's own clock, as of the last thing put there.
    let stamps = catalog.snapshots.iter().map(|found| &found.object).chain(&catalog.files);
    let Some(now) = stamps.map(|object| object.modified).max() else { return Default::default() };
    let is_young = |at: SystemTime| now.duration_since(at).is_ok_and(|age| age < pruning.grace);
    let kept = kept(catalog, pruning.keep);
    let is_kept = |found: &&super::Found| {
        let name = found.object.name.as_str();
        kept.contains(name) || is_young(found.object.modified)
    };
    let (stay, go): (Vec<_>, Vec<_>) = catalog.snapshots.iter().partition(is_kept);
    let named: BTreeSet<String> = stay
        .iter()
        .filter_map(|found| found.manifest.as_ref().ok())
        .flat_map(|manifest| manifest.files.iter().map(|file| manifest.object(file)))
        .collect();
    let is_waste = |o: &&cu_objects::Object| !named.contains(&o.name) && !is_young(o.modified);
    let files = catalog.files.iter().filter(is_waste).map(|object| object.name.clone());
    (go.into_iter().map(|found| found.object.name.clone()).collect(), files.collect())
}

/// Names of the snapshots that are kept.
fn kept(catalog: &Catalog, keep: usize) -> BTreeSet<&str> {
    let mut kept: BTreeSet<&str> =
        catalog.whole().take(keep.max(1)).map(|(found, _)| found.object.name.as_str()).collect();
    let newest = catalog.whole().next().map(|(_, manifest)| manifest);
    for cycle in newest.iter().flat_map(|manifest| &manifest.cycles) {
        let before = |(_, manifest): &(&super::Found, &Manifest)| manifest.next_offset <= cycle.first_offset;
        kept.extend(catalog.whole().find(before).map(|(found, _)| found.object.name.as_str()));
    }
    kept
}
