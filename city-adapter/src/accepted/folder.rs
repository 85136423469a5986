//! The folder of one home city: what it accepted, and what of it is settled.
//!
//! ```text
//! 0000000007.taps              segments, in the order in which they were written
//! waits/2018-09-01-001.1.taps  what no cycle up to this one paid
//! paid/2018-09-01-001.taps     what this cycle pays, as the city agreed
//! agreed/2018-09-01-001.json   the figures with which it agreed
//! ```
//!
//! An agreement moves the records of complete segments to `paid` or `waits`, and what waits is written first: so a crash
//! leaves at worst a record in two places, which readers make one.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use domain::{city::City, cycle::CycleName};

use super::segment::{Reader, Record, Writer, segment_number, write_frames};
use crate::durable::{make_folders, sync_folder, sync_parent};

const PAID: &str = "paid";
const WAITS: &str = "waits";
const AGREED: &str = "agreed";
/// Days by which what may be forgotten is older than the window: two cycles, and a day to spare.
const DAYS_TO_SPARE: i32 = 3;
/// Records gathered before they are written to a draft.
const DRAFT_RECORDS: usize = 16_384;

/// The folder of one home city.
#[derive(Clone, Debug)]
pub struct CityFolder {
    path: PathBuf,
}

/// What an agreement does with the records of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// They move: the file goes, or is written anew.
    Moves,
    /// The file stays: more may be appended to it, or they waited for longer.
    Stays,
    /// Another cycle pays them.
    Paid(CycleName),
}

/// A file of accepted taps.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    /// What becomes of its records.
    pub origin: Origin,
    is_segment: bool,
}

impl Kept {
    /// Whether these are the records that the cycle asked for pays, as the city agreed.
    #[must_use]
    pub fn is_agreed(&self) -> bool {
        !self.is_segment && self.origin == Origin::Moves
    }

    /// Reads its records, some at a time.
    ///
    /// # Errors
    /// What `each` says, or that the file cannot be read.
    pub fn read<E: From<io::Error>>(
        &self,
        mut each: impl FnMut(&[Record]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = Reader::open(&self.path)?;
        while let Some(records) = reader.next()? {
            each(records)?;
        }
        Ok(())
    }
}

impl CityFolder {
    /// The folder of a city below a service's state.
    #[must_use]
    pub fn of(state: &Path, city: City) -> Self {
        Self { path: state.join("accepted").join(city.to_string()) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends to it.
    pub(super) fn writer(&self) -> io::Result<Writer> {
        make_folders(&self.path)?;
        let last = self.segments()?.into_iter().map(|(number, _)| number).max();
        Ok(Writer::new(self.path.clone(), last.map_or(1, |last| last.saturating_add(1))))
    }

    /// Every file of accepted taps, and what an agreement to `cycle` does with each.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn kept(&self, cycle: CycleName) -> io::Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for (_, path) in self.segments()? {
            let origin = if is_complete(&path)? { Origin::Moves } else { Origin::Stays };
            kept.push(Kept { path, origin, is_segment: true });
        }
        for (_, path) in self.waits()? {
            kept.push(Kept { path, origin: Origin::Stays, is_segment: false });
        }
        for (of, path) in self.paid()? {
            let origin = if of == cycle { Origin::Moves } else { Origin::Paid(of) };
            kept.push(Kept { path, origin, is_segment: false });
        }
        Ok(kept)
    }

    /// The figures with which the city agreed to a cycle.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn agreed(&self, cycle: CycleName) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path.join(AGREED).join(format!("{cycle}.json"))) {
            Ok(figures) => Ok(Some(figures)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins to gather what a cycle pays and what waits on.
    ///
    /// # Errors
    /// If the files cannot be made.
    pub fn drafts(&self, cycle: CycleName) -> io::Result<Drafts> {
        for folder in [PAID, WAITS, AGREED] {
            make_folders(&self.path.join(folder))?;
        }
        let lock = File::create(self.path.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::Error::other(
                "another process compares a cycle of this city just now; wait until it has ended",
            ),
        })?;
        let before =
            self.waits()?.into_iter().filter(|((of, _), _)| *of == cycle).map(|((_, number), _)| number);
        let number = before.max().map_or(1, |last| last.saturating_add(1));
        let draft = |folder, name| Draft::create(self.path.join(folder).join(name));
        let waits = draft(WAITS, format!("{cycle}.{number}.draft"))?;
        Ok(Drafts { _lock: lock, pays: draft(PAID, format!("{cycle}.draft"))?, waits })
    }

    /// The city agrees to a cycle, with `figures`. What was agreed more than `window_days` (and some to spare) before it
    /// is forgotten.
    ///
    /// # Errors
    /// If something cannot be written or removed; nothing is lost, and the same call may come again.
    pub fn agree(
        &self,
        cycle: CycleName,
        drafts: Drafts,
        kept: &[Kept],
        figures: &[u8],
        window_days: u32,
    ) -> io::Result<()> {
        match drafts.waits.is_empty() {
            true => fs::remove_file(&drafts.waits.path)?,
            false => drafts.waits.finish()?,
        }
        drafts.pays.finish()?;
        for kept in kept.iter().filter(|kept| kept.is_segment && kept.origin == Origin::Moves) {
            fs::remove_file(&kept.path)?;
        }
        let draft = self.path.join(AGREED).join(format!("{cycle}.draft"));
        fs::write(&draft, figures)?;
        finish(&draft, &File::open(&draft)?, "json")?;
        let waits = self.waits()?.into_iter().map(|((of, _), path)| (of, path));
        for (of, path) in waits.chain(self.paid()?) {
            if may_forget(of, cycle, window_days) {
                fs::remove_file(path)?;
            }
        }
        sync_folder(&self.path)
    }

    fn segments(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        named(&self.path, segment_number)
    }

    fn paid(&self) -> io::Result<Vec<(CycleName, PathBuf)>> {
        named(&self.path.join(PAID), |name| name.strip_suffix(".taps")?.parse().ok())
    }

    fn waits(&self) -> io::Result<Vec<((CycleName, u32), PathBuf)>> {
        named(&self.path.join(WAITS), |name| {
            let (cycle, number) = name.strip_suffix(".taps")?.rsplit_once('.')?;
            Some((cycle.parse().ok()?, number.parse().ok()?))
        })
    }
}

/// Whether what was agreed with one cycle may be forgotten when a city agrees with a later one: neither can a record
/// from then be paid any more, nor one that was paid then be presented again.
#[must_use]
pub fn may_forget(agreed: CycleName, now: CycleName, window_days: u32) -> bool {
    let days = i32::try_from(window_days).unwrap_or(i32::MAX).saturating_add(DAYS_TO_SPARE);
    agreed.business_date.plus_days(days) < now.business_date
}

/// Whether nobody appends to a segment any more.
fn is_complete(path: &Path) -> io::Result<bool> {
    match File::open(path)?.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The files of a folder whose names say something; none if there is no folder.
fn named<T: Ord>(folder: &Path, read: impl Fn(&str) -> Option<T>) -> io::Result<Vec<(T, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if let Some(said) = path.file_name().and_then(|name| name.to_str()).and_then(&read) {
            found.push((said, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// What a cycle pays and what waits on, while they are told apart.
#[derive(Debug)]
pub struct Drafts {
    /// Held while a cycle is gathered: two at once would write the same files.
    _lock: File,
    pays: Draft,
    waits: Draft,
}

impl Drafts {
    /// The cycle pays a record.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn pays(&mut self, record: &Record) -> io::Result<()> {
        self.pays.push(record)
    }

    /// No cycle pays a record yet.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn waits(&mut self, record: &Record) -> io::Result<()> {
        self.waits.push(record)
    }

    /// Nothing comes of it.
    pub fn drop_them(self) {
        for draft in [self.pays, self.waits] {
            // The next attempt begins the file anew.
            drop(fs::remove_file(&draft.path));
        }
    }
}

#[derive(Debug)]
struct Draft {
    path: PathBuf,
    file: File,
    held: Vec<u8>,
    records: u64,
}

impl Draft {
    fn create(path: PathBuf) -> io::Result<Self> {
        Ok(Self { file: File::create(&path)?, path, held: Vec::new(), records: 0 })
    }

    const fn is_empty(&self) -> bool {
        self.records == 0
    }

    fn push(&mut self, record: &Record) -> io::Result<()> {
        self.records += 1;
        self.held.extend_from_slice(record);
        if self.held.len() >= DRAFT_RECORDS * record.len() {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if !self.held.is_empty() {
            write_frames(&mut self.file, &self.held)?;
            self.held.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.write()?;
        finish(&self.path, &self.file, "taps")
    }
}

/// Gives a draft its name, durably.
fn finish(draft: &Path, file: &File, ending: &str) -> io::Result<()> {
    file.sync_all()?;
    let path = draft.with_extension(ending);
    fs::rename(draft, &path)?;
    sync_parent(&path)
}
