//! Writes one cycle's folder from its settlement and the segments of its detail: the same input, the same bytes.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File},
    io::Write as _,
    path::Path,
    thread,
};

use domain::{
    city::City,
    cycle::CycleName,
    rulebook::Rulebook,
    settlement::{Item, Net, Settlement},
};
use sha2::{Digest as _, Sha256};

use crate::{
    error::FilesError,
    join::{Segment, acquirers, issuers, one_segment_each},
    layout::{self, Member},
    manifest::{FileEntry, Manifest, MerkleEntry, Replaces, RulebookEntry},
    settlement::Messages,
    table::Table,
    text,
};

/// A closed cycle, besides its detail.
#[derive(Clone, Copy, Debug)]
pub struct CycleInput<'a> {
    /// The cycle.
    pub name: CycleName,
    /// Its positions and nets.
    pub settlement: &'a Settlement,
    /// Its items, in any order.
    pub items: &'a [Item],
    /// Its rules.
    pub rulebook: &'a Rulebook,
    /// SHA-256 of the manifest of the cycle before; none for the first.
    pub previous_manifest: Option<[u8; 32]>,
    /// Who gets detail files even with nothing in them; who has detail gets them anyway.
    pub participants: &'a [City],
    /// The version of its plan, 1 for the first.
    pub version: u32,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// SHA-256 of the manifest: what the next cycle's manifest names.
    pub manifest_sha256: [u8; 32],
    /// Root of the Merkle tree over the issuers' detail, lower-case hex.
    pub merkle_root: String,
    /// Rows of all `issuer/` files: records paid for.
    pub issuer_rows: u64,
    /// Rows of all `acquirer/` files: records the centre took.
    pub acquirer_rows: u64,
    /// SHA-256 of each `issuer/<city>.csv`, lower-case hex, by city.
    pub issuers: Vec<(City, String)>,
}

/// Writes the whole folder from the segments of all partitions. `dir` is new or a scratch folder (its name begins
/// with a dot), of which whatever an earlier attempt left is replaced.
///
/// # Errors
/// [`FilesError`] if the disk refuses, a text has a line break, two segments have one acquirer, or a segment is damaged
/// ([`FilesError::SegmentDamaged`]: it must be written again).
pub fn assemble(
    dir: &Path,
    input: &CycleInput<'_>,
    segments: &[Segment<'_>],
) -> Result<Published, FilesError> {
    prepare(dir)?;
    one_segment_each(segments)?;
    let messages = input.messages()?;
    let mut cities: BTreeSet<City> = input.participants.iter().copied().collect();
    cities.extend(segments.iter().flat_map(|segment| segment.manifest.cities()));
    let (issuers, acquirers) = thread::scope(|scope| {
        let acquirers = scope.spawn(|| acquirers(dir, &cities, segments));
        let issuers = issuers(dir, &cities, segments);
        let acquirers = acquirers.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (issuers, acquirers)
    });
    let ((issuers, merkle), acquirers) = (issuers?, acquirers?);
    let details = issuers.into_iter().chain(acquirers).collect();
    let merkle = MerkleEntry {
        algorithm: layout::MERKLE_ALGORITHM.to_owned(),
        leaves: merkle.leaves(),
        root: text::digest_hex(&merkle.root()),
    };
    finish(dir, input, &messages, details, merkle, None)
}

/// Writes what follows from the settlement beside the detail, and the manifest over all of it.
pub(crate) fn finish(
    dir: &Path,
    input: &CycleInput<'_>,
    messages: &Messages<'_>,
    details: Vec<FileEntry>,
    merkle: MerkleEntry,
    replaces: Option<Replaces>,
) -> Result<Published, FilesError> {
    let rows = |wanted: fn(Member) -> bool| {
        details.iter().filter(|file| wanted(Member::of(&file.name))).filter_map(|file| file.rows).sum()
    };
    let issuer_rows = rows(|member| matches!(member, Member::Issuer(_)));
    let acquirer_rows = rows(|member| matches!(member, Member::Acquirer(_)));
    let digest = |file: &FileEntry| match Member::of(&file.name) {
        Member::Issuer(city) => Some((city, file.sha256.clone())),
        _ => None,
    };
    let issuers = details.iter().filter_map(digest).collect();
    let mut files = vec![
        write_positions(dir, input)?,
        write_net(dir, input)?,
        write_items(dir, input.items)?,
        write_rulebook(dir, input.rulebook)?,
    ];
    messages.write(dir, |file, bytes| files.push(entry(file.name(), bytes)))?;
    files.extend(details);
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let merkle_root = merkle.root.clone();
    let manifest_sha256 = write_manifest(dir, input, files, merkle, replaces)?;
    Ok(Published { manifest_sha256, merkle_root, issuer_rows, acquirer_rows, issuers })
}

impl<'a> CycleInput<'a> {
    /// What banks and participants are told.
    pub(crate) fn messages(&self) -> Result<Messages<'a>, FilesError> {
        let Self { name, version, rulebook, settlement, items, .. } = *self;
        Messages::of(name, version, rulebook, settlement, items)
    }
}

/// Makes the empty folders.
pub(crate) fn prepare(dir: &Path) -> Result<(), FilesError> {
    if dir.symlink_metadata().is_ok() {
        let hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
        if !dir.file_name().is_some_and(hidden) {
            return Err(FilesError::NotScratch(dir.to_owned()));
        }
        fs::remove_dir_all(dir).map_err(FilesError::io("clear", dir))?;
    }
    for folder in [dir.to_owned(), dir.join("acquirer"), dir.join("issuer")] {
        fs::create_dir_all(&folder).map_err(FilesError::io("create", &folder))?;
    }
    Ok(())
}

fn write_positions(dir: &Path, input: &CycleInput<'_>) -> Result<FileEntry, FilesError> {
    let mut table = Table::create(dir, layout::POSITIONS_FILE.to_owned(), &layout::POSITIONS)?;
    let (date, cycle) = (input.name.business_date.to_string(), input.name.sequence_text());
    for position in &input.settlement.positions {
        table
            .begin()?
            .plain(date.as_bytes())
            .plain(cycle.as_bytes())
            .city(position.acquirer)
            .city(position.issuer)
            .plain(position.kind.name().as_bytes())
            .summed(position.count)
            .summed(position.amount_fen)
            .summed_signed(position.interchange_fen)
            .summed_signed(position.switch_fee_fen)
            .end();
    }
    table.finish()
}

fn write_net(dir: &Path, input: &CycleInput<'_>) -> Result<FileEntry, FilesError> {
    let mut table = Table::create(dir, layout::NET_FILE.to_owned(), &layout::NET)?;
    let (date, cycle) = (input.name.business_date.to_string(), input.name.sequence_text());
    for Net {
        participant,
        receivable_fen,
        payable_fen,
        interchange_receivable_fen,
        interchange_payable_fen,
        switch_fee_fen,
        adjustment_fen,
        net_fen,
    } in &input.settlement.net
    {
        table
            .begin()?
            .plain(date.as_bytes())
            .plain(cycle.as_bytes())
            .plain(participant.to_string().as_bytes())
            .summed(*receivable_fen)
            .summed(*payable_fen)
            .summed_signed(*interchange_receivable_fen)
            .summed_signed(*interchange_payable_fen)
            .summed_signed(*switch_fee_fen)
            .summed_signed(*adjustment_fen)
            .summed_signed(*net_fen)
            .end();
    }
    table.finish()
}

fn write_items(dir: &Path, items: &[Item]) -> Result<FileEntry, FilesError> {
    let mut table = Table::create(dir, layout::ITEMS_FILE.to_owned(), &layout::ITEMS)?;
    let mut items: Vec<&Item> = items.iter().collect();
    items.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    for item in items {
        let original = item.original_cycle.map(|cycle| cycle.to_string()).unwrap_or_default();
        table
            .begin()?
            .text(&item.id)?
            .plain(item.kind.word().as_bytes())
            .city(item.debtor)
            .city(item.creditor)
            .summed(item.amount_fen)
            .plain(original.as_bytes())
            .text(&item.reference)?
            .text(&item.reason)?
            .end();
    }
    table.finish()
}

fn write_rulebook(dir: &Path, rulebook: &Rulebook) -> Result<FileEntry, FilesError> {
    write_file(&dir.join(layout::RULEBOOK_FILE), rulebook.bytes())?;
    Ok(entry(layout::RULEBOOK_FILE.to_owned(), rulebook.bytes()))
}

/// What the manifest says of a file that is no CSV.
fn entry(name: String, bytes: &[u8]) -> FileEntry {
    FileEntry {
        name,
        rows: None,
        sha256: text::digest_hex(&Sha256::digest(bytes).into()),
        size: bytes.len() as u64,
        totals: std::collections::BTreeMap::new(),
    }
}

/// Writes the manifest; returns its SHA-256.
fn write_manifest(
    dir: &Path,
    input: &CycleInput<'_>,
    files: Vec<FileEntry>,
    merkle: MerkleEntry,
    replaces: Option<Replaces>,
) -> Result<[u8; 32], FilesError> {
    let manifest = Manifest {
        business_date: input.name.business_date,
        cycle: input.name.sequence_text(),
        files,
        layout: layout::CYCLE_LAYOUT.to_owned(),
        merkle,
        replaces,
        previous_manifest_sha256: input.previous_manifest.as_ref().map(text::digest_hex),
        rulebook: RulebookEntry {
            sha256: text::digest_hex(&input.rulebook.digest()),
            version: input.rulebook.version,
        },
    };
    let path = dir.join(layout::MANIFEST_FILE);
    let bytes = manifest.to_bytes().map_err(|e| FilesError::io("encode", &path)(e.into()))?;
    write_file(&path, &bytes)?;
    Ok(Sha256::digest(&bytes).into())
}

/// Writes a new file.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
    let written = File::create_new(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(FilesError::io("write", path))
}
