//! What the adapter tells of itself: written by the running service as one JSON file, which appears whole, because
//! its store can be open in one process only; made from the store where no service runs.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use domain::date::{Date, LocalTime};
use serde::{Deserialize, Serialize};

use super::queue::{End, Entry, Queue};
use crate::acquirer::{Progress, Stage, hex};

/// Name of the file in the state folder.
pub const STATUS_FILE: &str = "status.json";
/// Name of the file in the state folder that the running service holds locked.
pub const LOCK_FILE: &str = "lock";

/// The most files that are listed; the counts are of all.
const FILES_MAX: usize = 1000;
/// Archived files that are listed besides those that are under way.
const ARCHIVED_MAX: usize = 50;

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It is in the inbox and not complete yet.
    Arriving,
    /// It is being copied out of the inbox.
    Accepting,
    /// It is durable in the adapter and waits for the log, or its turn.
    Accepted,
    /// It is named after a date that is not open yet.
    Dated,
    /// It is being cut and published.
    Taking,
    /// All of it is on the log; results come.
    Published,
    /// All results are final and written.
    Done,
    /// It was refused.
    Refused,
    /// The same bytes were taken before.
    Again,
    /// It was accepted, but its copy is gone: it has to be sent again.
    Lost,
}

impl Way {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Arriving => "arriving",
            Self::Accepting => "accepting",
            Self::Accepted => "accepted",
            Self::Dated => "dated",
            Self::Taking => "taking",
            Self::Published => "published",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Again => "again",
            Self::Lost => "lost",
        }
    }
}

/// A file and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStatus {
    /// Name of the upload.
    pub name: String,
    /// Where it stood in the inbox.
    pub path: String,
    /// How far it is.
    pub way: Way,
    /// Length in bytes.
    pub bytes: u64,
    /// Bytes that were copied so far, while it is being accepted.
    pub bytes_copied: u64,
    /// Data lines; while it is being taken, those read so far.
    pub lines: u64,
    /// Quarantined data lines.
    pub quarantined: u64,
    /// Number of its first batch; 0 if it has none.
    pub first_batch: u64,
    /// Number of its last batch so far; 0 if it has none.
    pub last_batch: u64,
    /// The last of them that is on the log; 0 if none is.
    pub published_batch: u64,
    /// Lines presented.
    pub presented: u64,
    /// Presented lines that have a result.
    pub results: u64,
    /// Presented lines whose result is final.
    pub results_final: u64,
    /// How often the same bytes were sent again.
    pub again: u64,
    /// Why it is refused, or where it is now.
    pub note: String,
}

/// Something that keeps a part of the adapter from its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What it is about: a file, or a part of the adapter.
    pub what: String,
    /// What is wrong and what happens next.
    pub why: String,
    /// Since when, UTC+8.
    pub since: String,
    /// Whether it keeps the adapter from its work, and not only one file from being accepted.
    pub holds: bool,
}

/// The state of an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The city.
    pub city: String,
    /// Whether the service runs.
    pub running: bool,
    /// When this was written, UTC+8.
    pub at: String,
    /// Whether it does its work: a single file that cannot be accepted does not matter.
    pub ready: bool,
    /// Since when the log has not answered, UTC+8; absent if it answers.
    pub log_away_since: Option<String>,
    /// The open business date, if one is open and the log tells it.
    pub business_date: Option<Date>,
    /// Bytes of accepted files that are not on the log yet.
    pub journal_bytes: u64,
    /// The most bytes that may wait so.
    pub journal_bytes_max: u64,
    /// Bytes of files in the inbox that were not accepted for want of room.
    pub refused_bytes: u64,
    /// How many files were accepted in all.
    pub files_accepted: u64,
    /// How many files were refused in all.
    #[serde(default)]
    pub files_refused: u64,
    /// How many of both have left for the archive.
    pub files_archived: u64,
    /// What is wrong.
    pub troubles: Vec<Trouble>,
    /// Files under way, and the last ones that were archived.
    pub files: Vec<FileStatus>,
}

impl Status {
    /// What keeps the adapter from its work.
    #[must_use]
    pub fn not_ready(&self) -> Vec<String> {
        let holding = self.troubles.iter().filter(|trouble| trouble.holds);
        let mut why: Vec<String> =
            holding.map(|t| format!("{}: {} (since {})", t.what, t.why, t.since)).collect();
        if self.business_date.is_none() && why.is_empty() {
            why.push("no cycle is open".to_owned());
        }
        why
    }
}

/// What is going on at this moment, of which the store knows nothing.
#[derive(Clone, Debug, Default)]
pub struct Now {
    /// Files in the inbox that are not complete.
    pub arriving: Vec<(String, u64)>,
    /// The file that is being copied: its path, length, bytes copied.
    pub copying: Option<(String, u64, u64)>,
    /// The file that is being taken: its number, and the lines read so far.
    pub taking: Option<(u64, u64)>,
    /// The open business date.
    pub open: Option<Date>,
}

/// The files, those under way first, each part in the order of its way.
#[must_use]
pub fn files(queue: &Queue, now: &Now, progress: impl Fn(&str) -> Option<Progress>) -> Vec<FileStatus> {
    let mut files = Vec::new();
    let lost: Vec<u64> = queue.lost().into_iter().map(|entry| entry.number).collect();
    let under_way =
        |entry: &&Entry| !entry.archived && (entry.end() != End::Lost || lost.contains(&entry.number));
    for entry in queue.entries().filter(under_way).take(FILES_MAX) {
        files.push(file(entry, now, progress(&entry.name)));
    }
    if let Some((path, len, copied)) = &now.copying {
        let copying = FileStatus { bytes_copied: *copied, ..plain(path, *len, Way::Accepting) };
        files.push(copying);
    }
    let copied = now.copying.as_ref().map(|(path, ..)| path);
    let arriving = now.arriving.iter().filter(|(path, _)| Some(path) != copied);
    files.extend(arriving.take(FILES_MAX).map(|(path, len)| plain(path, *len, Way::Arriving)));
    let archived = queue.entries().rev().filter(|entry| entry.archived).take(ARCHIVED_MAX);
    files.extend(archived.map(|entry| file(entry, now, progress(&entry.name))));
    files
}

fn plain(path: &str, bytes: u64, way: Way) -> FileStatus {
    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
    FileStatus {
        name,
        path: path.to_owned(),
        way,
        bytes,
        bytes_copied: 0,
        lines: 0,
        quarantined: 0,
        first_batch: 0,
        last_batch: 0,
        published_batch: 0,
        presented: 0,
        results: 0,
        results_final: 0,
        again: 0,
        note: String::new(),
    }
}

fn file(entry: &Entry, now: &Now, progress: Option<Progress>) -> FileStatus {
    let taking = now.taking.filter(|(number, _)| *number == entry.number);
    // What the journal says of this name is of another file if this one has not been taken.
    let mine = match entry.end() {
        End::Taken => true,
        End::Waits => progress.as_ref().is_some_and(|p| p.stage == Stage::Taking),
        End::Refused | End::Again | End::Lost => false,
    };
    let progress = progress.filter(|_| mine);
    let done = progress.as_ref().is_some_and(|p| p.stage == Stage::Done);
    let way = match entry.end() {
        End::Refused => Way::Refused,
        End::Again => Way::Again,
        End::Lost => Way::Lost,
        End::Taken if done => Way::Done,
        End::Taken => Way::Published,
        End::Waits if taking.is_some() || progress.is_some() => Way::Taking,
        End::Waits if now.open.is_some_and(|open| entry.date().is_some_and(|named| named > open)) => {
            Way::Dated
        }
        End::Waits => Way::Accepted,
    };
    let mut status = FileStatus {
        name: entry.name.clone(),
        bytes_copied: entry.len,
        again: entry.again,
        note: note(entry),
        ..plain(&entry.path, entry.len, way)
    };
    if let Some(p) = progress {
        status.lines = p.records;
        status.quarantined = p.malformed;
        status.presented = p.presented;
        status.results = p.answered;
        status.results_final = p.settled;
        if p.batches > 0 {
            status.first_batch = p.first_batch;
            status.last_batch = p.first_batch + p.batches - 1;
            status.published_batch = if p.published > 0 { p.first_batch + p.published - 1 } else { 0 };
        }
    }
    if let Some((_, lines)) = taking {
        status.lines = status.lines.max(lines);
    }
    status
}

fn note(entry: &Entry) -> String {
    match (entry.end(), entry.archived) {
        (End::Refused, _) => entry.reason.clone(),
        (End::Again, _) => "already taken: the same name and bytes".to_owned(),
        (_, true) => format!("archived under {}", archive_path(entry).display()),
        _ => String::new(),
    }
}

/// Where an accepted file ends in the archive: in a folder of the date that its name begins with, else of the day
/// on which it was accepted.
#[must_use]
pub fn archive_path(entry: &Entry) -> PathBuf {
    let day = entry.date().unwrap_or_else(|| LocalTime::of_unix(entry.accepted_at_s).date);
    let folder = PathBuf::from(day.to_string());
    match entry.end() {
        // Several contents may have been refused under one name.
        End::Refused => {
            let digest = entry.sha256.get(..4).unwrap_or_default();
            folder.join("refused").join(hex(digest)).join(&entry.name)
        }
        _ => folder.join(&entry.name),
    }
}

/// A moment as people write it in UTC+8, such as `2018-09-01T08:05:09`.
#[must_use]
pub fn local_time(at: SystemTime) -> String {
    let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    LocalTime::of_unix(i64::try_from(since_epoch).unwrap_or(i64::MAX)).to_string()
}

/// Writes the status file; it appears whole.
///
/// # Errors
/// What the system says.
pub fn write(state_dir: &Path, status: &Status) -> io::Result<()> {
    let beside = state_dir.join(format!(".{STATUS_FILE}.tmp"));
    let mut file = File::create(&beside)?;
    serde_json::to_writer_pretty(&mut file, status)?;
    file.write_all(b"\n")?;
    fs::rename(beside, state_dir.join(STATUS_FILE))
}

/// How long ago the status file was written.
///
/// # Errors
/// What the system says.
pub fn age(state_dir: &Path) -> io::Result<Duration> {
    let written = fs::metadata(state_dir.join(STATUS_FILE))?.modified()?;
    Ok(written.elapsed().unwrap_or_default())
}

/// Reads the status file.
///
/// # Errors
/// What the system says, or that it is no status file.
pub fn read(state_dir: &Path) -> io::Result<Status> {
    Ok(serde_json::from_slice(&fs::read(state_dir.join(STATUS_FILE))?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_chinas_zone() {
        let at = |s| local_time(UNIX_EPOCH + Duration::from_secs(s));
        assert_eq!(at(0), "1970-01-01T08:00:00");
        assert_eq!(at(1_535_817_599), "2018-09-01T23:59:59");
        assert_eq!(at(1_535_817_600), "2018-09-02T00:00:00");
    }

    #[test]
    fn files_go_into_the_folder_of_their_day() {
        let mut entry =
            Entry { name: "2018-09-01-a.csv".to_owned(), sha256: vec![0xAB; 32], ..Entry::default() };
        entry.set_end(End::Taken);
        assert_eq!(archive_path(&entry), Path::new("2018-09-01/2018-09-01-a.csv"));
        entry.set_end(End::Refused);
        assert_eq!(archive_path(&entry), Path::new("2018-09-01/refused/abababab/2018-09-01-a.csv"));
        let entry = Entry { name: "a.csv".to_owned(), accepted_at_s: 1_535_817_600, ..Entry::default() };
        assert_eq!(archive_path(&entry), Path::new("2018-09-02/a.csv"));
    }
}
