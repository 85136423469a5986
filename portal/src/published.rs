//! The published folder, read so that nothing leads out of it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags, openat2},
    io::Errno,
};

use crate::name::{CycleFolder, FileName};

/// The most entries of folders that are looked through for one list.
const ENTRIES_MAX: usize = 1_000_000;
/// The file by which a folder is a closed cycle.
const MANIFEST: &str = files::layout::MANIFEST_FILE;

/// A file's content, as far as the system tells: the same stamp means the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A file that was opened. Whatever is put under its name later, this one stays as it is.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: File,
    /// Its bytes.
    pub len: u64,
    /// Which content this is.
    pub stamp: Stamp,
}

/// A file in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: FileName,
    /// Its bytes.
    pub size: u64,
}

/// The published folder.
#[derive(Clone, Debug)]
pub struct Published(PathBuf);

impl Published {
    /// A folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Opens a file; none if there is no plain file of this name, or a link is on the way to it.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn open(&self, cycle: Option<CycleFolder>, name: &FileName) -> io::Result<Option<Opened>> {
        let path = self.below(cycle, name);
        // The system itself refuses links and ways out, whoever changes the folder meanwhile. A pipe must not block.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let file = match openat2(File::open(&self.0)?, path, flags, Mode::empty(), inside) {
            Ok(file) => File::from(file),
            Err(
                Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NAMETOOLONG | Errno::NXIO,
            ) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let about = file.metadata()?;
        let stamp = Stamp {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        };
        Ok(about.is_file().then_some(Opened { file, len: about.size(), stamp }))
    }

    /// Whether a cycle is published.
    #[must_use]
    pub fn has(&self, cycle: CycleFolder) -> bool {
        let folder = self.0.join(cycle.to_string());
        let plain = |path: &Path, folder: bool| {
            path.symlink_metadata().is_ok_and(|about| if folder { about.is_dir() } else { about.is_file() })
        };
        plain(&folder, true) && plain(&folder.join(MANIFEST), false)
    }

    /// The published cycles, the newest first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn cycles(&self) -> io::Result<Vec<CycleFolder>> {
        let mut cycles = Vec::new();
        for entry in fs::read_dir(&self.0)?.take(ENTRIES_MAX) {
            let cycle = entry?.file_name().to_str().and_then(|name| name.parse().ok());
            cycles.extend(cycle.filter(|cycle| self.has(*cycle)));
        }
        cycles.sort_by(|a, b| b.cmp(a));
        Ok(cycles)
    }

    /// The files of a cycle, or those beside the cycles, by name: of `start`, a folder or a file (all, if it is empty),
    /// those that `keep` keeps.
    ///
    /// # Errors
    /// If a folder cannot be read, or has too many entries.
    pub fn list(
        &self,
        cycle: Option<CycleFolder>,
        start: &str,
        keep: impl Fn(&str) -> bool,
    ) -> io::Result<Vec<Listed>> {
        let root = cycle.map_or_else(|| self.0.clone(), |cycle| self.0.join(cycle.to_string()));
        let mut listed = Vec::new();
        let mut looked = 0_usize;
        let mut waiting = if plain_way(&root, start) { vec![start.to_owned()] } else { Vec::new() };
        while let Some(name) = waiting.pop() {
            looked += 1;
            if looked > ENTRIES_MAX {
                return Err(io::Error::other(format!("more than {ENTRIES_MAX} files to list")));
            }
            let Ok(about) = root.join(&name).symlink_metadata() else { continue };
            if about.is_dir() {
                self.enter(&root, &name, cycle.is_none(), &mut waiting)?;
            } else if about.is_file() && keep(&name) {
                listed.extend(FileName::of(&name).ok().map(|name| Listed { name, size: about.len() }));
            }
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// Adds what stands in a folder; a cycle has a list of its own.
    fn enter(&self, root: &Path, name: &str, beside: bool, waiting: &mut Vec<String>) -> io::Result<()> {
        for entry in fs::read_dir(root.join(name))? {
            let entry = entry?.file_name();
            let Some(entry) = entry.to_str() else { continue };
            let is_cycle = beside && name.is_empty() && entry.parse::<CycleFolder>().is_ok();
            if entry.starts_with('.') || is_cycle || waiting.len() >= ENTRIES_MAX {
                continue;
            }
            waiting.push(if name.is_empty() { entry.to_owned() } else { format!("{name}/{entry}") });
        }
        Ok(())
    }

    fn below(&self, cycle: Option<CycleFolder>, name: &FileName) -> String {
        match cycle {
            Some(cycle) => format!("{cycle}/{}", name.as_str()),
            None => name.as_str().to_owned(),
        }
    }
}

/// Whether only folders lead to a name, and no link.
fn plain_way(root: &Path, name: &str) -> bool {
    let mut above = name.match_indices('/').map(|(at, _)| name.split_at(at).0);
    above.all(|folder| root.join(folder).symlink_metadata().is_ok_and(|about| about.is_dir()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn name(text: &str) -> FileName {
        FileName::of(text).unwrap()
    }

    #[test]
    fn links_pipes_and_folders_are_no_files() {
        let folder = tempfile::tempdir().unwrap();
        let (out, cycle) = (folder.path().join("out"), "2018-09-01-001");
        fs::create_dir_all(out.join(cycle).join("issuer")).unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        fs::write(out.join(cycle).join(MANIFEST), "{}").unwrap();
        fs::write(out.join(cycle).join("issuer/a.csv"), "1").unwrap();
        symlink("../../secret", out.join(cycle).join("link.csv")).unwrap();
        symlink("issuer", out.join(cycle).join("folder")).unwrap();
        symlink(folder.path(), out.join("results")).unwrap();
        symlink(cycle, out.join("2018-09-02-001")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            out.join(cycle).join("pipe"),
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let published = Published::new(&out);
        let first: CycleFolder = cycle.parse().unwrap();
        let opened = |name: &FileName| published.open(Some(first), name).unwrap().map(|opened| opened.len);
        assert_eq!(opened(&name("issuer/a.csv")), Some(1));
        for other in ["link.csv", "folder/a.csv", "pipe", "issuer", "none", "issuer/a.csv/x"] {
            assert_eq!(opened(&name(other)), None, "{other}");
        }
        assert!(published.open(None, &name("results/secret")).unwrap().is_none());
        assert_eq!(published.cycles().unwrap(), [first], "a link is no cycle");
        let names = |cycle| {
            let listed = published.list(cycle, "", |_| true).unwrap();
            listed.into_iter().map(|file| file.name.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(Some(first)), ["issuer/a.csv", MANIFEST]);
        assert_eq!(names(None), Vec::<String>::new());
        fs::create_dir(folder.path().join("cu-2000")).unwrap();
        fs::write(folder.path().join("cu-2000/secret"), "").unwrap();
        assert_eq!(published.list(None, "results/cu-2000", |_| true).unwrap(), [], "a link is no way");
    }

    #[test]
    fn a_list_goes_through_what_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["results/a/1.csv", "results/b/1.csv", "receipts/a.csv", ".state/x", "2018-09-01-001/x"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "12").unwrap();
        }
        let published = Published::new(folder.path());
        let names = |start: &str| {
            let listed = published.list(None, start, |name| !name.starts_with("results/b")).unwrap();
            listed.into_iter().map(|file| format!("{} {}", file.name.as_str(), file.size)).collect::<Vec<_>>()
        };
        assert_eq!(names(""), ["receipts/a.csv 2", "results/a/1.csv 2"]);
        assert_eq!(names("results/a"), ["results/a/1.csv 2"]);
        assert_eq!(names("receipts/a.csv"), ["receipts/a.csv 2"]);
        assert_eq!(names("results/none"), Vec::<String>::new());
    }
}
