//! The cycle of the picture, where Shanghai is paid for retail over an account of its own.
//!
//! ```text
//! the line of all sectors but metro: 200 (bus) and 1,000,000 (retail) of cu-3000, interchange 3,001, switch fee 1,000
//!   retail  3,001 × 1,000,000 / 1,000,200 = 3,000.4 → 3,000    1,000 × 1,000,000 / 1,000,200 = 999.8 → 1,000
//!   bus                                     0.6     →     1                                    0.2   →     0
//!
//! cu-2000-1  1,000,000 − 3,000 − 1,000                              =   996,000
//! cu-2000      200 − 1 − 0 + 100,000 − 250 − 50 + 500               =   100,399
//!                                                            net      1,096,399
//! ```

use std::{collections::BTreeMap, path::PathBuf};

use tempfile::TempDir;

use super::{
    RULEBOOK, Rulebook, city, correct, detail, digest_hex, fs, items, scratch, settle, tamper, write,
};
use crate::{
    CycleInput, Figures, Published,
    answer::example,
    manifest::Replaces,
    settlement::{Camt053, Direction, Pacs029},
    verify,
    verify::Check,
};
use domain::{
    cycle::CycleName,
    ledger::{Event, Ledger, Statement},
    settlement::{Item, Payments, Settlement, confirmation::confirm},
    tap::Kind,
    totals::{Tally, TotalKey},
};

const CYCLE: &str = "2018-09-01-001";
const PACS: &str = "settlement/pacs.029.001.02.xml";
const PAIN: &str = "settlement/pain.001.001.09.xml";
const CAMT: &str = "settlement/camt.053.001.08-cu-2000.xml";

fn rulebook() -> Rulebook {
    let accounts = "name_zh = \"上海\"\njoined = \"2018-01-01\"\nbank = \"ICBKCNBJ\"\naccount = \"62-0\"\n\
                    [[participant.sector_account]]\nsectors = [\"retail\", \"parking\"]\nbank = \"102100099996\"\n\
                    account = \"62-1\"\naccount_name = \"上海商业\"\n\
                    [[participant.sector_account]]\nsectors = [\"ferry\"]\nbank = \"ABOCCNBJ\"\naccount = \"62-2\"\n";
    let text = RULEBOOK.replace("name_zh = \"上海\"\njoined = \"2018-01-01\"\n", accounts);
    Rulebook::parse(text.as_bytes()).unwrap()
}

/// Slots: the metro line 0 and the default rates 1, and two more for each account.
fn settlement(items: &[Item]) -> Settlement {
    let total = |acquirer, issuer, fee_line, count, amount_fen| {
        let tally = Tally { count, amount_fen, ..Tally::default() };
        let key = TotalKey { acquirer: city(acquirer), issuer: city(issuer), kind: Kind::Purchase, fee_line };
        (key, tally)
    };
    let totals = BTreeMap::from([
        total("cu-2000", "cu-3000", 1, 1, 200),
        total("cu-2000", "cu-3000", 3, 1, 1_000_000),
        total("cu-2000", "tu-2900", 0, 1, 100_000),
        total("cu-3000", "cu-2000", 1, 1, 0),
    ]);
    settle(&rulebook(), "2018-09-01".parse().unwrap(), &totals, items).unwrap()
}

/// Writes a version of the cycle; the later ones beside the first.
fn written(out: &TempDir, version: u32, first: Option<&Published>, items: &[Item]) -> (PathBuf, Published) {
    let (rulebook, settlement) = (rulebook(), settlement(items));
    let name: CycleName = CYCLE.parse().unwrap();
    let participants: Vec<_> = rulebook.members(name.business_date).collect();
    let input = CycleInput {
        version,
        name,
        settlement: &settlement,
        items,
        rulebook: &rulebook,
        previous_manifest: first.map(|first| first.manifest_sha256),
        participants: &participants,
    };
    let dir = scratch(out.path(), &name);
    let published = match first {
        None => write(&dir, &input, vec![detail(out.path())]).unwrap(),
        Some(first) => {
            let manifest_sha256 = digest_hex(&first.manifest_sha256);
            let replaces = Replaces {
                folder: CYCLE.to_owned(),
                manifest_sha256,
                reason: "cu-2000 does not pay".to_owned(),
                version,
            };
            correct(&dir, &input, &out.path().join(CYCLE), replaces).unwrap()
        }
    };
    let folder = if version > 1 { format!("{CYCLE}.v{version}") } else { CYCLE.to_owned() };
    (crate::publish(&dir, out.path(), &folder).unwrap(), published)
}

fn read<T: serde::de::DeserializeOwned>(folder: &std::path::Path, name: &str) -> T {
    quick_xml::de::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

fn signed(fen: Option<u64>, direction: Direction) -> i128 {
    let fen = i128::from(fen.unwrap());
    if direction == Direction::Debit { -fen } else { fen }
}

#[test]
fn each_account_has_its_payment_and_its_statement() {
    let out = tempfile::tempdir().unwrap();
    let (folder, _) = written(&out, 1, None, &items());
    let report = verify(&folder).unwrap();
    assert!(super::all_passed(&report), "{report}");
    let net = fs::read_to_string(folder.join("net.csv")).unwrap();
    assert!(
        net.contains(",cu-2000,") && net.contains(",1096399\n"),
        "the net is that of a city with one account:\n{net}"
    );

    let message: Pacs029 = read(&folder, PACS);
    let told: Vec<_> = message
        .body
        .request
        .movements
        .iter()
        .map(|it| (it.id.as_str(), it.participant.id(), signed(it.amount.amount.fen(), it.amount.direction)))
        .collect();
    assert_eq!(
        told,
        [
            ("2018-09-01-001-cu-2000", "cu-2000", 100_399),
            ("2018-09-01-001-cu-2000-1", "cu-2000", 996_000),
            ("2018-09-01-001-cu-3000", "cu-3000", -997_199),
            ("2018-09-01-001-tu-2900", "tu-2900", -100_250),
            ("2018-09-01-001-scheme", "scheme", 1050),
        ]
    );
    let pain = fs::read_to_string(folder.join(PAIN)).unwrap();
    for said in [
        "<Id>62-0</Id>",
        "<Id>62-1</Id>",
        "<MmbId>102100099996</MmbId>",
        "<Nm>上海商业</Nm>",
        "settlement 2018-09-01-001 cu-2000-1<",
    ] {
        assert!(pain.contains(said), "{said} is not in {pain}");
    }
    let message: Camt053 = read(&folder, CAMT);
    let told: Vec<Vec<String>> = message
        .body
        .statements
        .iter()
        .map(|statement| {
            let closing =
                statement.balances.iter().map(|it| signed(it.amount.fen(), it.direction).to_string());
            let entry = |it: &crate::settlement::Entry| {
                format!("{} {}", it.reference, signed(it.amount.fen(), it.direction))
            };
            statement.entries.iter().map(entry).chain(closing).collect()
        })
        .collect();
    assert_eq!(
        told,
        [
            vec![
                "purchase-receive-cu-3000 200",
                "interchange-pay-cu-3000 -1",
                "purchase-receive-tu-2900 100000",
                "interchange-pay-tu-2900 -250",
                "adjustment-receive-tu-2900 500",
                "switch_fee-pay-scheme -50",
                "0",
                "100399",
            ],
            vec![
                "purchase-receive-cu-3000 1000000",
                "interchange-pay-cu-3000 -3000",
                "switch_fee-pay-scheme -1000",
                "0",
                "996000",
            ],
            vec!["0", "0"],
        ]
    );
    let page = fs::read_to_string(folder.join("settlement/statement-cu-2000.html")).unwrap();
    for said in [
        "62-0",
        "62-1",
        "62-2",
        "parking, retail",
        "9,960.00",
        "1,003.99",
        "10,963.99",
        "2018-09-01-001-cu-2000-1",
    ] {
        assert!(page.contains(said), "{said} is not on the page");
    }
    assert!(!page.contains("2018-09-01-001-cu-2000-2"), "what does not move has no reference");
}

#[test]
fn the_bank_answers_for_each_account() {
    let out = tempfile::tempdir().unwrap();
    let (folder, _) = written(&out, 1, None, &items());
    let told = example::instructed(PAIN, &fs::read_to_string(folder.join(PAIN)).unwrap()).unwrap();
    assert_eq!(told.len(), 4);
    let payments = Payments::over_accounts(&settlement(&items()), &items()).unwrap();
    assert_eq!(confirm(&payments, CYCLE.parse().unwrap(), 1, &told), Ok(()));
    assert_eq!(confirm(&payments, CYCLE.parse().unwrap(), 1, &told[1..]).unwrap_err().len(), 1);
}

/// The ledger has one position for a city: the statements of its accounts together.
#[test]
fn the_ledger_has_what_all_statements_have() {
    let out = tempfile::tempdir().unwrap();
    let (folder, _) = written(&out, 1, None, &items());
    let figures = Figures::read(&folder).unwrap();
    let payments = figures.payments().unwrap();
    let closed = Event::Closed { payments: &payments, items: &figures.items };
    let posted = Ledger::default().post(figures.cycle, 1, closed).unwrap();
    let Statement { entries, closing_fen, .. } = Statement::of(city("cu-2000"), figures.cycle, &posted);
    let mut by_ledger: BTreeMap<String, i128> = BTreeMap::new();
    for entry in entries {
        let purpose = entry.purpose.unwrap().word();
        *by_ledger.entry(format!("{purpose} {}", entry.against.owner)).or_default() += i128::from(entry.fen);
    }
    let message: Camt053 = read(&folder, CAMT);
    let (mut by_message, mut closing) = (BTreeMap::new(), 0);
    for statement in &message.body.statements {
        closing += signed(statement.balances[1].amount.fen(), statement.balances[1].direction);
        for entry in &statement.entries {
            let purpose = entry.reference.split('-').next().unwrap();
            *by_message.entry(format!("{purpose} {}", entry.counterparty())).or_default() +=
                signed(entry.amount.fen(), entry.direction);
        }
    }
    assert_eq!((by_ledger, closing_fen), (by_message, closing));
}

#[test]
fn money_over_another_account_is_found_though_nets_and_digests_agree() {
    for (file, from, to, words) in [
        (PACS, "9960.00</Amt>", "9960.01</Amt>", "cu-2000-1 has 9960.01, its records by sector give 9960.00"),
        (
            PACS,
            "<Id>2018-09-01-001-cu-2000-1",
            "<Id>2018-09-01-001-cu-2000-2",
            "it has cu-2000-2, for whom its records by sector give nothing",
        ),
        (
            PAIN,
            "\">9960.00",
            "\">9959.00",
            "cu-2000-1 receives less what it pays 9959.00, its records by sector give 9960.00",
        ),
        (
            PAIN,
            "<EndToEndId>2018-09-01-001-cu-2000-1",
            "<EndToEndId>2018-09-01-001-cu-2000-3",
            "nothing for cu-2000-1, its records by sector give 9960.00",
        ),
        (PAIN, "<Id>62-1</Id>", "<Id>62-2</Id>", "CdtrAcct/Id/Othr/Id is `62-2`, the cycle gives `62-1`"),
        (
            CAMT,
            "\">9960.00",
            "\">9960.01",
            "account cu-2000-1: it closes at 9960.01, its records by sector give 9960.00",
        ),
        (
            CAMT,
            "\">10000.00",
            "\">10000.01",
            "account cu-2000-1: its entries sum to 9960.01, its records by sector give 9960.00",
        ),
    ] {
        let out = tempfile::tempdir().unwrap();
        let (folder, _) = written(&out, 1, None, &items());
        tamper::replace(&folder, file, from, to);
        tamper::seal(&folder);
        let report = verify(&folder).unwrap();
        let found = report.failures.iter().any(|failure| {
            (failure.check, failure.file.as_str()) == (Check::Messages, file) && failure.what.contains(words)
        });
        assert!(found, "nothing of `{words}` in {file}:\n{report}");
    }
}

/// Shanghai owes 20,000.00 beside what it receives: 9,036.01 in all, while its account for retail would be paid 9,960.00. It
/// does not pay, and 9,030.00 are taken out of the cycle: what is left goes over its main account alone.
#[test]
fn a_version_without_a_failed_city_moves_its_main_account_alone() {
    let out = tempfile::tempdir().unwrap();
    let owes = |id: &str, debtor: &str, creditor: &str, amount_fen| Item {
        id: id.to_owned(),
        debtor: city(debtor),
        creditor: city(creditor),
        amount_fen,
        ..items().remove(1)
    };
    let mut all = items();
    all.push(owes("b-2", "cu-2000", "cu-3000", 2_000_000));
    let (_, first) = written(&out, 1, None, &all);
    all.push(owes("F-2018-09-01-001-1-cu-2000-cu-3000", "cu-3000", "cu-2000", 903_000));
    let (folder, _) = written(&out, 2, Some(&first), &all);
    let report = verify(&folder).unwrap();
    assert!(report.passed(), "{report}");
    let message: Pacs029 = read(&folder, PACS);
    let ids: Vec<&str> = message.body.request.movements.iter().map(|it| it.id.as_str()).collect();
    assert!(
        ids.contains(&"2018-09-01-001.v2-cu-2000") && !ids.contains(&"2018-09-01-001.v2-cu-2000-1"),
        "{ids:?}"
    );
}
