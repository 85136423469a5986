//! Disputes and refunds as cities and operations say them, over what `clear` published, until the money has moved.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap},
    support::{Ran, Running, cityunion, clear, command},
};

const CYCLE: &str = "2018-09-01-001";
const T: &str = "200000000001";
const SHANGHAI: &str = "client-cu-2000";
const NINGBO: &str = "client-cu-3100";

/// One closed cycle: five rides in cu-2000 with cards of cu-3100, one of them again with another amount, and one with a
/// card of cu-3120 that was presented too late.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3100", "cu-3120"]);
        scheme.change_rules(|rules| rules + "\n[disputes]\nanswer_days = 1\n");
        let ride = |seq: u32, fen: u32| tap(T, seq, "cu-3100", fen, "2018-09-01T12:00:00", "sm4");
        let mut lines: Vec<String> = (1..=5).map(|seq| ride(seq, 100 + seq)).collect();
        lines.push(ride(3, 999));
        lines.push(tap(T, 6, "cu-3120", 400, "2018-08-01T12:00:00", "3des"));
        scheme.taps("cu-2000", "2018-09-01.csv", &lines.iter().map(String::as_str).collect::<Vec<_>>());
        for (seq, day) in [(90, "2018-09-02"), (91, "2018-09-03")] {
            let line = tap(T, seq, "cu-3100", 500, &format!("{day}T12:00:00"), "sm4");
            // What came too late on the first day comes again in the next file.
            let again: Vec<&str> =
                lines.last().map(String::as_str).filter(|_| seq == 90).into_iter().collect();
            scheme.taps("cu-2000", &format!("{day}.csv"), &[&[line.as_str()], &again[..]].concat());
        }
        let other = folder.path().join("other");
        cityunion("simulate --out {} --cities 4 --taps 0", &[&other]).ok();
        fs::rename(other.join("pki"), scheme.path.join("pki")).unwrap();
        let world = Self { folder };
        world.clear();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn out(&self) -> PathBuf {
        self.path("out")
    }

    fn clear(&self) {
        clear(&self.path("scheme"), &self.out());
    }

    /// Says something with somebody's certificate.
    fn say(&self, who: &str, words: &str) -> Ran {
        let certificate = self.path(&format!("scheme/pki/tls/{who}.pem"));
        let reason = "--reason seen";
        let reason = if words.starts_with("cycle") { "" } else { reason };
        cityunion(&format!("{words} --in {{}} --certificate {{}} {reason}"), &[&self.out(), &certificate])
    }

    /// Says something, and what programs read of it.
    fn said(&self, who: &str, words: &str) -> Value {
        let ran = self.say(who, &format!("{words} -o json")).ok();
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
    }

    fn open(&self, who: &str, what: &str) -> String {
        let said = self.said(who, &format!("dispute open --cycle {CYCLE} {what}"));
        said["id"].as_str().unwrap().to_owned()
    }

    /// What programs read of a dispute.
    fn show(&self, id: &str) -> Value {
        let ran = cityunion(&format!("dispute show {id} --in {{}} -o json"), &[&self.out()]).ok();
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
    }

    /// The rows of a cycle's `items.csv` by id: kind, debtor, creditor, fen, original cycle.
    fn items(&self, cycle: &str) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.out().join(cycle).join("items.csv")).unwrap();
        let row = |line: &str| {
            let (id, rest) = line.split_once(',').unwrap();
            (id.to_owned(), rest.split(',').take(5).collect::<Vec<_>>().join(" "))
        };
        text.lines().skip(1).map(row).collect()
    }
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn money_goes_back_and_forth_by_items_of_later_cycles() {
    let world = World::new();
    let before = files(&world.out().join(CYCLE));

    // cu-3100 asks the first ride back, cu-2000 accepts.
    let back = world.open(NINGBO, &format!("--terminal {T} --seq 1"));
    let answered = world.said(SHANGHAI, &format!("dispute answer {back} --accept"));
    assert_eq!((&answered["state"], &answered["amount_fen"]), (&"passed".into(), &101.into()));

    // cu-2000 asks for the conflict, which has the number of a ride that was paid; two operators decide.
    let conflict = world.open(SHANGHAI, &format!("--terminal {T} --seq 3"));
    world.say(NINGBO, &format!("dispute answer {conflict} --contest")).ok();
    let proposed = world.said("operator-wang", &format!("dispute decide {conflict} --passed"));
    let proposal = proposed["proposal"].as_str().unwrap();
    let shown = world.show(&conflict);
    assert_eq!(shown["proposals"][0]["proposal"], proposal, "{shown}");
    let show = cityunion(&format!("dispute show {conflict} --in {{}}"), &[&world.out()]).ok().stdout;
    assert!(show.contains("proposed by wang (operations): dispute"), "{show}");
    assert!(show.contains(&format!("cityunion cycle approve {proposal}")), "{show}");
    let list = cityunion("dispute list --waiting --in {} -o json", &[&world.out()]).ok().stdout;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["disputes"][0]["waits_for"], "a second person", "{list}");
    world
        .say("operator-wang", &format!("cycle approve {proposal}"))
        .exits(3)
        .says(&["another person of operations must approve it"]);
    world.say("operator-li", &format!("cycle approve {proposal}")).ok();

    // Half of the second ride goes back of itself.
    let refund =
        world.said(SHANGHAI, &format!("refund --cycle {CYCLE} --terminal {T} --seq 2 --amount-fen 50"));
    let refund = refund["id"].as_str().unwrap();

    // The late ride is asked for, and nobody answers.
    let late = world.open(SHANGHAI, "--file 2018-09-01.csv --line 8");

    let shown = world.show(&back);
    assert_eq!(shown["items"][1]["settled_in"], Value::Null, "the cycle is not cut off: {shown}");
    world.clear();
    let shown = world.show(&back);
    assert_eq!(shown["items"][1]["item"], format!("{back}-adjustment"), "{shown}");
    assert_eq!(shown["items"][1]["settled_in"], "2018-09-02-001", "{shown}");
    assert_eq!(world.show(&conflict)["proposals"], Value::Array(Vec::new()));
    let expected: BTreeMap<String, String> = [
        (back.clone(), "dispute cu-2000 cu-3100 101"),
        (format!("{back}-adjustment"), "adjustment cu-2000 cu-3100 101"),
        (conflict.clone(), "dispute cu-3100 cu-2000 999"),
        (format!("{conflict}-adjustment"), "adjustment cu-3100 cu-2000 999"),
        (refund.to_owned(), "refund cu-2000 cu-3100 50"),
        (late.clone(), "dispute cu-3120 cu-2000 400"),
    ]
    .map(|(id, row)| (id, format!("{row} {CYCLE}")))
    .into();
    assert_eq!(world.items("2018-09-02-001"), expected);
    let net = fs::read_to_string(world.out().join("2018-09-02-001/net.csv")).unwrap();
    let adjustment = |city: &str| {
        let row = net.lines().find(|line| line.contains(&format!(",{city},"))).unwrap();
        row.split(',').nth(8).unwrap().parse::<i64>().unwrap()
    };
    assert_eq!([adjustment("cu-2000"), adjustment("cu-3100"), adjustment("cu-3120")], [848, -848, 0]);

    // answer_days is 1: until the end of 2 September.
    world.clear();
    let expected =
        BTreeMap::from([(format!("{late}-adjustment"), format!("adjustment cu-3120 cu-2000 400 {CYCLE}"))]);
    assert_eq!(world.items("2018-09-03-001"), expected);

    assert_eq!(files(&world.out().join(CYCLE)), before, "what was published stays as it is");
    cityunion("verify {}", &[&world.out()]).ok();
    let list = cityunion("dispute list --in {} -o json", &[&world.out()]).ok();
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let states: Vec<&str> =
        list["disputes"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!((states, list["refunds"].as_array().unwrap().len()), (vec!["passed"; 3], 1));
    let show = cityunion(&format!("dispute show {late} --in {{}}"), &[&world.out()]).ok();
    for text in [
        "cu-2000/2018-09-01.csv:8 of 2018-09-01-001",
        "rejected:late",
        "presented after the window",
        "no answer by 2018-09-02",
        "its money moves in 2018-09-03-001",
    ] {
        assert!(show.stdout.contains(text), "`{text}` is missing in {}", show.stdout);
    }
    let traced = |seq: u32| {
        let ran = cityunion(&format!("trace {{}} --terminal {T} --seq {seq}"), &[&world.out()]).ok();
        ran.stdout
    };
    let [first, second, third] = [traced(1), traced(2), traced(3)];
    for (told, texts) in [
        (&first, ["cu-3100 asks cu-2000 for 1.01 yuan: seen", "cu-2000: seen", "2018-09-02-001/items.csv"]),
        (&second, ["cu-2000 gives 0.50 yuan back: seen", refund, "cu-2000 pays cu-3100 0.50 yuan"]),
        (
            &third,
            ["cu-2000 asks cu-3100 for 9.99 yuan", "contested", "wang (operations), li (operations): seen"],
        ),
    ] {
        for text in texts {
            assert!(told.contains(text), "`{text}` is missing in {told}");
        }
    }
    assert!(!second.contains("disputed"), "{second}");
    let history = cityunion(&format!("cycle releases {CYCLE} --in {{}}"), &[&world.out()]).ok();
    assert!(history.stdout.contains(&format!("dispute {back} is passed")), "{}", history.stdout);
}

#[test]
fn a_file_is_disputed_as_a_whole_and_taken_back() {
    let world = World::new();
    let whole = "--file 2018-09-01.csv --acquirer cu-2000";
    let id = world.open(NINGBO, whole);
    let show = cityunion(&format!("dispute show {id} --in {{}} -o json"), &[&world.out()]).ok();
    let show: Value = serde_json::from_str(&show.stdout).unwrap();
    let fen = 101 + 102 + 103 + 104 + 105;
    assert_eq!((&show["subject"]["count"], &show["amount_fen"]), (&5.into(), &fen.into()));
    let traced = cityunion(&format!("trace {{}} --terminal {T} --seq 4 -o json"), &[&world.out()]).ok();
    let traced: Value = serde_json::from_str(&traced.stdout).unwrap();
    let disputes = &traced["presentations"][0]["disputes"];
    assert_eq!((&disputes[0]["id"], &disputes[0]["state"]), (&Value::from(&*id), &"open".into()), "{traced}");
    let one = format!("dispute open --cycle {CYCLE} --terminal {T} --seq 1");
    world.say(NINGBO, &one).exits(3).says(&["the whole file was disputed as", "(open)"]);
    world.say(SHANGHAI, &format!("dispute withdraw {id}")).exits(3).says(&["only cu-3100, who opened"]);
    world.say(NINGBO, &format!("dispute withdraw {id}")).ok();
    world.say(NINGBO, &one).ok();
    let again = format!("dispute open --cycle {CYCLE} {whole}");
    world.say(NINGBO, &again).exits(3).says(&["dispute the others one by one too"]);
}

#[test]
fn a_record_that_was_refused_in_two_files_is_asked_for_once() {
    let world = World::new();
    let first = world.open(SHANGHAI, "--file 2018-09-01.csv --issuer cu-3120");
    world.clear();
    let whole = "dispute open --cycle 2018-09-02-001 --file 2018-09-02.csv --issuer cu-3120";
    let one = "dispute open --cycle 2018-09-02-001 --file 2018-09-02.csv --line 3";
    for words in [whole, one] {
        world.say(SHANGHAI, words).exits(3).says(&[
            &format!("{first} asks for terminal {T} number 6 of it already"),
            "cityunion dispute show",
        ]);
    }
    world.say(SHANGHAI, &format!("dispute withdraw {first}")).ok();
    let second = world.said(SHANGHAI, one)["id"].as_str().unwrap().to_owned();
    let again = format!("dispute open --cycle {CYCLE} --file 2018-09-01.csv --issuer cu-3120");
    world.say(SHANGHAI, &again).exits(3).says(&[&format!("{second} asks for terminal {T} number 6")]);
}

#[test]
fn what_the_files_do_not_say_is_refused() {
    let world = World::new();
    let open = format!("dispute open --cycle {CYCLE} --terminal {T} --seq 2");
    for (who, words, says) in [
        ("operator-li", open.as_str(), "li of operators is no city"),
        ("client-cu-3120", &open, "cu-3120 is neither the city where the card was used (cu-2000) nor"),
        (SHANGHAI, &open, "to give it back use `cityunion refund`"),
        (NINGBO, &format!("dispute open --cycle {CYCLE} --terminal {T} --seq 77"), "failed to find terminal"),
        (
            NINGBO,
            &format!("dispute open --cycle 2018-09-09-001 --terminal {T} --seq 2"),
            "no such cycle is published",
        ),
        (
            NINGBO,
            &format!("refund --cycle {CYCLE} --terminal {T} --seq 2"),
            "cu-3100 cannot refund this; cu-2000",
        ),
        (SHANGHAI, "dispute answer D-0 --accept", "there is no dispute D-0"),
    ] {
        world.say(who, words).exits(3).says(&[says]);
    }
    // Whoever looks into other files than those that were published is found out.
    let other = world.path("altered");
    fs::create_dir_all(other.join(CYCLE).join("acquirer")).unwrap();
    for name in ["manifest.json", "acquirer/cu-2000.csv"] {
        let text = fs::read_to_string(world.out().join(CYCLE).join(name)).unwrap();
        fs::write(other.join(CYCLE).join(name), text.replace(",102,cleared", ",90102,cleared")).unwrap();
    }
    world
        .say(NINGBO, &format!("{open} --out {}", other.display()))
        .exits(3)
        .says(&["cu-2000/2018-09-01.csv:3 as it is claimed"]);
    let list = cityunion("dispute list --in {}", &[&world.out()]).ok();
    assert!(list.stdout.contains("no disputes and no refunds"), "{}", list.stdout);
}

/// The card became hot after the ride, or long before it.
#[test]
fn the_hotlist_says_who_pays_to_the_second() {
    let world = World::new();
    let id = world.open(NINGBO, &format!("--terminal {T} --seq 1"));
    let issuer = fs::read_to_string(world.out().join(CYCLE).join("issuer/cu-3100.csv")).unwrap();
    let card = issuer.lines().nth(1).unwrap().split(',').nth(3).unwrap();
    let hotlist = world.path("hotlist.csv");
    for (hot_from, says) in [
        (
            "2018-08-31T12:00:01",
            "the home city of the card pays, because the cryptogram is right and the card was not yet hot",
        ),
        ("2018-08-31T12:00:00", "the city where the card was used bears it, because the card was hot"),
    ] {
        fs::write(&hotlist, format!("issuer,card,effective_at\ncu-3100,{card},{hot_from}\n")).unwrap();
        let show =
            cityunion(&format!("dispute show {id} --in {{}} --hotlist {{}}"), &[&world.out(), &hotlist]);
        assert!(show.ok().stdout.contains(says), "{hot_from}");
    }
}

/// The commands of docs/disputes.md are words that the program knows: each comes as far as the folder that is not there.
#[test]
fn the_commands_of_the_page_are_as_typed() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/disputes.md");
    let page = fs::read_to_string(page).unwrap();
    let lines: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("cityunion ")).collect();
    assert_eq!(lines.len(), 9);
    let folder = TempDir::new().unwrap();
    for line in lines {
        // Reasons are in quotes, and nothing else is.
        let parts = line.split('"').enumerate();
        let words: Vec<&str> = parts
            .flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().collect::<Vec<_>>(),
                _ => vec![part],
            })
            .collect();
        let mut command = command(&words);
        command.current_dir(folder.path());
        let ran = Running::start(command).wait();
        assert!(ran.stderr.starts_with("cityunion: "), "{line}\n{}", ran.stderr);
    }
}
