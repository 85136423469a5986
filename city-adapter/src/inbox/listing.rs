//! Reads what stands in an inbox. Links are never followed.

use std::{
    collections::BTreeMap,
    fs::{self, DirEntry, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::watch::{Found, Listing, Stamp};

/// How many folders deep a file may lie in the inbox.
pub const FOLDERS_DEEP_MAX: usize = 2;
/// The most entries of an inbox that are looked at.
const ENTRIES_MAX: usize = 100_000;
const MANIFEST: &str = ".manifest.json";
/// The longest name of an upload, in bytes: what is written beside a file has a longer one.
const NAME_LEN_MAX: usize = 236;
/// The longest manifest, in bytes.
const MANIFEST_LEN_MAX: u64 = 64 << 10;

/// The state of a file.
pub fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        len: metadata.len(),
        modified_ns: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
        file: (metadata.dev(), metadata.ino()),
    }
}

/// Lists an inbox with its subfolders. `any_ending`: files need not end in `.csv`.
///
/// # Errors
/// If the inbox itself cannot be read; what is wrong with single entries is in [`Listing::troubles`].
pub fn list(inbox: &Path, any_ending: bool) -> io::Result<Listing> {
    let mut reading =
        Reading { inbox, any_ending, listing: Listing::default(), manifests: BTreeMap::new(), entries: 0 };
    reading.folder(Path::new(""), 0)?;
    let Reading { mut listing, mut manifests, .. } = reading;
    for found in &mut listing.files {
        let mut beside = found.path.clone().into_os_string();
        beside.push(MANIFEST);
        found.manifest = manifests.remove(Path::new(&beside));
    }
    let too_long = |found: &Found| found.manifest.is_some_and(|stamp| stamp.len > MANIFEST_LEN_MAX);
    for found in listing.files.extract_if(.., |found| too_long(found)) {
        let why =
            format!("its manifest is longer than {MANIFEST_LEN_MAX} bytes; put the right one beside it");
        listing.troubles.insert(found.path.display().to_string(), why);
    }
    listing.lone_manifests = manifests.into_keys().collect();
    Ok(listing)
}

struct Reading<'a> {
    inbox: &'a Path,
    any_ending: bool,
    listing: Listing,
    manifests: BTreeMap<PathBuf, Stamp>,
    entries: usize,
}

impl Reading<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        let mut entries: Vec<DirEntry> = Vec::new();
        for entry in fs::read_dir(self.inbox.join(folder))? {
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                let why =
                    format!("more than {ENTRIES_MAX} entries: the rest is looked at when these are gone");
                self.trouble(folder, why);
                break;
            }
            entries.push(entry?);
        }
        entries.sort_by_key(DirEntry::file_name);
        entries.iter().for_each(|entry| self.entry(folder, entry, depth));
        Ok(())
    }

    fn entry(&mut self, folder: &Path, entry: &DirEntry, depth: usize) {
        let os_name = entry.file_name();
        let path = folder.join(&os_name);
        let Some(name) = os_name.to_str() else {
            return self.trouble(&path, "the name is not UTF-8; rename it");
        };
        if name.starts_with('.') || name.ends_with(".part") || name.ends_with(".tmp") {
            return;
        }
        if name.contains(char::is_control) {
            return self.trouble(&path, "the name has a line break or another control character; rename it");
        }
        // The entry itself, never what it links to.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.trouble(&path, format!("it cannot be looked at: {error}")),
        };
        let kind = metadata.file_type();
        if kind.is_symlink() {
            self.trouble(&path, "a symbolic link, which is not followed; put the file itself here");
        } else if kind.is_dir() {
            self.subfolder(&path, name, depth);
        } else if !kind.is_file() {
            self.trouble(&path, "neither a file nor a folder; take it away");
        } else if name.ends_with(MANIFEST) {
            self.manifests.insert(path, stamp(&metadata));
        } else {
            self.file(path, name, &metadata);
        }
    }

    fn subfolder(&mut self, path: &Path, name: &str, depth: usize) {
        if name.ends_with(".csv") {
            self.trouble(path, "a folder with the name of a tap file; take it away");
        } else if depth >= FOLDERS_DEEP_MAX {
            let why = format!("it lies too deep; files may lie in at most {FOLDERS_DEEP_MAX} folders");
            self.trouble(path, why);
        } else if let Err(error) = self.folder(path, depth + 1)
            && error.kind() != io::ErrorKind::NotFound
        {
            self.trouble(path, format!("the folder cannot be read: {error}"));
        }
    }

    fn file(&mut self, path: PathBuf, name: &str, metadata: &Metadata) {
        let name = match name.ends_with(".csv") {
            true => name.to_owned(),
            false if self.any_ending => format!("{name}.csv"),
            false => {
                return self
                    .trouble(&path, "no tap file: its name does not end in .csv; rename it or take it away");
            }
        };
        if name.len() > NAME_LEN_MAX {
            let why = format!("the name has {} bytes and may have {NAME_LEN_MAX}; rename it", name.len());
            return self.trouble(&path, why);
        }
        self.listing.files.push(Found { path, name, stamp: stamp(metadata), manifest: None });
    }

    fn trouble(&mut self, path: &Path, why: impl Into<String>) {
        let shown = if path.as_os_str().is_empty() { ".".to_owned() } else { path.display().to_string() };
        self.listing.troubles.insert(shown.replace(char::is_control, "?"), why.into());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener};

    use super::*;

    fn names(listing: &Listing) -> Vec<(String, bool)> {
        let one = |found: &Found| (found.path.display().to_string(), found.manifest.is_some());
        listing.files.iter().map(one).collect()
    }

    #[test]
    fn files_lie_in_the_inbox_and_in_folders_and_may_have_manifests() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = folder.path();
        for path in
            ["b.csv", "2018-09-01/a.csv", "2018-09-01/a.csv.manifest.json", "x/y/c.csv", "x/y/z/d.csv"]
        {
            fs::create_dir_all(inbox.join(path).parent().unwrap()).unwrap();
            fs::write(inbox.join(path), "x").unwrap();
        }
        for hidden in [".hidden.csv", "c.csv.part", "c.csv.tmp", "alone.csv.manifest.json"] {
            fs::write(inbox.join(hidden), "x").unwrap();
        }
        let listing = list(inbox, false).unwrap();
        let want = [("2018-09-01/a.csv", true), ("b.csv", false), ("x/y/c.csv", false)];
        assert_eq!(names(&listing), want.map(|(path, manifest)| (path.to_owned(), manifest)));
        assert_eq!(listing.lone_manifests, [PathBuf::from("alone.csv.manifest.json")]);
        assert_eq!(listing.troubles.keys().collect::<Vec<_>>(), ["x/y/z"]);
    }

    #[test]
    fn what_is_no_file_is_told_and_never_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (inbox, outside) = (folder.path().join("inbox"), folder.path().join("secret.csv"));
        fs::create_dir_all(inbox.join("folder.csv")).unwrap();
        fs::write(&outside, "secret").unwrap();
        symlink(&outside, inbox.join("link.csv")).unwrap();
        symlink(folder.path(), inbox.join("out")).unwrap();
        let _socket = UnixListener::bind(inbox.join("socket.csv")).unwrap();
        fs::write(inbox.join("notes.txt"), "x").unwrap();
        fs::write(inbox.join(std::ffi::OsStr::from_bytes(b"bad\xFF.csv")), "x").unwrap();
        let listing = list(&inbox, false).unwrap();
        assert_eq!(names(&listing), []);
        assert_eq!(listing.troubles.len(), 6, "{:?}", listing.troubles);
        for (path, why) in [
            ("link.csv", "symbolic link"),
            ("out", "symbolic link"),
            ("folder.csv", "a folder"),
            ("socket.csv", "neither"),
            ("notes.txt", ".csv"),
        ] {
            assert!(listing.troubles[path].contains(why), "{path}: {}", listing.troubles[path]);
        }
        assert_eq!(names(&list(&inbox, true).unwrap()), [("notes.txt".to_owned(), false)]);
        assert_eq!(list(&inbox, true).unwrap().files[0].name, "notes.txt.csv");
    }

    #[test]
    fn names_that_cannot_be_kept_are_told_and_the_rest_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = folder.path();
        let (longest, longer) = ("a".repeat(232), "b".repeat(233));
        fs::create_dir(inbox.join("day\n1")).unwrap();
        for name in ["a\nb.csv", "a\u{1b}c.csv", "day\n1/c.csv", &format!("{longest}.csv"), &longer] {
            fs::write(inbox.join(name), "x").unwrap();
        }
        let listing = list(inbox, true).unwrap();
        assert_eq!(names(&listing), [(format!("{longest}.csv"), false)]);
        assert_eq!(listing.troubles.len(), 4, "{:?}", listing.troubles);
        assert!(listing.troubles["a?b.csv"].contains("control character"));
        assert!(listing.troubles[&longer].contains("237 bytes"), "{:?}", listing.troubles);
    }

    #[test]
    fn a_file_does_not_come_without_a_manifest_that_is_too_long() {
        let folder = tempfile::tempdir().unwrap();
        for (name, len) in [("a.csv", 64 << 10), ("b.csv", (64 << 10) + 1)] {
            fs::write(folder.path().join(name), "x").unwrap();
            fs::write(folder.path().join(format!("{name}.manifest.json")), vec![b' '; len]).unwrap();
        }
        let listing = list(folder.path(), false).unwrap();
        assert_eq!(names(&listing), [("a.csv".to_owned(), true)]);
        assert!(listing.troubles["b.csv"].contains("manifest"));
    }

    #[test]
    fn an_inbox_that_is_no_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(list(&folder.path().join("none"), false).is_err());
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(list(&folder.path().join("file"), false).is_err());
    }
}
