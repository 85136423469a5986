//! The files of a cycle's reports: one for each city, and the counts of all.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use domain::{city::City, date::LocalTime};

use super::{WatchError, file};

/// The columns of a city's report.
const HEADER: &str = "finding,terminal,after_seq,before_seq,missing,last_seen,card,earlier_counter,earlier_at,\
earlier_terminal,later_counter,later_at,later_terminal\n";
/// The columns of the summary.
const SUMMARY: &str = "city,terminals,gaps,missing,filled,cards,counters\n";

/// Counts of one city.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Terminals with records in the cycle.
    pub(super) terminals: u64,
    /// Gaps that opened, and the sequences that are missing in them.
    pub(super) gaps: u64,
    pub(super) missing: u64,
    /// Gaps of earlier cycles of which something came.
    pub(super) filled: u64,
    /// Cards of this home city that were used elsewhere in the cycle.
    pub(super) cards: u64,
    /// Counters that went back.
    pub(super) counters: u64,
}

/// A gap in a terminal's sequence.
pub(super) struct GapRow {
    /// `gap` or `filled`.
    pub(super) finding: &'static str,
    pub(super) terminal: [u8; 6],
    pub(super) after: u32,
    pub(super) before: u32,
    pub(super) missing: u32,
    pub(super) last_seen: LocalTime,
}

/// A use of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) counter: u16,
    pub(super) at: LocalTime,
    pub(super) terminal: [u8; 6],
}

/// The reports of a cycle while they are written. One city's file is open at a time.
pub(super) struct Reports {
    folder: PathBuf,
    counts: BTreeMap<City, Counts>,
    open: Option<(City, BufWriter<File>)>,
}

impl Reports {
    /// A report with nothing in it for each participant.
    pub(super) fn create(folder: &Path, cities: impl Iterator<Item = City>) -> Result<Self, WatchError> {
        let mut reports = Self { folder: folder.to_owned(), counts: BTreeMap::new(), open: None };
        for city in cities {
            reports.counts_of(city)?;
        }
        Ok(reports)
    }

    fn path(&self, city: City) -> PathBuf {
        self.folder.join(format!("{city}.csv"))
    }

    /// The counts of a city.
    pub(super) fn counts_of(&mut self, city: City) -> Result<&mut Counts, WatchError> {
        if !self.counts.contains_key(&city) {
            let path = self.path(city);
            std::fs::write(&path, HEADER).map_err(file("write", &path))?;
        }
        Ok(self.counts.entry(city).or_default())
    }

    pub(super) fn gap(&mut self, city: City, row: &GapRow) -> Result<(), WatchError> {
        let counts = self.counts_of(city)?;
        if row.finding == "gap" {
            counts.gaps += 1;
            counts.missing += u64::from(row.missing);
        } else {
            counts.filled += 1;
        }
        let line = format!(
            "{},{},{},{},{},{},,,,,,,\n",
            row.finding,
            hex(&row.terminal),
            row.after,
            row.before,
            row.missing,
            row.last_seen
        );
        self.write(city, &line)
    }

    pub(super) fn counter(
        &mut self,
        city: City,
        card: [u8; 8],
        earlier: Use,
        later: Use,
    ) -> Result<(), WatchError> {
        self.counts_of(city)?.counters += 1;
        let line = format!(
            "counter,,,,,,{},{},{},{},{},{},{}\n",
            hex(&card),
            earlier.counter,
            earlier.at,
            hex(&earlier.terminal),
            later.counter,
            later.at,
            hex(&later.terminal)
        );
        self.write(city, &line)
    }

    fn write(&mut self, city: City, line: &str) -> Result<(), WatchError> {
        let path = self.path(city);
        let writing = file("write", &path);
        if self.open.as_ref().is_none_or(|(open, _)| *open != city) {
            self.flush()?;
            let to = File::options().append(true).open(&path).map_err(writing.clone())?;
            self.open = Some((city, BufWriter::new(to)));
        }
        match &mut self.open {
            Some((_, to)) => to.write_all(line.as_bytes()).map_err(writing),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), WatchError> {
        let Some((city, mut to)) = self.open.take() else { return Ok(()) };
        to.flush().map_err(file("write", &self.path(city)))
    }

    /// Writes the summary.
    pub(super) fn finish(mut self) -> Result<(), WatchError> {
        self.flush()?;
        let mut text = SUMMARY.to_owned();
        for (city, c) in &self.counts {
            text += &format!(
                "{city},{},{},{},{},{},{}\n",
                c.terminals, c.gaps, c.missing, c.filled, c.cards, c.counters
            );
        }
        let path = self.folder.join("summary.csv");
        std::fs::write(&path, text).map_err(file("write", &path))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
