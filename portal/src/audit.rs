//! A line for every access, in a file for every day.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use domain::date::LocalTime;
use serde::Serialize;
use time::OffsetDateTime;

/// The most characters of a path or range in a line.
const TEXT_CHARS_MAX: usize = 600;

/// A moment in China's one zone, UTC+8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// `2018-09-01`
    pub date: String,
    /// `2018-09-01T12:00:00+08:00`
    pub text: String,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let now = LocalTime::of_unix(OffsetDateTime::now_utc().unix_timestamp());
        Self { date: now.date.to_string(), text: format!("{now}+08:00") }
    }
}

/// An access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When, in UTC+8.
    pub time: String,
    /// `answer`: what was answered, written before the answer goes out. `cut`: a download that ended early.
    pub event: &'static str,
    /// The client's address.
    pub peer: String,
    /// SHA-256 of its certificate.
    pub fingerprint: String,
    /// Its name in the directory; none if it stands there no more.
    pub name: Option<String>,
    /// Its role.
    pub role: Option<&'static str>,
    /// The method.
    pub method: String,
    /// The path as it was asked for.
    pub path: String,
    /// `Range`, if there was one.
    pub range: Option<String>,
    /// The status.
    pub status: u16,
    /// Bytes of the body: of the whole answer, or sent until the cut.
    pub bytes: u64,
}

impl Line {
    /// Cuts what a client may make long.
    #[must_use]
    pub fn text(text: &str) -> String {
        text.chars().take(TEXT_CHARS_MAX).collect()
    }
}

/// Where the lines go: `access-<date>.jsonl`, only ever appended to.
#[derive(Debug)]
pub struct Audit {
    folder: PathBuf,
    open: Mutex<Option<(String, File)>>,
}

impl Audit {
    /// Lines in a folder, which is made.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), open: Mutex::new(None) })
    }

    /// Writes a line to the disk.
    ///
    /// # Errors
    /// If it is not there for sure.
    pub fn write(&self, date: &str, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = match open.take() {
            Some((day, file)) if day == date => file,
            _ => self.open_day(date)?,
        };
        file.write_all(&bytes)?;
        file.sync_data()?;
        // After a failure the file is opened anew, and what stands there of the line is ended.
        *open = Some((date.to_owned(), file));
        Ok(())
    }

    fn open_day(&self, date: &str) -> io::Result<File> {
        let path = self.folder.join(format!("access-{date}.jsonl"));
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let len = file.metadata()?.len();
        if len > 0 {
            let mut last = [0];
            file.seek(SeekFrom::Start(len.saturating_sub(1)))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        } else {
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str) -> Line {
        Line {
            time: "2018-09-01T12:00:00+08:00".to_owned(),
            event: "answer",
            peer: "127.0.0.1:1".to_owned(),
            fingerprint: "aa".to_owned(),
            name: None,
            role: None,
            method: "GET".to_owned(),
            path: path.to_owned(),
            range: None,
            status: 200,
            bytes: 1,
        }
    }

    #[test]
    fn lines_are_appended_to_the_file_of_their_day_and_a_torn_one_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = |date: &str| folder.path().join(format!("access-{date}.jsonl"));
        let audit = Audit::new(folder.path()).unwrap();
        audit.write("2018-09-01", &line("/a\nb")).unwrap();
        audit.write("2018-09-02", &line("/c")).unwrap();
        drop(audit);
        let mut torn = fs::read(path("2018-09-02")).unwrap();
        torn.extend(b"{\"time\":\"20");
        fs::write(path("2018-09-02"), torn).unwrap();
        Audit::new(folder.path()).unwrap().write("2018-09-02", &line("/d")).unwrap();
        assert_eq!(fs::read_to_string(path("2018-09-01")).unwrap().lines().count(), 1);
        let second = fs::read_to_string(path("2018-09-02")).unwrap();
        let ends: Vec<bool> = second.lines().map(|line| line.ends_with('}')).collect();
        assert_eq!(ends, [true, false, true], "{second}");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_and_later_it_heals() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::new(&folder.path().join("audit")).unwrap();
        fs::remove_dir(folder.path().join("audit")).unwrap();
        assert!(audit.write("2018-09-01", &line("/a")).is_err());
        fs::create_dir(folder.path().join("audit")).unwrap();
        audit.write("2018-09-01", &line("/a")).unwrap();
    }
}
