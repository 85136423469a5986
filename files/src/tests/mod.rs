//! A small cycle of three cities, computed by hand, and what must be said of it.
//!
//! ```text
//! cu-2000 takes  200 fen (bus)    of a cu-3000 card   and 1,000,000 fen (retail) of another one
//!            100,000 fen (metro)  of a tu-2900 card   (the fee line for metro applies)
//! cu-3000 takes    0 fen          of a cu-2000 card
//! tu-2900 owes cu-2000 500 fen more, an adjustment
//!
//!                 amount       interchange            switch fee
//! 2000 ← 3000  1,000,200  0.3 % = 3,000.6 → 3,001  0.1 % = 1,000.2 → 1,000
//! 2000 ← 2900    100,000  0.25 %         =    250  0.05 %         =     50
//! 3000 ← 2000          0                        0                        0
//!
//! cu-2000 receives 1,100,200 − 3,251 − 1,050 + 500 = 1,096,399
//! cu-3000 pays     1,000,200 − 3,001               =   997,199
//! tu-2900 pays       100,000 −   250         + 500 =   100,250
//! the scheme receives 1,050                          (1,096,399 + 1,050 = 997,199 + 100,250)
//! ```

mod accounts;
mod answer;
mod detail;
mod golden;
mod killed;
mod ledger;
mod lookup;
mod proof;
mod publish;
mod reconcile;
mod segments;
mod settlement;
mod signatures;
mod tamper;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use domain::{
    city::City,
    cycle::CycleName,
    date::LocalTime,
    result::{RecordResult, Rejection},
    rulebook::Rulebook,
    settlement::{Item, ItemKind, Settlement, settle},
    tap::{Algorithm, Kind, Medium, Product, Sector, Tap},
    totals::{Tally, TotalKey},
};

use crate::{
    AcquirerRow, CycleInput, Detail, FilesError, LocalSegment, Published, Segment, SegmentManifest, assemble,
    correct,
    manifest::Replaces,
    text::digest_hex,
    verify::{Check, Outcome, Report},
    write_segment,
};

const RULEBOOK: &str = r#"version = 3
presentment_days = 10
hotlist_grace_hours = 24
[fees]
basis = "cycle_bilateral"
interchange_rate = "0.003"
switch_rate = "0.001"
[[fees.line]]
name = "metro"
acquirer = "cu-2000"
sector = "metro"
interchange_rate = "0.0025"
switch_rate = "0.0005"
[[participant]]
city = "cu-2000"
name_en = "Shanghai"
name_zh = "上海"
joined = "2018-01-01"
[[participant]]
city = "cu-3000"
name_en = "Tianjin"
name_zh = "天津"
joined = "2018-01-01"
[[participant]]
city = "tu-2900"
name_en = "Somewhere"
name_zh = "某地"
joined = "2018-01-01"
"#;

fn city(text: &str) -> City {
    text.parse().unwrap()
}

fn rulebook() -> Rulebook {
    Rulebook::parse(RULEBOOK.as_bytes()).unwrap()
}

/// A bus tap; tests change what they are about.
fn tap(terminal: [u8; 6], terminal_seq: u32, amount_fen: u32) -> Tap {
    let time = LocalTime::parse(b"2018-09-01T08:15:30").unwrap();
    Tap {
        line: 2.into(),
        position: 0.into(),
        terminal,
        terminal_seq: terminal_seq.into(),
        card: [0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78],
        card_counter: 9.into(),
        type_byte: 6,
        medium: Medium::Cpu.index(),
        sector: Sector::Bus.index(),
        product: Product::Flat.index(),
        amount_fen: amount_fen.into(),
        fare_fen: amount_fen.into(),
        tapped_day: time.date.julian_day().into(),
        tapped_second: time.second.into(),
        key_version: 1,
        algorithm: Algorithm::TripleDes.index(),
        tac: [0xB3, 0xA0, 0xD4, 0x9C],
    }
}

fn row(line: u32, tap: &Tap, issuer: &str, result: RecordResult) -> AcquirerRow {
    AcquirerRow {
        line,
        terminal: tap.terminal,
        terminal_seq: tap.terminal_seq.get(),
        issuer: city(issuer),
        amount_fen: tap.amount_fen.get(),
        result,
    }
}

/// The detail of the cycle in the picture, with some records that are not paid.
fn detail(work: &Path) -> Detail {
    use RecordResult::{Cleared, Duplicate, Parked};
    let (shanghai, tianjin, somewhere) = (city("cu-2000"), city("cu-3000"), city("tu-2900"));
    let first = [0x20, 0, 0, 0, 0, 1];
    let bus = Tap { fare_fen: 250.into(), ..tap(first, 1, 200) };
    let metro = Tap {
        sector: Sector::Metro.index(),
        product: Product::Distance.index(),
        medium: Medium::Qr.index(),
        type_byte: 9,
        ..tap(first, 2, 100_000)
    };
    let shop = Tap { sector: Sector::Retail.index(), ..tap([0x20, 0, 0, 0, 0, 0], 7, 1_000_000) };
    let free = tap([0x30, 0, 0, 0, 0, 1], u32::MAX, 0);
    let mut detail = Detail::new(work, 1 << 20).unwrap();
    detail.cleared(tianjin, shanghai, &bus).unwrap();
    detail.cleared(somewhere, shanghai, &metro).unwrap();
    detail.cleared(tianjin, shanghai, &shop).unwrap();
    detail.cleared(shanghai, tianjin, &free).unwrap();
    let bad_tac = RecordResult::Rejected(Rejection::TacInvalid);
    let of_shanghai = [
        row(2, &bus, "cu-3000", Cleared),
        row(3, &metro, "tu-2900", Cleared),
        row(4, &tap(first, 3, 300), "cu-3000", bad_tac),
        row(5, &bus, "cu-3000", Duplicate),
    ];
    detail.acquirer_rows(shanghai, "2018-09-01.csv", &of_shanghai).unwrap();
    let in_shop = [row(2, &shop, "cu-3000", Cleared)];
    detail.acquirer_rows(shanghai, "2018-09-01 shops, \"new\".csv", &in_shop).unwrap();
    let of_tianjin =
        [row(2, &free, "cu-2000", Cleared), row(9, &tap(free.terminal, 1, 150), "tu-2900", Parked)];
    detail.acquirer_rows(tianjin, "a.csv", &of_tianjin).unwrap();
    detail
}

fn items() -> Vec<Item> {
    let item = |id: &str, kind, amount_fen| Item {
        id: id.to_owned(),
        kind,
        debtor: city("tu-2900"),
        creditor: city("cu-2000"),
        amount_fen,
        original_cycle: "2018-08-31-001".parse().ok(),
        reference: String::new(),
        reason: "counted, then \"lost\"".to_owned(),
    };
    let dispute =
        Item { original_cycle: None, reason: "查询".to_owned(), ..item("b-1", ItemKind::Dispute, 70) };
    vec![dispute, item("a-2", ItemKind::Adjustment, 500)]
}

fn settlement() -> Settlement {
    let (shanghai, tianjin, somewhere) = (city("cu-2000"), city("cu-3000"), city("tu-2900"));
    let total = |acquirer, issuer, fee_line, count, amount_fen| {
        let tally = Tally { count, amount_fen, ..Tally::default() };
        (TotalKey { acquirer, issuer, kind: Kind::Purchase, fee_line }, tally)
    };
    let totals = BTreeMap::from([
        total(shanghai, tianjin, 1, 2, 1_000_200),
        total(shanghai, somewhere, 0, 1, 100_000),
        total(tianjin, shanghai, 1, 1, 0),
    ]);
    settle(&rulebook(), "2018-09-01".parse().unwrap(), &totals, &items()).unwrap()
}

/// Where a cycle is put together before it is published.
fn scratch(out: &Path, name: &CycleName) -> PathBuf {
    out.join(format!(".tmp-{name}"))
}

/// Writes the segment of each partition into a folder of its own.
fn write_segments(
    work: &Path,
    name: &CycleName,
    details: Vec<Detail>,
) -> Result<Vec<(SegmentManifest, LocalSegment)>, FilesError> {
    let write = |(partition, detail)| {
        let folder = work.join(format!(".p{partition}"));
        Ok((write_segment(&folder, name, partition, detail)?, LocalSegment(folder)))
    };
    (0..).zip(details).map(write).collect()
}

/// Writes the whole folder from the detail of each partition, by way of their segments.
fn write(dir: &Path, input: &CycleInput<'_>, details: Vec<Detail>) -> Result<Published, FilesError> {
    let work = tempfile::tempdir_in(dir.parent().unwrap()).unwrap();
    let segments = write_segments(work.path(), &input.name, details)?;
    let segments: Vec<Segment<'_>> =
        segments.iter().map(|(manifest, files)| Segment { manifest, files }).collect();
    assemble(dir, input, &segments)
}

/// Writes the cycle into a folder of its name under `out`.
fn write_cycle(
    out: &Path,
    name: &str,
    previous: Option<[u8; 32]>,
    details: Vec<Detail>,
) -> Result<(PathBuf, Published), FilesError> {
    let folder = out.join(name);
    with_input(name, 1, previous, |input| write(&folder, input, details)).map(|published| (folder, published))
}

/// Writes the second version of a cycle beside the first, whose manifest has this digest.
fn correct_cycle(out: &Path, name: &str, first: [u8; 32]) -> Result<(PathBuf, Published), FilesError> {
    let replaces = Replaces {
        folder: name.to_owned(),
        manifest_sha256: digest_hex(&first),
        reason: "the bank refused it".to_owned(),
        version: 2,
    };
    let scratch = out.join(format!(".{name}"));
    let written =
        with_input(name, 2, Some(first), |input| correct(&scratch, input, &out.join(name), replaces))?;
    let folder = crate::publish(&scratch, out, &format!("{name}.v2"))?;
    Ok((folder, written))
}

/// The input of the cycle that these tests write, under a name.
fn with_input<T>(
    name: &str,
    version: u32,
    previous_manifest: Option<[u8; 32]>,
    f: impl FnOnce(&CycleInput<'_>) -> T,
) -> T {
    let name: CycleName = name.parse().unwrap();
    let rulebook = rulebook();
    let (settlement, items) = (settlement(), items());
    let participants: Vec<City> = rulebook.members(name.business_date).collect();
    f(&CycleInput {
        version,
        name,
        settlement: &settlement,
        items: &items,
        rulebook: &rulebook,
        previous_manifest,
        participants: &participants,
    })
}

/// Whether every check of a report was made and passed; signatures cannot be checked without a CA certificate.
fn all_passed(report: &Report) -> bool {
    report.checks.iter().all(|it| it.outcome == Outcome::Passed || it.check == Check::Signatures)
}

/// Every file under a folder by its name there.
fn read_all(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(within) = folders.pop() {
        for entry in fs::read_dir(within).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}
