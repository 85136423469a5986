//! The example layouts of the repository, each read whole.

use std::path::{Path, PathBuf};

use super::*;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/examples").join(name)
}

fn read(mapping: &str, file: &str) -> (Vec<String>, Result<Counts, String>) {
    let mapping = Mapping::load(&example(mapping)).unwrap();
    mapping.check_complete().unwrap();
    texts_of(&mapping, &std::fs::read(example(file)).unwrap())
}

#[test]
fn fixed_widths_in_gbk_with_control_lines_and_hex() {
    let (rows, end) = read("riverside.toml", "riverside.txt");
    let want = [
        "2 200000000001,291,cu-3000,3000000000000017,812,06,380,380,2018-09-01T08:05:09,cpu,metro,distance,,,世纪大道,1,\
         3des,65DC916F",
        "3 200000000001,292,cu-2610,2610000000000001,19,06,200,200,2018-09-01T08:06:00,cpu,metro,distance,,,人民广场,1,\
         3des,2BCBFE31",
        "4 2000000000B1,70000,cu-2000,2000000000000005,3,06,12345,12345,2018-09-01T23:59:59,cpu,metro,distance,,,\
         陆家嘴|一号口,1,3des,0FB6C64F",
    ];
    assert_eq!((rows, end), (want.map(str::to_owned).to_vec(), Ok(Counts::default())));
}

#[test]
fn decimal_commas_card_ranges_and_a_service_day() {
    let (rows, end) = read("harbour.toml", "harbour.csv");
    let want = [
        "3 200000000011,589100700,cu-3000,3000000000000017,0,06,250,250,2018-09-01T07:05:00,cpu,ferry,flat,,,Quai Élysée,1,\
         3des,65DC916F",
        "4 200000000012,589165800,cu-2000,2000000000000005,0,06,123405,123405,2018-09-02T01:10:00,cpu,ferry,flat,,,\
         North Pier,1,3des,0FB6C64F",
        "5 200000000012,589161540,cu-3000,3000000000000023,0,06,300,300,2018-09-01T23:59:00,cpu,ferry,flat,,,North Pier,1,\
         3des,2BCBFE31",
    ];
    assert_eq!((rows, end), (want.map(str::to_owned).to_vec(), Ok(Counts::default())));
}

#[test]
fn entries_and_exits_with_fares_by_station() {
    let (rows, end) = read("valley.toml", "valley.tsv");
    let want = [
        "5 20000000002C,1,cu-3000,3000000000000017,812,09,520,520,2018-09-01T08:25:09,cpu,metro,distance,Valley Rail,\
         Alder - Cedar,Cedar,1,3des,65DC916F",
        "line 7: line: an exit without entry",
        "4 200000000011,3,cu-2610,2610000000000001,18,09,900,900,2018-09-01T08:02:00,qr,metro,distance,Valley Rail,\
         - Alder,Alder,1,3des,11111111",
        "9 20000000002D,1,cu-2610,2610000000000001,20,09,300,300,2018-09-01T09:40:00,qr,metro,distance,Valley Rail,\
         Alder - Birch,Birch,1,3des,44444444",
        "line 11: line: an exit without entry",
        "10 200000000011,5,cu-3000,3000000000000017,813,09,900,900,2018-09-01T09:50:00,cpu,metro,distance,Valley Rail,\
         - Alder,Alder,1,3des,55555555",
    ];
    let counts = Counts { dropped: 1, pairs: 2, no_exit: 2, no_entry: 2 };
    assert_eq!((rows, end), (want.map(str::to_owned).to_vec(), Ok(counts)));
}

#[test]
fn a_spreadsheet_in_utf_16_with_floats_and_missing_columns() {
    let (rows, end) = read("northern.toml", "northern.txt");
    let want = [
        "2 200002350E8B,41,cu-3000,AB12CD34EF56FFFF,812,06,380,400,2018-09-01T08:05:09,cpu,bus,flat,Northern Buses,\
         \"No. 7, 火车站\",,1,sm4,65DC916F",
        "3 200002350E8B,42,cu-3000,3000000000000017,0,06,1200,1200,2018-09-01T00:00:00,cpu,bus,flat,Northern Buses,,,1,sm4,\
         2BCBFE31",
        "line 5: terminal: `37031563.5`: expected a decimal number that fits into 8 hex digits",
    ];
    assert_eq!(
        (rows, end),
        (want.map(str::to_owned).to_vec(), Ok(Counts { dropped: 1, ..Counts::default() }))
    );
}
