//! Reads every listed file once and compares the figures with each other.

use std::{collections::BTreeSet, fs, io, path::Path, thread};

use domain::{city::City, cycle::CycleName, rulebook::Rulebook, settlement::account_positions};

use super::{
    Before,
    detail::{self, AcquirerSide, IssuerSide, PairSum},
    member, messages,
    partial::is_there,
    report::{Check, Findings},
    settlement,
};
use crate::{
    error::FilesError,
    layout::{self, Member},
    manifest::{FileEntry, Manifest},
    text,
};

/// The listed files by what they are, each kind in name order.
#[derive(Default)]
struct Sorted<'a> {
    positions: Option<&'a FileEntry>,
    net: Option<&'a FileEntry>,
    items: Option<&'a FileEntry>,
    acquirers: Vec<(City, &'a FileEntry)>,
    issuers: Vec<(City, &'a FileEntry)>,
    others: Vec<&'a FileEntry>,
}

impl<'a> Sorted<'a> {
    fn of(manifest: &'a Manifest) -> Self {
        let mut sorted = Self::default();
        for entry in &manifest.files {
            match Member::of(&entry.name) {
                Member::Positions => sorted.positions = Some(entry),
                Member::Net => sorted.net = Some(entry),
                Member::Items => sorted.items = Some(entry),
                Member::Acquirer(city) => sorted.acquirers.push((city, entry)),
                Member::Issuer(city) => sorted.issuers.push((city, entry)),
                Member::Rulebook | Member::Settlement(_) | Member::Other => sorted.others.push(entry),
            }
        }
        sorted
    }
}

/// Verifies the content of a folder whose manifest names safe paths.
pub(super) fn verify(
    folder: &Path,
    cycle: CycleName,
    manifest: &Manifest,
    before: Before,
    findings: &mut Findings,
) -> Result<(), FilesError> {
    let files = Sorted::of(manifest);
    for entry in &files.others {
        member::read_other(folder, entry, findings)?;
    }
    let rulebook = read_rulebook(folder, manifest, findings)?;
    let rules = rulebook.as_ref().map(|rulebook| (rulebook, cycle.business_date));
    let ear = findings.ear().clone();
    let (issuers, acquirers) = thread::scope(|scope| {
        let acquirers = scope.spawn(|| {
            let mut findings = Findings::told(ear);
            detail::read_acquirers(folder, &files.acquirers, &mut findings).map(|side| (side, findings))
        });
        let issuers = detail::read_issuers(folder, &files.issuers, rules, findings);
        (issuers, acquirers.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (issuers, (acquirers, found)) = (issuers?, acquirers?);
    findings.merge(found);
    check_detail(&acquirers, &issuers, findings);
    check_merkle(manifest, &issuers, findings);
    check_settlement((folder, cycle, before), (manifest, &files), rulebook.as_ref(), &issuers, findings)?;
    tell_rows(folder, manifest, findings)
}

/// Tells what was read of the CSV files; what was looked for in files that are missing is not known.
fn tell_rows(folder: &Path, manifest: &Manifest, findings: &mut Findings) -> Result<(), FilesError> {
    let (mut rows, mut csvs, mut missing) = (0_u64, 0_usize, Vec::new());
    for entry in manifest.files.iter().filter(|entry| entry.rows.is_some()) {
        if is_there(&folder.join(&entry.name))? {
            rows = rows.saturating_add(entry.rows.unwrap_or_default());
            csvs = csvs.saturating_add(1);
        } else {
            missing.push(Member::of(&entry.name));
        }
    }
    if missing.is_empty() {
        findings.checked(Check::Counts, format!("{rows} rows and the totals of {csvs} CSV files"));
        findings.checked(Check::Fields, format!("headers of {csvs} CSV files, every field of {rows} rows"));
        findings.checked(Check::Order, format!("{csvs} CSV files in order, nothing twice"));
        return Ok(());
    }
    let all = csvs.saturating_add(missing.len());
    let why =
        format!("{} of {all} CSV files are missing; {rows} rows of the others were read", missing.len());
    for check in [Check::Counts, Check::Fields, Check::Order] {
        findings.skipped(check, &why);
    }
    if missing.iter().any(|it| matches!(it, Member::Acquirer(_) | Member::Issuer(_))) {
        findings.skipped(Check::Detail, "files of acquirers or home cities are missing");
    }
    if missing.contains(&Member::Net) {
        findings.skipped(Check::ZeroSum, "net.csv is missing");
    }
    Ok(())
}

/// The rules of the cycle, if they are there and valid.
pub(super) fn read_rulebook(
    folder: &Path,
    manifest: &Manifest,
    findings: &mut Findings,
) -> Result<Option<Rulebook>, FilesError> {
    let (file, path) = (layout::RULEBOOK_FILE, folder.join(layout::RULEBOOK_FILE));
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(FilesError::io("read", &path)(e)),
    };
    let rulebook = match Rulebook::parse(&bytes) {
        Ok(rulebook) => rulebook,
        Err(e) => {
            findings.fail(Check::Positions, file, None, format!("no rulebook: {e}"));
            return Ok(None);
        }
    };
    let found = (text::digest_hex(&rulebook.digest()), rulebook.version);
    if found != (manifest.rulebook.sha256.clone(), manifest.rulebook.version) {
        let what = format!("the manifest names rulebook version {}, with another digest or version", found.1);
        findings.fail(Check::Manifest, file, None, what);
    }
    Ok(Some(rulebook))
}

/// What the acquirers' files call cleared is what the home cities' files list.
fn check_detail(acquirers: &AcquirerSide, issuers: &IssuerSide, findings: &mut Findings) {
    let pairs: BTreeSet<_> = acquirers.cleared.keys().chain(issuers.cleared.keys()).copied().collect();
    for pair @ (acquirer, issuer) in &pairs {
        let file = layout::acquirer_file(*acquirer);
        if acquirer == issuer {
            findings.fail(Check::Detail, &file, None, "it has cleared records of the city itself");
        }
        let of = |side: &detail::Pairs| side.get(pair).copied().unwrap_or_default();
        let (theirs, ours): (PairSum, PairSum) = (of(&acquirers.cleared), of(&issuers.cleared));
        if theirs != ours {
            let figures = |sum: PairSum| format!("{} records of {} fen", sum.count, sum.amount_fen);
            let same = (theirs.count, theirs.amount_fen) == (ours.count, ours.amount_fen);
            let what = format!(
                "{} cleared for {issuer}, but {} in {}{}",
                figures(theirs),
                figures(ours),
                layout::issuer_file(*issuer),
                if same { ": not the same records" } else { "" },
            );
            findings.fail(Check::Detail, &file, None, what);
        }
    }
    let what = format!(
        "{} rows of acquirers, {} of home cities: the cleared records of {} pairs are the same",
        acquirers.rows,
        issuers.rows,
        pairs.len()
    );
    findings.checked(Check::Detail, what);
}

fn check_merkle(manifest: &Manifest, issuers: &IssuerSide, findings: &mut Findings) {
    let (leaves, root) = (issuers.merkle.leaves(), text::digest_hex(&issuers.merkle.root()));
    if (leaves, &root) != (manifest.merkle.leaves, &manifest.merkle.root) {
        let stated = &manifest.merkle;
        let what = format!(
            "the issuer files give {leaves} leaves and the root {root}, the manifest says {} and {}",
            stated.leaves, stated.root
        );
        findings.fail(Check::Merkle, layout::MANIFEST_FILE, None, what);
    }
    findings.checked(Check::Merkle, format!("{leaves} leaves, root {root}"));
}

/// Items, positions, nets, and the messages that follow from them.
fn check_settlement(
    (folder, cycle, before): (&Path, CycleName, Before),
    (manifest, files): (&Manifest, &Sorted<'_>),
    rulebook: Option<&Rulebook>,
    issuers: &IssuerSide,
    findings: &mut Findings,
) -> Result<(), FilesError> {
    let (Some(positions), Some(net), Some(items)) = (files.positions, files.net, files.items) else {
        return Ok(());
    };
    let positions = settlement::read_positions(folder, positions, cycle, findings)?;
    let net = settlement::read_net(folder, net, cycle, findings)?;
    let items = settlement::read_items(folder, items, cycle, findings)?;
    settlement::check_order(&positions, layout::POSITIONS_FILE, settlement::position_key, findings);
    settlement::check_order(&net, layout::NET_FILE, |net| net.participant, findings);
    settlement::check_order(&items, layout::ITEMS_FILE, |item| item.id.clone(), findings);
    settlement::check_zero_sum(&net, findings);
    for party in net.iter().map(|(_, net)| net.participant) {
        if let domain::settlement::Party::City(city) = party
            && !files.issuers.iter().any(|(of, _)| *of == city)
        {
            let what = format!("it is missing, though {city} is a participant");
            findings.fail(Check::Files, &layout::issuer_file(city), None, what);
        }
    }
    let Some(rulebook) = rulebook else {
        findings.skipped(Check::Positions, "there is no valid rulebook.toml");
        findings.skipped(Check::Net, "there is no valid rulebook.toml");
        findings.skipped(Check::Messages, "there is no valid rulebook.toml");
        return Ok(());
    };
    settlement::check_positions(&positions, rulebook, cycle, &issuers.totals, findings);
    let members = rulebook.members(cycle.business_date);
    settlement::check_net(&net, &positions, &items, members, findings);
    let items = rows(items);
    let by_sector =
        rulebook.has_sector_accounts().then(|| account_positions(rulebook, &issuers.totals, &items));
    let accounts = by_sector.unwrap_or_else(|| Ok(Vec::new())).unwrap_or_else(|e| {
        let what = format!("what goes over accounts by sector cannot be recomputed: {e}");
        findings.fail(Check::Messages, layout::POSITIONS_FILE, None, what);
        Vec::new()
    });
    let facts = messages::Facts {
        folder,
        cycle,
        rulebook,
        net: rows(net),
        positions: rows(positions),
        items,
        accounts,
        before_messages: before.messages,
    };
    messages::check(facts, manifest, findings)
}

/// Rows without their lines.
fn rows<T>(lines: Vec<(u64, T)>) -> Vec<T> {
    lines.into_iter().map(|(_, row)| row).collect()
}
