//! Writes what must come out: a row for each cycle in which a record has one.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use domain::{city::City, date::Date, result::RecordResult};

use crate::{config::SimulateError, judge::Expected};

/// The header of `truth.csv`.
pub(crate) const HEADER: &str = "city,file,line,business_date,expected\n";

const PARKED: &str = "parked:issuer_unreachable";

/// The truth about one city's files.
pub(crate) struct Truth {
    path: PathBuf,
    out: BufWriter<File>,
    city: City,
    cleared: u64,
    parked: u64,
    others: BTreeMap<String, u64>,
}

/// How many records come to what.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) parked: u64,
    pub(crate) expected: BTreeMap<String, u64>,
}

impl Truth {
    pub(crate) fn create(path: &Path, city: City) -> Result<Self, SimulateError> {
        let file = File::create_new(path).map_err(SimulateError::io(path))?;
        let (path, out) = (path.to_owned(), BufWriter::new(file));
        Ok(Self { path, out, city, cleared: 0, parked: 0, others: BTreeMap::new() })
    }

    /// Notes what must come of a record in the file of `date`.
    pub(crate) fn record(
        &mut self,
        file: &str,
        line: u64,
        date: Date,
        expected: &Expected,
    ) -> Result<(), SimulateError> {
        match expected {
            Expected::At(RecordResult::Cleared) => self.cleared += 1,
            Expected::Local => {
                self.row(file, line, None, "local")?;
                self.count("local");
            }
            Expected::At(result) => {
                let spelled = spelled(*result);
                self.row(file, line, Some(date), &spelled)?;
                self.count(&spelled);
            }
            Expected::Waits { dates, then } => {
                self.parked += 1;
                for date in dates {
                    self.row(file, line, Some(*date), PARKED)?;
                }
                match then {
                    None => self.count(PARKED),
                    Some((date, result)) => {
                        let spelled = spelled(*result);
                        self.row(file, line, Some(*date), &spelled)?;
                        self.count(&spelled);
                    }
                }
            }
        }
        Ok(())
    }

    /// Notes a line that is no record.
    pub(crate) fn malformed(&mut self, file: &str, line: u64, column: &str) -> Result<(), SimulateError> {
        self.row(file, line, None, &format!("malformed:{column}"))?;
        self.count(&format!("malformed:{column}"));
        Ok(())
    }

    /// Ends the truth about this city.
    pub(crate) fn finish(mut self) -> Result<Tally, SimulateError> {
        self.out.flush().map_err(SimulateError::io(&self.path))?;
        if self.cleared > 0 {
            *self.others.entry("cleared".to_owned()).or_default() += self.cleared;
        }
        Ok(Tally { parked: self.parked, expected: self.others })
    }

    fn row(
        &mut self,
        file: &str,
        line: u64,
        date: Option<Date>,
        expected: &str,
    ) -> Result<(), SimulateError> {
        let date = date.map(|date| date.to_string()).unwrap_or_default();
        writeln!(self.out, "{},{file},{line},{date},{expected}", self.city)
            .map_err(SimulateError::io(&self.path))
    }

    fn count(&mut self, expected: &str) {
        match self.others.get_mut(expected) {
            Some(count) => *count += 1,
            None => drop(self.others.insert(expected.to_owned(), 1)),
        }
    }
}

fn spelled(result: RecordResult) -> String {
    match result.reason() {
        "" => result.name().to_owned(),
        reason => format!("{}:{reason}", result.name()),
    }
}
