//! The draft of a results file: a row for every data line, written while the upload is taken, so that results
//! can be written later without it.
//!
//! Each row begins with a mark: `=` before a row that the edge decided, `+` before one that waits for its
//! result.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use domain::city::City;

use crate::{
    durable::{make_folders, sync_parent},
    fields::write_field,
    tapfile::{Malformed, RawTexts, TapLine},
};

/// Marks a row that the edge decided.
pub const DECIDED: u8 = b'=';
/// Marks a row that waits for its result.
pub const WAITS: u8 = b'+';

const BUFFER_LEN: usize = 256 * 1024;

/// Where the draft of a file stands: names of any length, in a folder of the city.
pub fn path(drafts: &Path, city: City, name: &str) -> PathBuf {
    let digest = super::source::hex(&proto::digest::bytes(name.as_bytes())[..16]);
    drafts.join(city.to_string()).join(digest)
}

/// Removes the drafts of a city that no file needs any more, which a crash may have left.
pub fn keep_only(drafts: &Path, city: City, names: &BTreeSet<String>) -> io::Result<()> {
    let needed: BTreeSet<PathBuf> = names.iter().map(|name| path(drafts, city, name)).collect();
    let folder = match fs::read_dir(drafts.join(city.to_string())) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for file in folder {
        let path = file?.path();
        if !needed.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// A draft that is being written.
pub struct Draft {
    to: BufWriter<File>,
    path: PathBuf,
    row: Vec<u8>,
}

impl Draft {
    /// Begins a draft, in place of an older one.
    pub fn create(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            make_folders(folder)?;
        }
        let to = BufWriter::with_capacity(BUFFER_LEN, File::create(path)?);
        Ok(Self { to, path: path.to_owned(), row: Vec::with_capacity(256) })
    }

    /// A row that waits for its result.
    pub fn waits(&mut self, line: u32, texts: &RawTexts<'_>) -> io::Result<()> {
        self.begin(WAITS, line, texts);
        self.end()
    }

    /// A row of the city's own card.
    pub fn local(&mut self, tap: &TapLine<'_>) -> io::Result<()> {
        self.begin(DECIDED, tap.tap.line.get(), &tap.texts);
        self.row.extend_from_slice(b",local,,edge,");
        self.end()
    }

    /// A row of a quarantined line.
    pub fn malformed(&mut self, bad: &Malformed<'_>) -> io::Result<()> {
        self.begin(DECIDED, bad.line, &bad.texts);
        self.row.extend_from_slice(b",malformed,");
        write_field(&mut self.row, bad.reason.to_string().as_bytes());
        self.row.extend_from_slice(b",edge,");
        self.end()
    }

    /// Makes the draft durable.
    pub fn finish(mut self) -> io::Result<()> {
        self.to.flush()?;
        self.to.get_ref().sync_data()?;
        sync_parent(&self.path)
    }

    fn begin(&mut self, mark: u8, line: u32, texts: &RawTexts<'_>) {
        self.row.clear();
        self.row.push(mark);
        write_number(&mut self.row, line);
        for text in [texts.terminal, texts.terminal_seq, texts.issuer, texts.amount_fen] {
            self.row.push(b',');
            write_field(&mut self.row, text);
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.row.push(b'\n');
        self.to.write_all(&self.row)
    }
}

fn write_number(to: &mut Vec<u8>, mut number: u32) {
    let start = to.len();
    loop {
        to.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    to[start..].reverse();
}
