//! Whatever is changed in a published folder, verification names it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use domain::merkle::Merkle;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::{all_passed, correct_cycle, detail, read_all, write_cycle};
use crate::{
    layout,
    manifest::Manifest,
    text::digest_hex,
    verify,
    verify::{Check, CheckResult, Outcome, Report},
};

/// Two cycles, the second of which follows the first.
fn two_cycles() -> (TempDir, PathBuf, PathBuf) {
    let out = tempfile::tempdir().unwrap();
    let (first, published) =
        write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
    let previous = Some(published.manifest_sha256);
    let (second, _) = write_cycle(out.path(), "2018-09-01-002", previous, vec![detail(out.path())]).unwrap();
    (out, first, second)
}

/// Makes the manifest agree with the folder again, as a careful forger would. The Merkle root and
/// the chain too, but of the cycle after.
pub(super) fn seal(folder: &Path) {
    let path = folder.join(layout::MANIFEST_FILE);
    let mut manifest = Manifest::from_bytes(&fs::read(&path).unwrap()).unwrap();
    let mut merkle = Merkle::default();
    for entry in &mut manifest.files {
        let bytes = fs::read(folder.join(&entry.name)).unwrap();
        entry.size = bytes.len() as u64;
        entry.sha256 = digest_hex(&Sha256::digest(&bytes).into());
        if entry.rows.is_none() {
            if entry.name == layout::RULEBOOK_FILE {
                manifest.rulebook.sha256.clone_from(&entry.sha256);
            }
            continue;
        }
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let header = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        entry.rows = Some(rows.len() as u64);
        for (column, name) in header.iter().enumerate().filter(|(_, name)| layout::is_summed(name)) {
            let sum = rows.iter().map(|row| row[column].parse::<i128>().unwrap()).sum();
            entry.totals.insert(name.to_owned(), sum);
        }
        if let Some(issuer) = entry.name.strip_prefix("issuer/").and_then(|name| name.strip_suffix(".csv")) {
            for line in String::from_utf8(bytes).unwrap().lines().skip(1) {
                merkle.push(format!("{issuer},{line}").as_bytes());
            }
        }
    }
    (manifest.merkle.leaves, manifest.merkle.root) = (merkle.leaves(), digest_hex(&merkle.root()));
    fs::write(&path, manifest.to_bytes().unwrap()).unwrap();
}

/// Replaces a text in a file; it must be there.
pub(super) fn replace(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from:?} is not in {file}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

fn swap_rows(folder: &Path, file: &str, line: usize) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(line - 1, line);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
}

fn drop_row(folder: &Path, file: &str, line: usize) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(line - 1);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
}

/// Whether the report has this failure.
#[track_caller]
fn assert_found(report: &Report, check: Check, file: &str, line: Option<u64>) {
    let found = report.failures.iter().any(|f| (f.check, f.file.as_str(), f.line) == (check, file, line));
    assert!(found, "no failure of {check:?} in {file} line {line:?}:\n{report}");
    let outcome = report.checks.iter().find(|result| result.check == check).map(|result| result.outcome);
    assert!(matches!(outcome, Some(Outcome::Failed(_))), "{report}");
}

/// Changes the second of two cycles and verifies it, with the manifest sealed again or not.
pub(super) fn tampered(sealed: bool, change: impl FnOnce(&Path)) -> Report {
    let (_out, _, folder) = two_cycles();
    change(&folder);
    if sealed {
        seal(&folder);
    }
    verify(&folder).unwrap()
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let (_out, _, folder) = two_cycles();
    assert!(verify(&folder).unwrap().passed());
    for (name, bytes) in read_all(&folder) {
        // Messages are long, and every byte of them is worth as much to a digest.
        let step = if name.starts_with(layout::SETTLEMENT_FOLDER) { 97 } else { 3 };
        for at in (0..bytes.len()).step_by(step) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(folder.join(&name), changed).unwrap();
            let report = verify(&folder).unwrap();
            let named = report.failures.iter().any(|failure| failure.file == name);
            assert!(!report.passed() && (named || name == "manifest.json"), "{name} byte {at}:\n{report}");
        }
        fs::write(folder.join(&name), bytes).unwrap();
    }
    assert!(verify(&folder).unwrap().passed());
}

#[test]
fn digests_sizes_and_presence() {
    let flipped = tampered(false, |folder| replace(folder, "net.csv", "1096399", "1096398"));
    assert_found(&flipped, Check::Files, "net.csv", None);
    let missing = tampered(false, |folder| fs::remove_file(folder.join("acquirer/tu-2900.csv")).unwrap());
    assert_found(&missing, Check::Files, "acquirer/tu-2900.csv", None);
    let whole = tampered(false, |_| {});
    for (check, file, says) in [
        (Check::Counts, "acquirer/tu-2900.csv", "1 of 9 CSV files are missing; "),
        (Check::Order, "acquirer/tu-2900.csv", "1 of 9 CSV files are missing"),
        (Check::Detail, "acquirer/tu-2900.csv", "files of acquirers or home cities are missing"),
        (Check::ZeroSum, "net.csv", "net.csv is missing"),
        (Check::Messages, "settlement/pacs.029.001.02.xml", "files are missing"),
    ] {
        let report = tampered(false, |folder| fs::remove_file(folder.join(file)).unwrap());
        let of = |report: &Report| report.checks.iter().find(|it| it.check == check).unwrap().clone();
        assert_eq!(of(&whole).outcome, Outcome::Passed, "{whole}");
        let result = of(&report);
        assert!(result.outcome == Outcome::Skipped && result.what.contains(says), "{file}:\n{report}");
    }
    let unlisted = tampered(false, |folder| fs::write(folder.join("issuer/cu-9999.csv"), "").unwrap());
    assert_found(&unlisted, Check::Files, "issuer/cu-9999.csv", None);
    let signature = tampered(false, |folder| fs::write(folder.join("manifest.json.p7s"), "").unwrap());
    assert!(signature.passed(), "{signature}");
}

#[test]
fn rows_and_totals() {
    let manifest = "manifest.json";
    let rows = tampered(false, |folder| replace(folder, manifest, "\"rows\": 5,", "\"rows\": 6,"));
    assert_found(&rows, Check::Counts, "acquirer/cu-2000.csv", None);
    let total = tampered(false, |folder| replace(folder, manifest, "1100700", "1100701"));
    assert_found(&total, Check::Counts, "acquirer/cu-2000.csv", None);
}

#[test]
fn forms_of_fields() {
    for (file, from, to, line) in [
        ("acquirer/cu-3000.csv", "file,line", "line,file", 1),
        ("acquirer/cu-3000.csv", "a.csv,9", "a.csv,09", 3),
        ("acquirer/cu-3000.csv", "parked,issuer_unreachable", "parked,", 3),
        ("acquirer/cu-3000.csv", "a.csv,2", "a.csv,1", 2),
        ("acquirer/cu-3000.csv", "cleared,,book\n", "cleared,,book\r\n", 2),
        ("acquirer/cu-3000.csv", "cleared,,book\n", "cleared,,book\n\n", 3),
        ("acquirer/cu-3000.csv", "centre\n", "centre", 3),
        ("issuer/cu-2000.csv", "T08:15:30", "T24:15:30", 2),
        ("issuer/cu-2000.csv", "0000000012345678", "000000001234567f", 2),
        ("issuer/cu-2000.csv", ",06,", ",02,", 2),
        ("issuer/cu-2000.csv", "flat,cpu", "flat,plastic", 2),
        ("positions.csv", ",002,", ",003,", 2),
        ("net.csv", "scheme", "scheming", 5),
        ("items.csv", "2018-08-31-001", "2018-09-01-002", 2),
    ] {
        let report = tampered(false, |folder| replace(folder, file, from, to));
        assert_found(&report, Check::Fields, file, Some(line));
    }
}

#[test]
fn sort_orders() {
    for (file, line) in [
        ("acquirer/cu-2000.csv", 3),
        ("acquirer/cu-3000.csv", 2),
        ("issuer/cu-3000.csv", 2),
        ("positions.csv", 2),
        ("net.csv", 4),
        ("items.csv", 2),
    ] {
        let report = tampered(true, |folder| swap_rows(folder, file, line));
        assert_found(&report, Check::Order, file, Some(line as u64 + 1));
    }
}

#[test]
fn detail_of_both_sides() {
    let acquirer = "acquirer/cu-2000.csv";
    let dropped = tampered(true, |folder| drop_row(folder, acquirer, 3));
    assert_found(&dropped, Check::Detail, acquirer, None);
    let issuer = tampered(true, |folder| drop_row(folder, "issuer/cu-3000.csv", 3));
    assert_found(&issuer, Check::Detail, acquirer, None);
    assert_found(&issuer, Check::Positions, "positions.csv", Some(2));
    // The same count and amount, but of another record.
    let other = tampered(true, |folder| replace(folder, "issuer/cu-3000.csv", "0001,1,", "0001,4,"));
    assert_found(&other, Check::Detail, acquirer, None);
    assert!(other.to_string().contains("not the same records"), "{other}");
}

#[test]
fn positions_and_nets() {
    let amount = tampered(true, |folder| replace(folder, "positions.csv", "100000,250", "100001,250"));
    assert_found(&amount, Check::Positions, "positions.csv", Some(3));
    let fee = tampered(true, |folder| replace(folder, "positions.csv", "250,50", "250,100"));
    assert_found(&fee, Check::Positions, "positions.csv", Some(3));
    assert_found(&fee, Check::Net, "net.csv", Some(5));
    let dropped = tampered(true, |folder| drop_row(folder, "positions.csv", 4));
    assert_found(&dropped, Check::Positions, "positions.csv", None);
    let rate = tampered(true, |folder| replace(folder, "rulebook.toml", "0.0025", "0.0035"));
    assert_found(&rate, Check::Positions, "positions.csv", Some(3));
    let item = tampered(true, |folder| replace(folder, "items.csv", ",500,", ",600,"));
    assert_found(&item, Check::Net, "net.csv", Some(2));
    let net = tampered(true, |folder| replace(folder, "net.csv", "1096399", "1096398"));
    assert_found(&net, Check::Net, "net.csv", Some(2));
    assert_found(&net, Check::ZeroSum, "net.csv", None);
    let gone = tampered(true, |folder| drop_row(folder, "net.csv", 4));
    assert_found(&gone, Check::Net, "net.csv", None);
}

#[test]
fn fees_are_recomputed_by_the_basis_of_the_rulebook() {
    // 0.24004 % of 1,000,000 is 2,400.4 → 2,400 and of 200 is 0.48 → 0; of their sum 2,400.88 → 2,401.
    let by_record = |folder: &Path| {
        replace(folder, "rulebook.toml", "\"0.003\"", "\"0.0024004\"");
        replace(folder, "positions.csv", ",3001,", ",2400,");
        replace(folder, "net.csv", ",3251,1050,500,1096399", ",2650,1050,500,1097000");
        replace(folder, "net.csv", ",3001,0,0,0,-997199", ",2400,0,0,0,-997800");
    };
    let right = tampered(true, |folder| {
        by_record(folder);
        replace(folder, "rulebook.toml", "cycle_bilateral", "per_record");
    });
    let others = |it: &&CheckResult| !matches!(it.check, Check::Messages | Check::Signatures);
    assert!(right.checks.iter().filter(others).all(|it| it.outcome == Outcome::Passed), "{right}");
    let wrong = tampered(true, by_record);
    assert_found(&wrong, Check::Positions, "positions.csv", Some(2));
    assert!(wrong.to_string().contains("interchange_fen 2401"), "{wrong}");
}

#[test]
fn the_tree_and_the_chain() {
    let manifest = "manifest.json";
    let leaf = tampered(false, |folder| replace(folder, "issuer/cu-2000.csv", ",9,06,", ",8,06,"));
    assert_found(&leaf, Check::Merkle, manifest, None);
    // A forged first cycle is consistent in itself; the link of the second one gives it away.
    let (_out, first, second) = two_cycles();
    replace(&first, "issuer/cu-2000.csv", ",9,06,", ",8,06,");
    seal(&first);
    let forged = verify(&first).unwrap();
    assert_found(&forged, Check::Chain, manifest, None);
    assert_eq!(forged.failures_total, 1, "{forged}");
    assert_found(&verify(&second).unwrap(), Check::Chain, manifest, None);
}

#[test]
fn a_chain_is_checked_as_far_as_it_is_there() {
    let (out, first, second) = two_cycles();
    let alone = out.path().join("alone/2018-09-01-002");
    fs::create_dir_all(alone.parent().unwrap()).unwrap();
    fs::rename(&second, &alone).unwrap();
    let report = verify(&alone).unwrap();
    assert!(report.passed(), "{report}");
    let chain = report.checks.iter().find(|it| it.check == Check::Chain).unwrap();
    assert_eq!(chain.outcome, Outcome::Skipped);
    let (orphan, _) = write_cycle(out.path(), "2018-09-01-003", None, vec![detail(out.path())]).unwrap();
    assert_found(&verify(&orphan).unwrap(), Check::Chain, "manifest.json", None);
    fs::remove_dir_all(first).unwrap();
    assert_found(&verify(&orphan).unwrap(), Check::Chain, "manifest.json", None);
}

#[test]
fn corrections_stand_beside_what_they_replace() {
    let out = tempfile::tempdir().unwrap();
    let write =
        |name: &str, previous| write_cycle(out.path(), name, previous, vec![detail(out.path())]).unwrap();
    let (first, published) = write("2018-09-01-001", None);
    let (beside, corrected) = correct_cycle(out.path(), "2018-09-01-001", published.manifest_sha256).unwrap();
    let (next, _) = write("2018-09-02-001", Some(corrected.manifest_sha256));
    for folder in [first, beside, next] {
        let report = verify(&folder).unwrap();
        assert!(report.passed() && all_passed(&report), "{report}");
    }
}

#[test]
fn a_correction_names_what_it_replaces_and_takes_nothing_damaged() {
    for (from, to) in [
        ("\"folder\": \"2018-09-01-001\"", "\"folder\": \"2018-09-01-002\""),
        ("\"reason\": \"the bank refused it\"", "\"reason\": \"\""),
        ("\"version\": 2", "\"version\": 3"),
    ] {
        let out = tempfile::tempdir().unwrap();
        let (_, published) =
            write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
        let (beside, _) = correct_cycle(out.path(), "2018-09-01-001", published.manifest_sha256).unwrap();
        replace(&beside, "manifest.json", from, to);
        let report = verify(&beside).unwrap();
        assert!(report.failures.iter().any(|failure| failure.check == Check::Manifest), "{from}:\n{report}");
    }
    // The detail is taken over as it was published, or not at all.
    let out = tempfile::tempdir().unwrap();
    let (first, published) =
        write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
    let other = correct_cycle(out.path(), "2018-09-01-001", [7; 32]).unwrap_err();
    assert!(other.to_string().contains("its manifest has SHA-256"), "{other}");
    let file = first.join("issuer/cu-3000.csv");
    fs::write(&file, fs::read_to_string(&file).unwrap() + "x\n").unwrap();
    let refused = correct_cycle(out.path(), "2018-09-01-001", published.manifest_sha256).unwrap_err();
    assert!(refused.to_string().contains("issuer/cu-3000.csv has SHA-256"), "{refused}");
    assert!(!out.path().join("2018-09-01-001.v2").exists());
}

#[test]
fn manifests_that_cannot_be_trusted() {
    let manifest = "manifest.json";
    for (from, to) in [
        ("  \"cycle\"", " \"cycle\""),
        ("cityunion-cycle/1", "cityunion-cycle/2"),
        ("rfc6962-sha256", "sha256"),
        ("\"net.csv\"", "\"../net.csv\""),
        ("\"cycle\": \"002\"", "\"cycle\": \"003\""),
        ("\"business_date\"", "\"business_day\""),
        ("\"acquirer/cu-3000.csv\"", "\"acquirer/cu-2000.csv\""),
        ("\"version\": 3", "\"version\": 4"),
    ] {
        let report = tampered(false, |folder| replace(folder, manifest, from, to));
        let found = report.failures.iter().any(|failure| failure.check == Check::Manifest);
        assert!(found, "{from} → {to}:\n{report}");
    }
}
