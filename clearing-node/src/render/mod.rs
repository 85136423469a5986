//! A closed cycle becomes files: from the log between its two markers and the book's exceptions.
//!
//! Each partition renders its share, a *segment*; the segments are put together as the cycle's folder. Rendering
//! decides nothing: positions and nets are those of the plan, results those of the book. It may run any time after
//! the marker and gives the same bytes whenever, and on whichever node, it runs.

mod gather;
pub mod rows;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use cu_log::{Log, LogError, topics::Topics};
use domain::{city::City, cycle::CycleName, rulebook::Rulebook, settlement::Party};
use files::{CycleInput, Detail, FilesError, LocalSegment, Segment, SegmentManifest};
use proto::{Opening, PartitionTotals, Plan, Published};
use signing::Signers;

use crate::{book::opening_name, coordinator::Correction, rocks::RocksStore, store::StoreError, wire};

pub use gather::Share;

/// Why a cycle cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The book cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files cannot be written.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The work folder cannot be used.
    #[error("use the work folder {path}")]
    WorkFolder {
        /// Its path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Log and book do not fit together.
    #[error("the log and the book of partition {partition} do not fit together: {what}")]
    Contradiction {
        /// Number of the partition.
        partition: u32,
        /// What does not fit.
        what: String,
    },
    /// Made again, a folder that was published is another one.
    #[error(
        "its manifest has SHA-256 {made}, the log says that {folder} was published with {published}; look for what has changed:          the folder that it replaces, the program"
    )]
    OtherFiles {
        /// The folder.
        folder: String,
        /// SHA-256 of the manifest that was made, hex.
        made: String,
        /// SHA-256 of the manifest on the log, hex.
        published: String,
    },
    /// The partition is not this node's any more.
    #[error("it is not wanted any more")]
    Unwanted,
}

/// What a closed cycle is, besides its detail.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Its opening.
    pub opening: Opening,
    /// Its rules.
    pub rulebook: Arc<Rulebook>,
    /// Its plan.
    pub plan: Plan,
    /// SHA-256 of the manifest of the cycle before; none for the first.
    pub previous_manifest: Option<[u8; 32]>,
}

/// Gathers the detail of one partition in memory and in temporary files in `work_dir`.
///
/// # Errors
/// [`RenderError`].
pub fn detail(share: &Share<'_>, work_dir: &Path) -> Result<Detail, RenderError> {
    let work = |source| RenderError::WorkFolder { path: work_dir.to_owned(), source };
    std::fs::create_dir_all(work_dir).map_err(work)?;
    share.gather(Detail::new(work_dir, files::MEMORY_BYTES_DEFAULT).map_err(work)?)
}

/// Writes the segment of a partition into a folder.
///
/// # Errors
/// [`RenderError`], also if it does not come to the totals that the partition published.
pub fn write_segment(
    totals: &PartitionTotals,
    cycle: &CycleName,
    detail: Detail,
    to: &Path,
) -> Result<SegmentManifest, RenderError> {
    let partition = totals.partition;
    let manifest = files::write_segment(to, cycle, partition, detail)?;
    comes_to(&manifest, totals).map_err(|what| RenderError::Contradiction { partition, what })?;
    Ok(manifest)
}

/// Checks a segment against the totals of its partition: records and fen of every pair of cities.
fn comes_to(manifest: &SegmentManifest, totals: &PartitionTotals) -> Result<(), String> {
    let mut booked: BTreeMap<(City, City), (u64, u64)> = BTreeMap::new();
    for total in &totals.totals {
        let (key, tally) = wire::total_from_wire(total).ok_or("a total cannot be read")?;
        let (count, amount_fen) = booked.entry((key.issuer, key.acquirer)).or_default();
        *count += tally.count;
        *amount_fen += tally.amount_fen;
    }
    for file in &manifest.files {
        let files::layout::Member::Issuer(issuer) = files::layout::Member::of(&file.name) else { continue };
        for block in &file.blocks {
            let (count, amount_fen) = booked.remove(&(issuer, block.acquirer)).unwrap_or_default();
            if (count, amount_fen) != (block.rows, block.amount_fen) {
                return Err(format!(
                    "{issuer} pays {} for {} records of {} fen by the detail, {count} of {amount_fen} fen by the totals",
                    block.acquirer, block.rows, block.amount_fen
                ));
            }
        }
    }
    match booked.iter().find(|(_, (count, _))| *count > 0) {
        Some(((issuer, acquirer), (count, _))) => {
            Err(format!("{issuer} pays {acquirer} for {count} records by the totals, for none by the detail"))
        }
        None => Ok(()),
    }
}

/// Puts a cycle's folder together from its segments, signs it if there are `signers`, and publishes it under `out`.
/// What it makes on the way is in `work_dir`, on the file system of `out`.
///
/// # Errors
/// [`RenderError`]; nothing is visible then.
pub fn assemble(
    closed: &Closed,
    segments: &[Segment<'_>],
    signers: Option<&Signers>,
    work_dir: &Path,
    out: &Path,
) -> Result<Published, RenderError> {
    publish(closed, signers, work_dir, out, |dir, input| {
        files::assemble(dir, input, segments).map_err(RenderError::Files)
    })
}

/// Makes the folder of a later version of a cycle's plan beside the one it replaces, signs and publishes it likewise.
///
/// # Errors
/// [`RenderError`], also if it was published and is not the same; nothing is visible then.
pub fn correct(
    closed: &Closed,
    correction: &Correction,
    signers: Option<&Signers>,
    work_dir: &Path,
    out: &Path,
) -> Result<Published, RenderError> {
    let Correction { replaces, reason, published } = correction;
    let replaced = out.join(&replaces.folder);
    let replaces = files::manifest::Replaces {
        folder: replaces.folder.clone(),
        manifest_sha256: archive::manifest::hex(&replaces.manifest_digest),
        reason: reason.clone(),
        version: closed.plan.version,
    };
    publish(closed, signers, work_dir, out, |dir, input| {
        let written = files::correct(dir, input, &replaced, replaces)?;
        match published.as_ref().filter(|it| *it.manifest_digest != written.manifest_sha256) {
            None => Ok(written),
            Some(other) => Err(RenderError::OtherFiles {
                folder: other.folder.clone(),
                made: archive::manifest::hex(&written.manifest_sha256),
                published: archive::manifest::hex(&other.manifest_digest),
            }),
        }
    })
}

/// Has a folder written beside the published ones, signs it, and makes it visible.
fn publish(
    closed: &Closed,
    signers: Option<&Signers>,
    work_dir: &Path,
    out: &Path,
    write: impl FnOnce(&Path, &CycleInput<'_>) -> Result<files::Published, RenderError>,
) -> Result<Published, RenderError> {
    let name = opening_name(&closed.opening);
    for folder in [work_dir, out] {
        let work = |source| RenderError::WorkFolder { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(work)?;
    }
    let plan = &closed.plan;
    let damaged = || StoreError::Damaged { row: "plan" };
    let settlement = wire::settlement_from_wire(plan).ok_or_else(damaged)?;
    let items: Option<Vec<_>> = plan.items.iter().map(wire::item_from_wire).collect();
    let items = items.ok_or_else(damaged)?;
    let city = |party: &Party| match party {
        Party::City(city) => Some(*city),
        Party::Scheme => None,
    };
    let participants: BTreeSet<City> =
        settlement.net.iter().filter_map(|row| city(&row.participant)).collect();
    let participants: Vec<City> = participants.into_iter().collect();
    let input = CycleInput {
        name,
        version: plan.version,
        settlement: &settlement,
        items: &items,
        rulebook: &closed.rulebook,
        previous_manifest: closed.previous_manifest,
        participants: &participants,
    };
    let work = |source| RenderError::WorkFolder { path: work_dir.to_owned(), source };
    let own = tempfile::Builder::new().prefix(&scratch_prefix(name)).tempdir_in(work_dir).map_err(work)?;
    let scratch = own.path().join(".cycle");
    let written = write(&scratch, &input)?;
    if let Some(signers) = signers {
        let signer = signers.on(name.business_date).map_err(FilesError::from)?;
        files::sign(&scratch, &signer)?;
    }
    let folder = match plan.version {
        1 => name.to_string(),
        version => format!("{name}.v{version}"),
    };
    files::publish(&scratch, out, &folder)?;
    Ok(Published {
        cycle: closed.opening.cycle,
        version: plan.version,
        folder,
        manifest_digest: written.manifest_sha256.to_vec().into(),
        issuers: written.issuers.iter().map(issuer_file).collect(),
    })
}

fn issuer_file((city, sha256): &(City, String)) -> proto::IssuerFile {
    proto::IssuerFile { city: city.to_string(), sha256: sha256.clone() }
}

/// How the scratch folders of a cycle begin. Each attempt has one of its own, since a coordinator that has lost its
/// place may still be at work; what a killed one leaves goes once the cycle is published.
pub(crate) fn scratch_prefix(name: impl std::fmt::Display) -> String {
    format!(".tmp-{name}-")
}

/// What a cycle is rendered from where all stores are at hand.
pub struct Source<'a> {
    /// What it is.
    pub closed: &'a Closed,
    /// The totals of each partition, which say where its log range is.
    pub totals: Vec<&'a PartitionTotals>,
    /// The partitions' stores, by number.
    pub stores: &'a BTreeMap<u32, RocksStore>,
    /// The log.
    pub log: &'a dyn Log,
    /// Its topics.
    pub topics: &'a Topics,
    /// Who signs the folder, if somebody does.
    pub signers: Option<&'a Signers>,
}

/// Renders a cycle from the stores of all partitions, one after the other, and publishes its folder under `out`: the
/// same bytes as by way of an object store.
///
/// # Errors
/// [`RenderError`]; nothing is visible then.
pub fn render(source: &Source<'_>, work_dir: &Path, out: &Path) -> Result<Published, RenderError> {
    let work = |source| RenderError::WorkFolder { path: work_dir.to_owned(), source };
    std::fs::create_dir_all(work_dir).map_err(work)?;
    let scratch = tempfile::Builder::new().prefix(".segments-").tempdir_in(work_dir).map_err(work)?;
    let name = opening_name(&source.closed.opening);
    let mut made = Vec::new();
    for totals in &source.totals {
        let partition = totals.partition;
        let what = "its store is not here".to_owned();
        let missing = || RenderError::Contradiction { partition, what };
        let store = source.stores.get(&partition).ok_or_else(missing)?;
        // Nobody takes the stores away meanwhile: it is wanted to its end.
        let share = Share { totals, store, log: source.log, topics: source.topics, wanted: &|| true };
        let folder = scratch.path().join(format!(".p{partition}"));
        let detail = detail(&share, work_dir)?;
        made.push((write_segment(totals, &name, detail, &folder)?, LocalSegment(folder)));
    }
    let segments: Vec<Segment<'_>> =
        made.iter().map(|(manifest, files)| Segment { manifest, files }).collect();
    assemble(source.closed, &segments, source.signers, work_dir, out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use files::{Block, SEGMENT_LAYOUT, SegmentFile};

    use super::*;

    #[test]
    fn a_segment_that_does_not_come_to_the_totals_is_refused() {
        let block = |acquirer: &str, rows, amount_fen| Block {
            acquirer: acquirer.parse().unwrap(),
            amount_fen,
            rows,
            size: 0,
        };
        let manifest = |blocks| SegmentManifest {
            cycle: "2018-09-01-001".to_owned(),
            files: vec![SegmentFile {
                blocks,
                name: "issuer/cu-3000.csv".to_owned(),
                rows: 3,
                sha256: String::new(),
                size: 0,
                totals: BTreeMap::new(),
            }],
            layout: SEGMENT_LAYOUT.to_owned(),
            partition: 0,
        };
        let total = |acquirer: &str, fee_line, count, amount_fen| proto::Total {
            acquirer: acquirer.into(),
            issuer: "cu-3000".into(),
            fee_line,
            count,
            amount_fen,
            ..proto::Total::default()
        };
        let totals = PartitionTotals {
            totals: vec![total("cu-2000", 0, 1, 100), total("cu-2000", 1, 1, 50), total("cu-5000", 0, 1, 7)],
            ..PartitionTotals::default()
        };
        let right = manifest(vec![block("cu-2000", 2, 150), block("cu-5000", 1, 7)]);
        assert_eq!(comes_to(&right, &totals), Ok(()));
        for (wrong, says) in [
            (
                vec![block("cu-2000", 2, 151), block("cu-5000", 1, 7)],
                "cu-3000 pays cu-2000 for 2 records of 151",
            ),
            (vec![block("cu-2000", 2, 150)], "cu-3000 pays cu-5000 for 1 records by the totals"),
            (vec![block("cu-2000", 2, 150), block("cu-5000", 1, 7), block("cu-6000", 1, 1)], "cu-6000"),
        ] {
            let refused = comes_to(&manifest(wrong), &totals).unwrap_err();
            assert!(refused.contains(says), "{refused}");
        }
    }
}
