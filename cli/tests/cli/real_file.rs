//! A real day of a real city: the published taps of Shenzhen.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    support::{cityunion, clear, cycles, repository, rows, tree, verify_all},
    truth::agrees,
};

const NAME: &str = "data/shenzhen-2018-09-01.csv";

/// The file, in the folder that `CU_SHARED` names, else beside the repository.
fn real_file() -> PathBuf {
    let shared = env::var_os("CU_SHARED").map_or_else(|| repository().join("../shared"), PathBuf::from);
    let file = shared.join(NAME);
    assert!(
        file.is_file(),
        "the real tap file {} is missing: set CU_SHARED to the folder that has {NAME}",
        file.display()
    );
    file
}

fn simulate(base: &Path, mapping: &Path, scheme: &Path) {
    let words = "simulate --base {} --mapping {} --seed 5 --out {}";
    cityunion(words, &[base, mapping, scheme]).ok();
}

/// The mapping of the repository for a file whose columns have other names, units and forms.
fn other_mapping(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut text = text.replace("separator = \",\"", "separator = \";\"");
    for (name, other) in names {
        text = text.replace(&format!("column = \"{name}\""), &format!("column = \"{other}\""));
    }
    text.replace("unit = \"fen\"", "unit = \"yuan\"").replace("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H%M%S")
}

/// The same rows with the columns in reverse order, under other names, amounts in yuan, times in another form.
fn write_otherwise(base: &Path, to: &Path) -> BTreeMap<String, String> {
    let mut reader = csv::Reader::from_path(base).unwrap();
    let columns: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let names: BTreeMap<String, String> =
        columns.iter().enumerate().map(|(at, name)| (name.clone(), format!("第{at}列"))).collect();
    let mut writer = csv::WriterBuilder::new().delimiter(b';').from_path(to).unwrap();
    writer.write_record(columns.iter().rev().map(|name| &names[name])).unwrap();
    for record in reader.records() {
        let record = record.unwrap();
        let texts = columns.iter().enumerate().rev().map(|(at, name)| (name.as_str(), &record[at]));
        let texts = texts.map(|(name, text)| match name {
            "deal_money" | "deal_value" => {
                let fen: u64 = text.parse().unwrap();
                format!("{}.{:02}", fen / 100, fen % 100)
            }
            "deal_date" => {
                let (day, time) = text.split_once(' ').unwrap();
                let day: Vec<&str> = day.split('-').collect();
                format!("{}.{}.{} {}", day[2], day[1], day[0], time.replace(':', ""))
            }
            _ => text.to_owned(),
        });
        writer.write_record(texts).unwrap();
    }
    writer.flush().unwrap();
    names
}

#[test]
fn the_real_day_clears_as_it_must() {
    let (folder, base) = (TempDir::new().unwrap(), real_file());
    let mapping = repository().join("city-adapter/mappings/shenzhen.toml");
    let (scheme, out) = (folder.path().join("scheme"), folder.path().join("out"));
    simulate(&base, &mapping, &scheme);
    clear(&scheme, &out);
    assert_eq!(cycles(&out), ["2018-09-01-001"]);
    // Every row but the metro entries, which carry no amount, is a record.
    let entries = rows(&base).iter().filter(|row| row["deal_type"] == "地铁入站").count();
    let records = agrees(&scheme, &out);
    assert!(records >= 37_000 - entries, "{records} records, {entries} metro entries");
    verify_all(&out);
}

#[test]
fn columns_in_another_order_and_form_give_the_same_tap_files() {
    let (folder, base) = (TempDir::new().unwrap(), real_file());
    let mapping = repository().join("city-adapter/mappings/shenzhen.toml");
    let (other, other_toml) = (folder.path().join("other.csv"), folder.path().join("other.toml"));
    let names = write_otherwise(&base, &other);
    fs::write(&other_toml, other_mapping(&fs::read_to_string(&mapping).unwrap(), &names)).unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    simulate(&base, &mapping, &one);
    simulate(&other, &other_toml, &two);
    let (one, two) = (tree(&one.join("taps")), tree(&two.join("taps")));
    assert!(one.keys().any(|name| name.starts_with("cu-5180/")), "{:?}", one.keys());
    assert!(one == two, "the tap files differ");
}
