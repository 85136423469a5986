//! What the ledger says of a cycle is what its messages say, which are made another way.

use std::fs;

use domain::{
    ledger::{Event, Ledger, Statement},
    settlement::{Party, Purpose},
};

use super::{City, city, detail, golden::expected_messages, write_cycle};
use crate::{
    Figures,
    settlement::{Camt053, Direction},
};

/// A participant's entries and balances by its `camt.053`: with whom, what for, fen.
fn by_message(of: City) -> (Vec<(String, i64)>, Vec<i64>) {
    let text = expected_messages()[&*format!("settlement/camt.053.001.08-{of}.xml")];
    let message: Camt053 = quick_xml::de::from_str(text).unwrap();
    let [statement] = &message.body.statements[..] else { panic!("{text}") };
    let signed = |fen: u64, direction| match direction {
        Direction::Credit => i64::try_from(fen).unwrap(),
        Direction::Debit => -i64::try_from(fen).unwrap(),
    };
    let entry = |entry: &crate::settlement::Entry| {
        let purpose = entry.reference.split('-').next().unwrap();
        let fen = signed(entry.amount.fen().unwrap(), entry.direction);
        (format!("{purpose} {}", entry.counterparty()), fen)
    };
    let balances = statement.balances.iter().map(|it| signed(it.amount.fen().unwrap(), it.direction));
    (statement.entries.iter().map(entry).collect(), balances.collect())
}

#[test]
fn a_statement_from_the_ledger_has_the_figures_of_camt_053() {
    let out = tempfile::tempdir().unwrap();
    let (folder, _) = write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
    let figures = Figures::read(&folder).unwrap();
    assert_eq!((figures.cycle.to_string().as_str(), figures.version), ("2018-09-01-001", 1));
    let payments = figures.payments().unwrap();
    let closed = Event::Closed { payments: &payments, items: &figures.items };
    let posted = Ledger::default().post(figures.cycle, 1, closed).unwrap();
    let cities: Vec<City> = payments.legs.iter().map(|leg| leg.city).collect();
    assert_eq!(cities, ["cu-2000", "cu-3000", "tu-2900"].map(city));
    for of in cities {
        let Statement { opening_fen, entries, closing_fen } = Statement::of(of, figures.cycle, &posted);
        let told: Vec<(String, i64)> = entries
            .iter()
            .map(|entry| {
                let purpose = entry.purpose.map_or("", Purpose::word);
                (format!("{purpose} {}", entry.against.owner), entry.fen)
            })
            .collect();
        let balances = [opening_fen, closing_fen].map(|fen| i64::try_from(fen).unwrap()).to_vec();
        assert_eq!((told, balances), by_message(of), "{of}");
        let net = figures.net.iter().find(|net| net.participant == Party::City(of)).unwrap().net_fen;
        assert_eq!(closing_fen, i128::from(net));
    }
}

#[test]
fn figures_that_are_not_those_of_the_manifest_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let (folder, _) = write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
    for (file, from, to) in [
        ("net.csv", "1096399", "1096398"),
        ("positions.csv", ",1000200,", ",1000201,"),
        ("items.csv", ",500,", ",501,"),
        ("rulebook.toml", "0.003", "0.004"),
    ] {
        let path = folder.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: {text}");
        fs::write(&path, text.replace(from, to)).unwrap();
        let why = Figures::read(&folder).unwrap_err().to_string();
        assert!(why.contains(file), "{why}");
        fs::write(&path, text).unwrap();
    }
    Figures::read(&folder).unwrap();
    fs::remove_file(folder.join("net.csv")).unwrap();
    let why = Figures::read(&folder).unwrap_err().to_string();
    assert!(why.contains("net.csv: the manifest lists it, but it is missing"), "{why}");
    assert!(Figures::read(out.path()).unwrap_err().to_string().contains("no manifest.json"));
}
