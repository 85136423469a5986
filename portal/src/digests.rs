//! The SHA-256 of what is published: from a cycle's manifest, else computed once for a content.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use files::{layout::MANIFEST_FILE, manifest::Manifest};
use sha2::{Digest as _, Sha256};

use crate::{
    directory::hex,
    name::{CycleFolder, FileName},
    published::{Opened, Published, Stamp},
};

/// The most manifests that are remembered.
const MANIFESTS_MAX: usize = 64;
/// The largest manifest, bytes; one of 400 cities has some 300 KB.
const MANIFEST_LEN_MAX: u64 = 64 << 20;
/// The most computed digests that are remembered.
const COMPUTED_MAX: usize = 16_384;
/// Bytes read at a time.
const CHUNK_LEN: usize = 256 * 1024;

/// What a manifest lists: name, digest, size.
#[derive(Debug)]
struct Index(BTreeMap<String, (String, u64)>);

/// Digests, each found once.
#[derive(Debug, Default)]
pub struct Digests {
    manifests: Mutex<BTreeMap<Stamp, Arc<Index>>>,
    computed: Mutex<BTreeMap<Stamp, String>>,
}

impl Digests {
    /// The digest of an opened file, lower-case hex.
    ///
    /// # Errors
    /// If the file cannot be read, or is another one than its manifest says.
    pub fn of(
        &self,
        published: &Published,
        cycle: Option<CycleFolder>,
        name: &FileName,
        opened: &Opened,
    ) -> io::Result<String> {
        let Some((listed, size)) = self.listed(published, cycle, name)? else { return self.compute(opened) };
        if size != opened.len {
            return Err(io::Error::other(format!(
                "it has {} bytes and the manifest says {size}: the published folder is damaged",
                opened.len
            )));
        }
        Ok(listed)
    }

    /// The digest and size that the manifest of a cycle states for a file.
    ///
    /// # Errors
    /// If there is a manifest that cannot be read.
    pub fn listed(
        &self,
        published: &Published,
        cycle: Option<CycleFolder>,
        name: &FileName,
    ) -> io::Result<Option<(String, u64)>> {
        let Some(cycle) = cycle else { return Ok(None) };
        let index = self.index(published, cycle)?;
        Ok(index.and_then(|index| index.0.get(name.as_str()).cloned()))
    }

    /// The digest of a cycle's manifest.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of_manifest(&self, published: &Published, cycle: CycleFolder) -> io::Result<Option<String>> {
        let opened = manifest(published, cycle)?;
        opened.map(|opened| self.compute(&opened)).transpose()
    }

    fn index(&self, published: &Published, cycle: CycleFolder) -> io::Result<Option<Arc<Index>>> {
        let Some(opened) = manifest(published, cycle)? else { return Ok(None) };
        if let Some(known) = lock(&self.manifests).get(&opened.stamp) {
            return Ok(Some(Arc::clone(known)));
        }
        let mut bytes = Vec::new();
        opened.file.take(MANIFEST_LEN_MAX).read_to_end(&mut bytes)?;
        let manifest = Manifest::from_bytes(&bytes)
            .map_err(|error| io::Error::other(format!("{cycle}/{MANIFEST_FILE}: {error}")))?;
        let listed = manifest.files.into_iter().map(|file| (file.name, (file.sha256, file.size)));
        let index = Arc::new(Index(listed.collect()));
        remember(&self.manifests, MANIFESTS_MAX, opened.stamp, Arc::clone(&index));
        Ok(Some(index))
    }

    fn compute(&self, opened: &Opened) -> io::Result<String> {
        if let Some(known) = lock(&self.computed).get(&opened.stamp) {
            return Ok(known.clone());
        }
        let digest = sha256(&opened.file, opened.len)?;
        remember(&self.computed, COMPUTED_MAX, opened.stamp, digest.clone());
        Ok(digest)
    }
}

fn manifest(published: &Published, cycle: CycleFolder) -> io::Result<Option<Opened>> {
    let name = FileName::of(MANIFEST_FILE).map_err(io::Error::other)?;
    published.open(Some(cycle), &name)
}

/// Keeps a value; some other one goes, where there are too many: it is found again when it is wanted.
fn remember<V>(map: &Mutex<BTreeMap<Stamp, V>>, max: usize, stamp: Stamp, value: V) {
    let mut map = lock(map);
    if map.len() >= max {
        map.pop_first();
    }
    map.insert(stamp, value);
}

fn sha256(file: &File, len: u64) -> io::Result<String> {
    let (mut hash, mut buffer, mut at) = (Sha256::new(), vec![0; CHUNK_LEN], 0_u64);
    while at < len {
        let read = file.read_at(&mut buffer, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hash.update(buffer.get(..read).unwrap_or_default());
        at = at.saturating_add(read as u64);
    }
    Ok(hex(&hash.finalize()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
