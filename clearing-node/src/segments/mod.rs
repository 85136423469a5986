//! Segments in the object store: each partition puts its share of a closed cycle there, the coordinator joins them.
//!
//! `segments/<cycle>/p<partition>/` holds the files of a segment and, written last, its manifest, whose digest stands
//! on `cu.cycles`. A segment follows from the log and can be rendered again at any time, with the same bytes under the
//! same names: so whoever renders it, and how often, makes no difference. They go once their cycle is published.

pub mod assembler;
pub mod renderer;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fs, io, path::Path, time::Duration};

use cu_objects::{Objects, ObjectsError};
use domain::cycle::CycleName;
use files::{FilesError, SEGMENT_MANIFEST_FILE, Segment, SegmentFiles, SegmentManifest};
use proto::{Published, digest};
use signing::Signers;

use crate::{
    book::opening_name,
    coordinator::SegmentIn,
    render::{self, Closed, RenderError, scratch_prefix},
};

/// Largest manifest of a segment, bytes: 300 cities with 300 each are about 16 MiB.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// The folder of all segments.
const SEGMENTS: &str = "segments";
/// Drafts that nobody has written to for so long are no one's.
const DRAFT_AGE: Duration = Duration::from_secs(24 * 3600);

/// Why a folder could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// A segment is missing or damaged: its partition must render it again.
    #[error("the segment of partition {partition} is lost: {what}")]
    Lost {
        /// The partition.
        partition: u32,
        /// What is wrong with it.
        what: String,
    },
    /// Anything else; it may pass by itself.
    #[error(transparent)]
    Render(RenderError),
    /// The object store failed; it may pass by itself.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
}

impl From<RenderError> for AssembleError {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::Files(FilesError::SegmentDamaged { partition, file, what }) => {
                Self::Lost { partition, what: format!("{file}: {what}") }
            }
            other => Self::Render(other),
        }
    }
}

/// The folder of a segment in the object store.
#[must_use]
pub fn folder(cycle: &CycleName, partition: u32) -> String {
    format!("{SEGMENTS}/{cycle}/p{partition}")
}

/// Puts a segment that was rendered into `dir`, its manifest last. Returns the digest of that. Its files are not synced:
/// what a power failure takes is found damaged and rendered again.
///
/// # Errors
/// [`ObjectsError`] if the store does not take it.
pub fn put(
    objects: &Objects,
    cycle: &CycleName,
    manifest: &SegmentManifest,
    dir: &Path,
) -> Result<[u8; 32], ObjectsError> {
    let folder = folder(cycle, manifest.partition);
    let file = |file: &files::SegmentFile| (format!("{folder}/{}", file.name), dir.join(&file.name));
    objects.take_files(&manifest.files.iter().map(file).collect::<Vec<_>>())?;
    let name = format!("{folder}/{SEGMENT_MANIFEST_FILE}");
    let bytes = manifest.to_bytes().map_err(|error| ObjectsError::File {
        doing: "encode",
        path: name.clone().into(),
        source: error.into(),
    })?;
    let digest = digest::bytes(&bytes);
    objects.put_bytes(&name, bytes)?;
    Ok(digest)
}

/// Reads the manifest of a segment and checks it against the digest on the log.
fn manifest(
    objects: &Objects,
    cycle: &CycleName,
    segment: &SegmentIn,
) -> Result<SegmentManifest, AssembleError> {
    let partition = segment.partition;
    let lost = |what: String| AssembleError::Lost { partition, what };
    let name = format!("{}/{SEGMENT_MANIFEST_FILE}", folder(cycle, partition));
    let bytes = match objects.get_bytes(&name, MANIFEST_BYTES_MAX) {
        Err(error) if error.is_not_found() => {
            return Err(lost(format!(
                "{name} is missing in {}; all nodes must share one object store",
                objects.place()
            )));
        }
        bytes => bytes?,
    };
    if digest::bytes(&bytes).as_slice() != segment.manifest_digest.as_ref() {
        return Err(lost("its manifest is not the one on the log".to_owned()));
    }
    SegmentManifest::from_bytes(&bytes).map_err(|what| lost(format!("its manifest cannot be read: {what}")))
}

/// The files of a segment in the object store.
struct Stored<'a> {
    objects: &'a Objects,
    folder: String,
}

impl SegmentFiles for Stored<'_> {
    fn place(&self, name: &str, to: &Path) -> io::Result<()> {
        let object = format!("{}/{name}", self.folder);
        if let Some(file) = self.objects.file(&object) {
            match fs::hard_link(file, to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                linked => return linked,
            }
        }
        match self.objects.get_file(&object, to) {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Err(io::Error::new(io::ErrorKind::NotFound, error)),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// Puts a cycle's folder together from the segments in the object store, signs it if there are `signers`, and publishes
/// it under `out`. All of them are read and checked before anything is visible.
///
/// # Errors
/// [`AssembleError`].
pub fn assemble(
    objects: &Objects,
    closed: &Closed,
    segments: &[SegmentIn],
    signers: Option<&Signers>,
    work_dir: &Path,
    out: &Path,
) -> Result<Published, AssembleError> {
    let name = opening_name(&closed.opening);
    let get = |segment: &SegmentIn| {
        let files = Stored { objects, folder: folder(&name, segment.partition) };
        Ok((manifest(objects, &name, segment)?, files))
    };
    let stored = segments.iter().map(get).collect::<Result<Vec<_>, AssembleError>>()?;
    let segments: Vec<Segment<'_>> =
        stored.iter().map(|(manifest, files)| Segment { manifest, files }).collect();
    Ok(render::assemble(closed, &segments, signers, work_dir, out)?)
}

/// Removes the segments of published cycles, by the names of their folders, and what attempts to put them together
/// have left in `work_dir`.
///
/// # Errors
/// [`ObjectsError`] if the store does not answer. Nothing depends on it: it can be done at any later time.
pub fn tidy(objects: &Objects, published: &BTreeSet<String>, work_dir: &Path) -> Result<(), ObjectsError> {
    for object in objects.list(SEGMENTS)? {
        let cycle = object.name.split('/').nth(1);
        if cycle.is_some_and(|cycle| published.contains(cycle)) {
            objects.delete(&object.name)?;
        }
    }
    objects.sweep(SEGMENTS, DRAFT_AGE)?;
    for entry in fs::read_dir(work_dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let left = |cycle: &String| name.starts_with(&scratch_prefix(cycle));
        if published.iter().any(left)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%error, "cannot remove {}", entry.path().display());
        }
    }
    Ok(())
}
