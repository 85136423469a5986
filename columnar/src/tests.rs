//! Files small enough to be read by eye. What a whole cycle becomes is tested by the program's tests, with a reader that
//! is not of this library.

use std::{collections::BTreeMap, fs, path::PathBuf};

use files::layout::{ITEMS, Layout, NET, POSITIONS};
use files::manifest::FileEntry;
use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::RowAccessor as _,
};
use tempfile::TempDir;

use super::*;

const ROWS: &str = "\
2018-09-01,001,cu-2000,cu-3000,purchase,2,1000200,3001,1000
2018-09-01,001,cu-2000,tu-2900,purchase,1,100000,250,50
2018-09-01,001,cu-3000,cu-2000,purchase_reversal,1,9007199254740993,-9223372036854775808,0
";

/// A CSV file as the manifest lists it.
struct Listed {
    folder: TempDir,
    layout: &'static Layout,
    entry: FileEntry,
}

impl Listed {
    fn new(name: &str, layout: &'static Layout, rows: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("{}\n{rows}", layout.header());
        fs::write(folder.path().join(name), &text).unwrap();
        let sum = |(at, column): (usize, &&str)| {
            let fields = rows.lines().map(|row| row.split(',').nth(at).unwrap_or_default());
            let sum: i128 = fields.map(|field| field.parse::<i128>().unwrap_or_default()).sum();
            files::layout::is_summed(column).then(|| ((*column).to_owned(), sum))
        };
        let entry = FileEntry {
            name: name.to_owned(),
            rows: Some(rows.lines().count() as u64),
            sha256: digest_hex(&Sha256::digest(&text).into()),
            size: text.len() as u64,
            totals: layout.columns.iter().enumerate().filter_map(sum).collect::<BTreeMap<_, _>>(),
        };
        Self { folder, layout, entry }
    }

    fn converted(&self, group_rows: usize) -> Result<PathBuf, ColumnarError> {
        let to = self.folder.path().join(format!("{group_rows}.parquet"));
        let source = Source {
            path: self.folder.path().join(&self.entry.name),
            entry: &self.entry,
            layout: self.layout,
            cycle: "2018-09-01-001".to_owned(),
            manifest_sha256: "ab".repeat(32),
        };
        source.convert(File::create(&to).unwrap(), group_rows, &mut |_| {})?;
        Ok(to)
    }
}

fn reader(path: &Path) -> SerializedFileReader<File> {
    SerializedFileReader::new(File::open(path).unwrap()).unwrap()
}

#[test]
fn rows_come_back_with_their_types_however_they_are_grouped() {
    let listed = Listed::new("positions.csv", &POSITIONS, ROWS);
    for (group_rows, groups) in [(1, 3), (2, 2), (100, 1)] {
        let read = reader(&listed.converted(group_rows).unwrap());
        assert_eq!(read.metadata().num_row_groups(), groups);
        let rows: Vec<_> = read.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].get_string(2).unwrap(), "cu-2000");
        assert_eq!(rows[1].get_long(6).unwrap(), 100_000);
        assert_eq!(rows[2].get_string(4).unwrap(), "purchase_reversal");
        // Beyond what a float holds.
        assert_eq!(rows[2].get_long(6).unwrap(), 9_007_199_254_740_993);
        assert_eq!(rows[2].get_long(7).unwrap(), i64::MIN);
    }
}

#[test]
fn a_file_says_what_it_was_made_of_and_by_whom() {
    let listed = Listed::new("positions.csv", &POSITIONS, ROWS);
    let read = reader(&listed.converted(2).unwrap());
    let about = read.metadata().file_metadata();
    let said: BTreeMap<&str, &str> = about
        .key_value_metadata()
        .unwrap()
        .iter()
        .map(|it| (it.key.as_str(), it.value.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(said["cityunion.layout"], LAYOUT);
    assert_eq!(said["cityunion.cycle"], "2018-09-01-001");
    assert_eq!(said["cityunion.manifest_sha256"], "ab".repeat(32));
    assert_eq!(
        (said["cityunion.file"], said["cityunion.file_sha256"]),
        ("positions.csv", listed.entry.sha256.as_str())
    );
    assert!(about.created_by().unwrap().starts_with("cityunion version 1 "));
}

#[test]
fn the_same_file_gives_the_same_bytes() {
    let text = "x".repeat(300);
    let rows: String =
        (0..5000).map(|at| format!("i-{at:05},dispute,cu-2000,cu-3000,{at},,{text},\n")).collect();
    let bytes = || fs::read(Listed::new("items.csv", &ITEMS, &rows).converted(1000).unwrap()).unwrap();
    let first = bytes();
    assert!(first.len() < rows.len() / 4, "it is packed");
    for _ in 0..3 {
        assert!(bytes() == first);
    }
}

#[test]
fn a_file_without_rows_keeps_its_columns() {
    let read = reader(&Listed::new("net.csv", &NET, "").converted(10).unwrap());
    let about = read.metadata().file_metadata();
    assert_eq!((about.num_rows(), read.metadata().num_row_groups()), (0, 0));
    let names: Vec<&str> = about.schema_descr().columns().iter().map(|column| column.name()).collect();
    assert_eq!(names, NET.columns);
}

#[test]
fn what_is_not_what_the_manifest_says_is_refused() {
    let refused = |change: &dyn Fn(&mut Listed)| {
        let mut listed = Listed::new("positions.csv", &POSITIONS, ROWS);
        change(&mut listed);
        listed.converted(10).unwrap_err().to_string()
    };
    let rewrite = |listed: &Listed, from: &str, to: &str| {
        let path = listed.folder.path().join("positions.csv");
        fs::write(&path, fs::read_to_string(&path).unwrap().replace(from, to)).unwrap();
    };
    let said = refused(&|it| rewrite(it, "1000200", "1000201"));
    assert!(said.contains("positions.csv: its SHA-256 is"), "{said}");
    let said = refused(&|it| rewrite(it, "2018-09-01,001,cu-3000", "2018-09-31,001,cu-3000"));
    assert!(said.contains("line 4, column business_date: `2018-09-31` is no date"), "{said}");
    let said = refused(&|it| rewrite(it, ",3001,", ",3001.0,"));
    assert!(said.contains("line 2, column interchange_fen"), "{said}");
    let said = refused(&|it| rewrite(it, ",3001,1000", ",3001"));
    assert!(said.contains("line 2") && said.contains("8 columns"), "{said}");
    let said = refused(&|it| rewrite(it, "kind", "sort"));
    assert!(said.contains("the header is not"), "{said}");
    let said = refused(&|it| it.entry.rows = Some(4));
    assert!(said.contains("it has 3 rows"), "{said}");
    let said = refused(&|it| it.entry.totals.extend([("count".to_owned(), 5)]));
    assert!(said.contains("its column count comes to 4, the manifest says 5"), "{said}");
}

#[test]
fn nothing_is_written_over_or_into_what_was_published() {
    let folder = tempfile::tempdir().unwrap();
    let cycle = folder.path().join("2018-09-01-001");
    fs::create_dir(&cycle).unwrap();
    let tried = |to: &Path| export(&cycle, to, &mut |_, _| {}).unwrap_err();
    assert!(matches!(tried(&folder.path().join("to")), ColumnarError::NoCycle(_)));
    fs::write(
        cycle.join(MANIFEST_FILE),
        r#"{"business_date": "2018-09-01", "cycle": "001", "files": [], "layout": "cityunion-cycle/1",
        "merkle": {"algorithm": "rfc6962-sha256", "leaves": 0, "root": ""}, "previous_manifest_sha256": null,
        "rulebook": {"sha256": "", "version": 1}}"#,
    )
    .unwrap();
    assert!(matches!(tried(folder.path()), ColumnarError::There(_)));
    assert!(matches!(tried(&cycle.join("parquet")), ColumnarError::Inside(_)));
    assert!(!cycle.join("parquet").exists(), "not even an empty folder");
}
