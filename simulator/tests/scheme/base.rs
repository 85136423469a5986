//! Real taps with an overlay.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use domain::city::City;
use simulator::{BaseInput, SimulateConfig, SimulateError, simulate};

use crate::common::{Scheme, simulated};

const MAPPING: &str = r#"
layout = "cityunion-mapping/1"
[columns]
terminal = { column = "gate", form = "decimal", prefix = "2000" }
tapped_at = { column = "at", formats = ["%Y-%m-%d %H:%M:%S"] }
amount_fen = { column = "paid", unit = "yuan" }
station = { column = "where" }
[[drop]]
column = "paid"
values = ["0"]
"#;

fn shanghai() -> City {
    "cu-2000".parse().unwrap()
}

/// A base file of `rows`, and its mapping, in a folder.
fn input(folder: &Path, mapping: &str, rows: &str) -> BaseInput {
    let (file, mapping_file) = (folder.join("base.csv"), folder.join("mapping.toml"));
    fs::write(&file, format!("gate,at,paid,where\n{rows}")).unwrap();
    fs::write(&mapping_file, mapping).unwrap();
    BaseInput { file, mapping: mapping_file, acquirer: shanghai() }
}

/// Columns of the rows of a city's files, by place.
fn columns(scheme: &Scheme, city: City, places: &[usize]) -> Vec<String> {
    let rows = |path: PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let chosen = |row: String| {
        let fields: Vec<&str> = row.split(',').collect();
        places.iter().map(|place| fields[*place]).collect::<Vec<_>>().join(",")
    };
    scheme.files(city).into_iter().flat_map(rows).map(chosen).collect()
}

#[test]
fn rows_keep_time_place_and_fare_and_go_into_the_file_of_their_date() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "7,2020-05-02 08:00:00,3.80,南站\n8,2020-05-01 09:00:00,2,\n7,2020-05-02 07:00:00,0,\n\
                7,2020-05-02 08:00:01,1,x\n9,yesterday,1,x\n";
    let scheme = simulated(|config| {
        config.base = Some(input(folder.path(), MAPPING, rows));
        (config.cities, config.days) = (10, 2);
        config.first_date = Some("2020-05-01".parse().unwrap());
    });
    let names: Vec<String> = scheme
        .files(shanghai())
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["2020-05-01-0-base.csv", "2020-05-02-0-base.csv"]);
    let kept = columns(&scheme, shanghai(), &[0, 6, 7, 8, 14]);
    let want = [
        "200000000008,200,200,2020-05-01T09:00:00,",
        "200000000007,380,380,2020-05-02T08:00:00,南站",
        "200000000007,100,100,2020-05-02T08:00:01,x",
    ];
    assert_eq!(kept, want);
    let base = scheme.summary.base.as_ref().unwrap();
    assert_eq!((base.rows, base.dropped, base.bad), (3, 1, 1));
    assert!(base.first_bad.as_ref().unwrap().contains("line 6: tapped_at"), "{base:?}");
    assert!(scheme.summary.overlay.iter().any(|added| added.contains("cryptogram")));
    assert!(scheme.summary.overlay.iter().any(|added| added == "the fare is the amount"));
    assert_eq!(scheme.truth().into_iter().collect::<BTreeSet<_>>(), scheme.clear().into_iter().collect());
}

#[test]
fn without_a_first_date_it_is_the_date_of_the_first_row() {
    let folder = tempfile::tempdir().unwrap();
    let scheme = simulated(|config| {
        config.base = Some(input(folder.path(), MAPPING, "7,2020-05-02 08:00:00,3.80,\n"));
        (config.cities, config.taps) = (3, Some(60));
    });
    assert_eq!(scheme.summary.first_date, "2020-05-02".parse().ok());
    assert_eq!(scheme.summary.records, 61);
    assert_eq!(scheme.files(shanghai()).len(), 3, "the base file and two of simulated taps");
}

#[test]
fn what_is_no_use_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |mapping: &str, rows: &str, acquirer: &str| {
        let mut config = SimulateConfig::new(folder.path().join("out"));
        let base = input(folder.path(), mapping, rows);
        config.base = Some(BaseInput { acquirer: acquirer.parse().unwrap(), ..base });
        let error = simulate(&config, &mut |_| {}).unwrap_err();
        assert!(!folder.path().join("out").exists());
        error
    };
    let row = "7,2020-05-02 08:00:00,3.80,\n";
    assert!(matches!(refused("layout = \"x\"", row, "cu-2000"), SimulateError::Mapping { .. }));
    let lacks =
        MAPPING.replace("terminal =", "operator =").replace(", form = \"decimal\", prefix = \"2000\"", "");
    assert!(matches!(
        refused(&lacks, row, "cu-2000"),
        SimulateError::MappingLacks { column: "terminal", .. }
    ));
    let empty = refused(MAPPING, "7,never,1,\n", "cu-2000");
    assert!(empty.to_string().contains("the first bad one: line 2: tapped_at"), "{empty}");
    assert!(matches!(refused(MAPPING, row, "cu-EEEE"), SimulateError::Absent { .. }));
    let other_header = MAPPING.replace("\"gate\"", "\"reader\"");
    assert!(matches!(refused(&other_header, row, "cu-2000"), SimulateError::Mapping { .. }));
}

#[test]
fn the_real_file_becomes_a_scheme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shared = std::env::var_os("CU_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let file = shared.join("data/shenzhen-2018-09-01.csv");
    if !file.exists() {
        return;
    }
    let acquirer: City = "cu-5180".parse().unwrap();
    let mapping = root.join("city-adapter/mappings/shenzhen.toml");
    let scheme = simulated(|config| config.base = Some(BaseInput { file, mapping, acquirer }));
    let base = scheme.summary.base.as_ref().unwrap();
    assert_eq!((base.rows, base.dropped, base.bad), (27_380, 9_620, 0));
    assert_eq!(scheme.files(acquirer).len(), 1);
    let (truth, naive): (BTreeSet<String>, BTreeSet<String>) =
        (scheme.truth().into_iter().collect(), scheme.clear().into_iter().collect());
    assert!(truth == naive, "{:?}", truth.symmetric_difference(&naive).take(5).collect::<Vec<_>>());
    for expected in ["duplicate", "conflict", "rejected:tac_invalid", "parked:issuer_unreachable", "local"] {
        assert!(scheme.summary.expected.contains_key(expected), "{expected}");
    }
    assert!(!scheme.summary.expected.contains_key("rejected:foreign_terminal"));
}
