//! An archive as a whole: the chain of its cycles, and where each partition's messages stand.

use cu_log::Partition;
use cu_objects::Objects;
use domain::cycle::CycleName;

use crate::{
    ArchiveError,
    facts::Ends,
    manifest::{FOLDER, FileEntry, Manifest, cycle_of_key, hex, manifest_key},
};

/// A manifest is smaller, also with thousands of cities.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// A cycle in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Its name.
    pub name: CycleName,
    /// Its manifest.
    pub manifest: Manifest,
    /// SHA-256 of the manifest's bytes, lower-case hex: what the next one names.
    pub sha256: String,
}

/// An archive whose manifests form one chain and whose ranges follow each other from offset 0 on.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Where it is.
    pub objects: Objects,
    /// Its cycles, in order.
    pub cycles: Vec<Archived>,
    ends: Ends,
}

impl Archive {
    /// Reads the manifests and checks what they say of each other.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] with the first thing that is wrong, [`ArchiveError::Objects`].
    pub fn open(objects: &Objects) -> Result<Self, ArchiveError> {
        let cycles = manifests(objects)?;
        let (ends, wrong) = follow(&cycles);
        if let Some((what, why)) = wrong.into_iter().next() {
            return Err(ArchiveError::damaged(&what, why));
        }
        Ok(Self { objects: objects.clone(), cycles, ends })
    }

    /// Knows one cycle more.
    pub(crate) fn push(&mut self, archived: Archived) {
        let ends = archived.manifest.files.iter();
        self.ends.extend(ends.map(|file| (Partition::new(&file.topic, file.partition), file.end)));
        self.cycles.push(archived);
    }

    /// Offset after the last archived message of a partition (its topic without prefix); none if it has none.
    #[must_use]
    pub fn end(&self, partition: &Partition) -> Option<u64> {
        self.ends.get(partition).copied()
    }

    /// All partitions with archived messages, and where these end.
    #[must_use]
    pub const fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Where the partitions end after a cycle.
    #[must_use]
    pub fn ends_of(&self, cycle: u32) -> Ends {
        let through = self.cycles.iter().take_while(|archived| archived.manifest.cycle <= cycle);
        let files = through.flat_map(|archived| &archived.manifest.files);
        files.map(|file| (Partition::new(&file.topic, file.partition), file.end)).collect()
    }

    /// The cycle of an ordinal.
    #[must_use]
    pub fn cycle(&self, ordinal: u32) -> Option<&Archived> {
        self.cycles.get(usize::try_from(ordinal.checked_sub(1)?).ok()?)
    }

    /// Ordinal of the last cycle; 0 for none.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.cycles.last().map_or(0, |archived| archived.manifest.cycle)
    }

    /// The file that holds a message, with its key in the object store.
    #[must_use]
    pub fn file_of(&self, partition: &Partition, offset: u64) -> Option<(String, &FileEntry)> {
        self.cycles.iter().find_map(|archived| {
            let holds = |file: &&FileEntry| {
                file.partition == partition.number
                    && *file.topic == *partition.topic
                    && (file.first..file.end).contains(&offset)
            };
            let file = archived.manifest.files.iter().find(holds)?;
            Some((archived.manifest.key(file), file))
        })
    }
}

/// The manifests in a store, in the order of the cycles' names.
///
/// # Errors
/// [`ArchiveError::Damaged`] for one that cannot be read, [`ArchiveError::Objects`].
pub(crate) fn manifests(objects: &Objects) -> Result<Vec<Archived>, ArchiveError> {
    let mut names: Vec<CycleName> =
        objects.list(FOLDER)?.iter().filter_map(|object| cycle_of_key(&object.name)).collect();
    names.sort();
    names.into_iter().map(|name| manifest(objects, name)).collect()
}

fn manifest(objects: &Objects, name: CycleName) -> Result<Archived, ArchiveError> {
    let key = manifest_key(&name.to_string());
    let bytes = objects.get_bytes(&key, MANIFEST_BYTES_MAX)?;
    let manifest = Manifest::from_bytes(&bytes).map_err(|why| ArchiveError::damaged(&key, why))?;
    Ok(Archived { name, manifest, sha256: hex(&proto::digest::bytes(&bytes)) })
}

/// Follows the chain: where each partition ends after it, and everything that does not fit, with its object.
pub(crate) fn follow(cycles: &[Archived]) -> (Ends, Vec<(String, String)>) {
    let mut ends = Ends::new();
    let mut wrong = Vec::new();
    let mut previous: Option<&Archived> = None;
    for (archived, due) in cycles.iter().zip(1_u32..) {
        let manifest = &archived.manifest;
        let key = manifest_key(&archived.name.to_string());
        let mut say = |why: String| wrong.push((key.clone(), why));
        if manifest.cycle != due {
            say(format!("it is of cycle {}, cycle {due} is missing before it", manifest.cycle));
        }
        if manifest.name != archived.name.to_string() {
            say(format!("it calls itself {}", manifest.name));
        }
        let named = manifest.previous_sha256.as_deref();
        if named != previous.map(|previous| previous.sha256.as_str()) {
            let before = previous.map_or_else(|| "no cycle".to_owned(), |it| it.name.to_string());
            say(format!(
                "the chain is broken: it does not name the manifest of {before}, which is before it"
            ));
        }
        for file in &manifest.files {
            let partition = Partition::new(&file.topic, file.partition);
            let end = ends.get(&partition).copied().unwrap_or(0);
            if file.first != end || file.end < file.first || file.messages != file.end - file.first {
                say(format!("{} holds {}..{}, offset {end} is due", file.name, file.first, file.end));
            }
            ends.insert(partition, file.end);
        }
        previous = Some(archived);
    }
    (ends, wrong)
}
