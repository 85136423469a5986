//! Checking an archive from its own bytes: the chain, every digest, every range, and what its events say.

use std::{io::BufReader, path::Path};

use cu_objects::Objects;

use crate::{
    ArchiveError, Progress,
    cache::check,
    chain::{Archive, Archived, follow, manifests},
    facts::{Ends, Facts, Range},
    format::Decoder,
    manifest::{FileEntry, hex},
};

/// Most problems that are listed.
pub const PROBLEMS_MAX: usize = 100;

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Cycles.
    pub cycles: u64,
    /// Files.
    pub files: u64,
    /// Messages.
    pub messages: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// What is wrong: the object and why; at most [`PROBLEMS_MAX`].
    pub problems: Vec<(String, String)>,
    /// How many problems there are in all.
    pub problems_total: u64,
}

impl Report {
    /// Whether everything is as it was written.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.problems_total == 0
    }

    fn problem(&mut self, what: String, why: String) {
        self.problems_total += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push((what, why));
        }
    }
}

/// Reads everything in an archive once: its files are copied into `work` for that, one at a time.
///
/// # Errors
/// [`ArchiveError::Objects`] or [`ArchiveError::Work`] if something cannot be read; what is read and wrong is in the
/// report. [`ArchiveError::Refused`] if nothing is archived there.
pub fn verify(objects: &Objects, work: &Path, progress: Progress<'_>) -> Result<Report, ArchiveError> {
    let mut report = Report::default();
    let cycles = match manifests(objects) {
        Err(ArchiveError::Damaged { what, why }) => {
            // Without its manifests nothing can be said of the files.
            report.problem(what, why);
            return Ok(report);
        }
        cycles => cycles?,
    };
    if cycles.is_empty() {
        let why = format!("{} holds no archived cycle", objects.place());
        return Err(ArchiveError::Refused(why));
    }
    let (_, wrong) = follow(&cycles);
    wrong.into_iter().for_each(|(what, why)| report.problem(what, why));
    let total = cycles.iter().flat_map(|archived| &archived.manifest.files).map(|file| file.size).sum();
    for archived in &cycles {
        report.cycles += 1;
        for file in &archived.manifest.files {
            progress("checked", report.bytes, total);
            let key = archived.manifest.key(file);
            match check_file(objects, work, &key, file) {
                Ok(()) => {}
                Err(ArchiveError::Damaged { what, why }) => report.problem(what, why),
                Err(ArchiveError::Objects(error)) if error.is_not_found() => {
                    report.problem(key, "it is not there".to_owned());
                }
                Err(error) => return Err(error),
            }
            report.files += 1;
            report.messages += file.messages;
            report.bytes += file.size;
        }
    }
    if report.passed() {
        check_events(objects, work, &cycles, &mut report)?;
    }
    Ok(report)
}

/// Digest, size, header and every block of a file.
fn check_file(objects: &Objects, work: &Path, key: &str, entry: &FileEntry) -> Result<(), ArchiveError> {
    let (_folder, path) = match objects.file(key) {
        Some(path) if path.exists() => (None, path),
        _ => {
            std::fs::create_dir_all(work).map_err(ArchiveError::work(work))?;
            let folder = tempfile::tempdir_in(work).map_err(ArchiveError::work(work))?;
            let path = folder.path().join("file");
            objects.get_file(key, &path)?;
            (Some(folder), path)
        }
    };
    let open = || std::fs::File::open(&path).map_err(ArchiveError::work(&path));
    check(key, entry, open()?)?;
    let wrong = ArchiveError::format;
    let mut decoder = Decoder::open(BufReader::new(open()?)).map_err(wrong(key))?;
    let said = (entry.topic.as_str(), entry.partition, entry.first, entry.end);
    let header = decoder.header();
    if (header.topic.as_str(), header.partition, header.first, header.end) != said {
        return Err(ArchiveError::damaged(key, "its header is not what the manifest says"));
    }
    while decoder.block(0).map_err(wrong(key))?.is_some() {}
    decoder.finish().map(drop).map_err(wrong(key))
}

/// The events in the archive must name the ranges that are archived.
fn check_events(
    objects: &Objects,
    work: &Path,
    cycles: &[Archived],
    report: &mut Report,
) -> Result<(), ArchiveError> {
    let archive = Archive::open(objects)?;
    let log = crate::log::ArchiveLog::open(archive.clone(), work)?;
    let facts = crate::write::facts(&log, &cu_log::topics::Topics::default(), &archive, work)?;
    let mut ends = Ends::new();
    for archived in cycles {
        let key = crate::manifest::manifest_key(&archived.manifest.name);
        match said(&facts, archived, &ends) {
            Ok(ranges) => {
                ends.extend(ranges.into_iter().map(|range| (range.partition, range.end)));
            }
            Err(why) => report.problem(key, why),
        }
    }
    Ok(())
}

/// The ranges of a cycle as its events say, if they are those of its manifest.
fn said(facts: &Facts, archived: &Archived, ends: &Ends) -> Result<Vec<Range>, String> {
    let manifest = &archived.manifest;
    let ranges = facts.ranges(manifest.cycle, ends)?;
    let file =
        |range: &Range| (range.partition.topic.to_string(), range.partition.number, range.first, range.end);
    let entry = |entry: &FileEntry| (entry.topic.clone(), entry.partition, entry.first, entry.end);
    if ranges.iter().map(file).ne(manifest.files.iter().map(entry)) {
        return Err("its ranges are not those that its events name".to_owned());
    }
    if facts.partitions(manifest.cycle) != manifest.partitions {
        return Err("its number of partitions is not that of its totals".to_owned());
    }
    let published = facts.published.get(&manifest.cycle);
    if published.map(|(_, it)| hex(&it.manifest_digest)).as_ref() != Some(&manifest.published_sha256) {
        return Err("its folder was published with another manifest".to_owned());
    }
    if facts.name(manifest.cycle) != Some(archived.name) {
        return Err("its events name another cycle".to_owned());
    }
    Ok(ranges)
}
