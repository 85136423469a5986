//! An adapter's inbox, as the side sees it that hands files in.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use domain::city::City;

use super::pieces::{Piece, manifest_of};
use crate::errors::Refused;

/// What was handed in so far: a line of digest and name each, in a file that the adapter passes over.
const HANDED_IN: &str = ".handed-in";

/// The inbox of one city.
#[derive(Debug)]
pub struct Inbox {
    city: City,
    folder: PathBuf,
    /// Digests of what was handed in, by name.
    handed_in: BTreeMap<String, String>,
    record: File,
}

impl Inbox {
    /// Opens the inbox of a running adapter.
    ///
    /// # Errors
    /// If there is no such folder, or it cannot be written.
    pub fn open(city: City, folder: &Path) -> Result<Self> {
        let path = folder.join(HANDED_IN);
        let hint = || {
            format!(
                "failed to use {} as the inbox of {city}: it must be the folder that the adapter of {city} watches",
                folder.display()
            )
        };
        let record = OpenOptions::new().create(true).append(true).open(&path).with_context(hint)?;
        let text = fs::read_to_string(&path).with_context(hint)?;
        // The last line may be cut short by a crash: that piece is handed in once more.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let pair =
            |line: &str| line.split_once(' ').map(|(sha256, name)| (name.to_owned(), sha256.to_owned()));
        let handed_in = whole.lines().filter_map(pair).collect();
        if !text.is_empty() && !text.ends_with('\n') {
            record.set_len(whole.len() as u64 + u64::from(!whole.is_empty())).with_context(hint)?;
        }
        Ok(Self { city, folder: folder.to_owned(), handed_in, record })
    }

    /// Whether a piece was handed in before.
    ///
    /// # Errors
    /// [`Refused`] if its name was handed in with other bytes.
    pub fn has(&self, piece: &Piece) -> Result<bool> {
        match self.handed_in.get(&piece.name) {
            None => Ok(false),
            Some(sha256) if *sha256 == hex(&piece.sha256) => Ok(true),
            Some(_) => Err(Refused(format!(
                "{}/{} was handed in with other bytes before; use the scheme, --piece-taps and --whole-files \
                 of that time, or empty inboxes",
                self.city, piece.name
            ))
            .into()),
        }
    }

    /// Hands a piece in: it appears whole under its name.
    ///
    /// # Errors
    /// If it cannot be read or written; it is not there then.
    pub fn hand_in(&mut self, piece: &Piece) -> Result<()> {
        let to = self.folder.join(&piece.name);
        let failed = || format!("failed to hand in {}", to.display());
        if let Some(manifest) = piece.manifest() {
            let copy = |draft: &Path| fs::copy(&manifest, draft).map(drop);
            self.appear(&manifest_of(&to), copy).with_context(failed)?;
        }
        let write = |draft: &Path| {
            let mut file = BufWriter::with_capacity(1 << 18, File::create(draft)?);
            piece.write(&mut file)?;
            file.flush()
        };
        self.appear(&to, write).with_context(failed)?;
        let sha256 = hex(&piece.sha256);
        writeln!(self.record, "{sha256} {}", piece.name).with_context(failed)?;
        self.handed_in.insert(piece.name.clone(), sha256);
        Ok(())
    }

    /// Writes a draft beside its place, hidden, and renames it.
    fn appear(&self, to: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        // Its own, so that another process that hands in at the same time does not write into it.
        let draft = self.folder.join(format!(".handing-in.{}.part", std::process::id()));
        write(&draft)?;
        fs::rename(draft, to)
    }
}

/// Lower-case hex, as receipts have digests.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether uploads were taken, or why not, by name and digest in hex.
pub type Receipts = BTreeMap<(String, String), Result<(), String>>;

/// What became of uploads, as the receipts of a city say: by name and digest, whether it was
/// taken, and why not. An upload of an earlier day may have had the same name.
///
/// # Errors
/// If the receipts cannot be read; no receipts yet are none.
pub fn receipts(path: &Path) -> Result<Receipts> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        file => file.with_context(|| format!("failed to read {}", path.display()))?,
    };
    let mut found = Receipts::new();
    for row in csv::Reader::from_reader(file).deserialize() {
        let row: BTreeMap<String, String> =
            row.with_context(|| format!("failed to understand {}", path.display()))?;
        let text = |column| row.get(column).cloned().unwrap_or_default();
        let taken = text("state") == "taken";
        let outcome = if taken { Ok(()) } else { Err(text("reason")) };
        // Of several uploads of the same bytes the one that was taken counts.
        let known = found.entry((text("file"), text("sha256"))).or_insert_with(|| outcome.clone());
        if taken {
            *known = outcome;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::{feed::pieces::cut, scheme_folder::TapFile};

    fn piece(folder: &Path, text: &str) -> Piece {
        let path = folder.join("source.csv");
        fs::write(&path, text).unwrap();
        let file = TapFile { city: "cu-2000".parse().unwrap(), name: "2018-09-01.csv".to_owned(), path };
        cut(&file, 10, true).unwrap().remove(0)
    }

    #[test]
    fn a_piece_is_handed_in_once_whatever_breaks_off() {
        let folder = TempDir::new().unwrap();
        let city = "cu-2000".parse().unwrap();
        let inbox = folder.path().join("inbox");
        assert!(Inbox::open(city, &inbox).unwrap_err().to_string().contains("inbox of cu-2000"));
        fs::create_dir(&inbox).unwrap();
        let first = piece(folder.path(), "a\n1\n");
        let mut open = Inbox::open(city, &inbox).unwrap();
        assert!(!open.has(&first).unwrap());
        open.hand_in(&first).unwrap();
        assert_eq!(fs::read_to_string(inbox.join("2018-09-01.csv")).unwrap(), "a\n1\n");
        assert!(open.has(&first).unwrap());

        let again = Inbox::open(city, &inbox).unwrap();
        assert!(again.has(&first).unwrap(), "after a restart");
        let other = piece(folder.path(), "a\n2\n");
        assert!(again.has(&other).unwrap_err().to_string().contains("other bytes"));

        let record = inbox.join(HANDED_IN);
        let half = fs::read_to_string(&record).unwrap();
        fs::write(&record, format!("{half}0123456789abc")).unwrap();
        let mended = Inbox::open(city, &inbox).unwrap();
        assert!(mended.has(&first).unwrap());
        assert_eq!(fs::read_to_string(&record).unwrap(), half, "the half line is gone");
    }

    #[test]
    fn receipts_say_what_was_taken() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("cu-2000.csv");
        assert!(receipts(&path).unwrap().is_empty());
        let text = "file,sha256,records,malformed,local,presented,amount_fen,state,reason\n\
                    a.csv,00,1,0,0,1,5,taken,\na.csv,11,0,0,0,0,0,refused,other bytes\n\
                    a.csv,00,0,0,0,0,0,refused,again\nb.csv,22,0,0,0,0,0,refused,no header\n";
        fs::write(&path, text).unwrap();
        let found = receipts(&path).unwrap();
        let of = |name: &str, sha256: &str| found[&(name.to_owned(), sha256.to_owned())].clone();
        assert_eq!(of("a.csv", "00"), Ok(()));
        assert_eq!(of("a.csv", "11"), Err("other bytes".to_owned()), "the same name, another day");
        assert_eq!(of("b.csv", "22"), Err("no header".to_owned()));
    }
}
