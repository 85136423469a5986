//! The quarantine file of an upload, written while that is being taken.

use std::{
    fs::{self, File},
    io::{BufWriter, Read},
    path::{Path, PathBuf},
};

use super::{AcquirerError, inbox::Inbox, source::hex};
use crate::{
    quarantine::{ENTRY_COLUMN, QuarantineRows, Script, TRAILER_COLUMN},
    tapfile::Malformed,
};

const BUFFER_LEN: usize = 256 * 1024;

/// The quarantine file of one upload while that is being taken.
pub struct Quarantine {
    folder: Option<PathBuf>,
    name: String,
    script: Script,
    note: Option<Note>,
    draft: Option<Draft>,
}

/// What is wrong with a line whose text is not kept yet.
struct Note {
    line: u32,
    column: &'static str,
    reason: String,
}

/// A file that does not stand in its place yet.
struct Draft {
    path: PathBuf,
    rows: QuarantineRows<BufWriter<File>>,
}

impl Quarantine {
    /// For upload `name`, whose lines are in `script`; without a folder nothing is kept.
    pub fn new(folder: Option<PathBuf>, name: &str, script: Script) -> Self {
        Self { folder, name: name.to_owned(), script, note: None, draft: None }
    }

    /// Notes what is wrong with a line; [`Quarantine::keep`] has to follow.
    pub fn note(&mut self, bad: &Malformed<'_>) {
        if self.folder.is_some() {
            let (column, reason) = (bad.reason.column(), bad.reason.why().to_owned());
            self.note = Some(Note { line: bad.line, column, reason });
        }
    }

    /// Keeps the last line of `file` if something was noted about it.
    pub fn keep<R: Read>(&mut self, file: &Inbox<R>) -> Result<(), AcquirerError> {
        let (Some(note), Some(folder)) = (self.note.take(), &self.folder) else { return Ok(()) };
        let draft = match &mut self.draft {
            Some(draft) => draft,
            None => self.draft.insert(Draft::begin(folder, &self.name, self.script, file)?),
        };
        if let Some(entry) = file.entry() {
            draft.put(entry.number, ENTRY_COLUMN, "", &entry.bytes)?;
        }
        draft.put(note.line, note.column, &note.reason, file.raw())
    }

    /// Keeps what stands behind the data of `file`, which was read to its end.
    pub fn end<R: Read>(&mut self, file: &Inbox<R>) -> Result<(), AcquirerError> {
        match (&mut self.draft, file.tail()) {
            (Some(draft), Some(tail)) => draft.put(tail.number, TRAILER_COLUMN, "", &tail.bytes),
            _ => Ok(()),
        }
    }

    /// Puts the file into its place, durably; none if no line is malformed.
    pub fn finish(self) -> Result<(), AcquirerError> {
        let (Some(folder), Some(draft)) = (self.folder, self.draft) else { return Ok(()) };
        draft.publish(&folder, &folder.join(&self.name))
    }
}

impl Draft {
    fn begin<R: Read>(
        folder: &Path,
        name: &str,
        script: Script,
        file: &Inbox<R>,
    ) -> Result<Self, AcquirerError> {
        // A name of bounded length.
        let short = hex(&proto::digest::bytes(name.as_bytes())[..16]);
        let path = folder.join(format!(".{short}.tmp"));
        let begun = fs::create_dir_all(folder).and_then(|()| File::create(&path)).and_then(|to| {
            QuarantineRows::begin(BufWriter::with_capacity(BUFFER_LEN, to), script, file.head())
        });
        match begun {
            Ok(rows) => Ok(Self { path, rows }),
            Err(source) => Err(AcquirerError::File { path, source }),
        }
    }

    fn put(&mut self, line: u32, column: &str, reason: &str, raw: &[u8]) -> Result<(), AcquirerError> {
        self.rows.put(line, column, reason, raw).map_err(AcquirerError::file(&self.path))
    }

    fn publish(mut self, folder: &Path, to: &Path) -> Result<(), AcquirerError> {
        let written = self.rows.flush().and_then(|to| to.get_ref().sync_all());
        let placed = written.and_then(|()| {
            fs::rename(&self.path, to)?;
            File::open(folder)?.sync_all()
        });
        placed.map_err(AcquirerError::file(to))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // In its place it has another name; else it is made again from the upload.
        drop(fs::remove_file(&self.path));
    }
}
