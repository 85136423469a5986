//! The adapter's own copies of accepted files, and their way into the archive.
//!
//! A file is copied, not moved: whoever still writes to the one in the inbox cannot change what was accepted.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    listing::stamp,
    watch::{Found, Stamp},
};
use crate::{
    acquirer::digest_of,
    durable::{make_folders, sync_folder, sync_parent},
};

const BUFFER_LEN: usize = 1 << 20;
/// One part in this many of the disk is left free, at most so many bytes.
const RESERVE_SHARE: u64 = 20;
const RESERVE_MAX: u64 = 256 << 20;

/// Why a file could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It is no longer what was found.
    #[error("it changed while it was read; it is tried again when it stands still")]
    Changed,
    /// A folder on its way is a link that leads out of the inbox.
    #[error("it does not lie in the inbox: a folder on its way is a link; put the file itself here")]
    Outside,
    /// It cannot be read.
    #[error("it cannot be read; see to its permissions, it is tried again")]
    Read(#[source] io::Error),
    /// The copy cannot be written.
    #[error("{path} cannot be written; see that there is room and permission, it is tried again")]
    Write {
        /// The copy.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The copy would leave too little room.
    #[error(
        "{path} has {free} bytes free: a file of {len} bytes would leave less than the {reserve} that the journal \
         needs; make room, it is tried again"
    )]
    NoSpace {
        /// The folder of copies.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes of the file.
        len: u64,
        /// Bytes that have to be left.
        reserve: u64,
    },
}

/// The folder of copies.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// Opens the folder, made if it does not exist, and removes what a crash left of copies that are not `known`.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(folder: PathBuf, known: &BTreeSet<u64>) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.split('.').next()).and_then(|n| n.parse().ok());
            if number.is_none_or(|number: u64| !known.contains(&number)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { folder })
    }

    /// Where the copy of a file stands; its manifest beside it.
    #[must_use]
    pub fn path(&self, number: u64) -> PathBuf {
        Self::path_in(&self.folder, number)
    }

    /// Where the copy of a file stands in a folder of copies.
    #[must_use]
    pub fn path_in(folder: &Path, number: u64) -> PathBuf {
        folder.join(number.to_string())
    }

    /// Where the manifest of a file stands.
    #[must_use]
    pub fn manifest(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number}.manifest.json"))
    }

    /// Copies a file and its manifest, durably, and returns the digest of the file. `copied` is told how many bytes
    /// more were copied.
    ///
    /// # Errors
    /// [`SpoolError`]; then nothing of it is left.
    pub fn copy(
        &self,
        inbox: &Path,
        found: &Found,
        number: u64,
        copied: &dyn Fn(u64),
    ) -> Result<[u8; 32], SpoolError> {
        let from = inbox.join(&found.path);
        inside(inbox, &from)?;
        self.room_for(found.stamp.len + found.manifest.map_or(0, |stamp| stamp.len))?;
        let done = copy(&from, found.stamp, &self.path(number), copied).and_then(|digest| {
            if let Some(stamp) = found.manifest {
                let from = beside(&from);
                copy(&from, stamp, &self.manifest(number), &|_| {})?;
            }
            sync_folder(&self.folder)
                .map_err(|source| SpoolError::Write { path: self.folder.clone(), source })?;
            Ok(digest)
        });
        if done.is_err() {
            // What is left is of no use; the error that counts is the first.
            drop(self.remove(number));
        }
        done
    }

    /// Whether a copy of this length leaves room enough: the journal lies on the same disk.
    fn room_for(&self, len: u64) -> Result<(), SpoolError> {
        // A file system that does not tell its room tells when it is full.
        let Ok(disk) = rustix::fs::statvfs(&self.folder) else { return Ok(()) };
        let (free, all) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
        let reserve = RESERVE_MAX.min(all / RESERVE_SHARE);
        if free >= len.saturating_add(reserve) {
            return Ok(());
        }
        Err(SpoolError::NoSpace { path: self.folder.clone(), free, len, reserve })
    }

    /// Removes the copy of a file.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, number: u64) -> io::Result<()> {
        remove_if_there(&self.path(number))?;
        remove_if_there(&self.manifest(number))
    }

    /// Moves the copy of a file to `to`, its manifest beside it; nothing if it stands there already.
    ///
    /// # Errors
    /// What the system says, or that another file stands there.
    pub fn archive(&self, number: u64, to: &Path) -> io::Result<()> {
        if let Some(folder) = to.parent() {
            make_folders(folder)?;
        }
        carry(&self.manifest(number), &beside(to))?;
        carry(&self.path(number), to)
    }
}

/// Where the manifest of a file stands.
#[must_use]
pub fn beside(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".manifest.json");
    PathBuf::from(path)
}

/// Removes an accepted file from the inbox, unless another stands there meanwhile.
///
/// # Errors
/// What the system says.
pub fn remove_source(inbox: &Path, found: &Found) -> io::Result<()> {
    let path = inbox.join(&found.path);
    for (path, wanted) in [(path.clone(), Some(found.stamp)), (beside(&path), found.manifest)] {
        match (fs::symlink_metadata(&path), wanted) {
            (Ok(metadata), Some(wanted)) if stamp(&metadata) == wanted => remove_if_there(&path)?,
            _ => {}
        }
    }
    Ok(())
}

fn inside(inbox: &Path, file: &Path) -> Result<(), SpoolError> {
    let real = |path: &Path| fs::canonicalize(path).map_err(SpoolError::Read);
    let folder = real(file.parent().unwrap_or(inbox))?;
    if folder.starts_with(real(inbox)?) { Ok(()) } else { Err(SpoolError::Outside) }
}

fn copy(from: &Path, wanted: Stamp, to: &Path, copied: &dyn Fn(u64)) -> Result<[u8; 32], SpoolError> {
    // Neither a link is followed nor a pipe waited for, if one took the place of the file.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut input = OpenOptions::new().read(true).custom_flags(flags).open(from).map_err(|error| {
        let changed = error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ELOOP);
        if changed { SpoolError::Changed } else { SpoolError::Read(error) }
    })?;
    let unchanged = |metadata: io::Result<fs::Metadata>| match metadata {
        Ok(metadata) if metadata.is_file() && stamp(&metadata) == wanted => Ok(()),
        Ok(_) => Err(SpoolError::Changed),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(SpoolError::Changed),
        Err(error) => Err(SpoolError::Read(error)),
    };
    unchanged(input.metadata())?;
    let write = |source| SpoolError::Write { path: to.to_owned(), source };
    let mut output = File::create(to).map_err(write)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_LEN];
    let mut len = 0_u64;
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(SpoolError::Read(error)),
        };
        len += read as u64;
        if len > wanted.len {
            return Err(SpoolError::Changed);
        }
        hash.update(&buffer[..read]);
        output.write_all(&buffer[..read]).map_err(write)?;
        copied(read as u64);
    }
    output.sync_all().map_err(write)?;
    unchanged(input.metadata())?;
    unchanged(fs::symlink_metadata(from))?;
    Ok(hash.finalize().into())
}

/// Moves a file, across file systems too, durably; nothing if it has been moved before.
fn carry(from: &Path, to: &Path) -> io::Result<()> {
    if !from.try_exists()? {
        return Ok(());
    }
    if to.try_exists()? {
        if digest_of(from)? != digest_of(to)? {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "another file stands there; take it away"));
        }
        return fs::remove_file(from);
    }
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let mut name = to.file_name().unwrap_or_default().to_owned();
            name.push(".part");
            let part = to.with_file_name(name);
            fs::copy(from, &part)?;
            File::open(&part)?.sync_all()?;
            fs::rename(&part, to)?;
            sync_parent(to)?;
            fs::remove_file(from)
        }
        done => done.and_then(|()| sync_parent(to)),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, os::unix::fs::symlink};

    use super::*;
    use crate::inbox::listing::list;

    struct World {
        folder: tempfile::TempDir,
        inbox: PathBuf,
        spool: Spool,
    }

    fn world() -> World {
        let folder = tempfile::tempdir().unwrap();
        let inbox = folder.path().join("inbox");
        fs::create_dir_all(&inbox).unwrap();
        let spool = Spool::open(folder.path().join("spool"), &BTreeSet::new()).unwrap();
        World { folder, inbox, spool }
    }

    impl World {
        fn put(&self, name: &str, text: &str) -> Found {
            fs::write(self.inbox.join(name), text).unwrap();
            self.found(name)
        }

        fn found(&self, name: &str) -> Found {
            let files = list(&self.inbox, false).unwrap().files;
            files.into_iter().find(|found| found.path == Path::new(name)).unwrap()
        }

        fn copy(&self, found: &Found, copied: &dyn Fn(u64)) -> Result<[u8; 32], SpoolError> {
            self.spool.copy(&self.inbox, found, 1, copied)
        }

        #[track_caller]
        fn changed(&self, found: &Found, copied: &dyn Fn(u64)) {
            let copied = self.copy(found, copied);
            assert!(matches!(copied, Err(SpoolError::Changed)), "{copied:?}");
            assert!(!self.spool.path(1).exists());
        }
    }

    #[test]
    fn a_copy_is_whole_and_the_file_then_leaves_the_inbox() {
        let world = world();
        fs::write(world.inbox.join("a.csv.manifest.json"), "{}").unwrap();
        let found = world.put("a.csv", "text");
        let digest = world.copy(&found, &|_| {}).unwrap();
        assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(b"text")));
        remove_source(&world.inbox, &found).unwrap();
        assert_eq!(fs::read_dir(&world.inbox).unwrap().count(), 0);
        let to = world.folder.path().join("archive/2018-09-01/a.csv");
        for _ in 0..2 {
            world.spool.archive(1, &to).unwrap();
            assert_eq!(fs::read_to_string(&to).unwrap(), "text");
            assert_eq!(fs::read_to_string(beside(&to)).unwrap(), "{}");
        }
        fs::write(world.spool.path(1), "other").unwrap();
        assert!(world.spool.archive(1, &to).is_err(), "it must not be written over");
        assert!(world.spool.path(1).exists());
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_not_accepted() {
        let world = world();
        let found = world.put("a.csv", "text");
        let path = world.inbox.join("a.csv");
        let grown = Cell::new(false);
        let grow = |_| {
            if !grown.replace(true) {
                OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
            }
        };
        world.changed(&found, &grow);
        world.copy(&world.found("a.csv"), &|_| {}).unwrap();
    }

    #[test]
    fn what_took_the_place_of_a_file_is_not_read() {
        let world = world();
        let secret = world.folder.path().join("secret");
        fs::write(&secret, "text").unwrap();
        let path = world.inbox.join("a.csv");
        let places: [&dyn Fn(); 5] = [
            &|| symlink(&secret, &path).unwrap(),
            &|| fs::create_dir(&path).unwrap(),
            &|| drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
            &|| fs::write(&path, "text").unwrap(),
            &|| {},
        ];
        for place in places {
            let found = world.put("a.csv", "text");
            // Another file, whatever it holds.
            fs::rename(&path, world.folder.path().join("moved")).unwrap();
            place();
            let copied = world.copy(&found, &|_| {});
            assert!(matches!(copied, Err(SpoolError::Changed | SpoolError::Read(_))), "{copied:?}");
            remove_source(&world.inbox, &found).unwrap();
            if path.is_dir() {
                fs::remove_dir(&path).unwrap();
            }
            remove_if_there(&path).unwrap();
        }
        assert_eq!(fs::read_to_string(secret).unwrap(), "text");
    }

    #[test]
    fn a_folder_that_became_a_link_out_of_the_inbox_is_not_followed() {
        let world = world();
        fs::create_dir(world.inbox.join("day")).unwrap();
        let found = world.put("day/a.csv", "text");
        let outside = world.folder.path().join("outside");
        fs::rename(world.inbox.join("day"), &outside).unwrap();
        symlink(&outside, world.inbox.join("day")).unwrap();
        let copied = world.copy(&found, &|_| {});
        assert!(matches!(copied, Err(SpoolError::Outside)), "{copied:?}");
    }

    #[test]
    fn a_file_that_was_replaced_after_the_copy_stays() {
        let world = world();
        let found = world.put("a.csv", "text");
        let replaced = Cell::new(false);
        world.copy(&found, &|_| replaced.set(true)).unwrap();
        fs::remove_file(world.inbox.join("a.csv")).unwrap();
        world.put("a.csv", "another");
        remove_source(&world.inbox, &found).unwrap();
        assert_eq!(fs::read_to_string(world.inbox.join("a.csv")).unwrap(), "another");
    }

    #[test]
    fn what_a_crash_left_of_copies_is_removed() {
        let world = world();
        for name in ["1", "1.manifest.json", "2", "x"] {
            fs::write(world.folder.path().join("spool").join(name), "").unwrap();
        }
        Spool::open(world.folder.path().join("spool"), &BTreeSet::from([1])).unwrap();
        let mut left: Vec<_> = fs::read_dir(world.folder.path().join("spool"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["1", "1.manifest.json"]);
    }
}
