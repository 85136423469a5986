//! Archiving closed cycles.
//!
//! The files of a cycle are put first and its manifest last, so a cycle is archived whole or not at all. Names
//! and bytes follow from the log, so whoever is killed, repeats it or does it twice at a time writes the same.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use cu_log::{Log, Partition, topics::Topics, visit_range};
use cu_objects::Objects;

use crate::{
    ArchiveError, Progress,
    chain::{Archive, Archived},
    facts::{Facts, Range},
    format::{Encoder, Header},
    log::ArchiveLog,
    manifest::{FOLDER, FileEntry, LAYOUT, Manifest, hex, manifest_key},
};

/// Archives a published cycle; one that is archived already is left as it is.
///
/// # Errors
/// [`ArchiveError::Refused`] if it is not published or one before it is not archived, [`ArchiveError::Log`] that
/// names what is missing if the log has a hole, [`ArchiveError::Damaged`] if the archive so far is.
pub fn archive_cycle(
    log: &dyn Log,
    topics: &Topics,
    objects: &Objects,
    work: &Path,
    cycle: u32,
) -> Result<Archived, ArchiveError> {
    let archive = Archive::open(objects)?;
    if let Some(archived) = archive.cycle(cycle) {
        return Ok(archived.clone());
    }
    let facts = facts(log, topics, &archive, work)?;
    Writing { log, topics, objects, work, progress: &|_, _, _| {} }.cycle(&facts, &archive, cycle)
}

/// Archives every published cycle that is not yet, in order, up to `last` if that is given. Returns those that
/// it archived.
///
/// # Errors
/// As [`archive_cycle`]; what was archived before the error stays.
pub fn archive_due(
    log: &dyn Log,
    topics: &Topics,
    objects: &Objects,
    work: &Path,
    last: Option<u32>,
    progress: Progress<'_>,
) -> Result<Vec<Archived>, ArchiveError> {
    let mut archive = Archive::open(objects)?;
    let facts = facts(log, topics, &archive, work)?;
    let due = archive.last() + 1..=last.unwrap_or_else(|| facts.last_published());
    let writing = Writing { log, topics, objects, work, progress };
    let mut done = Vec::new();
    for cycle in due {
        let archived = writing.cycle(&facts, &archive, cycle)?;
        archive.push(archived.clone());
        done.push(archived);
    }
    Ok(done)
}

/// What a log says of cycles and rules; what it no longer has of its beginning is read from the archive.
///
/// # Errors
/// [`ArchiveError`] if either cannot be read.
pub fn facts(log: &dyn Log, topics: &Topics, archive: &Archive, work: &Path) -> Result<Facts, ArchiveError> {
    let archived = ArchiveLog::open(archive.clone(), work)?;
    gather(log, topics, Some(&archived))
}

/// What a log says of cycles and rules.
///
/// # Errors
/// [`ArchiveError::Log`] if its beginning is no longer there.
pub fn live_facts(log: &dyn Log, topics: &Topics) -> Result<Facts, ArchiveError> {
    gather(log, topics, None)
}

fn gather(log: &dyn Log, topics: &Topics, archived: Option<&ArchiveLog>) -> Result<Facts, ArchiveError> {
    let bare = Topics::default();
    let mut facts = Facts::default();
    let mut topic = |here: Partition, there: Partition, take: &mut Take<'_>| {
        let have = log.bounds(&here)?;
        let mut visit = |entry: cu_log::Entry| {
            let (partition, offset) = (entry.partition.to_string(), entry.offset);
            let taken = take(&mut facts, offset, &entry.payload);
            taken.map_err(|why| ArchiveError::Message { partition, offset, why })
        };
        let from = match archived {
            Some(archived) => {
                visit_range(archived, &there, 0..have.start, &mut visit)?;
                have.start
            }
            None => 0,
        };
        visit_range(log, &here, from..have.end, &mut visit)
    };
    topic(topics.rulebook(), bare.rulebook(), &mut |facts, offset, payload| facts.rulebook(offset, payload))?;
    topic(topics.cycles(), bare.cycles(), &mut |facts, offset, payload| facts.event(offset, payload))?;
    Ok(facts)
}

type Take<'a> = dyn FnMut(&mut Facts, u64, &[u8]) -> Result<(), String> + 'a;

struct Writing<'a> {
    log: &'a dyn Log,
    topics: &'a Topics,
    objects: &'a Objects,
    work: &'a Path,
    progress: Progress<'a>,
}

impl Writing<'_> {
    /// Archives the cycle that follows those in the archive.
    fn cycle(&self, facts: &Facts, archive: &Archive, cycle: u32) -> Result<Archived, ArchiveError> {
        let (published, name) = match (facts.published.get(&cycle), facts.name(cycle)) {
            (Some((_, published)), Some(name)) => (published, name),
            _ => return Err(ArchiveError::Refused(format!("cycle {cycle} is not published yet"))),
        };
        if cycle != archive.last() + 1 {
            let due = archive.last() + 1;
            let why = format!("archive {name}: cycle {due} comes first, the archive is a chain");
            return Err(ArchiveError::Refused(why));
        }
        let ranges = facts
            .ranges(cycle, archive.ends())
            .map_err(|why| ArchiveError::Refused(format!("archive {name}: {why}")))?;
        let total = ranges.iter().map(|range| range.end - range.first).sum();
        let mut done = 0;
        let mut files = Vec::new();
        for range in &ranges {
            files.push(self.file(&name.to_string(), range, &mut done, total)?);
        }
        let previous = archive.cycles.last();
        let manifest = Manifest {
            cycle,
            files,
            layout: LAYOUT.to_owned(),
            name: name.to_string(),
            partitions: facts.partitions(cycle),
            previous_sha256: previous.map(|previous| previous.sha256.clone()),
            published_sha256: hex(&published.manifest_digest),
        };
        let key = manifest_key(&manifest.name);
        let bytes = manifest.to_bytes().map_err(|why| ArchiveError::damaged(&key, why))?;
        let sha256 = hex(&proto::digest::bytes(&bytes));
        self.objects.put_bytes(&key, bytes)?;
        Ok(Archived { name, manifest, sha256 })
    }

    /// Writes a range and puts it into the store.
    fn file(
        &self,
        cycle: &str,
        range: &Range,
        done: &mut u64,
        total: u64,
    ) -> Result<FileEntry, ArchiveError> {
        let Range { partition, first, end } = range;
        let topic = partition.topic.to_string();
        let here = Partition::new(&format!("{}{topic}", self.topics.prefix()), partition.number);
        let name = FileEntry::name_of(&topic, partition.number, *first, *end);
        let at = ArchiveError::work;
        std::fs::create_dir_all(self.work).map_err(at(self.work))?;
        let draft = tempfile::NamedTempFile::new_in(self.work).map_err(at(self.work))?;
        let failed = |error| ArchiveError::damaged(&name, runtime::whole_text(&error));
        let out: BufWriter<&File> = BufWriter::new(draft.as_file());
        let header = Header { topic: topic.clone(), partition: partition.number, first: *first, end: *end };
        let mut encoder = Encoder::new(out, &header).map_err(failed)?;
        visit_range(self.log, &here, *first..*end, &mut |entry| {
            *done += 1;
            if (*done).is_multiple_of(256) {
                (self.progress)(&format!("{cycle} archived"), *done, total);
            }
            encoder.push(entry.offset, &entry.payload).map_err(|error| match error {
                crate::format::FormatError::Io(source) => at(draft.path())(source),
                error => failed(error),
            })
        })?;
        let (mut out, written) = encoder.finish().map_err(failed)?;
        out.flush().map_err(at(draft.path()))?;
        drop(out);
        let put = self.objects.put_file(&format!("{FOLDER}/{cycle}/{name}"), draft.path())?;
        if put.bytes != written.size || put.sha256 != written.sha256 {
            return Err(ArchiveError::damaged(&name, "it changed while it was being put"));
        }
        Ok(FileEntry {
            end: *end,
            first: *first,
            messages: end - first,
            name,
            partition: partition.number,
            sha256: hex(&written.sha256),
            size: written.size,
            topic,
        })
    }
}
