//! What `report` prints, and what it says to bad input.

use std::{fs, path::PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap, three_cities},
    support::{cityunion, clear, cycles},
};

const NOON: &str = "2018-09-12T12:00:00";

/// Three cities: cu-2000 is owed 123.00 by cu-3000 and 4.50 by cu-4000; cu-3000 is owed 2.00 by cu-2000. One tap
/// more is forged, one came late, and a home city, cu-4000, does not answer to one.
fn settled(folder: &TempDir) -> PathBuf {
    let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000", "cu-4000", "cu-5000"]);
    let t = "200000000001";
    let forged = tap(t, 5, "cu-4000", 700, NOON, "3des") + "00000000";
    let lines = [
        tap(t, 1, "cu-3000", 300, "2018-09-12T07:59:59", "sm4"),
        tap(t, 2, "cu-3000", 12000, "2018-09-12T08:00:00", "sm4"),
        tap(t, 3, "cu-4000", 450, "2018-09-11T23:00:00", "3des"),
        forged,
        tap(t, 6, "cu-4000", 800, "2018-09-01T23:59:59", "3des"),
        tap(t, 7, "cu-5000", 900, NOON, "sm4"),
    ];
    scheme.taps("cu-2000", "2018-09-12.csv", &lines.each_ref().map(String::as_str));
    let line = tap("300000000008", 77, "cu-2000", 200, NOON, "3des");
    scheme.taps("cu-3000", "2018-09-12.csv", &[&line]);
    scheme.write("outages.csv", "issuer,business_date\ncu-5000,2018-09-12\n");
    let out = folder.path().join("out");
    clear(&scheme.path, &out);
    out.join(&cycles(&out)[0])
}

#[test]
fn a_program_gets_every_figure() {
    let folder = TempDir::new().unwrap();
    let ran = cityunion("report {} -o json", &[&settled(&folder)]).ok();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let fact = |name: &str| report[name].as_i64().unwrap();
    assert_eq!(report["verified"], Value::Bool(true));
    assert_eq!((fact("presented"), fact("cleared"), fact("cleared_amount_fen")), (7, 4, 12950));
    let row = |table: &str, key: &str, is: &str| {
        let rows = report[table].as_array().unwrap();
        rows.iter().find(|row| row[key] == is).unwrap_or_else(|| panic!("{is} in {table}: {rows:?}")).clone()
    };
    // 123.00 less interchange 0.37, against 2.00 less 0.01 the other way.
    let flow = row("flows", "debtor", "cu-3000");
    let figures = ["count", "owed_fen", "back_fen", "net_fen"].map(|name| flow[name].as_i64().unwrap());
    assert_eq!((figures, flow["creditor"].as_str()), ([3, 12263, 199, 12064], Some("cu-2000")));
    assert_eq!(row("net", "participant", "cu-2000")["receivable_fen"], 12750);
    assert_eq!(row("net", "participant", "scheme")["switch_fee_fen"], -12);
    let counts = ["07", "08", "12", "23", "00"].map(|hour| row("hours", "hour", hour)["count"].clone());
    assert_eq!(counts, [1, 1, 1, 1, 0]);
    assert_eq!(row("sectors", "sector", "bus")["amount_fen"], 12950);
    assert_eq!(row("results", "reason", "tac_invalid")["amount_fen"], 700);
    assert_eq!(row("parked", "city", "cu-5000")["amount_fen"], 900);
    assert_eq!(row("late", "city", "cu-2000")["amount_fen"], 800);
}

#[test]
fn the_summary_of_clear_adds_up_and_always_has_the_same_keys() {
    let folder = TempDir::new().unwrap();
    settled(&folder);
    let (scheme, out) = (folder.path().join("scheme"), folder.path().join("second"));
    let cleared = || -> Value {
        let ran = cityunion("clear {} --out {} -o json", &[&scheme, &out]).ok();
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let (first, again) = (cleared(), cleared());
    let cycle = &first["cycles"][0];
    assert_eq!(cycle["cycle"], "2018-09-12-001");
    let positions = cycle["positions"].as_array().unwrap();
    assert_eq!(positions.len(), 5, "four cities and the scheme: {positions:?}");
    for row in positions {
        let fen = |column: &str| row[column].as_i64().unwrap_or_else(|| panic!("{column} in {row}"));
        let interchange = fen("interchange_receivable_fen") - fen("interchange_payable_fen");
        let taken = fen("switch_fee_fen") - fen("adjustment_fen");
        assert_eq!(fen("net_fen"), fen("receivable_fen") - fen("payable_fen") + interchange - taken, "{row}");
    }
    let counts = cycle["results"].as_array().unwrap().iter().map(|row| row["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 7);
    assert_eq!(again["cycles"], serde_json::json!([]));
    let keys = |it: &Value| it.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&first), keys(&again));
    let said = cityunion("clear {} --out {} -o csv", &[&scheme, &out]).ok().stdout;
    assert!(
        said.starts_with("cycle,result,reason,count,amount_fen\n\ncycle,participant,receivable_fen,"),
        "{said}"
    );
    let said = cityunion("clear {} --out {}", &[&scheme, &folder.path().join("third")]).ok().stdout;
    assert!(said.contains("interchange in   interchange out   switch fee"), "{said}");
}

#[test]
fn clear_does_not_write_into_the_scheme_folder() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    cityunion("clear {} --out {}", &[&scheme.path, &scheme.path]).exits(2).says(&["name a folder beside it"]);
    cityunion("clear {} --out {}", &[&scheme.path, &scheme.path.join("taps")]).exits(2).says(&["beside it"]);
    assert!(!scheme.path.join(".state").exists());
    let file = scheme.path.join("keys.toml");
    cityunion("clear {} --out {}", &[&scheme.path, &file]).exits(1).says(&["--out names a folder"]);
}

#[test]
fn verify_goes_through_a_folder_of_cycles_and_names_the_wrong_figure() {
    let folder = TempDir::new().unwrap();
    let cycle = settled(&folder);
    let said = cityunion("verify {}", &[cycle.parent().unwrap()]).ok().stdout;
    assert!(said.contains("1 cycle is what its records say"), "{said}");
    cityunion("verify {}", &[folder.path()]).exits(1).says(&["no manifest.json", "name a folder"]);
    let path = cycle.join("net.csv");
    let net = fs::read_to_string(&path).unwrap();
    let row = net.lines().nth(1).unwrap();
    let (before, figure) = row.rsplit_once(',').unwrap();
    fs::write(&path, net.replace(row, &format!("{before},77"))).unwrap();
    let said = cityunion("verify {}", &[&cycle]).exits(4).stdout;
    let wrong = format!("net.csv:2: net_fen is 77, positions and items give {figure}\n");
    assert!(said.contains(&wrong), "{said}");
    assert!(said.contains("net_fen sums to"), "{said}");
    let said = cityunion("verify {}", &[cycle.parent().unwrap()]).exits(4).stdout;
    assert!(said.contains(&format!("  2018-09-12-001/{wrong}")), "{said}");
}

#[test]
fn what_is_left_to_pay_makes_up_the_nets() {
    let folder = TempDir::new().unwrap();
    let ran = cityunion("report {} -o json", &[&settled(&folder)]).ok();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    for net in report["net"].as_array().unwrap() {
        let is = |flow: &&Value, side: &str| flow[side] == net["participant"];
        let sum = |side: &str| -> i64 {
            let flows = report["flows"].as_array().unwrap().iter();
            flows.filter(|flow| is(flow, side)).map(|flow| flow["net_fen"].as_i64().unwrap()).sum()
        };
        let fee = net["switch_fee_fen"].as_i64().unwrap();
        assert_eq!(net["net_fen"].as_i64().unwrap(), sum("creditor") - sum("debtor") - fee, "{net}");
    }
}

#[test]
fn a_person_gets_tables() {
    let folder = TempDir::new().unwrap();
    let cycle = settled(&folder);
    let said = cityunion("report {}", &[&cycle]).ok().stdout;
    for words in [
        "Cycle 2018-09-12-001",
        "verified (",
        "7 taps presented: 4 cleared (57.1%), 2 not paid, 1 parked",
        "129.50 yuan cleared",
        "City 0 城0",
        "120.64",
        "████",
        "tac_invalid",
    ] {
        assert!(said.contains(words), "`{words}` is missing in:\n{said}");
    }
    let said = cityunion("report {} --top 1 --no-verify", &[&cycle]).ok().stdout;
    assert!(said.contains("net by participant: 1 of 4, --all shows them"), "{said}");
    assert!(said.contains("not verified"), "{said}");
    let said = cityunion("report {} -o csv", &[&cycle]).ok().stdout;
    assert!(said.contains("\ndebtor,creditor,count,owed_fen,back_fen,net_fen\n"), "{said}");
}

#[test]
fn a_folder_that_is_no_cycle_is_refused_with_the_next_step() {
    let folder = TempDir::new().unwrap();
    let cycle = settled(&folder);
    let out = cycle.parent().unwrap();
    let ran = cityunion("report {}", &[out]).exits(1);
    ran.says(&["no manifest.json", "it holds 2018-09-12-001", "name one"]);
    cityunion("report {}", &[folder.path()]).exits(1).says(&["cityunion clear"]);
    cityunion("report {}", &[&folder.path().join("nowhere")]).exits(1).says(&["no manifest.json"]);
    let inside = cycle.join("page.html");
    cityunion("report {} --html {}", &[&cycle, &inside]).exits(2).says(&["never changes"]);
    assert!(!inside.exists());
    let nowhere = folder.path().join("missing/page.html");
    cityunion("report {} --html {}", &[&cycle, &nowhere])
        .exits(1)
        .says(&["page.html", "is its folder there"]);
}

#[test]
fn a_damaged_file_is_named_with_line_and_column() {
    let folder = TempDir::new().unwrap();
    let cycle = settled(&folder);
    let damage = |file: &str, from: &str, to: &str, words: &[&str]| {
        let path = cycle.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        cityunion("report {}", &[&cycle]).exits(1).says(words).says(&["cityunion verify"]);
        fs::write(&path, text).unwrap();
    };
    damage("net.csv", ",12750,", ",12x50,", &["net.csv, line 2", "column receivable_fen", "`12x50`"]);
    damage("net.csv", "participant", "partner", &["net.csv, line 1", "the header is not"]);
    damage(
        "acquirer/cu-2000.csv",
        ",rejected,tac",
        ",rejected,tic",
        &["line 5", "column reason", "`tic_invalid`"],
    );
    damage("issuer/cu-3000.csv", "T07:59:59", "T27:59:59", &["line 2", "column tapped_at", "T27:59:59"]);
    damage("issuer/cu-3000.csv", ",bus,", ",bus,bus,", &["line 2", "13 columns, the header has 12"]);
    damage("positions.csv", "purchase", "gift", &["positions.csv, line 2", "column kind", "`gift`"]);
    damage("manifest.json", "\"files\"", "\"flies\"", &["manifest.json", "unknown field"]);
    damage("rulebook.toml", "version = 1", "version = one", &["rulebook.toml", "line 1"]);
    fs::remove_file(cycle.join("issuer/cu-4000.csv")).unwrap();
    cityunion("report {}", &[&cycle]).exits(1).says(&["issuer/cu-4000.csv", "No such file"]);
}

#[test]
fn a_folder_that_does_not_add_up_is_shown_and_said_to_be_wrong() {
    let folder = TempDir::new().unwrap();
    let cycle = settled(&folder);
    let path = cycle.join("net.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(",12750,", ",12751,")).unwrap();
    let page = folder.path().join("page.html");
    let ran = cityunion("report {} --html {}", &[&cycle, &page]).exits(4);
    assert!(ran.stdout.contains("NOT what its records say"), "{}", ran.stdout);
    assert!(ran.stdout.contains("next: cityunion verify"), "{}", ran.stdout);
    assert!(fs::read_to_string(&page).unwrap().contains("Do not settle."));
}

#[test]
fn an_empty_cycle_has_a_report() {
    let folder = TempDir::new().unwrap();
    let scheme = three_cities(folder.path());
    let out = folder.path().join("out");
    cityunion("clear {} --out {} --business-date 2018-08-01", &[&scheme.path, &out]).ok();
    let cycle = out.join(&cycles(&out)[0]);
    let said = cityunion("report {}", &[&cycle]).ok().stdout;
    assert!(said.contains("0 taps presented: 0 cleared (0.0%)"), "{said}");
}
