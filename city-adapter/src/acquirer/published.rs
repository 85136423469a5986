//! Reads what published cycles say of a city's records (`<cycle>/acquirer/<city>.csv`), and turns it into the
//! results of its batches.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use domain::{city::City, cycle::CycleName, result::RecordResult};
use proto::{BatchResult, CycleName as WireName, ResultException};

use super::AcquirerError;
use crate::journal::{Journal, UploadRow, UploadState};

/// Mark of a folder that corrects a published cycle: `2018-09-01-001.v2`.
const VERSION_MARK: &str = ".v";

/// What became of one record, as far as it was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fate {
    /// The cycle in which it arrived.
    first: u32,
    /// Its last result and the cycle of that.
    last: u32,
    result: RecordResult,
}

/// What published cycles tell of a city.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// By file and line.
    files: BTreeMap<String, BTreeMap<u32, Fate>>,
    names: BTreeMap<u32, CycleName>,
}

/// Reads the cycles of `folder` that `ordinal_of` knows, from the first one to the first that is missing.
pub(super) fn read(
    folder: &Path,
    city: City,
    ordinal_of: &dyn Fn(&CycleName) -> Option<u32>,
) -> Result<Told, AcquirerError> {
    let mut told = Told::default();
    // Records are counted from a file's first: behind a cycle that is missing nothing can be placed.
    let found = cycles(folder, ordinal_of)?;
    let whole = (1_u32..).zip(found).take_while(|(due, (ordinal, _))| due == ordinal);
    for (_, (ordinal, (name, place))) in whole {
        told.names.insert(ordinal, name);
        let path = place.join("acquirer").join(format!("{city}.csv"));
        // A city that was no member then has no file.
        if path.exists() {
            told.cycle(ordinal, &path)?;
        }
    }
    Ok(told)
}

/// The folders of cycles by ordinal; of several versions of one the highest.
fn cycles(
    folder: &Path,
    ordinal_of: &dyn Fn(&CycleName) -> Option<u32>,
) -> Result<BTreeMap<u32, (CycleName, PathBuf)>, AcquirerError> {
    let mut found: BTreeMap<u32, (u32, CycleName, PathBuf)> = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(AcquirerError::file(folder))? {
        let entry = entry.map_err(AcquirerError::file(folder))?;
        let Some((name, version)) = entry.file_name().to_str().and_then(cycle_of) else { continue };
        let Some(ordinal) = ordinal_of(&name) else { continue };
        if found.get(&ordinal).is_none_or(|(known, ..)| *known < version) {
            found.insert(ordinal, (version, name, entry.path()));
        }
    }
    Ok(found.into_iter().map(|(ordinal, (_, name, path))| (ordinal, (name, path))).collect())
}

fn cycle_of(text: &str) -> Option<(CycleName, u32)> {
    let (name, version) = match text.split_once(VERSION_MARK) {
        Some((name, version)) => (name, version.parse().ok()?),
        None => (text, 1),
    };
    Some((name.parse().ok()?, version))
}

impl Told {
    fn cycle(&mut self, ordinal: u32, path: &Path) -> Result<(), AcquirerError> {
        let wrong = |line: Option<u64>, what: &str| AcquirerError::Published {
            path: path.to_owned(),
            line,
            what: what.to_owned(),
        };
        let mut reader = csv::Reader::from_path(path).map_err(|error| wrong(None, &error.to_string()))?;
        let header = reader.headers().map_err(|error| wrong(Some(1), &error.to_string()))?;
        let place = |name: &str| header.iter().position(|column| column == name);
        let columns = (place("file"), place("line"), place("result"), place("reason"));
        let (Some(file), Some(line), Some(result), Some(reason)) = columns else {
            return Err(wrong(Some(1), "its header lacks file, line, result or reason"));
        };
        let mut row = csv::StringRecord::new();
        loop {
            match reader.read_record(&mut row) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    return Err(wrong(error.position().map(csv::Position::line), &error.to_string()));
                }
            }
            let at = row.position().map(csv::Position::line);
            let text = |column: usize| row.get(column).unwrap_or_default();
            let number = text(line).parse().map_err(|_| wrong(at, "line: expected a number"))?;
            let known = RecordResult::from_columns(text(result), text(reason));
            let known = known.ok_or_else(|| wrong(at, "result, reason: no result of the contract"))?;
            self.row(text(file), number, ordinal, known);
        }
    }

    fn row(&mut self, file: &str, line: u32, ordinal: u32, result: RecordResult) {
        if !self.files.contains_key(file) {
            self.files.insert(file.to_owned(), BTreeMap::new());
        }
        let Some(lines) = self.files.get_mut(file) else { return };
        let fate = lines.entry(line).or_insert(Fate { first: ordinal, last: ordinal, result });
        fate.last = ordinal;
        fate.result = result;
    }

    /// The results of the batches that `journal` waits for, by number.
    pub(super) fn results(&self, journal: &Journal) -> Vec<BatchResult> {
        let taken = |row: &&UploadRow| row.state() == UploadState::Taken && !row.closed;
        let mut results: Vec<_> =
            journal.uploads().filter(taken).flat_map(|row| self.upload(journal, row)).collect();
        results.sort_unstable_by_key(|result| result.number);
        results
    }

    /// The published records of a file are those of its first batches, whole: batches arrive in order.
    fn upload(&self, journal: &Journal, upload: &UploadRow) -> Vec<BatchResult> {
        let Some(lines) = self.files.get(&upload.name) else { return Vec::new() };
        let mut fates = lines.values();
        let mut results = Vec::new();
        for number in upload.first_number..upload.first_number + upload.batches {
            let Some((records, _)) = journal.result_of(number) else { break };
            let of_batch: Vec<Fate> = fates.by_ref().take(records as usize).copied().collect();
            if of_batch.len() < records as usize {
                break;
            }
            if let Some((digest, _)) = journal.open_batch(number) {
                results.push(self.batch(journal.city(), number, digest, &of_batch));
            }
        }
        results
    }

    fn batch(&self, city: City, number: u64, digest: [u8; 32], fates: &[Fate]) -> BatchResult {
        let cycle = fates.iter().map(|fate| fate.first).min().unwrap_or_default();
        let plain = |fate: &Fate| fate.result == RecordResult::Cleared && fate.last == cycle;
        let exceptions = (0..).zip(fates).filter(|(_, fate)| !plain(fate)).map(|(position, fate)| {
            ResultException { position, result: fate.result.code().into(), cycle: fate.last }
        });
        let exceptions: Vec<_> = exceptions.collect();
        let named = |ordinal: u32| {
            let name = self.names.get(&ordinal)?.to_string();
            Some(WireName { cycle: ordinal, name })
        };
        let mut ordinals: Vec<u32> =
            exceptions.iter().map(|exception| exception.cycle).chain([cycle]).collect();
        ordinals.sort_unstable();
        ordinals.dedup();
        BatchResult {
            acquirer: city.to_string(),
            number,
            digest: digest.to_vec().into(),
            records: u32::try_from(fates.len()).unwrap_or(u32::MAX),
            cycle,
            exceptions,
            cycles: ordinals.into_iter().filter_map(named).collect(),
        }
    }
}
