//! A bank's answers to real cycles, in every form: read by us, and held against the schema by others.

use std::fs;

use domain::settlement::confirmation::{AnswerLine, PaymentStatus, confirm};
use files::{
    Figures,
    answer::{self, example},
};
use tempfile::TempDir;

use crate::{
    settlement::read_by_others,
    support::{cityunion, clear, cycles},
};

const PAIN: &str = "settlement/pain.001.001.09.xml";

/// What the bank was told to pay confirms the cycle in each form; one payment that it refuses does not.
#[test]
fn the_bank_of_a_simulated_cycle_confirms_it() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (folder.path().join("scheme"), folder.path().join("out"));
    cityunion("simulate --out {} --seed 5 --taps 4000 --cities 9 --days 1", &[&scheme]).ok();
    clear(&scheme, &out);
    let cycle = out.join(&cycles(&out)[0]);
    let figures = Figures::read(&cycle).unwrap();
    let payments = figures.payments().unwrap();
    let told = example::instructed(PAIN, &fs::read_to_string(cycle.join(PAIN)).unwrap()).unwrap();
    assert!(told.len() > 3, "{told:?}");
    let answered = |lines: &[AnswerLine]| {
        [
            ("answer.csv", example::csv(lines)),
            ("pacs.002.xml", example::pacs002(lines)),
            ("camt.054.001.08-answer.xml", example::camt054("622000", lines)),
        ]
        .map(|(name, text)| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            let lines = answer::read(&path).unwrap();
            confirm(&payments, figures.cycle, figures.version, &lines).err().unwrap_or_default()
        })
    };
    assert_eq!(answered(&told), [vec![], vec![], vec![]]);
    let valid = read_by_others(&[folder.path().join("camt.054.001.08-answer.xml")]);
    assert_eq!(valid, ["camt.054.001.08-answer.xml messages 1"]);

    let mut refused = told;
    refused[1].status = PaymentStatus::Rejected { reason: "AM04".to_owned() };
    for found in answered(&refused) {
        let expected = format!("{}: the bank did not pay it: AM04", refused[1].reference);
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
    let valid = read_by_others(&[folder.path().join("camt.054.001.08-answer.xml")]);
    assert_eq!(valid, ["camt.054.001.08-answer.xml messages 1"]);
}
