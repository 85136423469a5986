//! Detail comes out in the order of the files, whatever order it came in and however it was kept.

use std::path::Path;

use domain::{city::City, result::RecordResult, tap::Tap};

use super::{city, read_all, row, tap, write_cycle};
use crate::{AcquirerRow, Detail, FilesError, MEMORY_BYTES_DEFAULT};

const CITIES: [&str; 4] = ["cu-2000", "cu-3000", "cu-A004", "tu-2900"];
const RECORDS: u32 = 6_000;

/// Record `n` of many: its acquirer, issuer, file and row, spread over cities, files and terminals.
fn record(n: u32) -> (City, City, String, AcquirerRow, Tap) {
    let at = n as usize % 4;
    let issuer = CITIES[(at + 1 + n as usize / 4 % 3) % 4];
    let tap = tap([0x20 + at as u8, 0, 0, 0, 0, (n % 23) as u8], n.wrapping_mul(7_919), n);
    let row = row(n + 2, &tap, issuer, RecordResult::Cleared);
    (city(CITIES[at]), city(issuer), format!("{}.csv", n % 5), row, tap)
}

/// Gathers the records in this order; `take` says which acquirers belong to this partition.
fn gather(
    work: &Path,
    memory_bytes_max: usize,
    order: impl Iterator<Item = u32>,
    take: impl Fn(City) -> bool,
) -> Detail {
    let mut detail = Detail::new(work, memory_bytes_max).unwrap();
    for (acquirer, issuer, file, row, tap) in order.map(record).filter(|record| take(record.0)) {
        detail.cleared(issuer, acquirer, &tap).unwrap();
        detail.acquirer_rows(acquirer, &file, &[row]).unwrap();
    }
    detail
}

#[test]
fn spilled_shuffled_and_partitioned_detail_gives_the_same_bytes() {
    let out = tempfile::tempdir().unwrap();
    let write = |details| read_all(&write_cycle(out.path(), "2018-09-01-001", None, details).unwrap().0);
    let in_memory = gather(out.path(), MEMORY_BYTES_DEFAULT, 0..RECORDS, |_| true);
    let expected = write(vec![in_memory]);
    assert!(expected["issuer/cu-A004.csv"].len() > 10_000);
    std::fs::remove_dir_all(out.path().join("2018-09-01-001")).unwrap();

    // 3,581 has no factor in common with 6,000, so each record comes once.
    let shuffled = || (0..RECORDS).map(|n| n * 3_581 % RECORDS);
    let coastal = |acquirer: City| acquirer < city("cu-A004");
    let tiny = gather(out.path(), 4_096, shuffled(), coastal);
    let tinier = gather(out.path(), 1, shuffled(), |acquirer| !coastal(acquirer));
    assert_eq!(write(vec![tinier, tiny]), expected);
}

#[test]
fn rows_of_a_file_are_merged_by_line() {
    let out = tempfile::tempdir().unwrap();
    let acquirer = city("cu-2000");
    let mut detail = Detail::new(out.path(), MEMORY_BYTES_DEFAULT).unwrap();
    let parked = RecordResult::Parked;
    let tap = tap([0x20, 0, 0, 0, 0, 1], 1, 5);
    let lines: [&[u32]; 5] = [&[2, 5, 900], &[3, 4], &[901, 1_000], &[700, 6], &[10]];
    for lines in lines {
        let rows: Vec<AcquirerRow> = lines.iter().map(|line| row(*line, &tap, "cu-3000", parked)).collect();
        detail.acquirer_rows(acquirer, "b.csv", &rows).unwrap();
        detail.acquirer_rows(acquirer, "a.csv", &rows).unwrap();
    }
    let (folder, _) = write_cycle(out.path(), "2018-09-01-001", None, vec![detail]).unwrap();
    let text = String::from_utf8(read_all(&folder)["acquirer/cu-2000.csv"].clone()).unwrap();
    let places: Vec<String> =
        text.lines().skip(1).map(|line| line.split(',').take(2).collect::<Vec<_>>().join(":")).collect();
    let in_order =
        |file: &str| [2, 3, 4, 5, 6, 10, 700, 900, 901, 1_000].map(|line| format!("{file}:{line}"));
    assert_eq!(places, [in_order("a.csv"), in_order("b.csv")].concat());
}

#[test]
fn an_identity_paid_again_with_other_content_has_both_rows_in_any_order_of_coming() {
    let (acquirer, issuer, _, _, tap) = record(1);
    let again = Tap { tapped_day: (tap.tapped_day.get() + 20).into(), ..tap };
    let written = [[tap, again], [again, tap]].map(|taps| {
        let out = tempfile::tempdir().unwrap();
        let mut detail = Detail::new(out.path(), MEMORY_BYTES_DEFAULT).unwrap();
        taps.iter().for_each(|tap| detail.cleared(issuer, acquirer, tap).unwrap());
        let (folder, _) = write_cycle(out.path(), "2018-09-01-001", None, vec![detail]).unwrap();
        read_all(&folder)[&format!("issuer/{issuer}.csv")].clone()
    });
    assert_eq!(written[0], written[1]);
    assert_eq!(String::from_utf8_lossy(&written[0]).lines().count(), 3);
}

/// What writing the detail says.
fn refused(fill: impl FnOnce(&mut Detail)) -> FilesError {
    let out = tempfile::tempdir().unwrap();
    let mut detail = Detail::new(out.path(), MEMORY_BYTES_DEFAULT).unwrap();
    fill(&mut detail);
    write_cycle(out.path(), "2018-09-01-001", None, vec![detail]).unwrap_err()
}

#[test]
fn a_record_with_two_rows_is_refused() {
    let (acquirer, issuer, file, row, tap) = record(1);
    let error = refused(|detail| {
        detail.cleared(issuer, acquirer, &tap).unwrap();
        detail.cleared(issuer, acquirer, &Tap { line: 9.into(), ..tap }).unwrap();
    });
    assert!(
        matches!(&error, FilesError::RowTwice { file, .. } if file == "issuer/tu-2900.csv"
        || file == "issuer/cu-A004.csv"),
        "{error}"
    );
    let error = refused(|detail| {
        detail.acquirer_rows(acquirer, &file, &[row, row]).unwrap();
    });
    assert!(matches!(&error, FilesError::RowTwice { row, .. } if row == "1.csv line 3"), "{error}");
}

#[test]
fn a_tap_that_stands_for_nothing_is_refused() {
    let (acquirer, issuer, _, _, tap) = record(1);
    for (column, tap) in [
        ("medium", Tap { medium: 5, ..tap }),
        ("sector", Tap { sector: 11, ..tap }),
        ("product", Tap { product: 200, ..tap }),
        ("tapped_at", Tap { tapped_second: 86_400.into(), ..tap }),
        ("tapped_at", Tap { tapped_day: 0.into(), ..tap }),
    ] {
        let error = refused(|detail| detail.cleared(issuer, acquirer, &tap).unwrap());
        assert!(matches!(&error, FilesError::BadTap { column: of, .. } if *of == column), "{error}");
    }
}
