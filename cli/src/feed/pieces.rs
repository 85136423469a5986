//! Cuts the tap files of a day into small files: the header and so many lines each.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::{
    city::City,
    date::{Date, LocalTime},
};
use memchr::memchr;
use sha2::{Digest as _, Sha256};

use super::pace::Load;
use crate::scheme_folder::TapFile;

/// How a tap file of the canonical layout begins, after a byte order mark if it has one.
const CANONICAL: &[u8] =
    b"terminal,terminal_seq,issuer,card,card_counter,type,amount_fen,fare_fen,tapped_at,";
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Place of `tapped_at` among the columns.
const TAPPED_AT: usize = 8;
/// How much of a line is looked at, bytes.
const HEAD_LEN: usize = 512;

/// A part of a tap file that is handed in as a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The city.
    pub city: City,
    /// Its name, which keeps date and order.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Data lines in it.
    pub taps: u64,
    /// Second of the day of its last tap; that of the piece before, if no line says.
    pub second: u32,
    /// The tap file it is cut from.
    source: Arc<PathBuf>,
    header: Range<u64>,
    body: Range<u64>,
    /// Whether it is the whole file.
    whole: bool,
}

impl Piece {
    /// What decides when it is due.
    #[must_use]
    pub fn load(&self) -> Load {
        Load { city: self.city, taps: self.taps, second: self.second }
    }

    /// The sender's manifest, which goes with a whole file.
    #[must_use]
    pub fn manifest(&self) -> Option<PathBuf> {
        let path = manifest_of(&self.source);
        (self.whole && path.is_file()).then_some(path)
    }

    /// Writes its bytes.
    ///
    /// # Errors
    /// If the tap file cannot be read or `to` not be written.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let mut source = File::open(&*self.source)?;
        for range in [&self.header, &self.body] {
            source.seek(SeekFrom::Start(range.start))?;
            let wanted = range.end - range.start;
            if io::copy(&mut Read::by_ref(&mut source).take(wanted), to)? < wanted {
                return Err(io::Error::other("the tap file has become shorter"));
            }
        }
        Ok(())
    }
}

/// Where the manifest of a tap file is.
#[must_use]
pub fn manifest_of(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".manifest.json");
    path.into()
}

/// Cuts a file into pieces of `taps_max` data lines; a file of another layout, or with `whole`, stays in one.
///
/// # Errors
/// If the file cannot be read.
pub fn cut(file: &TapFile, taps_max: u64, whole: bool) -> io::Result<Vec<Piece>> {
    let mut lines = Lines::open(&file.path)?;
    let mut hash = Sha256::new();
    let header = lines.next(&mut hash)?.unwrap_or_default();
    let bare = header.head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&header.head);
    let whole = whole || !bare.starts_with(CANONICAL);
    let mut cutter = Cutter {
        file,
        source: Arc::new(file.path.clone()),
        taps_max: if whole { u64::MAX } else { taps_max.max(1) },
        whole,
        body: header.range.end..header.range.end,
        header: header.range,
        of_header: hash.clone(),
        hash,
        taps: 0,
        second: 0,
        pieces: Vec::new(),
    };
    while let Some(line) = lines.next(&mut cutter.hash)? {
        cutter.take(&line);
    }
    if !cutter.body.is_empty() || cutter.pieces.is_empty() {
        cutter.end();
    }
    Ok(cutter.pieces)
}

struct Cutter<'a> {
    file: &'a TapFile,
    source: Arc<PathBuf>,
    taps_max: u64,
    whole: bool,
    header: Range<u64>,
    body: Range<u64>,
    /// Over the header alone, and over what the piece has so far.
    of_header: Sha256,
    hash: Sha256,
    taps: u64,
    second: u32,
    pieces: Vec<Piece>,
}

impl Cutter<'_> {
    fn take(&mut self, line: &Line) {
        self.body.end = line.range.end;
        if line.is_blank {
            return;
        }
        self.taps += 1;
        if let Some(second) = line.second(self.file.date()) {
            self.second = self.second.max(second);
        }
        if self.taps >= self.taps_max {
            self.end();
        }
    }

    fn end(&mut self) {
        let name = if self.whole { self.file.name.clone() } else { self.name() };
        let hash = std::mem::replace(&mut self.hash, self.of_header.clone());
        self.pieces.push(Piece {
            city: self.file.city,
            name,
            sha256: hash.finalize().into(),
            taps: std::mem::take(&mut self.taps),
            second: self.second,
            source: Arc::clone(&self.source),
            header: self.header.clone(),
            body: self.body.clone(),
            whole: self.whole,
        });
        self.body.start = self.body.end;
    }

    /// Numbered so that names sort as numbers do.
    fn name(&self) -> String {
        let stem = self.file.name.strip_suffix(".csv").unwrap_or(&self.file.name);
        format!("{stem}-{:06}.csv", self.pieces.len() + 1)
    }
}

/// A physical line, as far as it is looked at.
#[derive(Debug, Default)]
struct Line {
    /// Where it stands in the file, with its line end.
    range: Range<u64>,
    /// Its beginning.
    head: Vec<u8>,
    is_blank: bool,
}

impl Line {
    /// The second of the day of a tap of this date; of any date, if the file's name has none.
    fn second(&self, date: Option<Date>) -> Option<u32> {
        let field = self.head.split(|byte| *byte == b',').nth(TAPPED_AT)?;
        let field = field.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(field);
        let time = LocalTime::parse(field).ok()?;
        date.is_none_or(|date| date == time.date).then_some(time.second)
    }
}

/// Reads lines of any length in memory of a fixed size.
struct Lines {
    reader: BufReader<File>,
    at: u64,
}

impl Lines {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { reader: BufReader::with_capacity(1 << 18, File::open(path)?), at: 0 })
    }

    /// The next line, whose bytes go into `hash`.
    fn next(&mut self, hash: &mut Sha256) -> io::Result<Option<Line>> {
        let mut line = Line { range: self.at..self.at, head: Vec::new(), is_blank: true };
        loop {
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                return Ok((!line.range.is_empty()).then_some(line));
            }
            let end = memchr(b'\n', bytes);
            let len = end.map_or(bytes.len(), |end| end + 1);
            let bytes = &bytes[..len];
            hash.update(bytes);
            line.is_blank &= bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
            let room = HEAD_LEN.saturating_sub(line.head.len());
            line.head.extend_from_slice(&bytes[..len.min(room)]);
            self.reader.consume(len);
            self.at += len as u64;
            line.range.end = self.at;
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const HEADER: &str = "terminal,terminal_seq,issuer,card,card_counter,type,amount_fen,fare_fen,tapped_at,\
        medium,sector,product,operator,line,station,key_version,algorithm,tac";

    fn tap(at: &str) -> String {
        format!(
            "200000000001,1,cu-3000,3000000000000017,1,06,100,100,{at},cpu,bus,flat,\"a,b\",,,1,sm4,00000000"
        )
    }

    fn pieces(text: &str, taps_max: u64, whole: bool) -> (TempDir, Vec<Piece>) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("2018-09-01.csv");
        std::fs::write(&path, text).unwrap();
        let file = TapFile { city: "cu-2000".parse().unwrap(), name: "2018-09-01.csv".to_owned(), path };
        let pieces = cut(&file, taps_max, whole).unwrap();
        (folder, pieces)
    }

    fn bytes(piece: &Piece) -> String {
        let mut bytes = Vec::new();
        piece.write(&mut bytes).unwrap();
        assert_eq!(piece.sha256, <[u8; 32]>::from(Sha256::digest(&bytes)), "{}", piece.name);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_piece_has_the_header_and_the_pieces_have_every_line_once() {
        let times =
            ["2018-09-01T07:00:00", "2018-09-01T08:00:00", "2018-08-30T23:00:00", "2018-09-01T08:30:00"];
        let lines: Vec<String> = times.iter().map(|at| format!("{}\r\n", tap(at))).collect();
        let header = format!("\u{FEFF}{HEADER}\r\n");
        let text =
            format!("{header}{}\r\n{}broken\r\n{}{}", lines[0], lines[1], lines[2], lines[3].trim_end());
        let (_folder, pieces) = pieces(&text, 2, false);
        let names: Vec<&str> = pieces.iter().map(|piece| piece.name.as_str()).collect();
        assert_eq!(names, ["2018-09-01-000001.csv", "2018-09-01-000002.csv", "2018-09-01-000003.csv"]);
        let bodies: Vec<String> =
            pieces.iter().map(|piece| bytes(piece).strip_prefix(&header).unwrap().to_owned()).collect();
        assert_eq!(format!("{header}{}", bodies.concat()), text);
        assert_eq!(pieces.iter().map(|piece| piece.taps).collect::<Vec<_>>(), [2, 2, 1]);
        // A tap of another day and a broken line say nothing about the time of the day.
        let seconds: Vec<u32> = pieces.iter().map(|piece| piece.second).collect();
        assert_eq!(seconds, [28_800, 28_800, 30_600]);
    }

    #[test]
    fn a_file_of_another_layout_stays_whole_and_so_does_an_empty_one() {
        for text in ["gate;card;time\n1;2;3\n4;5;6\n", "", HEADER] {
            let (_folder, pieces) = pieces(text, 1, false);
            assert_eq!(pieces.len(), 1, "{text}");
            assert_eq!(bytes(&pieces[0]), text);
        }
        let (_folder, pieces) = pieces(&format!("{HEADER}\n{}\n", tap("2018-09-01T07:00:00")), 1, true);
        assert_eq!((pieces.len(), pieces[0].name.as_str()), (1, "2018-09-01.csv"));
    }

    #[test]
    fn a_manifest_goes_with_a_whole_file_only() {
        let text = format!("{HEADER}\n{}\n", tap("2018-09-01T07:00:00"));
        for (whole, goes) in [(true, true), (false, false)] {
            let (folder, pieces) = pieces(&text, 5, whole);
            std::fs::write(folder.path().join("2018-09-01.csv.manifest.json"), "{}").unwrap();
            assert_eq!(pieces[0].manifest().is_some(), goes);
        }
    }

    #[test]
    fn a_line_of_any_length_is_read() {
        let long = "x".repeat(1 << 19);
        let (_folder, pieces) = pieces(&format!("{HEADER}\n{long}\nshort\n"), 1, false);
        assert_eq!(pieces.len(), 2);
        assert_eq!(bytes(&pieces[1]), format!("{HEADER}\nshort\n"));
    }
}
