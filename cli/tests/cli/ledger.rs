//! The ledger of real cycles: its balances are zero together, and what it says of a participant is its `camt.053`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use files::answer::example;
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

/// An OUT of a simulated scheme, and the people who act on its cycles.
struct World {
    folder: TempDir,
}

const FIRST: &str = "2018-09-01-001";

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let world = Self { folder };
        let scheme = world.path("scheme");
        cityunion("simulate --out {} --seed 6 --taps 2500 --cities 7 --days 2", &[&scheme]).ok();
        cityunion("clear {} --out {} --release people", &[&scheme, &world.out()]).ok();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn out(&self) -> PathBuf {
        self.path("out")
    }

    /// `cycle …` by somebody of the TEST PKI.
    fn act(&self, words: &str, by: &str) {
        let certificate = self.path("scheme/pki/tls").join(format!("{by}.pem"));
        cityunion(&format!("cycle {words} --in {{}} --certificate {{}}"), &[&self.out(), &certificate]).ok();
    }

    fn release(&self) {
        self.act(&format!("propose {FIRST}"), "operator-wang");
        self.act(&format!("release {FIRST}"), "operator-li");
    }

    /// The bank does what the messages in a folder of the cycle say.
    fn confirm(&self, folder: &str) {
        let pain = self.out().join(folder).join("settlement/pain.001.001.09.xml");
        let told = example::instructed("pain", &fs::read_to_string(pain).unwrap()).unwrap();
        let answer = self.path("answer.csv");
        fs::write(&answer, example::csv(&told)).unwrap();
        self.act(&format!("confirm {FIRST} {}", answer.display()), "bank");
    }

    /// The sum over all owners and how far the first cycle is; that every account's owners together have 0 is checked.
    fn books(&self) -> (String, BTreeMap<String, Vec<i64>>) {
        let ledger = shown(&self.out(), "");
        let mut accounts: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for row in ledger["accounts"].as_array().unwrap() {
            let account = match row["account"].as_str().unwrap() {
                "fees_income" => "position",
                "settlement_account" => "nostro",
                account => account,
            };
            accounts.entry(account.to_owned()).or_default().push(row["balance_fen"].as_i64().unwrap());
        }
        for (account, balances) in &accounts {
            assert_eq!(balances.iter().sum::<i64>(), 0, "{account}: {ledger:#}");
        }
        let first = rows(&ledger, "cycles", &["cycle", "version", "state"]).remove(0);
        (first, accounts)
    }
}

/// Whether an account has something for somebody.
fn holds(accounts: &BTreeMap<String, Vec<i64>>, account: &str) -> bool {
    accounts.get(account).is_some_and(|balances| balances.iter().any(|fen| *fen != 0))
}

#[test]
fn each_step_of_a_cycle_is_posted() {
    let world = World::new();
    let where_is = |expected: &str, held: [bool; 3]| {
        let (first, accounts) = world.books();
        assert_eq!(first, format!("{FIRST} 1 {expected}"));
        assert_eq!(
            ["position", "in_transit", "nostro"].map(|account| holds(&accounts, account)),
            held,
            "{accounts:?}"
        );
    };
    where_is("closed", [true, false, false]);
    world.release();
    where_is("released", [false, true, false]);
    world.confirm(FIRST);
    where_is("confirmed", [false, false, true]);
    world.act(&format!("settle {FIRST}"), "operator-zhao");
    where_is("settled", [false, false, true]);

    // A copy without the log has the records beside the cycles, or nothing.
    fs::rename(world.out().join(".state"), world.path("state")).unwrap();
    let records = world.out().join("releases");
    drop(fs::remove_dir_all(&records));
    let text = cityunion("ledger show --in {}", &[&world.out()]).ok().stdout;
    assert!(text.contains("how far the cycles are is not known here"), "{text}");
    where_is("closed", [true, false, false]);
    fs::create_dir(&records).unwrap();
    let record =
        "{\"cycle\": \"2018-09-01-001\", \"state\": \"confirmed\", \"version\": 1, \"released\": true}";
    fs::write(records.join(format!("{FIRST}.json")), record).unwrap();
    where_is("confirmed", [false, false, true]);
}

/// The debtor's debt waits in suspense until the next day's cycle carries it.
#[test]
fn a_debt_that_is_not_paid_goes_over_suspense() {
    let world = World::new();
    let net = fs::read_to_string(world.out().join(FIRST).join("net.csv")).unwrap();
    let of_row = |row: &str| -> (String, i64) {
        let columns: Vec<&str> = row.split(',').collect();
        (columns[2].to_owned(), columns.last().unwrap().parse().unwrap())
    };
    // The smaller of two debtors: the others pay more than its debt.
    let nets = net.lines().skip(1).map(of_row).filter(|(_, net)| *net < 0);
    let (debtor, owed) = nets.max_by_key(|(_, net)| *net).unwrap();
    world.release();
    cityunion(
        &format!("cycle fail {FIRST} --city {debtor} --reason cover --in {{}} --certificate {{}} -o json"),
        &[&world.out(), &world.path("scheme/pki/tls/operator-wang.pem")],
    )
    .ok();
    let waits = cityunion("cycle releases --in {} -o json", &[&world.out()]).ok().stdout;
    let waits: Value = serde_json::from_str(&waits).unwrap();
    let proposal = waits["proposals"][0]["proposal"].as_str().unwrap();
    world.act(&format!("approve {proposal}"), "operator-li");
    cityunion("clear {} --out {} --release people", &[&world.path("scheme"), &world.out()]).ok();

    let (first, accounts) = world.books();
    assert_eq!(first, format!("{FIRST} 2 closed"));
    // The second day has carried it already.
    assert!(!holds(&accounts, "suspense"), "{accounts:?}");
    let carried = shown(&world.out(), &format!("--participant {debtor}"));
    let suspense: Vec<String> = rows(&carried, "entries", &["cycle", "version", "account", "amount_fen"])
        .into_iter()
        .filter(|row| row.contains(" suspense "))
        .collect();
    let sum = |of: &str| {
        let amounts =
            suspense.iter().filter(|row| row.starts_with(of)).map(|row| row.rsplit(' ').next().unwrap());
        amounts.map(|fen| fen.parse::<i64>().unwrap()).sum::<i64>()
    };
    assert_eq!((sum(FIRST), sum("2018-09-02-001")), (owed, -owed), "{suspense:?}");
    world.release();
    world.confirm(&format!("{FIRST}.v2"));
    let (first, accounts) = world.books();
    assert_eq!(first, format!("{FIRST} 2 confirmed"));
    assert!(holds(&accounts, "nostro") && holds(&accounts, "position") && !holds(&accounts, "in_transit"));
    cityunion("verify {}", &[&world.out()]).ok();
}
