//! The bytes of every file of the small cycle.

use std::{collections::BTreeMap, fs};

use sha2::{Digest as _, Sha256};

use super::{RULEBOOK, all_passed, detail, read_all, write_cycle};
use crate::{text::digest_hex, verify};

/// The CSV files, line by line as the contract says.
fn expected_csvs() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        (
            "positions.csv",
            "business_date,cycle,acquirer,issuer,kind,count,amount_fen,interchange_fen,switch_fee_fen\n\
             2018-09-01,001,cu-2000,cu-3000,purchase,2,1000200,3001,1000\n\
             2018-09-01,001,cu-2000,tu-2900,purchase,1,100000,250,50\n\
             2018-09-01,001,cu-3000,cu-2000,purchase,1,0,0,0\n",
        ),
        (
            "net.csv",
            "business_date,cycle,participant,receivable_fen,payable_fen,interchange_receivable_fen,\
             interchange_payable_fen,switch_fee_fen,adjustment_fen,net_fen\n\
             2018-09-01,001,cu-2000,1100200,0,0,3251,1050,500,1096399\n\
             2018-09-01,001,cu-3000,0,1000200,3001,0,0,0,-997199\n\
             2018-09-01,001,tu-2900,0,100000,250,0,0,-500,-100250\n\
             2018-09-01,001,scheme,0,0,0,0,-1050,0,1050\n",
        ),
        (
            "items.csv",
            "item,kind,debtor,creditor,amount_fen,original_cycle,reference,reason\n\
             a-2,adjustment,tu-2900,cu-2000,500,2018-08-31-001,,\"counted, then \"\"lost\"\"\"\n\
             b-1,dispute,tu-2900,cu-2000,70,,,查询\n",
        ),
        (
            "acquirer/cu-2000.csv",
            "file,line,terminal,terminal_seq,issuer,amount_fen,result,reason,decided_by\n\
             \"2018-09-01 shops, \"\"new\"\".csv\",2,200000000000,7,cu-3000,1000000,cleared,,book\n\
             2018-09-01.csv,2,200000000001,1,cu-3000,200,cleared,,book\n\
             2018-09-01.csv,3,200000000001,2,tu-2900,100000,cleared,,book\n\
             2018-09-01.csv,4,200000000001,3,cu-3000,300,rejected,tac_invalid,issuer\n\
             2018-09-01.csv,5,200000000001,1,cu-3000,200,duplicate,,book\n",
        ),
        (
            "acquirer/cu-3000.csv",
            "file,line,terminal,terminal_seq,issuer,amount_fen,result,reason,decided_by\n\
             a.csv,2,300000000001,4294967295,cu-2000,0,cleared,,book\n\
             a.csv,9,300000000001,1,tu-2900,150,parked,issuer_unreachable,centre\n",
        ),
        (
            "acquirer/tu-2900.csv",
            "file,line,terminal,terminal_seq,issuer,amount_fen,result,reason,decided_by\n",
        ),
        (
            "issuer/cu-2000.csv",
            "acquirer,terminal,terminal_seq,card,card_counter,type,amount_fen,fare_fen,tapped_at,sector,\
             product,medium\n\
             cu-3000,300000000001,4294967295,0000000012345678,9,06,0,0,2018-09-01T08:15:30,bus,flat,cpu\n",
        ),
        (
            "issuer/cu-3000.csv",
            "acquirer,terminal,terminal_seq,card,card_counter,type,amount_fen,fare_fen,tapped_at,sector,\
             product,medium\n\
             cu-2000,200000000000,7,0000000012345678,9,06,1000000,1000000,2018-09-01T08:15:30,retail,flat,cpu\n\
             cu-2000,200000000001,1,0000000012345678,9,06,200,250,2018-09-01T08:15:30,bus,flat,cpu\n",
        ),
        (
            "issuer/tu-2900.csv",
            "acquirer,terminal,terminal_seq,card,card_counter,type,amount_fen,fare_fen,tapped_at,sector,\
             product,medium\n\
             cu-2000,200000000001,2,0000000012345678,9,09,100000,100000,2018-09-01T08:15:30,metro,distance,qr\n",
        ),
    ])
}

/// What banks and participants are told; the figures are worked out by hand above and in `settlement.rs`.
pub(super) fn expected_messages() -> BTreeMap<&'static str, &'static str> {
    macro_rules! messages {
        ($($name:literal),+ $(,)?) => {
            BTreeMap::from([$((concat!("settlement/", $name), include_str!(concat!("settlement/", $name)))),+])
        };
    }
    messages![
        "camt.053.001.08-cu-2000.xml",
        "camt.053.001.08-cu-3000.xml",
        "camt.053.001.08-tu-2900.xml",
        "pacs.029.001.02.xml",
        "pain.001.001.09.xml",
        "statement-cu-2000.html",
        "statement-cu-3000.html",
        "statement-tu-2900.html",
    ]
}

/// The totals of each file, as the manifest shows them.
fn expected_totals(name: &str) -> &'static str {
    match name {
        "positions.csv" => {
            "{\n        \"amount_fen\": 1100200,\n        \"count\": 4,\n        \"interchange_fen\": 3251,\n        \
             \"switch_fee_fen\": 1050\n      }"
        }
        "net.csv" => {
            "{\n        \"adjustment_fen\": 0,\n        \"interchange_payable_fen\": 3251,\n        \
             \"interchange_receivable_fen\": 3251,\n        \"net_fen\": 0,\n        \
             \"payable_fen\": 1100200,\n        \"receivable_fen\": 1100200,\n        \"switch_fee_fen\": 0\n      }"
        }
        "items.csv" => "{\n        \"amount_fen\": 570\n      }",
        "acquirer/cu-2000.csv" => "{\n        \"amount_fen\": 1100700\n      }",
        "acquirer/cu-3000.csv" => "{\n        \"amount_fen\": 150\n      }",
        "acquirer/tu-2900.csv" => "{\n        \"amount_fen\": 0\n      }",
        "issuer/cu-2000.csv" => "{\n        \"amount_fen\": 0,\n        \"fare_fen\": 0\n      }",
        "issuer/cu-3000.csv" => "{\n        \"amount_fen\": 1000200,\n        \"fare_fen\": 1000250\n      }",
        "issuer/tu-2900.csv" => "{\n        \"amount_fen\": 100000,\n        \"fare_fen\": 100000\n      }",
        _ => "{}",
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

/// The root of RFC 6962's tree, by its recursive definition.
fn root(leaves: &[String]) -> [u8; 32] {
    match leaves {
        [] => sha256(&[]),
        [leaf] => sha256(&[&[0], leaf.as_bytes()]),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256(&[&[1], &root(left), &root(right)])
        }
    }
}

fn expected_manifest(csvs: &BTreeMap<&str, &str>) -> String {
    let mut files: BTreeMap<&str, (&str, String)> =
        csvs.iter().map(|(name, csv)| (*name, (*csv, (csv.lines().count() - 1).to_string()))).collect();
    files.insert("rulebook.toml", (RULEBOOK, "null".to_owned()));
    let messages = expected_messages();
    files.extend(messages.iter().map(|(name, text)| (*name, (*text, "null".to_owned()))));
    let entry = |(name, (text, rows)): (&&str, &(&str, String))| {
        format!(
            "    {{\n      \"name\": \"{name}\",\n      \"rows\": {rows},\n      \"sha256\": \"{}\",\n      \
             \"size\": {},\n      \"totals\": {}\n    }}",
            digest_hex(&sha256(&[text.as_bytes()])),
            text.len(),
            expected_totals(name)
        )
    };
    let entries: Vec<String> = files.iter().map(entry).collect();
    let mut leaves = Vec::new();
    for (name, csv) in csvs {
        if let Some(issuer) = name.strip_prefix("issuer/").and_then(|name| name.strip_suffix(".csv")) {
            leaves.extend(csv.lines().skip(1).map(|line| format!("{issuer},{line}")));
        }
    }
    format!(
        "{{\n  \"business_date\": \"2018-09-01\",\n  \"cycle\": \"001\",\n  \"files\": [\n{}\n  ],\n  \
         \"layout\": \"cityunion-cycle/1\",\n  \"merkle\": {{\n    \"algorithm\": \"rfc6962-sha256\",\n    \
         \"leaves\": 4,\n    \"root\": \"{}\"\n  }},\n  \"previous_manifest_sha256\": null,\n  \
         \"rulebook\": {{\n    \"sha256\": \"{}\",\n    \"version\": 3\n  }}\n}}\n",
        entries.join(",\n"),
        digest_hex(&root(&leaves)),
        digest_hex(&sha256(&[RULEBOOK.as_bytes()]))
    )
}

#[test]
fn every_file_of_a_cycle_has_exactly_these_bytes() {
    let out = tempfile::tempdir().unwrap();
    let (folder, published) =
        write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
    let csvs = expected_csvs();
    let mut expected: BTreeMap<String, String> =
        csvs.iter().map(|(name, csv)| ((*name).to_owned(), (*csv).to_owned())).collect();
    expected.insert("rulebook.toml".to_owned(), RULEBOOK.to_owned());
    let messages = expected_messages();
    expected.extend(messages.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    expected.insert("manifest.json".to_owned(), expected_manifest(&csvs));
    let written: BTreeMap<String, String> = read_all(&folder)
        .into_iter()
        .map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap()))
        .collect();
    for (name, text) in &expected {
        assert_eq!(written.get(name), Some(text), "{name}");
    }
    assert_eq!(written.len(), expected.len());
    assert_eq!(published.manifest_sha256, sha256(&[expected["manifest.json"].as_bytes()]));
    assert_eq!((published.issuer_rows, published.acquirer_rows), (4, 7));
}

#[test]
fn a_cycle_as_it_was_written_passes_every_check() {
    let out = tempfile::tempdir().unwrap();
    let (folder, _) = write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
    let report = verify(&folder).unwrap();
    assert!(report.passed(), "{report}");
    assert!(all_passed(&report), "{report}");
    assert!(report.to_string().contains("7 rows of acquirers, 4 of home cities"), "{report}");
}

#[test]
fn a_folder_without_manifest_is_no_cycle() {
    let out = tempfile::tempdir().unwrap();
    fs::create_dir(out.path().join("2018-09-01-001")).unwrap();
    let error = verify(&out.path().join("2018-09-01-001")).unwrap_err();
    assert!(error.to_string().contains("no manifest.json"), "{error}");
}
