//! What banks and participants are told of a cycle, and what is found when it is changed afterwards.
//!
//! The nets of the picture in `mod.rs` as payments, and what each is made of:
//!
//! ```text
//! cu-3000 ── 9,971.99 ──▶ scheme ── 10,963.99 ──▶ cu-2000      stays: 9,971.99 + 1,002.50 − 10,963.99 = 10.50
//! tu-2900 ── 1,002.50 ──▶ scheme
//!
//! cu-2000   cu-3000: + 10,002.00 − 30.01   tu-2900: + 1,000.00 − 2.50 + 5.00   fees − 10.50   = + 10,963.99
//! cu-3000   cu-2000: − 10,002.00 + 30.01                                                      =  − 9,971.99
//! tu-2900   cu-2000:  − 1,000.00 +  2.50 − 5.00                                               =  − 1,002.50
//! ```

use std::path::PathBuf;

use super::{
    City, CycleInput, FilesError, Item, ItemKind, Kind, Path, Rulebook, Settlement, Tally, TotalKey, city,
    detail, fs, golden::expected_messages, items, scratch, settle, settlement, tamper, write, write_cycle,
};
use crate::{
    layout::SettlementFile,
    manifest::Manifest,
    settlement::{Camt053, Direction, Messages, Pacs029, Pain001},
    verify,
    verify::{Check, Outcome, Report},
};

const PACS: &str = "settlement/pacs.029.001.02.xml";
const PAIN: &str = "settlement/pain.001.001.09.xml";
const CAMT: &str = "settlement/camt.053.001.08-cu-2000.xml";
const STATEMENT: &str = "settlement/statement-cu-2000.html";

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    quick_xml::de::from_str(expected_messages()[name]).unwrap()
}

const fn sign(direction: Direction) -> &'static str {
    match direction {
        Direction::Credit => "+",
        Direction::Debit => "-",
    }
}

#[test]
fn the_nets_of_everybody_by_hand() {
    let message: Pacs029 = read(PACS);
    let told: Vec<String> = message
        .body
        .request
        .movements
        .iter()
        .map(|movement| {
            let amount = &movement.amount;
            format!("{} {}{}", movement.participant.id(), sign(amount.direction), amount.amount.value)
        })
        .collect();
    assert_eq!(told, ["cu-2000 +10963.99", "cu-3000 -9971.99", "tu-2900 -1002.50", "scheme +10.50"]);
    assert_eq!(message.body.header.sum, "21948.98");
}

#[test]
fn the_payments_by_hand() {
    let message: Pain001 = read(PAIN);
    let mut told = Vec::new();
    for payment in &message.body.payments {
        for transfer in &payment.transfers {
            let (from, to) = (payment.debtor.id(), transfer.creditor.id());
            told.push(format!("{from} {to} {} {}", transfer.amount.amount.value, transfer.id.end_to_end));
        }
    }
    assert_eq!(
        told,
        [
            "cu-3000 scheme 9971.99 2018-09-01-001-cu-3000",
            "tu-2900 scheme 1002.50 2018-09-01-001-tu-2900",
            "scheme cu-2000 10963.99 2018-09-01-001-cu-2000",
        ]
    );
    assert_eq!((message.body.header.count, &*message.body.header.sum), (3, "21938.48"));
}

#[test]
fn what_every_net_is_made_of_by_hand() {
    let entries = |city: &str| {
        let message: Camt053 = read(&format!("settlement/camt.053.001.08-{city}.xml"));
        let [statement] = &message.body.statements[..] else { panic!("{city}") };
        let told = |entry: &crate::settlement::Entry| {
            format!("{} {}{}", entry.reference, sign(entry.direction), entry.amount.value)
        };
        let balances: Vec<String> = statement
            .balances
            .iter()
            .map(|balance| format!("{}{}", sign(balance.direction), balance.amount.value))
            .collect();
        (statement.entries.iter().map(told).collect::<Vec<_>>(), balances.join(" "))
    };
    let told = |entries: &[&str], balances: &str| {
        (entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>(), balances.to_owned())
    };
    let shanghai = [
        "purchase-receive-cu-3000 +10002.00",
        "interchange-pay-cu-3000 -30.01",
        "purchase-receive-tu-2900 +1000.00",
        "interchange-pay-tu-2900 -2.50",
        "adjustment-receive-tu-2900 +5.00",
        "switch_fee-pay-scheme -10.50",
    ];
    assert_eq!(entries("cu-2000"), told(&shanghai, "+0.00 +10963.99"));
    let tianjin = ["purchase-pay-cu-2000 -10002.00", "interchange-receive-cu-2000 +30.01"];
    assert_eq!(entries("cu-3000"), told(&tianjin, "+0.00 -9971.99"));
    let somewhere = [
        "purchase-pay-cu-2000 -1000.00",
        "interchange-receive-cu-2000 +2.50",
        "adjustment-pay-cu-2000 -5.00",
    ];
    assert_eq!(entries("tu-2900"), told(&somewhere, "+0.00 -1002.50"));
}

#[test]
fn a_statement_is_one_page_that_says_what_to_pay_to_whom() {
    let page = expected_messages()["settlement/statement-cu-3000.html"];
    let said = [
        "应付净额",
        "Net to pay",
        "¥ 9,971.99",
        "2018-09-03",
        "−10,002.00",
        "30.01",
        "−9,971.99",
        "上海",
        "Shanghai",
        "2018-09-01-001-cu-3000",
    ];
    for said in said {
        assert!(page.contains(said), "{said}");
    }
    let page = expected_messages()[STATEMENT];
    for said in ["应收净额", "Net to receive", "¥ 10,963.99", "−10.50", "5.00", "1,000.00"] {
        assert!(page.contains(said), "{said}");
    }
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
}

/// Whether verification names this file, by the check of messages, with these words.
#[track_caller]
fn assert_told(report: &Report, file: &str, words: &str) {
    let found = report.failures.iter().any(|failure| {
        (failure.check, failure.file.as_str()) == (Check::Messages, file) && failure.what.contains(words)
    });
    assert!(found, "nothing of `{words}` in {file}:\n{report}");
}

#[test]
fn whatever_is_changed_is_named_though_digests_agree_again() {
    for (file, from, to, words) in [
        (PACS, "9971.99</Amt>", "9971.98</Amt>", "cu-3000 has -9971.98, net.csv gives -9971.99"),
        (
            PACS,
            "<Id>tu-2900</Id>\n       </Othr>\n      </OrgId>",
            "<Id>cu-3000</Id>\n       </Othr>\n      </OrgId>",
            "nothing for tu-2900, net.csv gives -1002.50",
        ),
        (PACS, "<CdtDbt>DBIT", "<CdtDbt>CRDT", "cu-3000 has 9971.99, net.csv gives -9971.99"),
        (PACS, "21948.98", "21948.99", "CtrlSum is `21948.99`, its amounts sum to 21948.98"),
        (PACS, "Ccy=\"CNY\">10.50", "Ccy=\"USD\">10.50", "`USD 10.50` is no amount"),
        (PACS, "<NbOfMvmntRcrds>4", "<NbOfMvmntRcrds>5", "NbOfMvmntRcrds is 5, there are 4"),
        (PACS, "23:59:59", "23:59:58", "Document/MulSttlmReq/GrpHdr/CreDtTm is `2018-09-01T23:59:58+08:00`"),
        (PACS, "<Nm>上海</Nm>", "<Nm>上诲</Nm>", "MvmntRcrd/Ptcpt/Nm is `上诲`, the cycle gives `上海`"),
        (PAIN, "\">10963.99", "\">10963.90", "cu-2000 receives less what it pays 10963.90"),
        (
            PAIN,
            "<EndToEndId>2018-09-01-001-tu-2900",
            "<EndToEndId>2018-09-01-001-cu-3000",
            "the id `2018-09-01-001-cu-3000` is there 2 times",
        ),
        (
            PAIN,
            "<EndToEndId>2018-09-01-001-tu-2900",
            "<EndToEndId>2018-09-01-002-tu-2900",
            "has the id `2018-09-01-002-tu-2900`",
        ),
        (
            PAIN,
            "<Dt>2018-09-03",
            "<Dt>2018-09-04",
            "PmtInf/ReqdExctnDt/Dt is `2018-09-04`, the cycle gives `2018-09-03`",
        ),
        (
            PAIN,
            "<DbtrAcct>\n    <Id>\n     <Othr>\n      <Id>tu-2900",
            "<DbtrAcct>\n    <Id>\n     <Othr>\n      <Id>cu-3000",
            "PmtInf/DbtrAcct/Id/Othr/Id is `cu-3000`, the cycle gives `tu-2900`",
        ),
        (PAIN, "<PmtMtd>TRF</PmtMtd>", "<PmtMtd>TRF</PmtMtd><!-- x -->", "where the cycle gives"),
        (CAMT, "\">10002.00", "\">10002.01", "its entries sum to 10964.00, net.csv gives 10963.99"),
        (
            CAMT,
            "<Id>cu-3000</Id>",
            "<Id>tu-2900</Id>",
            "cu-3000 gives -30.01, positions and items give 9971.99",
        ),
        (CAMT, "\">0.00", "\">0.01", "it does not open at 0"),
        (CAMT, "\">10963.99", "\">10963.98", "it closes at 10963.98, net.csv gives 10963.99"),
        (CAMT, "switch_fee-pay-scheme", "interchange-pay-scheme", "NtryRef is `interchange-pay-scheme`"),
        (CAMT, "<Sum>11007.00", "<Sum>11007.01", "TxsSummry/TtlCdtNtries/Sum is `11007.01`"),
        (CAMT, "</Stmt>", "</Stmt", "no message of this layout"),
        (STATEMENT, "10,963.99", "10,963.90", "the cycle gives"),
        (STATEMENT, "2018-09-01-001-cu-2000", "2018-09-01-001-cu-2001", "the cycle gives"),
    ] {
        let report = changed(|folder| tamper::replace(folder, file, from, to));
        assert_told(&report, file, words);
    }
}

/// Verifies a cycle that was changed.
fn unsealed(change: impl FnOnce(&Path)) -> Report {
    let out = tempfile::tempdir().unwrap();
    let (folder, _) = write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
    change(&folder);
    verify(&folder).unwrap()
}

/// The same when the manifest was made to agree again.
fn changed(change: impl FnOnce(&Path)) -> Report {
    unsealed(|folder| {
        change(folder);
        tamper::seal(folder);
    })
}

/// Takes a file out of folder and manifest.
fn unlist(folder: &Path, name: &str) {
    fs::remove_file(folder.join(name)).unwrap();
    let path = folder.join("manifest.json");
    let mut manifest = Manifest::from_bytes(&fs::read(&path).unwrap()).unwrap();
    manifest.files.retain(|file| file.name != name);
    fs::write(&path, manifest.to_bytes().unwrap()).unwrap();
}

/// Takes out the text from `from` up to the end of `to`.
fn cut(folder: &Path, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    let start = text.find(from).unwrap();
    let end = text[start..].find(to).unwrap() + start + to.len();
    fs::write(folder.join(file), text[..start].to_owned() + &text[end..]).unwrap();
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    for name in [PACS, PAIN, CAMT, STATEMENT] {
        let report = unsealed(|folder| unlist(folder, name));
        assert_told(&report, name, "it is missing, though net.csv gives nets");
    }
    let leg =
        changed(|folder| cut(folder, PAIN, "<PmtInf>\n   <PmtInfId>2018-09-01-001-PAY-tu", "</PmtInf>\n"));
    assert_told(&leg, PAIN, "nothing for tu-2900, net.csv gives -1002.50");
    assert_told(&leg, PAIN, "NbOfTxs is 3, there are 2");
    let movement = changed(|folder| cut(folder, PACS, "<MvmntRcrd>", "</MvmntRcrd>\n"));
    assert_told(&movement, PACS, "nothing for cu-2000");
    let entry = changed(|folder| cut(folder, CAMT, "<Ntry>", "</Ntry>\n"));
    assert_told(&entry, CAMT, "cu-3000 gives -30.01, positions and items give 9971.99");
    let foreign = "settlement/camt.053.001.08-cu-9999.xml";
    let more = unsealed(|folder| {
        fs::copy(folder.join(CAMT), folder.join(foreign)).unwrap();
        let path = folder.join("manifest.json");
        let mut manifest = Manifest::from_bytes(&fs::read(&path).unwrap()).unwrap();
        let mut entry = manifest.files.iter().find(|file| file.name == CAMT).unwrap().clone();
        foreign.clone_into(&mut entry.name);
        manifest.files.push(entry);
        manifest.files.sort_by(|a, b| a.name.cmp(&b.name));
        fs::write(&path, manifest.to_bytes().unwrap()).unwrap();
    });
    assert_told(&more, foreign, "net.csv gives no such message");
}

/// A cycle of a version that wrote no messages: told where that is known, else wrong; a part of them is always wrong.
#[test]
fn a_cycle_from_before_there_were_messages_is_told_where_that_is_known() {
    let out = tempfile::tempdir().unwrap();
    let (folder, _) = write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
    let manifest = Manifest::from_bytes(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let names: Vec<String> = manifest
        .files
        .into_iter()
        .map(|file| file.name)
        .filter(|name| name.starts_with("settlement/"))
        .collect();
    let (last, others) = names.split_last().unwrap();
    others.iter().for_each(|name| unlist(&folder, name));
    let among = |messages| {
        let before = verify::Before { signing: false, messages };
        verify::verify_among(&folder, before, None, None).unwrap()
    };
    assert!(matches!(outcome(&among(true)), Outcome::Failed(_)));
    unlist(&folder, last);
    assert_eq!(outcome(&among(true)), Outcome::Skipped);
    assert!(among(true).passed(), "{}", among(true));
    assert!(matches!(outcome(&among(false)), Outcome::Failed(_)));
}

/// Rules of so many cities, with more behind the first lines.
fn rules(cities: &[City], more: &str) -> Rulebook {
    let mut text = "version = 1\npresentment_days = 10\nhotlist_grace_hours = 24\n\
                    fees = { basis = \"cycle_bilateral\", interchange_rate = \"0.003\", switch_rate = \"0.001\" }\n"
        .to_owned()
        + more;
    for city in cities {
        text += &format!(
            "[[participant]]\ncity = \"{city}\"\nname_en = \"A < B & \\\"C\\\" {city}\"\nname_zh = \"甲\\u0001乙 & 丙 <{city}>\"\n\
             joined = \"2018-01-01\"\naccount = \"62-{city}\"\nbank = \"{}\"\nterminal_prefixes = []\n",
            if city.code()[0] == b'0' { "ICBKCNBJ" } else { "102100099996" }
        );
    }
    Rulebook::parse(text.as_bytes()).unwrap()
}

/// A cycle of these totals, without detail.
fn assembled(
    out: &Path,
    rulebook: &Rulebook,
    totals: &[(City, City, u64)],
    items: &[Item],
) -> Result<PathBuf, FilesError> {
    let total = |(acquirer, issuer, amount_fen): &(City, City, u64)| {
        let key = TotalKey { acquirer: *acquirer, issuer: *issuer, kind: Kind::Purchase, fee_line: 0 };
        (key, Tally { count: 1, amount_fen: *amount_fen, ..Tally::default() })
    };
    let name = "2018-09-28-001".parse().unwrap();
    let totals: std::collections::BTreeMap<TotalKey, Tally> = totals.iter().map(total).collect();
    let settlement = settle(rulebook, "2018-09-28".parse().unwrap(), &totals, items).unwrap();
    let input = CycleInput {
        version: 1,
        name,
        settlement: &settlement,
        items,
        rulebook,
        previous_manifest: None,
        participants: &rulebook.participants.iter().map(|p| p.city).collect::<Vec<_>>(),
    };
    write(&scratch(out, &name), &input, Vec::new())?;
    crate::publish(&scratch(out, &name), out, &name.to_string())
}

fn outcome(report: &Report) -> Outcome {
    report.checks.iter().find(|check| check.check == Check::Messages).unwrap().outcome
}

#[test]
fn nothing_is_said_of_a_cycle_without_movements() {
    let out = tempfile::tempdir().unwrap();
    let (shanghai, tianjin) = (city("cu-2000"), city("cu-3000"));
    for (cities, totals) in
        [(vec![shanghai], vec![]), (vec![shanghai, tianjin], vec![(shanghai, tianjin, 0)])]
    {
        let folder = assembled(out.path(), &rules(&cities, ""), &totals, &[]).unwrap();
        assert!(!folder.join("settlement").exists());
        assert_eq!(outcome(&verify(&folder).unwrap()), Outcome::Passed);
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn four_hundred_cities_with_banks_and_accounts() {
    let out = tempfile::tempdir().unwrap();
    let cities: Vec<City> = (0..400).map(|number| city(&format!("cu-{:04X}", number * 160))).collect();
    // Everybody owes the next one a little more; the last one and the first are even with nobody else.
    let totals: Vec<(City, City, u64)> =
        cities.windows(2).zip(1..).map(|(pair, step)| (pair[0], pair[1], 100_000 + step * step)).collect();
    let terms = "[cut_off]\ntime = \"23:30\"\n[settlement]\nname = \"清算 & 结算\"\nbank = \"102100099996\"\n\
                 account = \"1234567890\"\nworking_days = [\"2018-09-29\"]\n";
    let rulebook = rules(&cities, terms);
    let folder = assembled(out.path(), &rulebook, &totals, &[]).unwrap();
    // There is no detail, so that positions are found wrong; what is made of them is not.
    let report = verify(&folder).unwrap();
    assert_eq!(outcome(&report), Outcome::Passed, "{report}");
    let manifest = Manifest::from_bytes(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let net = fs::read_to_string(folder.join("net.csv")).unwrap();
    let with_net = net.lines().filter(|row| row.contains(",cu-") && !row.ends_with(",0")).count();
    assert_eq!(with_net, 399, "one of them comes to 0");
    assert_eq!(manifest.settlement_files().count(), 2 + 2 * with_net);
    assert!(manifest.settlement_files().all(|(_, entry)| entry.rows.is_none() && entry.totals.is_empty()));
    let text = fs::read_to_string(folder.join(PAIN)).unwrap();
    for said in [
        "<CreDtTm>2018-09-28T23:30:00+08:00</CreDtTm>",
        "<Dt>2018-09-29</Dt>",
        "<BICFI>ICBKCNBJ</BICFI>",
        "<Cd>CNAPS</Cd>",
        "<MmbId>102100099996</MmbId>",
        "<Id>62-cu-0000</Id>",
        "<Id>1234567890</Id>",
        "<Nm>甲 乙 &amp; 丙 &lt;cu-0000&gt;</Nm>",
        "<Nm>清算 &amp; 结算</Nm>",
    ] {
        assert!(text.contains(said), "{said} is not in {PAIN}");
    }
    // A forged account is found whatever the digests say.
    tamper::replace(&folder, PAIN, "<Id>62-cu-0000</Id>", "<Id>62-cu-0001</Id>");
    tamper::seal(&folder);
    assert_eq!(outcome(&verify(&folder).unwrap()), Outcome::Failed(1));
}

#[test]
fn figures_that_no_message_holds_leave_no_folder() {
    let out = tempfile::tempdir().unwrap();
    let name: domain::cycle::CycleName = "2018-09-01-001".parse().unwrap();
    let (mut settlement, rulebook) = (settlement(), super::rulebook());
    let large = |id: &str| Item {
        id: id.to_owned(),
        kind: ItemKind::Adjustment,
        amount_fen: (1 << 53) - 1,
        ..items()[0].clone()
    };
    let refused = |settlement: &Settlement, items: &[Item]| {
        let input = CycleInput {
            version: 1,
            name,
            settlement,
            items,
            rulebook: &rulebook,
            previous_manifest: None,
            participants: &[],
        };
        let dir = scratch(out.path(), &name);
        let error = write(&dir, &input, vec![detail(out.path())]).unwrap_err();
        assert!(matches!(error, FilesError::Unsettled(_)), "{error}");
        assert!(!dir.join("manifest.json").exists());
        std::error::Error::source(&error).unwrap().to_string()
    };
    let said = refused(&settlement, &[large("a"), large("b")]);
    assert!(said.starts_with("adjustment of cu-2000 with tu-2900 is beyond 9007199254740991"), "{said}");
    settlement.net[1].net_fen = -(1 << 53);
    let said = refused(&settlement, &[]);
    assert!(said.starts_with("the payment of all payers is beyond 9007199254740991"), "{said}");
}

#[test]
fn ids_are_never_longer_than_messages_allow() {
    let (settlement, rulebook) = (settlement(), super::rulebook());
    let name = format!("9999-12-31-{}", u32::MAX).parse().unwrap();
    let messages = Messages::of(name, 1, &rulebook, &settlement, &items()).unwrap();
    for file in messages.files().into_iter().filter(|file| !matches!(file, SettlementFile::Statement(_))) {
        let text = String::from_utf8(messages.render(file).unwrap()).unwrap();
        let ids: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix('<')?.split_once("</")?.0.split_once('>'))
            .filter(|(tag, _)| tag.ends_with("Id") || tag.ends_with("Ref"))
            .map(|(_, id)| id)
            .collect();
        assert!(ids.iter().any(|id| id.contains("4294967295")), "{}", file.name());
        for id in ids {
            assert!(id.len() <= 35, "{id} in {}", file.name());
        }
    }
}

#[test]
fn the_same_cycle_gives_the_same_bytes() {
    let out = tempfile::tempdir().unwrap();
    let (folder, _) = write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
    for (name, text) in expected_messages() {
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), text, "{name}");
    }
}
