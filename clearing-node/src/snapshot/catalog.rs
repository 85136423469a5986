//! The snapshots of a partition that an object store holds.

use std::collections::BTreeMap;

use cu_objects::{Object, Objects};

use super::{
    Manifest, SnapshotError,
    manifest::{MANIFEST_BYTES_MAX, folder, offset_of},
};

/// A snapshot that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its manifest's object.
    pub object: Object,
    /// The next offset to fold after it, by its name.
    pub next_offset: u64,
    /// What it says, or why it is of no use: its manifest is damaged, or a file that it names is not there in its
    /// length.
    pub manifest: Result<Manifest, String>,
}

/// Everything that an object store holds of a partition's snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// The partition.
    pub partition: u32,
    /// The snapshots, the one that goes furthest first.
    pub snapshots: Vec<Found>,
    /// The files of all of them, by name.
    pub files: Vec<Object>,
}

impl Catalog {
    /// Looks into an object store. It compares lengths, not digests: reading every file is for
    /// [`restore`](super::restore) and [`Catalog::verify`].
    ///
    /// # Errors
    /// [`SnapshotError::Objects`].
    pub fn read(objects: &Objects, partition: u32) -> Result<Self, SnapshotError> {
        let listed = objects.list(&folder(partition))?;
        let (manifests, files): (Vec<_>, Vec<_>) =
            listed.into_iter().partition(|object| offset_of(partition, &object.name).is_some());
        let lengths: BTreeMap<&str, u64> = files.iter().map(|o| (o.name.as_str(), o.bytes)).collect();
        let mut snapshots = Vec::new();
        for object in manifests.into_iter().rev() {
            let Some(next_offset) = offset_of(partition, &object.name) else { continue };
            let bytes = match objects.get_bytes(&object.name, MANIFEST_BYTES_MAX) {
                // Pruned since it was listed.
                Err(error) if error.is_not_found() => continue,
                bytes => bytes?,
            };
            let manifest =
                Manifest::decode(partition, &object.name, &bytes).and_then(|read| whole(read, &lengths));
            snapshots.push(Found { object, next_offset, manifest });
        }
        Ok(Self { partition, snapshots, files })
    }

    /// The usable snapshots, the one that goes furthest first.
    pub fn whole(&self) -> impl Iterator<Item = (&Found, &Manifest)> {
        self.snapshots.iter().filter_map(|found| Some((found, found.manifest.as_ref().ok()?)))
    }

    /// Reads every file of every snapshot and compares digests: what is wrong, by the name of a manifest. A
    /// file that several share is read once.
    ///
    /// # Errors
    /// [`SnapshotError::Objects`].
    pub fn verify(&self, objects: &Objects) -> Result<BTreeMap<String, String>, SnapshotError> {
        let (mut read, mut wrong) = (BTreeMap::new(), BTreeMap::new());
        for found in &self.snapshots {
            let manifest = match &found.manifest {
                Ok(manifest) => manifest,
                Err(why) => {
                    wrong.insert(found.object.name.clone(), why.clone());
                    continue;
                }
            };
            for file in &manifest.files {
                let object = manifest.object(file);
                if !read.contains_key(&object) {
                    read.insert(object.clone(), objects.sum(&object)?.hex());
                }
                if read.get(&object) != Some(&file.sha256) {
                    let why = format!("{} ({object}) has other bytes than were put there", file.name);
                    wrong.entry(found.object.name.clone()).or_insert(why);
                }
            }
        }
        Ok(wrong)
    }
}

/// The partitions of which an object store holds snapshots.
///
/// # Errors
/// [`SnapshotError::Objects`].
pub fn partitions(objects: &Objects) -> Result<Vec<u32>, SnapshotError> {
    let number = |object: &Object| {
        object.name.strip_prefix("snapshots/partition-")?.split_once('/')?.0.parse::<u32>().ok()
    };
    let mut found: Vec<u32> = objects.list("snapshots")?.iter().filter_map(number).collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn whole(manifest: Manifest, lengths: &BTreeMap<&str, u64>) -> Result<Manifest, String> {
    for file in &manifest.files {
        match lengths.get(manifest.object(file).as_str()) {
            None => return Err(format!("its file {} is missing", file.name)),
            Some(bytes) if *bytes != file.bytes => {
                return Err(format!("its file {} has {bytes} bytes instead of {}", file.name, file.bytes));
            }
            Some(_) => {}
        }
    }
    Ok(manifest)
}
