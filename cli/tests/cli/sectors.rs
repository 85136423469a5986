//! Cities that are paid for some sectors over accounts of their own: rules, messages, the bank's answer, a new version.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use domain::settlement::confirmation::Way;
use files::answer::{self, example};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap},
    settlement::read_by_others,
    support::{Ran, cityunion, clear, cycles, rows, verify_all},
};

const PAIN: &str = "settlement/pain.001.001.09.xml";
/// The sectors of the two accounts that every city below has beside its main one.
const SECTORS: [&[&str]; 2] = [&["metro", "ferry"], &["retail", "utility", "parking", "bike"]];

/// Rules in which every city has them.
fn by_sector(rules: &str) -> String {
    let (mut text, mut city) = (String::new(), "");
    for line in rules.lines() {
        text += line;
        text.push('\n');
        if let Some(named) = line.strip_prefix("city = ") {
            city = named.trim_matches('"');
        }
        if line.starts_with("joined = ") {
            let account = |(number, sectors): (usize, &&[&str])| {
                format!(
                    "{{ sectors = {sectors:?}, bank = \"ABOCCNBJ\", account = \"77-{city}-{}\", account_name = \"{city} {number}\" }}",
                    number + 1
                )
            };
            let accounts: Vec<String> = SECTORS.iter().enumerate().map(account).collect();
            text += &format!("sector_account = [{}]\n", accounts.join(", "));
        }
    }
    text
}

/// By hand: cu-3000 owes 12,000 on buses and 4,000 in shops: 48 and 16 of fees for both, shared 36 and 12, 12 and 4.
#[test]
fn two_sectors_are_paid_over_two_accounts() {
    let folder = TempDir::new().unwrap();
    let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000"]);
    let plain = folder.path().join("plain.toml");
    fs::copy(scheme.path.join("rulebook.toml"), &plain).unwrap();
    scheme.change_rules(|rules| by_sector(&rules).replace("version = 1\n", "version = 2\n"));
    let rules = scheme.path.join("rulebook.toml");
    let said = cityunion("rulebook diff {} {}", &[&plain, &rules]).ok().stdout;
    for words in [
        "settles metro, ferry over: its main account → 77-cu-2000-1 at ABOCCNBJ (cu-2000 0)",
        "settles bike, parking, utility, retail over: its main account → 77-cu-3000-2 at ABOCCNBJ (cu-3000 1)",
    ] {
        assert!(said.contains(words), "{words} is missing in:\n{said}");
    }
    let noon = "2018-09-28T12:00:00";
    let taps = [
        tap("200000000001", 1, "cu-3000", 12_000, noon, "sm4"),
        tap("200000000001", 2, "cu-3000", 4000, noon, "sm4").replace(",bus,", ",retail,"),
    ];
    scheme.taps("cu-2000", "2018-09-28.csv", &taps.each_ref().map(String::as_str));
    let out = folder.path().join("out");
    clear(&scheme.path, &out);
    assert_eq!(
        read_by_others(&[out.join("2018-09-28-001")]),
        [
            "2018-09-28-001 cu-3000 scheme 15952 2018-09-28-001-cu-3000 2018-10-01",
            "2018-09-28-001 scheme cu-2000 11952 2018-09-28-001-cu-2000 2018-10-01",
            "2018-09-28-001 scheme cu-2000 3984 2018-09-28-001-cu-2000-2 2018-10-01",
            "2018-09-28-001 messages 4",
        ]
    );
    let net = rows(&out.join("2018-09-28-001/net.csv"));
    assert_eq!(net[0]["net_fen"], "15936");
    verify_all(&out);
}

#[test]
fn wrong_accounts_are_refused_with_their_line() {
    let folder = TempDir::new().unwrap();
    let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000"]);
    let rules = scheme.path.join("rulebook.toml");
    let good = by_sector(&fs::read_to_string(&rules).unwrap());
    for (from, to, field, why) in [
        ("\"parking\", ", "\"parking\", \"metro\", ", "sectors", "metro has an account already"),
        ("77-cu-3000-2", "77-cu-3000-1", "account", "another table of the participant has it"),
        ("account = \"77-cu-2000-1\", ", "", "account", "missing"),
        ("[\"metro\", \"ferry\"]", "[]", "sectors", "empty"),
    ] {
        assert!(good.contains(from), "{from}");
        fs::write(&rules, good.replacen(from, to, 1)).unwrap();
        let said = cityunion("rulebook check {}", &[&rules]).exits(1).stdout;
        assert!(said.contains("[[participant.sector_account]]") && said.contains(why), "{said}");
        let says = format!("{field}: {why}");
        cityunion("clear {} --out {}", &[&scheme.path, &folder.path().join("out")]).exits(1).says(&[&says]);
    }
}

/// Two simulated days of six cities, each with three accounts.
struct World {
    folder: TempDir,
    cycle: String,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (scheme, out) = (folder.path().join("scheme"), folder.path().join("out"));
        cityunion("simulate --out {} --cities 6 --days 2 --taps 6000 --seed 21", &[&scheme]).ok();
        let rules = scheme.join("rulebook.toml");
        fs::write(&rules, by_sector(&fs::read_to_string(&rules).unwrap())).unwrap();
        cityunion("rulebook check {}", &[&rules]).ok();
        cityunion("clear {} --out {} --release people", &[&scheme, &out]).ok();
        let cycle = cycles(&out)[0].clone();
        Self { folder, cycle }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn act(&self, by: &str, words: &str) -> Ran {
        let certificate = self.folder.path().join("scheme/pki/tls").join(format!("{by}.pem"));
        let words = words.replace("CYCLE", &self.cycle);
        cityunion(&format!("cycle {words} --in {{}} --certificate {{}}"), &[&self.out(), &certificate])
    }

    fn release(&self) {
        self.act("operator-li", "propose CYCLE").ok();
        self.act("operator-wang", "release CYCLE").ok();
    }

    /// The bank's answer to a version of the cycle, without the payment of a reference.
    fn answer(&self, folder: &str, without: &str) -> PathBuf {
        let pain = fs::read_to_string(self.out().join(folder).join(PAIN)).unwrap();
        let mut told = example::instructed(PAIN, &pain).unwrap();
        told.retain(|line| line.reference != without);
        let path = self.folder.path().join("answer.csv");
        fs::write(&path, example::csv(&told)).unwrap();
        assert!(answer::read(&path).unwrap().len() > 6);
        path
    }
}

/// Purchases of each city's accounts by its cards' home cities' files: acquirer and place of the account → fen.
fn purchases(folder: &Path) -> BTreeMap<(String, usize), i64> {
    let mut sums = BTreeMap::new();
    for entry in fs::read_dir(folder.join("issuer")).unwrap() {
        for row in rows(&entry.unwrap().path()) {
            let place = SECTORS.iter().position(|sectors| sectors.contains(&&*row["sector"]));
            let account = place.map_or(0, |at| at + 1);
            let fen: i64 = row["amount_fen"].parse().unwrap();
            *sums.entry((row["acquirer"].clone(), account)).or_default() += fen;
        }
    }
    sums
}

/// What the statements of a city's accounts have received for purchases, by their place, fen.
fn received(folder: &Path, city: &str) -> Vec<i64> {
    let text = fs::read_to_string(folder.join(format!("settlement/camt.053.001.08-{city}.xml"))).unwrap();
    let amount = |entry: &str| -> i64 {
        let amount = entry.split_once("<Amt Ccy=\"CNY\">").unwrap().1.split_once('<').unwrap().0;
        amount.replace('.', "").parse().unwrap()
    };
    let of_statement = |statement: &str| {
        statement
            .split("<NtryRef>")
            .skip(1)
            .filter(|it| it.starts_with("purchase-receive-"))
            .map(amount)
            .sum()
    };
    text.split("<Stmt>").skip(1).map(of_statement).collect()
}

#[test]
fn what_each_sector_took_is_paid_released_and_confirmed_by_account() {
    let world = World::new();
    let folder = world.out().join(&world.cycle);
    verify_all(&world.out());
    cityunion("book verify --in {}", &[&world.out()]).ok();
    cityunion("ledger show --in {}", &[&world.out()]).ok();
    let said = read_by_others(std::slice::from_ref(&folder));
    let by_account =
        said.iter().filter(|line| line.contains("-1 2018-") || line.contains("-2 2018-")).count();
    assert!(by_account > 6, "{said:#?}");
    // The home cities' rows say what was taken in each sector: the statements have exactly that.
    let taken = purchases(&folder);
    let mut compared = 0;
    for city in rows(&folder.join("net.csv")).into_iter().map(|row| row["participant"].clone()) {
        if !folder.join(format!("settlement/camt.053.001.08-{city}.xml")).exists() {
            continue;
        }
        let expected: Vec<i64> =
            (0..3).map(|account| taken.get(&(city.clone(), account)).copied().unwrap_or_default()).collect();
        assert_eq!(received(&folder, &city), expected, "{city}");
        compared += expected.iter().filter(|fen| **fen > 0).count();
    }
    assert!(compared > 9, "{taken:?}");

    world.release();
    let one = format!("{}-cu-2000-2", world.cycle);
    let short = world.answer(&world.cycle, &one);
    world
        .act("bank", &format!("confirm CYCLE {}", short.display()))
        .exits(3)
        .says(&["-cu-2000-2: the answer lacks it"]);
    // The bank refuses; the second version has payments of its own over the same accounts.
    world.act("bank", "refuse CYCLE --reason closed").ok();
    let second = format!("{}.v2", world.cycle);
    cityunion("verify {}", &[&world.out().join(&second)]).ok();
    world.release();
    let whole = world.answer(&second, "");
    world.act("bank", &format!("confirm CYCLE {}", whole.display())).ok();
    let shown = cityunion(&format!("cycle releases {} --in {{}} -o json", world.cycle), &[&world.out()]).ok();
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["state"], "confirmed");
    clear(&world.folder.path().join("scheme"), &world.out());
    cityunion("verify {}", &[&world.out()]).ok();
}

/// A city receives in all, but owes over one of its accounts and does not pay: no debt is carried, and the next version
/// settles it over its main account alone.
#[test]
fn a_city_of_which_one_account_does_not_pay_settles_over_its_main_one() {
    let world = World::new();
    let pain = |folder: &str| {
        let text = fs::read_to_string(world.out().join(folder).join(PAIN)).unwrap();
        example::instructed(PAIN, &text).unwrap()
    };
    let references = |folder: &str, city: &str| -> Vec<String> {
        let own = format!("{folder}-{city}");
        pain(folder).into_iter().map(|line| line.reference).filter(|it| it.starts_with(&own)).collect()
    };
    let net = rows(&world.out().join(&world.cycle).join("net.csv"));
    let receives =
        net.iter().filter(|row| row["participant"] != "scheme" && !row["net_fen"].starts_with('-'));
    let pays = |city: &str| {
        let own = format!("{}-{city}", world.cycle);
        pain(&world.cycle).iter().any(|line| line.way == Some(Way::In) && line.reference.starts_with(&own))
    };
    let city = receives.map(|row| row["participant"].clone()).find(|city| pays(city)).unwrap();
    assert!(references(&world.cycle, &city).len() > 1);

    world.release();
    world.act("operator-li", &format!("fail CYCLE --city {city} --reason cover")).ok();
    let shown = cityunion(&format!("cycle releases {} --in {{}} -o json", world.cycle), &[&world.out()]).ok();
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let proposal = shown["proposals"][0]["proposal"].as_str().unwrap();
    world.act("operator-wang", &format!("approve {proposal}")).ok();
    let second = format!("{}.v2", world.cycle);
    cityunion("verify {}", &[&world.out().join(&second)]).ok();
    assert_eq!(references(&second, &city), [format!("{second}-{city}")]);
    read_by_others(&[world.out().join(&second)]);
    let now = rows(&world.out().join(&second).join("net.csv"));
    assert_eq!(now, net, "nobody's net is another");
    clear(&world.folder.path().join("scheme"), &world.out());
    cityunion("verify {}", &[&world.out()]).ok();
    let next = cycles(&world.out()).into_iter().find(|cycle| !cycle.starts_with(&world.cycle)).unwrap();
    assert_eq!(rows(&world.out().join(next).join("items.csv")), [], "and nothing is carried");
}
