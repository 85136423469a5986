//! What an upload is before anything of it is taken: its bytes, its header, its manifest.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use domain::city::City;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::inbox::{Inbox, InboxError};
use crate::{journal::Summary, lines::Lines, mapping::Mapping, tapfile::Line};

/// The largest manifest, in bytes.
const MANIFEST_LEN_MAX: u64 = 64 * 1024;

/// Takes the digest of what is read.
pub struct Hashing<R> {
    input: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Self {
        Self { input, hash: Sha256::new() }
    }

    /// The digest of everything that was read.
    pub fn digest(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(to)?;
        self.hash.update(&to[..read]);
        Ok(read)
    }
}

/// The digest of a file.
pub fn digest_of(path: &Path) -> io::Result<[u8; 32]> {
    let mut from = Hashing::new(File::open(path)?);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(from.digest()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A pass over an upload that takes nothing.
pub struct Survey {
    /// What it counted. Of a file without the header only digest and data lines.
    pub summary: Summary,
    /// Amount of all lines that are not malformed, fen.
    pub amount_fen: u64,
    /// Why its header is not the one of the layout, or why its control lines refuse it, if so.
    pub bad_header: Option<String>,
}

/// Reads an upload to its end and counts.
pub fn survey(path: &Path, city: City, mapping: Option<&Mapping>) -> Result<Survey, InboxError> {
    let mut file = match Inbox::open(Hashing::new(File::open(path)?), city, mapping) {
        Ok(file) => file,
        Err(error) if error.is_of_header() => return Ok(survey_lines(path, error.to_string())?),
        Err(error) => return Err(error),
    };
    let mut summary = Summary::default();
    let mut local_fen = 0_u64;
    loop {
        let line = match file.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) if error.is_of_header() => {
                let digest = digest_of(path)?;
                let summary = Summary { sha256: digest, records: summary.records, ..Summary::default() };
                return Ok(Survey { summary, amount_fen: 0, bad_header: Some(error.to_string()) });
            }
            Err(error) => return Err(error),
        };
        summary.records += 1;
        match line {
            Line::Tap(tap) => {
                summary.presented += 1;
                summary.amount_fen += u64::from(tap.tap.amount_fen.get());
            }
            Line::Local(tap) => {
                summary.local += 1;
                local_fen += u64::from(tap.tap.amount_fen.get());
            }
            Line::Malformed(_) => summary.malformed += 1,
        }
    }
    summary.sha256 = file.into_input().digest();
    Ok(Survey { amount_fen: summary.amount_fen + local_fen, summary, bad_header: None })
}

/// Counts the data lines of a file whose line 1 is not the header.
fn survey_lines(path: &Path, bad_header: String) -> io::Result<Survey> {
    let mut lines = Lines::new(Hashing::new(File::open(path)?));
    let mut records = 0;
    while let Some(line) = lines.next_line()? {
        let blank = line.range.is_some_and(|(start, end)| start == end);
        records += u64::from(line.number > 1 && !blank);
    }
    let summary = Summary { sha256: lines.into_input().digest(), records, ..Summary::default() };
    Ok(Survey { summary, amount_fen: 0, bad_header: Some(bad_header) })
}

/// What the sender says about an upload.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    records: u64,
    amount_fen: u64,
    sha256: String,
}

impl Manifest {
    /// The manifest beside an upload; `None` if it has none. The inner error says what is wrong with it.
    pub fn beside(upload: &Path) -> io::Result<Option<Result<Self, String>>> {
        let mut path = upload.as_os_str().to_owned();
        path.push(".manifest.json");
        let file = match File::open(PathBuf::from(path)) {
            Ok(file) => file,
            // A name so long that its manifest's would be over the limit has no manifest.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidFilename) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if !file.metadata()?.is_file() {
            return Ok(Some(Err("manifest: not a file".to_owned())));
        }
        let mut bytes = Vec::new();
        file.take(MANIFEST_LEN_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MANIFEST_LEN_MAX {
            return Ok(Some(Err("manifest: longer than 64 KiB".to_owned())));
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        Ok(Some(serde_json::from_slice(bytes).map_err(|error| format!("manifest: not readable: {error}"))))
    }

    /// Compares it with what the file has.
    pub fn check(&self, found: &Survey) -> Result<(), String> {
        let sha256 = hex(&found.summary.sha256);
        if self.records != found.summary.records {
            let says = self.records;
            return Err(format!("manifest: records {says} but the file has {}", found.summary.records));
        }
        if self.amount_fen != found.amount_fen {
            let says = self.amount_fen;
            return Err(format!("manifest: amount_fen {says} but the file has {}", found.amount_fen));
        }
        if !self.sha256.eq_ignore_ascii_case(&sha256) {
            return Err(format!("manifest: sha256 differs from the file's {sha256}"));
        }
        Ok(())
    }
}

/// Lower-case hex, as digests are written.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
