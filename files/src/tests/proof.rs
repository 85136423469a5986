//! Proofs of every record of a small cycle, and how large one of a large cycle is.

use std::fs;

use super::{city, detail, tap, write_cycle};
use crate::{
    Detail,
    proof::{Place, Proof, ProveError, check, prove},
    verify::Outcome,
};

fn place(terminal: &str, terminal_seq: u32) -> Place<'_> {
    Place { terminal, terminal_seq, issuer: None }
}

#[test]
fn every_record_of_a_cycle_is_proved() {
    let out = tempfile::tempdir().unwrap();
    let (folder, _) = write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
    let manifest = folder.join("manifest.json");
    for (index, (terminal, seq, leaf)) in [
        ("300000000001", u32::MAX, "cu-2000,cu-3000,300000000001,4294967295,"),
        ("200000000000", 7, "cu-3000,cu-2000,200000000000,7,"),
        ("200000000001", 1, "cu-3000,cu-2000,200000000001,1,"),
        ("200000000001", 2, "tu-2900,cu-2000,200000000001,2,"),
    ]
    .into_iter()
    .enumerate()
    {
        let proof = prove(&folder, &place(terminal, seq)).unwrap();
        assert!(proof.leaf.starts_with(leaf), "{}", proof.leaf);
        assert_eq!((proof.index, proof.tree_size), (index as u64, 4));
        let file = out.path().join("proof.json");
        fs::write(&file, proof.to_bytes().unwrap()).unwrap();
        let report = check(&file, &manifest, None).unwrap();
        assert!(report.passed(), "{report:?}");
        let ended: Vec<_> = report.checks.iter().map(|(check, ended, _)| (*check, *ended)).collect();
        assert_eq!(ended.last(), Some(&("signature", Outcome::Skipped)));
        assert_eq!(ended.iter().filter(|(_, ended)| *ended == Outcome::Passed).count(), 4);
    }
}

#[test]
fn what_is_not_paid_is_not_proved() {
    let out = tempfile::tempdir().unwrap();
    let (folder, _) = write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
    let why = |terminal, seq| prove(&folder, &place(terminal, seq)).unwrap_err().to_string();
    let rejected = why("200000000001", 3);
    assert!(
        rejected.ends_with("2018-09-01.csv line 4 of acquirer/cu-2000.csv says: rejected tac_invalid"),
        "{rejected}"
    );
    let unknown = why("200000000001", 99);
    assert!(
        unknown.ends_with("no home city pays for it in 2018-09-01-001, and no acquirer presented it"),
        "{unknown}"
    );
}

/// Cards of two schemes may have been read by one terminal under one number.
#[test]
fn of_two_records_with_one_number_the_home_city_is_asked_for() {
    let out = tempfile::tempdir().unwrap();
    let mut detail = Detail::new(out.path(), 1 << 20).unwrap();
    let tap = tap([0x20, 0, 0, 0, 0, 1], 1, 200);
    for issuer in ["cu-3000", "tu-2900"] {
        detail.cleared(city(issuer), city("cu-2000"), &tap).unwrap();
    }
    let (folder, _) = write_cycle(out.path(), "2018-09-01-001", None, vec![detail]).unwrap();
    let why = prove(&folder, &place("200000000001", 1)).unwrap_err();
    assert!(matches!(&why, ProveError::Several { leaves, .. } if leaves.len() == 2), "{why}");
    let place = Place { issuer: Some(city("tu-2900")), ..place("200000000001", 1) };
    assert!(prove(&folder, &place).unwrap().leaf.starts_with("tu-2900,"));
}

#[test]
fn a_proof_of_sixteen_million_records_has_two_kibibytes() {
    let proof = |levels| Proof {
        algorithm: "rfc6962-sha256".to_owned(),
        audit_path: vec!["0".repeat(64); levels],
        cycle: "2018-09-01-001".to_owned(),
        index: 16_777_215,
        layout: "cityunion-proof/1".to_owned(),
        leaf: "cu-3000,cu-2000,200000000001,4294967295,3000000000000017,65535,09,4294967295,4294967295,\
               2018-09-01T08:05:09,utility,distance,cpu"
            .to_owned(),
        root: "0".repeat(64),
        tree_size: 16_777_216,
    };
    for levels in [0, 12, 20, 24] {
        let bytes = proof(levels).to_bytes().unwrap();
        assert!(bytes.len() <= 2048, "{levels} levels: {} bytes", bytes.len());
        assert_eq!(Proof::from_bytes(&bytes).unwrap(), proof(levels));
    }
}
