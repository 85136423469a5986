//! Closed cycles in an object store: replayed to the same bytes, damage named, and a clearing house that lost
//! everything else goes on as if nothing had happened.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cu_log::testing::Broker;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap},
    support::{Ran, assert_same, cityunion, clear, columns, cycles, tree, verify_all},
};

const T: &str = "200000000001";

/// Three days. cu-3000 is dark on the first two, so its records wait over two cut-offs; on the third day a
/// record that was paid on the first comes again.
fn three_days(folder: &Path) -> Scheme {
    let scheme = Scheme::new(folder.join("scheme"), &["cu-2000", "cu-3000", "cu-4000"]);
    scheme.write("outages.csv", "issuer,business_date\ncu-3000,2018-09-01\ncu-3000,2018-09-02\n");
    let paid = tap(T, 2, "cu-4000", 400, "2018-09-01T10:00:00", "3des");
    let day = |day: u32, seq: u32| {
        [
            tap(T, seq, "cu-3000", 100 * seq, &format!("2018-09-0{day}T11:00:00"), "sm4"),
            tap(T, seq + 1, "cu-4000", 100 * seq, &format!("2018-09-0{day}T12:00:00"), "3des"),
        ]
    };
    let files = [(1, vec![paid.clone()], 3), (2, vec![], 5), (3, vec![paid], 7)];
    for (date, mut lines, seq) in files {
        lines.extend(day(date, seq));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        scheme.taps("cu-2000", &format!("2018-09-0{date}.csv"), &lines);
    }
    let own = tap("400000000001", 1, "cu-2000", 500, "2018-09-02T10:00:00", "3des");
    scheme.taps("cu-4000", "2018-09-02.csv", &[&own]);
    scheme
}

/// A scheme, an OUT in which two of its three days are closed, and their archive.
struct Archived {
    folder: TempDir,
    scheme: Scheme,
    out: PathBuf,
    store: PathBuf,
}

impl Archived {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let scheme = three_days(folder.path());
        let (out, store) = (folder.path().join("out"), folder.path().join("store"));
        clear(&scheme.path, &out);
        clear(&scheme.path, &out);
        archive(&out, &store).ok();
        Self { folder, scheme, out, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file of the archive whose name begins so.
    fn object(&self, cycle: &str, begins: &str) -> PathBuf {
        let entries = fs::read_dir(self.store.join("archive").join(cycle)).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.find(|path| path.file_name().unwrap().to_string_lossy().starts_with(begins)).unwrap()
    }
}

fn archive(out: &Path, store: &Path) -> Ran {
    cityunion("archive --log {} --objects {} -o json", &[&out.join(".state/log"), store])
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn archived_cycles_are_written_once_and_replayed_to_the_same_bytes() {
    let it = Archived::new();
    let again = json(&archive(&it.out, &it.store).ok());
    assert_eq!(again["archived"], Value::Array(Vec::new()), "{again}");
    let other = it.path("other");
    let both = json(&archive(&it.out, &other).ok());
    assert_eq!(both["archived"].as_array().unwrap().len(), 2, "{both}");
    assert_same("a second archive", &tree(&it.store), &other);

    let verified = json(&cityunion("archive verify --objects {} -o json", &[&it.store]).ok());
    assert_eq!((&verified["verified"], &verified["cycles"]), (&Value::from(true), &Value::from(2)));

    let published = tree(&it.out);
    let rebuilt = it.path("rebuilt");
    let words = "replay --from archive --objects {} --all --published {} --out {} -o json";
    let replayed = json(&cityunion(words, &[&it.store, &it.out, &rebuilt]).ok());
    assert_eq!(replayed["same"], true, "{replayed}");
    for (name, bytes) in tree(&rebuilt) {
        assert_eq!(published[&name], bytes, "{name}");
    }
    assert_eq!(cycles(&rebuilt), cycles(&it.out));
    let words = "replay --from log --log {} --cycle 2018-09-02-001 --published {}";
    cityunion(words, &[&it.out.join(".state/log"), &it.out]).ok();
}

#[test]
fn a_flipped_byte_of_an_archive_is_recognised() {
    let it = Archived::new();
    let path = it.object("2018-09-01-001", "cu.clearing-0");
    let whole = fs::read(&path).unwrap();
    for at in [9, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&path, damaged).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let ran = cityunion("archive verify --objects {}", &[&it.store]).exits(4);
        assert!(ran.stdout.contains(&*name), "{}", ran.stdout);
        let words = "replay --from archive --objects {} --cycle 2";
        cityunion(words, &[&it.store]).exits(1).says(&["damaged", &*name, "another copy"]);
        let words = "archive restore --log {} --objects {}";
        cityunion(words, &[&it.path("log"), &it.store]).exits(1).says(&["damaged", &*name]);
    }
    fs::write(&path, &whole).unwrap();
    cityunion("archive verify --objects {}", &[&it.store]).ok();

    let manifest = it.object("2018-09-01-001", "manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"partitions\": 1", "\"partitions\": 2")).unwrap();
    let ran = cityunion("archive verify --objects {}", &[&it.store]).exits(4);
    assert!(ran.stdout.contains("the chain is broken"), "{}", ran.stdout);
    fs::remove_file(&manifest).unwrap();
    let ran = cityunion("archive verify --objects {}", &[&it.store]).exits(4);
    assert!(ran.stdout.contains("cycle 1 is missing"), "{}", ran.stdout);
}

#[test]
fn an_altered_record_is_named_by_file_line_and_field() {
    let it = Archived::new();
    let altered = it.out.join("2018-09-01-001/acquirer/cu-2000.csv");
    let text = fs::read_to_string(&altered).unwrap();
    assert!(text.contains(",400,cleared"), "{text}");
    fs::write(&altered, text.replace(",400,cleared", ",900,cleared")).unwrap();
    let words = "replay --from archive --objects {} --cycle 2018-09-01-001 --published {} -o json";
    let found = json(&cityunion(words, &[&it.store, &it.out]).exits(4));
    assert_eq!((&found["same"], &found["differences_total"]), (&Value::from(false), &Value::from(1)));
    let difference = &found["differences"][0];
    let shown =
        ["cycle", "file", "field", "published", "replayed"].map(|name| difference[name].as_str().unwrap());
    assert_eq!(shown, ["2018-09-01-001", "acquirer/cu-2000.csv", "amount_fen", "900", "400"]);
    assert_eq!(difference["line"], 2);
}

/// Loses everything of the centre in `out` but keeps what is the cities' own: journals, what they accepted, results, receipts;
/// and who releases.
pub fn lose_the_centre(out: &Path, new: &Path) {
    fs::create_dir_all(new.join(".state")).unwrap();
    for kept in [".state/adapter", ".state/accepted", ".state/release", "results", "receipts"] {
        fs::rename(out.join(kept), new.join(kept)).unwrap();
    }
    fs::remove_dir_all(out).unwrap();
}

#[test]
fn after_a_disaster_the_archive_alone_goes_on_with_the_same_bytes() {
    let it = Archived::new();
    // The third day closes too, but is lost before it is archived.
    clear(&it.scheme.path, &it.out);
    let wanted = tree(&it.out);
    let new = it.path("new");
    lose_the_centre(&it.out, &new);

    let log = new.join(".state/log");
    let restore = "archive restore --log {} --objects {} -o json";
    let restored = json(&cityunion(restore, &[&log, &it.store]).ok());
    assert_eq!(restored["parked_parts"], 2, "one part of each day waits for cu-3000: {restored}");
    // Done again it finds everything there.
    assert_eq!(json(&cityunion(restore, &[&log, &it.store]).ok())["written"], 0);
    cityunion("replay --from archive --objects {} --all --out {}", &[&it.store, &new]).ok();
    let rejoin = "adapter rejoin --state {} --log {} -o json";
    let rejoined = json(&cityunion(rejoin, &[&new.join(".state/adapter"), &log]).ok());
    let again: Vec<&str> = rejoined["rejoined"]
        .as_array()
        .unwrap()
        .iter()
        .map(|city| city["hand_in_again"].as_str().unwrap())
        .collect();
    assert_eq!(again, ["2018-09-03.csv", ""], "{rejoined}");

    clear(&it.scheme.path, &new);
    assert_same("after the disaster", &wanted, &new);
    verify_all(&new);
    assert_eq!(
        columns(&new.join("2018-09-03-001/acquirer/cu-2000.csv"), &["file", "line", "result"]),
        [
            "2018-09-01.csv 3 cleared",
            "2018-09-02.csv 2 cleared",
            "2018-09-03.csv 2 duplicate",
            "2018-09-03.csv 3 cleared",
            "2018-09-03.csv 4 cleared",
        ],
        "what waited is paid, what was paid is not paid again"
    );
    // The third cycle joins the chain, and a log in use is not written over.
    archive(&new, &it.store).ok();
    cityunion("archive verify --objects {}", &[&it.store]).ok();
    cityunion(restore, &[&log, &it.store]).exits(3).says(&["refused", "is in use"]);
}

#[test]
fn replayed_stores_are_what_the_book_goes_on_with() {
    let it = Archived::new();
    clear(&it.scheme.path, &it.out);
    let wanted = tree(&it.out);
    let new = it.path("new");
    lose_the_centre(&it.out, &new);
    let (log, stores) = (new.join(".state/log"), new.join(".state/book"));
    cityunion("archive restore --log {} --objects {}", &[&log, &it.store]).ok();

    // Ended after the first cycle, the replay goes on in the same stores.
    let words = "replay --from archive --objects {} --cycle 2018-09-01-001 --stores {} -o json";
    let first = json(&cityunion(words, &[&it.store, &stores]).ok());
    assert_eq!(first["same"], true, "{first}");
    let counted = || {
        let ran = cityunion("book verify --in {} -o json", &[&new]);
        let row = &json(&ran)["counted"][0];
        (ran.code, row["cycle"].as_u64(), row["state"].as_str().map(str::to_owned), row["cleared"].as_u64())
    };
    let words = "replay --from archive --objects {} --all --stores {} --out {} -o json";
    let all = json(&cityunion(words, &[&it.store, &stores, &new]).ok());
    assert_eq!(all["same"], true, "{all}");
    let cleared = |cycle: &str, city: &str| {
        let path = it.path("new").join(cycle).join(format!("acquirer/{city}.csv"));
        let results = columns(&path, &["result"]);
        results.iter().filter(|result| *result == "cleared").count() as u64
    };
    let second = cleared("2018-09-02-001", "cu-2000") + cleared("2018-09-02-001", "cu-4000");
    assert_eq!(counted(), (Some(0), Some(2), Some("closed".to_owned()), Some(second)));
    // Nobody has heard the results yet: they stand in the stores.
    let rejoin = "adapter rejoin --state {} --log {}";
    cityunion(rejoin, &[&new.join(".state/adapter"), &log]).ok();
    clear(&it.scheme.path, &new);
    assert_same("from replayed stores", &wanted, &new);
    verify_all(&new);
    assert_eq!(counted().1, Some(3));
    // Stores that went beyond the archive are refused, not folded backwards.
    let words = "replay --from archive --objects {} --all --stores {}";
    cityunion(words, &[&it.store, &stores]).exits(1).says(&["beyond", "use an empty folder"]);
}

#[test]
fn on_kafka_too() {
    let folder = TempDir::new().unwrap();
    let scheme = three_days(folder.path());
    let calm = folder.path().join("calm");
    (0..3).for_each(|_| drop(clear(&scheme.path, &calm)));
    let (out, store) = (folder.path().join("out"), folder.path().join("store"));
    let kafka = Broker::shared().bootstrap();
    let words = format!("clear {{}} --out {{}} --kafka {kafka}");
    (0..2).for_each(|_| drop(cityunion(&words, &[&scheme.path, &out]).ok()));
    let kept: Value = serde_json::from_slice(&fs::read(out.join(".state/log.json")).unwrap()).unwrap();
    let prefix = kept["prefix"].as_str().unwrap();
    cityunion(&format!("archive --kafka {kafka} --prefix {prefix} --objects {{}}"), &[&store]).ok();
    cityunion("archive verify --objects {}", &[&store]).ok();
    let words = format!("replay --from kafka --kafka {kafka} --prefix {prefix} --all --published {{}}");
    cityunion(&words, &[&out]).ok();

    let new = folder.path().join("new");
    lose_the_centre(&out, &new);
    let prefix = format!("restored-{prefix}");
    let words = format!("archive restore --kafka {kafka} --prefix {prefix} --objects {{}}");
    cityunion(&words, &[&store]).ok();
    cityunion("replay --from archive --objects {} --all --out {}", &[&store, &new]).ok();
    let words = format!("adapter rejoin --state {{}} --kafka {kafka} --prefix {prefix}");
    cityunion(&words, &[&new.join(".state/adapter")]).ok();
    fs::write(new.join(".state/log.json"), format!("{{\"log\":\"kafka\",\"prefix\":\"{prefix}\"}}")).unwrap();
    cityunion(&format!("clear {{}} --out {{}} --kafka {kafka}"), &[&scheme.path, &new]).ok();
    assert_same("restored on Kafka", &tree(&calm), &new);
}
