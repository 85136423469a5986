//! A cycle appears whole or not at all, and never changes.

use std::{fs, path::PathBuf};

use domain::cycle::CycleName;
use tempfile::TempDir;

use super::{detail, items, read_all, rulebook, scratch, settlement, write};
use crate::{CycleInput, FilesError, publish};

/// Renders the cycle into the scratch folder of `out`; `reason` goes into its items.
fn render(out: &TempDir, reason: &str) -> PathBuf {
    let name: CycleName = "2018-09-01-001".parse().unwrap();
    let (settlement, rulebook, mut items) = (settlement(), rulebook(), items());
    reason.clone_into(&mut items[0].reason);
    let input = CycleInput {
        version: 1,
        name,
        settlement: &settlement,
        items: &items,
        rulebook: &rulebook,
        previous_manifest: None,
        participants: &[],
    };
    let tmp = scratch(out.path(), &name);
    write(&tmp, &input, vec![detail(out.path())]).unwrap();
    tmp
}

#[test]
fn what_a_crash_left_half_written_is_replaced() {
    let out = tempfile::tempdir().unwrap();
    let name: CycleName = "2018-09-01-001".parse().unwrap();
    let tmp = scratch(out.path(), &name);
    fs::create_dir_all(tmp.join("issuer")).unwrap();
    fs::write(tmp.join("issuer/cu-9999.csv"), "half a li").unwrap();
    fs::write(tmp.join("net.csv"), "half a li").unwrap();
    render(&out, "");
    let folder = publish(&tmp, out.path(), &name.to_string()).unwrap();
    assert_eq!(folder, out.path().join("2018-09-01-001"));
    assert!(!tmp.exists());
    let files = read_all(&folder);
    assert!(!files.contains_key("issuer/cu-9999.csv"));
    assert!(files["net.csv"].starts_with(b"business_date,"));
}

#[test]
fn the_same_cycle_again_changes_nothing() {
    let out = tempfile::tempdir().unwrap();
    let name: CycleName = "2018-09-01-001".parse().unwrap();
    let folder = publish(&render(&out, ""), out.path(), &name.to_string()).unwrap();
    let before = read_all(&folder);
    let tmp = render(&out, "");
    assert_eq!(publish(&tmp, out.path(), &name.to_string()).unwrap(), folder);
    assert!(!tmp.exists());
    assert_eq!(read_all(&folder), before);
}

#[test]
fn another_cycle_of_the_same_name_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let name: CycleName = "2018-09-01-001".parse().unwrap();
    let folder = publish(&render(&out, ""), out.path(), &name.to_string()).unwrap();
    let before = read_all(&folder);
    let refused = publish(&render(&out, "other"), out.path(), &name.to_string()).unwrap_err();
    assert!(matches!(refused, FilesError::AlreadyPublished(_)), "{refused}");
    assert_eq!(read_all(&folder), before);
}

#[test]
fn only_scratch_folders_are_overwritten() {
    let out = tempfile::tempdir().unwrap();
    let name: CycleName = "2018-09-01-001".parse().unwrap();
    let folder = publish(&render(&out, ""), out.path(), &name.to_string()).unwrap();
    let (settlement, rulebook) = (settlement(), rulebook());
    let input = CycleInput {
        version: 1,
        name,
        settlement: &settlement,
        items: &[],
        rulebook: &rulebook,
        previous_manifest: None,
        participants: &[],
    };
    let before = read_all(&folder);
    assert!(matches!(write(&folder, &input, Vec::new()), Err(FilesError::NotScratch(_))));
    assert_eq!(read_all(&folder), before);
}

#[test]
fn a_text_with_a_line_break_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let name: CycleName = "2018-09-01-001".parse().unwrap();
    let (settlement, rulebook, mut items) = (settlement(), rulebook(), items());
    "two\nlines".clone_into(&mut items[0].reason);
    let input = CycleInput {
        version: 1,
        name,
        settlement: &settlement,
        items: &items,
        rulebook: &rulebook,
        previous_manifest: None,
        participants: &[],
    };
    let refused = write(&scratch(out.path(), &name), &input, Vec::new()).unwrap_err();
    assert!(matches!(refused, FilesError::LineBreak { .. }), "{refused}");
}
