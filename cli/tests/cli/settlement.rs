//! The messages to banks of real cycles, read by programs that are none of ours: libxml2 with the schemas of ISO
//! 20022, a mock bank, and a reader of bank statements.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap},
    support::{Running, cityunion, clear, cycles, repository, verify_all},
};

const NOON: &str = "2018-09-28T12:00:00";

/// The schemas of ISO 20022, in the folder that `CU_SHARED` names, else beside the repository.
fn schemas() -> PathBuf {
    let shared = env::var_os("CU_SHARED").map_or_else(|| repository().join("../shared"), PathBuf::from);
    let schemas = shared.join("xsd");
    let missing = schemas.display();
    assert!(schemas.exists(), "{missing} is missing: set CU_SHARED to the folder that has the schemas");
    schemas
}

/// What the readers say of these cycles, line by line.
pub fn read_by_others(cycles: &[PathBuf]) -> Vec<String> {
    let python = repository().join(".deps/readers/bin/python");
    assert!(python.exists(), "the tests need readers of messages in .deps/readers: run tools/setup once");
    let mut readers = Command::new(python);
    readers.arg(repository().join("cli/tests/cli/readers.py")).arg(schemas()).args(cycles);
    let said = Running::start(readers).wait().ok();
    said.stdout.lines().map(str::to_owned).collect()
}

fn folders(out: &Path) -> Vec<PathBuf> {
    cycles(out).iter().map(|cycle| out.join(cycle)).collect()
}

/// By hand: cu-3000 owes 12,000 fen at 0.3 % = 36 and 0.1 % = 12, cu-4000 owes 450 at 1.35 → 1 and 0.45 → 0. So
/// cu-2000 receives 12,450 − 37 − 12 = 12,401, cu-3000 pays 11,964, cu-4000 pays 449, and 12 stay. It is the Friday
/// before National Day, and the Saturday is worked.
#[test]
fn three_cities_pay_what_was_worked_out_by_hand() {
    let folder = TempDir::new().unwrap();
    let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000", "cu-4000"]);
    scheme.change_rules(|rules| {
        rules + "[settlement]\nbank = \"102100099996\"\naccount = \"1234567890\"\nworking_days = [\"2018-09-29\"]\n"
    });
    let taps = [
        tap("200000000001", 1, "cu-3000", 12_000, NOON, "sm4"),
        tap("200000000001", 2, "cu-4000", 450, NOON, "3des"),
    ];
    scheme.taps("cu-2000", "2018-09-28.csv", &taps.each_ref().map(String::as_str));
    let out = folder.path().join("out");
    clear(&scheme.path, &out);
    assert_eq!(
        read_by_others(&folders(&out)),
        [
            "2018-09-28-001 cu-3000 scheme 11964 2018-09-28-001-cu-3000 2018-09-29",
            "2018-09-28-001 cu-4000 scheme 449 2018-09-28-001-cu-4000 2018-09-29",
            "2018-09-28-001 scheme cu-2000 12401 2018-09-28-001-cu-2000 2018-09-29",
            "2018-09-28-001 messages 5",
        ]
    );
    verify_all(&out);
}

#[test]
fn every_message_of_simulated_days_is_valid_and_comes_to_the_nets() {
    let folder = TempDir::new().unwrap();
    for (name, words) in
        [("few", "--taps 6000 --cities 12 --days 3"), ("many", "--taps 20000 --cities 400 --days 1")]
    {
        let (scheme, out) = (folder.path().join(name), folder.path().join(format!("{name}-out")));
        cityunion(&format!("simulate --out {{}} --seed 11 {words}"), &[&scheme]).ok();
        let days = if name == "few" { 3 } else { 1 };
        for _ in 0..days {
            clear(&scheme, &out);
        }
        let said = read_by_others(&folders(&out));
        let messages: Vec<&String> = said.iter().filter(|line| line.contains(" messages ")).collect();
        assert_eq!(messages.len(), days, "{said:?}");
        assert!(said.len() > days * 3, "{said:?}");
        verify_all(&out);
    }
}

#[test]
fn a_day_without_records_says_nothing_to_banks() {
    let folder = TempDir::new().unwrap();
    let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000"]);
    let local = [tap("200000000001", 1, "cu-2000", 500, NOON, "3des")];
    scheme.taps("cu-2000", "2018-09-28.csv", &local.each_ref().map(String::as_str));
    let out = folder.path().join("out");
    clear(&scheme.path, &out);
    assert_eq!(read_by_others(&folders(&out)), ["2018-09-28-001 messages 0"]);
    assert!(
        fs::read_dir(out.join("2018-09-28-001"))
            .unwrap()
            .all(|entry| entry.unwrap().file_name() != "settlement")
    );
    verify_all(&out);
}
