//! The ledger of real cycles: its balances are zero together, and what it says of a participant is its `camt.053`.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap},
    support::{cityunion, clear, cycles},
};

fn shown(out: &Path, more: &str) -> Value {
    let ran = cityunion(&format!("ledger show --in {{}} {more} -o json"), &[out]).ok();
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Rows of a table as `column column … column`.
fn rows(document: &Value, table: &str, columns: &[&str]) -> Vec<String> {
    let text = |row: &Value, column: &&str| match &row[column] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let row = |row| columns.iter().map(|column| text(row, column)).collect::<Vec<_>>().join(" ");
    document[table].as_array().unwrap().iter().map(row).collect()
}

/// By hand, as in `settlement.rs`: cu-3000 owes 12,000 fen at 36 and 12, cu-4000 owes 450 at 1 and 0.
#[test]
fn three_cities_by_hand() {
    let folder = TempDir::new().unwrap();
    let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000", "cu-4000"]);
    let noon = "2018-09-28T12:00:00";
    let taps = [
        tap("200000000001", 1, "cu-3000", 12_000, noon, "sm4"),
        tap("200000000001", 2, "cu-4000", 450, noon, "3des"),
    ];
    scheme.taps("cu-2000", "2018-09-28.csv", &taps.each_ref().map(String::as_str));
    let out = folder.path().join("out");
    clear(&scheme.path, &out);
    let ledger = shown(&out, "");
    let sums = |table: &Value| {
        let rows = table.as_array().unwrap();
        rows.iter().map(|row| row["balance_fen"].as_i64().unwrap()).sum::<i64>()
    };
    assert_eq!(sums(&ledger["accounts"]), 0, "{ledger:#}");
    let statement = shown(&out, "--participant cu-2000 --cycle 2018-09-28-001");
    assert_eq!(
        rows(&statement, "statement", &["participant", "opening_fen", "entries", "closing_fen"]),
        ["cu-2000 0 5 12401"]
    );
    let entries = rows(&statement, "entries", &["why", "against", "purpose", "count", "amount_fen"]);
    assert_eq!(
        entries[..5],
        [
            "closed cu-3000 position purchase 1 12000",
            "closed cu-3000 position interchange 1 -36",
            "closed cu-4000 position purchase 1 450",
            "closed cu-4000 position interchange 1 -1",
            "closed scheme fees_income switch_fee 2 -12",
        ]
    );
    let text = cityunion("ledger show --in {}", &[&out]).ok().stdout;
    assert!(text.contains("2018-09-28-001") && text.contains("all balances together: 0"), "{text}");
    let csv = cityunion("ledger show --in {} --participant scheme -o csv", &[&out]).ok().stdout;
    assert!(csv.contains("scheme,fees_income") && csv.contains("switch_fee"), "{csv}");
    for (words, says) in [
        ("ledger show --in {} --cycle 2018-09-29-001", "has no closed cycle 2018-09-29-001"),
        ("ledger show --in {} --participant shanghai", "or scheme"),
    ] {
        cityunion(words, &[&out]).exits(2).says(&[says]);
    }
    cityunion("ledger show --in {}", &[folder.path()]).exits(2).says(&["has no closed cycle"]);
    let net = out.join("2018-09-28-001/net.csv");
    fs::write(&net, fs::read_to_string(&net).unwrap().replace("12401", "12402")).unwrap();
    cityunion("ledger show --in {}", &[&out]).exits(1).says(&["net.csv", "cityunion verify"]);
}

/// The text of an element.
fn element<'t>(text: &'t str, name: &str) -> &'t str {
    let from = text.split_once(&format!("<{name}")).unwrap().1.split_once('>').unwrap().1;
    from.split_once(&format!("</{name}>")).unwrap().0
}

/// `purpose counterparty fen` of each entry of a `camt.053`, then its two balances.
fn by_message(path: &Path) -> (Vec<String>, Vec<i64>) {
    let text = fs::read_to_string(path).unwrap();
    let signed = |part: &str| {
        let fen: i64 = element(part, "Amt").replace('.', "").parse().unwrap();
        if element(part, "CdtDbtInd") == "DBIT" { -fen } else { fen }
    };
    let entry = |part: &str| {
        let mut words = element(part, "NtryRef").splitn(3, '-');
        let (purpose, _side, other) = (words.next().unwrap(), words.next(), words.next().unwrap());
        format!("{purpose} {other} {}", signed(part))
    };
    let entries = text.split("<Ntry>").skip(1).map(entry).collect();
    (entries, text.split("<Bal>").skip(1).take(2).map(signed).collect())
}

#[test]
fn statements_of_simulated_days_have_the_figures_of_camt_053() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (folder.path().join("scheme"), folder.path().join("out"));
    cityunion("simulate --out {} --seed 12 --taps 5000 --cities 8 --days 2", &[&scheme]).ok();
    for _ in 0..2 {
        clear(&scheme, &out);
    }
    let mut compared = 0;
    for cycle in cycles(&out) {
        let mut messages: Vec<_> = fs::read_dir(out.join(&cycle).join("settlement"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        messages.sort();
        for path in messages {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let city = name.strip_prefix("camt.053.001.08-").and_then(|rest| rest.strip_suffix(".xml"));
            let Some(city) = city else { continue };
            let document = shown(&out, &format!("--participant {city} --cycle {cycle}"));
            let closed: Vec<String> =
                rows(&document, "entries", &["why", "purpose", "against", "amount_fen"])
                    .iter()
                    .filter_map(|row| row.strip_prefix("closed "))
                    .map(|row| {
                        let words: Vec<&str> = row.split(' ').collect();
                        format!("{} {} {}", words[0], words[1], words[3])
                    })
                    .collect();
            let statement = &document["statement"][0];
            let balances = ["opening_fen", "closing_fen"].map(|name| statement[name].as_i64().unwrap());
            assert_eq!((closed, balances.to_vec()), by_message(&path), "{cycle} {city}");
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared}");
}
