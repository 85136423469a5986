//! A file of accepted taps: frames that are appended whole, each with its length and digest.
//!
//! A crash may leave the last frame torn. Nobody was answered before its frame was durable, so what is torn is passed
//! over; damage with something behind it is an error.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
};

use domain::tap::CONTENT_LEN;
use sha2::{Digest as _, Sha256};

use crate::durable::sync_parent;

/// An accepted tap: [`domain::tap::Tap::content_bytes`], which is all that a home city judges.
pub type Record = [u8; CONTENT_LEN];

/// A segment that is this long gets no more frames, bytes.
const SEGMENT_LEN_MAX: u64 = 16 << 20;
/// The most records in a frame.
pub(super) const FRAME_RECORDS_MAX: usize = 65_536 * 4;
/// The first bytes of a frame.
const MARK: [u8; 4] = *b"CUA1";
/// Mark, number of records, eight bytes of the records' SHA-256.
const HEADER_LEN: usize = 16;
const READ_BUFFER_LEN: usize = 256 << 10;

/// Appends frames to the newest segment of a folder.
#[derive(Debug)]
pub(super) struct Writer {
    folder: PathBuf,
    /// No segment below this number is free.
    next: u64,
    open: Option<(File, u64)>,
}

impl Writer {
    /// A writer that begins with a segment of its own behind those that are there.
    pub(super) const fn new(folder: PathBuf, next: u64) -> Self {
        Self { folder, next, open: None }
    }

    /// Appends records and waits until they are durable.
    pub(super) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        let (mut file, len) = match self.open.take() {
            Some(open) => open,
            None => (self.create()?, 0),
        };
        // Behind a failed write nothing may stand, so the file is not put back then.
        let written = write_frames(&mut file, records)?;
        file.sync_data()?;
        let len = len.saturating_add(written);
        self.open = (len < SEGMENT_LEN_MAX).then_some((file, len));
        Ok(())
    }

    /// Ends the segment that is written to.
    pub(super) fn end(&mut self) {
        self.open = None;
    }

    /// Begins a segment. It is locked before it has its name: whoever finds it locked knows that more may come.
    fn create(&mut self) -> io::Result<File> {
        let draft = self.folder.join("next.draft");
        let file = File::create(&draft)?;
        file.lock()?;
        let path = self.folder.join(segment_name(self.next));
        fs::rename(&draft, &path)?;
        self.next = self.next.saturating_add(1);
        sync_parent(&path)?;
        Ok(file)
    }
}

/// The name of a segment; names sort as numbers.
fn segment_name(number: u64) -> String {
    format!("{number:010}.taps")
}

/// The number of a segment by its name.
pub(super) fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".taps")?;
    (digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Writes records in frames; returns how many bytes that were.
pub(super) fn write_frames(file: &mut File, records: &[u8]) -> io::Result<u64> {
    let mut bytes = Vec::with_capacity(records.len() + HEADER_LEN);
    for frame in records.chunks(FRAME_RECORDS_MAX * CONTENT_LEN) {
        let count = u32::try_from(frame.len() / CONTENT_LEN).map_err(io::Error::other)?;
        bytes.extend_from_slice(&MARK);
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&sum(frame));
        bytes.extend_from_slice(frame);
    }
    file.write_all(&bytes)?;
    Ok(bytes.len() as u64)
}

fn sum(records: &[u8]) -> [u8; 8] {
    let mut sum = [0; 8];
    sum.copy_from_slice(&Sha256::digest(records)[..8]);
    sum
}

/// Reads the frames of a file in order.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    left: u64,
    frame: Vec<u8>,
}

impl Reader {
    /// Opens a file as long as it is now; frames that are appended meanwhile are not read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        let file = BufReader::with_capacity(READ_BUFFER_LEN, file);
        Ok(Self { path: path.to_owned(), file, left, frame: Vec::new() })
    }

    /// The records of the next frame; none at the end, or where a crash left the last one torn.
    pub(super) fn next(&mut self) -> io::Result<Option<&[Record]>> {
        let mut header = [0; HEADER_LEN];
        if self.left < HEADER_LEN as u64 {
            return Ok(None);
        }
        self.file.read_exact(&mut header)?;
        self.left -= HEADER_LEN as u64;
        let [a, b, c, d, n0, n1, n2, n3, digest @ ..] = header;
        if [a, b, c, d] != MARK {
            return self.torn_or_damaged();
        }
        let count = u32::from_le_bytes([n0, n1, n2, n3]) as usize;
        if count as u64 * CONTENT_LEN as u64 > self.left {
            return Ok(None);
        }
        if count > FRAME_RECORDS_MAX {
            return Err(self.damaged());
        }
        self.frame.resize(count * CONTENT_LEN, 0);
        self.file.read_exact(&mut self.frame)?;
        self.left -= self.frame.len() as u64;
        if sum(&self.frame) != digest {
            return self.torn_or_damaged();
        }
        Ok(Some(self.frame.as_chunks().0))
    }

    /// What is no frame is a torn last one if nothing but zeros follows it.
    fn torn_or_damaged(&mut self) -> io::Result<Option<&[Record]>> {
        let mut rest = Vec::new();
        while self.left > 0 {
            rest.resize(usize::try_from(self.left).unwrap_or(usize::MAX).min(READ_BUFFER_LEN), 0);
            self.file.read_exact(&mut rest)?;
            self.left -= rest.len() as u64;
            if rest.iter().any(|byte| *byte != 0) {
                return Err(self.damaged());
            }
        }
        Ok(None)
    }

    fn damaged(&self) -> io::Error {
        let text = format!("{} is damaged; restore it from a copy of this disk", self.path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}
