//! The tables of a cycle as Parquet, read by pyarrow, which is none of ours, and compared with the CSV to the last row.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::support::{Ran, Running, cityunion, clear, cycles, repository, rows, tree};

/// A scheme that was cleared, with cycles in `out`.
fn cleared(folder: &Path, words: &str) -> PathBuf {
    let (scheme, out) = (folder.join("scheme"), folder.join("out"));
    cityunion(&format!("simulate --out {{}} --seed 5 {words}"), &[&scheme]).ok();
    clear(&scheme, &out);
    out
}

fn exports(cycle: &Path, to: &Path) -> Ran {
    cityunion("export parquet {} --to {} -o json", &[cycle, to])
}

/// Exports with the program, or with what it calls if it is built without Parquet.
fn export(cycle: &Path, to: &Path) -> PathBuf {
    if cfg!(feature = "parquet") {
        exports(cycle, to).ok();
    } else {
        columnar::export(cycle, to, &mut |_, _| {}).unwrap();
    }
    to.join(cycle.file_name().unwrap())
}

/// What pyarrow says of each file, line by line.
fn read_by_pyarrow(cycle: &Path, exported: &Path) -> Vec<String> {
    let python = repository().join(".deps/readers/bin/python");
    assert!(python.exists(), "the tests need pyarrow in .deps/readers: run tools/setup once");
    let mut reader = Command::new(python);
    reader.arg(repository().join("cli/tests/cli/parquet_rows.py")).args([cycle, exported]);
    Running::start(reader).wait().ok().stdout.lines().map(str::to_owned).collect()
}

#[test]
fn every_row_and_sum_comes_back_from_parquet() {
    let folder = TempDir::new().unwrap();
    let out = cleared(folder.path(), "--cities 6 --taps 20000");
    let cycle = out.join(&cycles(&out)[0]);
    let published = tree(&out);
    let exported = export(&cycle, &folder.path().join("first"));
    let said = read_by_pyarrow(&cycle, &exported);
    // Two files a city, and the scheme's own row among the nets.
    let cities = rows(&cycle.join("net.csv")).len() - 1;
    assert!(cities > 2 && said.len() == 3 + 2 * cities, "{said:?}");
    let sum = |of: &str, column: usize| -> u64 {
        let words = said.iter().filter(|line| line.starts_with(of));
        words.map(|line| line.split(' ').nth(column).unwrap().parse::<u64>().unwrap()).sum()
    };
    let positions = rows(&cycle.join("positions.csv"));
    let figure = |name: &str| positions.iter().map(|row| row[name].parse::<u64>().unwrap()).sum::<u64>();
    assert_eq!((sum("issuer/", 1), sum("issuer/", 2)), (figure("count"), figure("amount_fen")));
    assert!(sum("acquirer/", 1) > figure("count"), "not every record is paid");

    let again = export(&cycle, &folder.path().join("second"));
    assert!(tree(&exported) == tree(&again), "the same cycle gives the same bytes");
    assert!(tree(&out) == published, "nothing that was published has changed");
}

/// A reader that finds nothing proves nothing.
#[test]
fn a_changed_row_is_seen() {
    let folder = TempDir::new().unwrap();
    let out = cleared(folder.path(), "--cities 3 --taps 600");
    let cycle = out.join(&cycles(&out)[0]);
    let exported = export(&cycle, &folder.path().join("to"));
    let files = fs::read_dir(exported.join("issuer")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files.collect();
    let kept = fs::read(&files[0]).unwrap();
    fs::copy(&files[1], &files[0]).unwrap();
    let python = repository().join(".deps/readers/bin/python");
    let mut reader = Command::new(python);
    reader.arg(repository().join("cli/tests/cli/parquet_rows.py")).args([&cycle, &exported]);
    let said = Running::start(reader).wait().exits(1);
    assert!(said.stderr.contains(".parquet"), "{said:?}");
    fs::write(&files[0], kept).unwrap();
    read_by_pyarrow(&cycle, &exported);
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_program_without_it_says_how_to_build_it() {
    let folder = TempDir::new().unwrap();
    let said = exports(Path::new("out/2018-09-01-001"), folder.path());
    said.exits(2).says(&["built without Parquet", "make build FEATURES=cityunion/parquet"]);
    assert_eq!(tree(folder.path()).len(), 0);
}

#[cfg(feature = "parquet")]
#[test]
fn only_a_cycle_that_is_what_its_records_say_is_exported() {
    let folder = TempDir::new().unwrap();
    let out = cleared(folder.path(), "--cities 3 --taps 600");
    let cycle = out.join(&cycles(&out)[0]);
    let to = folder.path().join("to");
    let net = cycle.join("net.csv");
    let right = fs::read(&net).unwrap();
    fs::write(&net, String::from_utf8(right.clone()).unwrap().replacen("cu-2000", "cu-9999", 1)).unwrap();
    let refused = exports(&cycle, &to).exits(4);
    assert!(refused.stdout.contains("net.csv"), "{refused:?}");
    assert!(!to.exists(), "nothing is written");
    fs::write(&net, right).unwrap();
    exports(&cycle, &to).ok();
    exports(&cycle, &to).exits(1).says(&["it is there already", "--to"]);
    exports(&out, &to).exits(1).says(&["no manifest.json"]);
    exports(&cycle, &cycle).exits(1).says(&["never changes"]);
    let shown = cityunion("export parquet {} --to {}", &[&cycle, &folder.path().join("other")]).ok();
    assert!(["issuer", "positions", "rows"].iter().all(|word| shown.stdout.contains(word)), "{shown:?}");
}
