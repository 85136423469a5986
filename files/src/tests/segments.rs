//! Segments: what is damaged is named and never published.

use std::fs;

use super::{
    city, detail, items, read_all, row, rulebook, scratch, settlement, tap, write_cycle, write_segments,
};
use crate::{CycleInput, Detail, FilesError, LocalSegment, Published, Segment, SegmentManifest, assemble};
use domain::result::RecordResult;
use tempfile::TempDir;

const NAME: &str = "2018-09-01-001";

/// The cycle's detail in three partitions: Shanghai's, Tianjin's, and one with nothing.
fn three_partitions(work: &TempDir) -> Vec<(SegmentManifest, LocalSegment)> {
    let whole = write_segments(work.path(), &NAME.parse().unwrap(), vec![detail(work.path())]).unwrap();
    assert!(whole[0].0.file("issuer/cu-3000.csv").is_some());
    let mut details: Vec<Detail> = (0..3).map(|_| Detail::new(work.path(), 1 << 20).unwrap()).collect();
    // Two home cities pay acquirers of two partitions, so their files are joined from blocks.
    for (at, acquirer) in [(0, "cu-3000"), (1, "cu-2000"), (1, "tu-2900"), (0, "cu-A004")] {
        for (seq, issuer) in [(1, "cu-2000"), (2, "cu-A004"), (3, "tu-2900")] {
            if issuer != acquirer {
                let tap = tap([0x20 + at, 0, 0, 0, 0, 1], seq, 100 + seq);
                let acquirer = city(acquirer);
                details[usize::from(at)].cleared(city(issuer), acquirer, &tap).unwrap();
                let rows = [row(seq + 1, &tap, issuer, RecordResult::Cleared)];
                details[usize::from(at)].acquirer_rows(acquirer, "a.csv", &rows).unwrap();
            }
        }
    }
    write_segments(work.path(), &NAME.parse().unwrap(), details).unwrap()
}

fn join(out: &TempDir, segments: &[(SegmentManifest, LocalSegment)]) -> Result<Published, FilesError> {
    let (settlement, items, rulebook) = (settlement(), items(), rulebook());
    let name = NAME.parse().unwrap();
    let input = CycleInput {
        version: 1,
        name,
        settlement: &settlement,
        items: &items,
        rulebook: &rulebook,
        previous_manifest: None,
        participants: &[],
    };
    let segments: Vec<Segment<'_>> =
        segments.iter().map(|(manifest, files)| Segment { manifest, files }).collect();
    assemble(&scratch(out.path(), &name), &input, &segments)
}

#[test]
fn blocks_are_joined_in_the_order_of_their_acquirers_and_nothing_else_is_left() {
    let out = tempfile::tempdir().unwrap();
    let segments = three_partitions(&out);
    let published = join(&out, &segments).unwrap();
    assert_eq!((published.issuer_rows, published.acquirer_rows), (9, 9));
    let files = read_all(&scratch(out.path(), &NAME.parse().unwrap()));
    let text = String::from_utf8(files["issuer/tu-2900.csv"].clone()).unwrap();
    let acquirers: Vec<&str> = text.lines().skip(1).map(|line| &line[..7]).collect();
    assert_eq!(acquirers, ["cu-2000", "cu-3000", "cu-A004"]);
    assert!(files.keys().all(|name| !name.contains(".share")), "{:?}", files.keys());
    // A manifest says the same after a round trip, and refuses figures that do not fit together.
    let bytes = segments[0].0.to_bytes().unwrap();
    assert_eq!(SegmentManifest::from_bytes(&bytes).unwrap(), segments[0].0);
    let mut wrong = segments[0].0.clone();
    wrong.files.last_mut().unwrap().blocks[0].size += 1;
    let refused = SegmentManifest::from_bytes(&wrong.to_bytes().unwrap()).unwrap_err();
    assert!(refused.contains("do not fit together"), "{refused}");
    let mut outside = segments[0].0.clone();
    outside.files[0].name = "acquirer/../../cu-2000.csv".to_owned();
    assert!(SegmentManifest::from_bytes(&outside.to_bytes().unwrap()).is_err());
}

#[test]
fn a_byte_that_changed_and_a_file_that_is_gone_are_named() {
    type Damage = fn(&std::path::Path);
    let damages: [(&str, Damage); 4] = [
        ("SHA-256", |file| {
            let mut bytes = fs::read(file).unwrap();
            let last = bytes.len() - 5;
            bytes[last] ^= 1;
            fs::write(file, bytes).unwrap();
        }),
        ("missing", |file| fs::remove_file(file).unwrap()),
        ("ends in the rows|bytes", |file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() - 9]).unwrap();
        }),
        ("goes on|bytes", |file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, [bytes.as_slice(), b"more\n"].concat()).unwrap();
        }),
    ];
    for name in ["issuer/tu-2900.csv", "issuer/cu-2000.csv", "acquirer/cu-3000.csv"] {
        for (says, damage) in damages {
            let out = tempfile::tempdir().unwrap();
            let segments = three_partitions(&out);
            damage(&segments[0].1.0.join(name));
            let error = join(&out, &segments).unwrap_err();
            let FilesError::SegmentDamaged { partition: 0, file, what } = &error else { panic!("{error}") };
            assert_eq!(file, name);
            assert!(says.split('|').any(|says| what.contains(says)), "{what} instead of {says}");
        }
    }
}

#[test]
fn an_acquirer_in_two_partitions_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let details = vec![detail(out.path()), detail(out.path())];
    let error = write_cycle(out.path(), NAME, None, details).unwrap_err();
    let FilesError::TwoPartitions { acquirer, partitions: [0, 1] } = error else { panic!("{error}") };
    assert_eq!(acquirer, city("cu-2000"));
}
