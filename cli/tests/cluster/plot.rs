//! What operators have to do in two days, and the same done to the undisturbed run.

use std::{collections::BTreeMap, fs, path::PathBuf};

use crate::{
    support::{cityunion, columns, rows},
    world::{DATES, World},
};

/// The city that is stopped, and its partition.
pub const STOPPED: (usize, u32) = (1, 1);
/// The city that moves, its partition and the one where it goes.
pub const MOVED: (usize, u32, u32) = (0, 0, 2);
/// The city that an older system has cleared on the first day, and its partition.
pub const IMPORTED: (usize, u32) = (4, 0);
/// Taps that the imported city presents although some are paid already, and those of the moved city once more.
pub const AGAIN: &str = "2018-09-02-z-again.csv";
const ITEMS: &str = "item,kind,debtor,creditor,amount_fen,original_cycle,reference,reason\n";

/// The first day of the imported city is the older system's: it has paid every second tap. All of them come again.
pub fn prepare(world: &World) {
    let city = &world.cities[IMPORTED.0];
    let name = format!("{}.csv", DATES[0]);
    let taps = world.path("scheme/taps").join(city);
    let text = fs::read_to_string(taps.join(&name)).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let truth = rows(&world.path("scheme/truth.csv"));
    // What is not named there is cleared.
    let named = |line: usize| {
        let is_it = |row: &BTreeMap<String, String>| row["file"] == name && row["line"] == line.to_string();
        truth.iter().any(|row| row["city"] == *city && is_it(row))
    };
    let good: Vec<&str> =
        (2..=lines.len()).filter(|line| !named(*line)).map(|line| lines[line - 1]).collect();
    assert!(good.len() > 20, "{} good taps", good.len());
    let paid: String = good.iter().step_by(2).copied().collect();
    fs::write(world.path("paid.csv"), format!("{}{paid}", lines[0])).unwrap();
    fs::write(world.path("again.csv"), format!("{}{}", lines[0], good.concat())).unwrap();
    let (debtor, creditor) = (city, &world.cities[STOPPED.0]);
    let item = format!("old-7,adjustment,{debtor},{creditor},500,,letter 7,counted twice\n");
    fs::write(world.path("items.csv"), format!("{ITEMS}{item}")).unwrap();
    fs::remove_file(taps.join(&name)).unwrap();
    drop(fs::remove_file(taps.join(format!("{name}.manifest.json"))));
}

/// What the operators do, done to the undisturbed run by the same commands.
pub fn between(world: &World) {
    let calm = world.calm.as_path();
    let words = format!("book move --in {{}} --city {} --to {}", world.cities[MOVED.0], MOVED.2);
    cityunion(&words, &[calm]).ok();
    fs::write(world.path("pieces/rulebook.toml"), next_rules(world)).unwrap();
    let [paid, items] = import_files(world);
    cityunion(&format!("book import --in {{}} {}", imports(world)), &[calm, &paid, &items]).ok();
    for (city, file) in again(world) {
        fs::copy(file, world.path("pieces/taps").join(city).join(AGAIN)).unwrap();
    }
}

pub fn imports(world: &World) -> String {
    format!("--city {} --identities {{}} --open-items {{}}", world.cities[IMPORTED.0])
}

pub fn import_files(world: &World) -> [PathBuf; 2] {
    [world.path("paid.csv"), world.path("items.csv")]
}

/// Files of the second day that hold taps of the first.
pub fn again(world: &World) -> [(String, PathBuf); 2] {
    let (moved, imported) = (world.cities[MOVED.0].clone(), world.cities[IMPORTED.0].clone());
    let first = world.pieces(&moved).remove(0);
    [(moved, first), (imported, world.path("again.csv"))]
}

/// The rulebook of the second day, with the city's new partition.
pub fn next_rules(world: &World) -> String {
    let text = fs::read_to_string(world.path("scheme/rulebook.toml")).unwrap();
    let (city, from, to) = (&world.cities[MOVED.0], MOVED.1, MOVED.2);
    let next = text.replacen("version = 1\n", "version = 2\n", 1);
    let next = next.replace(&format!("\n{city} = {from}\n"), &format!("\n{city} = {to}\n"));
    assert!(next != text && next.contains(&format!("\n{city} = {to}\n")), "{next}");
    next
}

/// The undisturbed run, which the cluster is equal to, tells what is to be told.
pub fn check_story(world: &World) {
    let results = |city: usize| {
        let answer = world.calm.join("results").join(&world.cities[city]).join(AGAIN);
        columns(&answer, &["result"])
    };
    let of_imported = results(IMPORTED.0);
    let count = |wanted: &str| of_imported.iter().filter(|result| *result == wanted).count();
    let (paid, new) = (count("duplicate"), count("cleared"));
    assert!(paid > 5 && new > 5, "{paid} were paid by the older system, {new} are new");
    let (of_moved, first) = (results(MOVED.0), world.pieces(&world.cities[MOVED.0]).remove(0));
    let answers = world.calm.join("results").join(&world.cities[MOVED.0]);
    let before = columns(&answers.join(first.file_name().unwrap()), &["result"]);
    let paid: Vec<_> = before.iter().zip(&of_moved).filter(|(before, _)| *before == "cleared").collect();
    assert!(paid.len() > 100 && paid.iter().all(|(_, again)| *again != "cleared"), "{paid:?}");
    let items = columns(&world.calm.join("2018-09-02-001/items.csv"), &["item", "amount_fen"]);
    assert_eq!(items, ["old-7 500"]);
}
