//! `trace` tells the whole life of a tap, and what it tells is what log, truth and published files say.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use cityunion::trace::{Scan, on_log, query::Query, story};
use cu_log::{Log, embedded::EmbeddedLog, testing::Broker, topics::Topics};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap},
    support::{Ran, assert_same, cityunion, clear, cycles, rows, tree},
};

const T: &str = "200000000001";

/// What became of taps of every kind, over two days: cu-3000 is dark on the first.
struct Town {
    out: PathBuf,
}

fn scheme(folder: &Path) -> Scheme {
    let scheme = Scheme::new(folder.join("scheme"), &["cu-2000", "cu-3000", "cu-4000", "tu-5000"]);
    scheme.write("outages.csv", "issuer,business_date\ncu-3000,2018-09-01\n");
    scheme.change_rules(|rules| {
        let line = "[[fees.line]]\nname = \"bus-delta\"\nacquirer = \"cu-2000\"\nsector = \"bus\"\n\
                    interchange_rate = \"0.01\"\nswitch_rate = \"0.002\"\n\n[[participant]]";
        rules.replacen("[[participant]]", line, 1)
    });
    let at = "2018-09-01T10:00:00";
    let (parked, paid) = (tap(T, 1, "cu-3000", 300, at, "sm4"), tap(T, 2, "cu-4000", 400, at, "3des"));
    let lines = [
        parked.clone(),
        paid.clone(),
        paid.clone(),
        tap(T, 2, "cu-4000", 430, at, "3des"),
        tap(T, 3, "cu-2000", 500, at, "3des"),
        tap(T, 4, "cu-4000", 600, at, "3des").replace(",600,600,", ",6.00,600,") + "00000000",
        tap(T, 5, "cu-4000", 700, at, "3des") + "00000000",
        tap("300000000001", 9, "cu-4000", 800, at, "3des"),
        tap(T, 2, "tu-5000", 900, at, "sm4"),
        "a line of two columns, no more".to_owned(),
    ];
    scheme.taps("cu-2000", "2018-09-01.csv", &lines.each_ref().map(String::as_str));
    scheme.taps("cu-2000", "2018-09-02.csv", &[&parked, &tap(T, 20, "cu-4000", 100, at, "3des")]);
    scheme
}

fn town() -> &'static Town {
    static TOWN: OnceLock<Town> = OnceLock::new();
    TOWN.get_or_init(|| {
        // A folder of the build: nothing is left elsewhere when the process ends.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trace");
        drop(fs::remove_dir_all(&folder));
        let scheme = scheme(&folder);
        let out = folder.join("out");
        clear(&scheme.path, &out);
        clear(&scheme.path, &out);
        Town { out }
    })
}

fn trace(out: &Path, words: &str) -> Ran {
    cityunion(&format!("trace {{}} {words}"), &[out])
}

fn json(ran: Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error} in {}", ran.stdout))
}

/// The log of an embedded OUT is for one process: the tests of this module take turns.
fn turn() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn traced(words: &str) -> Value {
    let _turn = turn();
    json(trace(&town().out, &format!("{words} -o json")).ok())
}

fn records(life: &Value) -> &Vec<Value> {
    life["presentations"].as_array().unwrap()
}

/// Every published row that a trace names stands where it says.
fn rows_stand(out: &Path, life: &Value) -> usize {
    let mut checked = 0;
    for row in records(life).iter().flat_map(|record| record["rows"].as_array().unwrap()) {
        let path = row["path"].as_str().unwrap();
        let line = usize::try_from(row["line"].as_u64().unwrap()).unwrap();
        let found = &rows(&out.join(path))[line - 2];
        let told: BTreeMap<String, String> = serde_json::from_value(row["row"].clone()).unwrap();
        assert_eq!(*found, told, "{path}, line {line}");
        checked += 1;
    }
    checked
}

#[test]
fn a_record_that_was_parked_is_told_through_both_cycles() {
    let life = traced(&format!("--terminal {T} --seq 1"));
    let [first, again] = records(&life).as_slice() else { panic!("{life:#}") };
    assert_eq!(life["owners"][0]["city"], "cu-2000");
    assert_eq!((&first["file"], &first["line"]), (&"2018-09-01.csv".into(), &2.into()));
    assert_eq!(first["batch"]["number"], 1);
    assert_eq!(first["batch"]["offsets"]["first"][0], 0);
    assert_eq!(first["outcome"]["cycle"], "2018-09-01-001");
    assert_eq!(first["park"]["since"], "2018-09-01-001");
    assert_eq!(first["park"]["until"], "2018-09-02-001");
    assert_eq!(first["park"]["offsets"]["count"], 1);
    let verdict = &first["verdicts"][0];
    assert_eq!((&verdict["verdict"], &verdict["late"]), (&"accepted".into(), &true.into()));
    assert_eq!(verdict["cycle"], "2018-09-02-001");
    let results: Vec<_> = first["results"].as_array().unwrap().iter().map(|it| &it["result"]).collect();
    assert_eq!(results, ["parked", "cleared"]);
    let settled = &first["settlement"];
    assert_eq!((&settled["cycle"], &settled["fee_line"]), (&"2018-09-02-001".into(), &"bus-delta".into()));
    assert_eq!(settled["interchange_rate"], "0.01");
    assert_eq!(settled["position"]["amount_fen"], 300);
    assert_eq!(records(&life)[0]["amount_fen"], 300, "a number");
    assert_eq!(settled["position"]["interchange_fen"], 3);
    assert_eq!(again["result"], Value::Null, "results are a list");
    assert_eq!(again["results"][0]["result"], "duplicate");
    assert_eq!(again["stands"]["presentation"], 1);
    let kinds: Vec<_> = first["rows"].as_array().unwrap().iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["receipt", "acquirer", "acquirer", "issuer", "position", "answer"]);
    assert!(rows_stand(&town().out, &life) >= 8);
}

#[test]
fn every_kind_of_record_is_told() {
    let same = format!("--terminal {T} --seq 2");
    let life = traced(&same);
    let told: Vec<String> = records(&life)
        .iter()
        .map(|it| format!("{} {}", it["line"], it["results"][0]["result"].as_str().unwrap()))
        .collect();
    assert_eq!(told, ["3 cleared", "4 duplicate", "5 conflict", "10 cleared"]);
    let differs: Vec<_> =
        records(&life)[2]["stands"]["differs"].as_array().unwrap().iter().map(|it| &it[0]).collect();
    assert_eq!(differs, ["amount_fen", "fare_fen", "tac"]);
    assert!(life["notes"][0].as_str().unwrap().contains("two transactions"), "{life:#}");
    assert!(rows_stand(&town().out, &life) >= 14);
    let one = traced(&format!("{same} --scheme tu"));
    assert_eq!(records(&one).len(), 1);
    assert_eq!(records(&one)[0]["issuer"], "tu-5000");

    for (seq, result, decided_by, reason) in [
        (3, "local", "edge", ""),
        (4, "malformed", "edge", "amount_fen"),
        (5, "rejected", "issuer", "tac_invalid"),
    ] {
        let life = traced(&format!("--terminal {T} --seq {seq}"));
        let last = records(&life)[0]["results"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["result"], &last["decided_by"]), (&result.into(), &decided_by.into()), "{life:#}");
        assert!(last["reason"].as_str().unwrap().starts_with(reason), "{last}");
        assert!(rows_stand(&town().out, &life) >= 2);
    }
    assert_eq!(
        traced(&format!("--terminal {T} --seq 5"))["presentations"][0]["verdicts"][0]["verdict"],
        "tac_invalid"
    );
}

#[test]
fn a_foreign_terminal_is_found_with_the_city_that_presented_it() {
    let life = traced("--terminal 300000000001 --seq 9");
    assert_eq!(life["owners"][0]["city"], "cu-3000");
    let record = &records(&life)[0];
    assert_eq!(record["acquirer"], "cu-2000");
    assert_eq!(record["results"][0]["reason"], "foreign_terminal");
    let summary = record["summary"].as_str().unwrap();
    assert!(summary.contains("belongs to cu-3000 (City 1 城1), not to cu-2000"), "{summary}");
}

#[test]
fn a_person_reads_a_story_and_a_program_a_table() {
    let _turn = turn();
    let out = &town().out;
    let story = trace(out, &format!("--terminal {T} --seq 1")).ok().stdout;
    let order = [
        "terminal 200000000001, sequence 1: a terminal of cu-2000 (City 0 城0); 2 records",
        "cleared in 2018-09-02-001: cu-3000 (City 1 城1) pays 3.00 yuan",
        "tapped",
        "2018-09-01.csv, line 2",
        "cu.taps.cu-2000 offset 0",
        "── cycle 2018-09-01-001",
        "cu.parked.cu-2000 offset 0",
        "parked (issuer_unreachable), decided by the centre",
        "── cycle 2018-09-02-001",
        "late verdict",
        "bus-delta of rulebook version 1: interchange 0.01",
        "1 record of the pair under it, 3.00 yuan",
        "cu-3000 owes cu-2000 for 1 purchase: 3.00 yuan; interchange 0.03",
        "2018-09-02-001/positions.csv, line 2",
        "2018-09-02-001/issuer/cu-3000.csv, line 2",
        "duplicate in 2018-09-02-001 of record 1",
    ];
    let mut rest = story.as_str();
    for words in order {
        let at = rest.find(words).unwrap_or_else(|| panic!("`{words}` is not in its place in:\n{story}"));
        rest = &rest[at..];
    }
    let table = trace(out, &format!("--terminal {T} --seq 1 -o csv")).ok().stdout;
    assert!(
        table.starts_with("record,acquirer,file,line,cycle,step,what,where\n1,cu-2000,2018-09-01.csv,2,")
    );
}

#[test]
fn what_is_not_there_is_said_with_where_it_was_looked_for_and_what_to_do() {
    let _turn = turn();
    let out = &town().out;
    let missed = trace(out, &format!("--terminal {T} --seq 7")).exits(1).says(&[
        "no record of terminal 200000000001, sequence 7",
        "check the sequence",
        "1 malformed lines",
        "line 11 of results/cu-2000/2018-09-01.csv",
    ]);
    for words in
        ["searched 7 topics", "results and receipts of", "sequence          5", "sequence         20"]
    {
        assert!(missed.stdout.contains(words), "`{words}` is missing in:\n{}", missed.stdout);
    }
    assert!(!missed.stdout.contains("sequence          1 "), "only the nearest:\n{}", missed.stdout);
    trace(out, "--terminal 990000000001 --seq 7").exits(1).says(&["no participant owns", "9900"]);
    let life = json(trace(out, &format!("--terminal {T} --seq 1 --scheme tu -o json")).exits(1));
    assert_eq!((&life["found"], &life["near"][0]["terminal_seq"]), (&false.into(), &1.into()));
    trace(out, "--terminal 2000 --seq 7").exits(2).says(&["12 hex digits"]);
    trace(&out.join("none"), &format!("--terminal {T} --seq 7")).exits(1).says(&["is no folder"]);
    trace(&out.join("2018-09-01-001"), &format!("--terminal {T} --seq 7"))
        .exits(1)
        .says(&["one closed cycle"]);
}

#[test]
fn without_the_log_the_published_files_tell_what_they_can() {
    let bare = TempDir::new().unwrap();
    for (name, bytes) in tree(&town().out) {
        let path = bare.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let whole = traced(&format!("--terminal {T} --seq 1"));
    let words = format!("--terminal {T} --seq 1 -o json");
    let life = json(trace(bare.path(), &words).ok());
    assert!(life["notes"][0].as_str().unwrap().contains("only published files"), "{life:#}");
    let part = |life: &Value, at: usize| {
        let it = &records(life)[at];
        let results: Vec<_> =
            it["results"].as_array().unwrap().iter().map(|it| it["result"].clone()).collect();
        let position = it["settlement"]["position"].clone();
        (
            it["file"].clone(),
            it["line"].clone(),
            results,
            position,
            it["rows"].clone(),
            it["park"]["since"].clone(),
        )
    };
    assert_eq!(records(&life).len(), 2);
    assert_eq!(part(&life, 0), part(&whole, 0));
    assert_eq!(part(&life, 1), part(&whole, 1));
    assert_eq!(records(&life)[0]["settlement"]["fee_line"], "bus-delta");
    assert_eq!(records(&life)[0]["tap"]["card"], "3000000000000017");
    let missed =
        trace(bare.path(), &format!("--terminal {T} --seq 7")).exits(1).says(&["the log was not read"]);
    assert!(missed.stdout.contains("sequence          5"), "{}", missed.stdout);
}

/// Files that are damaged are named; what the others tell is told.
#[test]
fn damaged_files_are_passed_over() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    for (name, bytes) in tree(&town().out) {
        let path = out.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    fs::write(out.join("2018-09-01-001/rulebook.toml"), "version = ").unwrap();
    fs::write(out.join("results/cu-2000/2018-09-01.csv"), vec![b'x'; 3 << 20]).unwrap();
    let ran = trace(&out, &format!("--terminal {T} --seq 1")).ok();
    for words in
        ["2018-09-01-001/rulebook.toml was passed over", "line 1 is too long", "duplicate in 2018-09-02-001"]
    {
        assert!(ran.stdout.contains(words), "`{words}` is missing in:\n{}", ran.stdout);
    }
}

#[test]
fn a_log_that_another_process_has_open_is_named() {
    let _turn = turn();
    let out = &town().out;
    let log = EmbeddedLog::open(&out.join(".state/log")).unwrap();
    let ran = trace(out, &format!("--terminal {T} --seq 1")).ok();
    assert!(ran.stdout.contains("in use by another process"), "{}", ran.stdout);
    assert!(ran.stdout.contains("2018-09-02-001/issuer/cu-3000.csv, line 2"), "{}", ran.stdout);

    // That process itself can trace, on the log that it has open.
    let log: Arc<dyn Log> = Arc::new(log);
    let query = Query { terminal: T.parse().unwrap(), terminal_seq: 1, scheme: None };
    let scans = AtomicU64::new(0);
    let progress = |scan: Scan<'_>| {
        assert!(scan.done <= scan.total, "{scan:?}");
        scans.fetch_add(1, Ordering::Relaxed);
    };
    let life = on_log(&log, &Topics::default(), Some(out), query, &progress).unwrap();
    drop(log);
    assert!(scans.into_inner() > 5);
    let told = trace(out, &format!("--terminal {T} --seq 1")).ok().stdout;
    assert_eq!(story::lines(&life).join("\n"), told.trim_end());
}

#[test]
fn a_trace_changes_nothing() {
    let _turn = turn();
    let out = &town().out;
    let before = tree(out);
    trace(out, &format!("--terminal {T} --seq 2")).ok();
    assert_same("after a trace", &before, out);
}

/// One tap of each way through a simulated scheme is traced as its truth says.
#[test]
fn simulated_taps_are_traced_as_their_truth_says() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (folder.path().join("scheme"), folder.path().join("out"));
    cityunion("simulate --out {} --seed 17 --cities 8 --days 2 --taps 6000", &[&scheme]).ok();
    clear(&scheme, &out);
    clear(&scheme, &out);
    let mut truth: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for row in
        rows(&scheme.join("truth.csv")).into_iter().filter(|row| !row["expected"].starts_with("malformed"))
    {
        let place = (row["city"].clone(), row["file"].clone(), row["line"].clone());
        truth.entry(place).or_default().push(row["expected"].clone());
    }
    let mut ways: BTreeMap<_, _> = BTreeMap::new();
    for (place, way) in truth {
        ways.entry(way).or_insert(place);
    }
    let parked = ["parked:issuer_unreachable", "cleared"].map(str::to_owned).to_vec();
    assert!(ways.len() > 8 && ways.contains_key(&parked), "{:?}", ways.keys());
    for (way, (city, file, line)) in ways {
        let answers = rows(&out.join("results").join(&city).join(&file));
        let answer = answers.iter().find(|row| row["line"] == line).unwrap();
        let tap = format!("--terminal {} --seq {}", answer["terminal"], answer["terminal_seq"]);
        let life = json(trace(&out, &format!("{tap} -o json --everywhere")).ok());
        let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
        let its = |it: &&Value| {
            (text(it, "acquirer"), text(it, "file"), it["line"].to_string())
                == (city.clone(), file.clone(), line.clone())
        };
        let it = records(&life).iter().find(its).unwrap_or_else(|| panic!("{city} {file} {line}: {life:#}"));
        let told = it["results"].as_array().unwrap().iter().map(|said| {
            let told = format!("{}:{}", text(said, "result"), text(said, "reason"));
            told.trim_end_matches(':').to_owned()
        });
        assert_eq!(told.collect::<Vec<_>>(), way, "{it:#}");
        assert_eq!(text(it["results"].as_array().unwrap().last().unwrap(), "cycle"), answer["cycle"]);
        rows_stand(&out, &life);
    }
}

/// Takes the offsets out of results.
fn places(results: &mut Value) -> Vec<u64> {
    let each = results.as_array_mut().unwrap().iter_mut();
    each.map(|result| result.as_object_mut().unwrap().remove("offset").unwrap().as_u64().unwrap()).collect()
}

#[test]
fn a_running_kafka_tells_the_same() {
    let folder = TempDir::new().unwrap();
    let scheme = scheme(folder.path());
    let out = folder.path().join("out");
    let kafka = Broker::shared().bootstrap();
    for _ in 0..2 {
        cityunion(&format!("clear {{}} --out {{}} --kafka {kafka}"), &[&scheme.path, &out]).ok();
    }
    assert_eq!(cycles(&out).len(), 2);
    let tap = format!("--terminal {T} --seq 1 -o json");
    let life = json(trace(&out, &format!("{tap} --kafka {kafka}")).ok());
    let embedded = traced(&format!("--terminal {T} --seq 1"));
    for key in ["batch", "results", "park", "settlement", "rows", "stands", "tap"] {
        for at in 0..2 {
            let mut wanted = records(&embedded)[at][key].clone();
            if key == "batch" {
                let prefix = life["topic_prefix"].as_str().unwrap();
                wanted["topic"] = format!("{prefix}{}", wanted["topic"].as_str().unwrap()).into();
            }
            let mut found = records(&life)[at][key].clone();
            if key == "results" {
                // The book may say a result again, on each log as often as a batch came again there: so the places of
                // two logs differ, and each must only be behind the one before.
                for places in [places(&mut found), places(&mut wanted)] {
                    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
                }
            }
            assert_eq!(found, wanted, "{key} of record {}", at + 1);
        }
    }
    let hint = json(trace(&out, &tap).ok());
    assert!(hint["notes"][0].as_str().unwrap().contains("--kafka"), "{hint:#}");
    let prefix = life["topic_prefix"].as_str().unwrap();
    let words = format!("trace {tap} --kafka {kafka} --prefix {prefix}");
    let bare = json(cityunion(&words, &[]).ok());
    assert_eq!(records(&bare)[0]["results"], records(&life)[0]["results"]);
    let wrong = format!("trace --terminal {T} --seq 1 --kafka {kafka} --prefix nobodys.");
    cityunion(&wrong, &[]).exits(1).says(&["there are no rules on nobodys.cu.rulebook"]);
}
