//! Reads a cycle folder once, row by row, and keeps sums.

use std::{collections::BTreeMap, path::Path};

use domain::{
    city::City,
    cycle::CycleName,
    date::LocalTime,
    limits::exposures,
    result::{ALL_RESULTS, RecordResult},
    settlement::{FIGURE_FEN_MAX, Item, ItemKind, Party},
    tap::{Kind, Medium, Product, Sector},
};
use files::layout::{self, Member};

use crate::{
    error::ReportError,
    folder::Folder,
    model::{Cycle, DAYS_FIRST, ITEMS_LISTED_MAX, Named, Net, Tally},
    rows::Rows,
};

/// How often progress is told, rows.
const ROWS_A_STEP: u64 = 8192;

/// What is told about progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read since the last time.
    pub bytes: u64,
    /// Bytes to read in all.
    pub bytes_total: u64,
}

/// Reads a closed cycle. Each file is read once; what is kept grows with the cities, not with the records.
///
/// # Errors
/// If the folder is no closed cycle, or a file in it is missing or damaged: the error names file, line and column.
pub fn gather(path: &Path, on_progress: &mut dyn FnMut(Progress)) -> Result<Cycle, ReportError> {
    let folder = Folder::open(path)?;
    let mut cycle = empty(&folder);
    read_net(&folder, &mut cycle)?;
    read_positions(&folder, &mut cycle)?;
    read_items(&folder, &mut cycle)?;
    let bytes_total = folder.detail_bytes();
    let mut told = |bytes| on_progress(Progress { bytes, bytes_total });
    let acquirer = |member| if let Member::Acquirer(city) = member { Some(city) } else { None };
    for city in folder.cities(acquirer) {
        cycle.taken.entry(city).or_default();
        let rows = Rows::open(folder.path.join(layout::acquirer_file(city)), &layout::ACQUIRER)?;
        each(rows, &mut told, |rows| count_taken(rows, city, &mut cycle))?;
    }
    let issuer = |member| if let Member::Issuer(city) = member { Some(city) } else { None };
    for city in folder.cities(issuer) {
        let rows = Rows::open(folder.path.join(layout::issuer_file(city)), &layout::ISSUER)?;
        each(rows, &mut told, |rows| count_cleared(rows, &mut cycle))?;
    }
    name_cities(&folder, &mut cycle);
    let nets = cycle.nets.iter().map(|(city, net)| (*city, net.net_fen));
    cycle.exposures = exposures(&folder.rulebook, nets);
    Ok(cycle)
}

/// A cycle of which nothing but the manifest is known.
fn empty(folder: &Folder) -> Cycle {
    let manifest = &folder.manifest;
    Cycle {
        name: folder.name(),
        business_date: manifest.business_date,
        sequence: manifest.cycle.clone(),
        manifest_sha256: folder.manifest_sha256.clone(),
        previous_manifest_sha256: manifest.previous_manifest_sha256.clone(),
        merkle_root: manifest.merkle.root.clone(),
        rulebook_version: manifest.rulebook.version,
        rulebook_sha256: manifest.rulebook.sha256.clone(),
        cities: BTreeMap::new(),
        nets: BTreeMap::new(),
        exposures: Vec::new(),
        scheme: Net::default(),
        pairs: BTreeMap::new(),
        taken: BTreeMap::new(),
        parked: BTreeMap::new(),
        hours: std::array::from_fn(|_| BTreeMap::new()),
        days: BTreeMap::new(),
        products: BTreeMap::new(),
        media: BTreeMap::new(),
        fare_fen: 0,
        items: Vec::new(),
        items_total: 0,
    }
}

/// Hands every row to `count` and tells progress now and then.
fn each(
    mut rows: Rows,
    told: &mut dyn FnMut(u64),
    mut count: impl FnMut(&Rows) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    let (mut read, mut since) = (0, 0);
    while rows.next()? {
        count(&rows)?;
        since += 1;
        if since == ROWS_A_STEP {
            told(rows.position() - read);
            (read, since) = (rows.position(), 0);
        }
    }
    told(rows.position() - read);
    Ok(())
}

fn read_net(folder: &Folder, cycle: &mut Cycle) -> Result<(), ReportError> {
    let mut rows = Rows::open(folder.path.join(layout::NET_FILE), &layout::NET)?;
    while rows.next()? {
        let party = rows.field(2, "participant", |field| match field {
            b"scheme" => Some(Party::Scheme),
            city => City::parse(city).ok().map(Party::City),
        })?;
        let net = Net {
            receivable_fen: figure(&rows, 3)?,
            payable_fen: figure(&rows, 4)?,
            interchange_receivable_fen: figure(&rows, 5)?,
            interchange_payable_fen: figure(&rows, 6)?,
            switch_fee_fen: figure(&rows, 7)?,
            adjustment_fen: figure(&rows, 8)?,
            net_fen: figure(&rows, 9)?,
        };
        match party {
            Party::Scheme => cycle.scheme = net,
            Party::City(city) => {
                cycle.nets.insert(city, net);
            }
        }
    }
    Ok(())
}

fn read_positions(folder: &Folder, cycle: &mut Cycle) -> Result<(), ReportError> {
    let mut rows = Rows::open(folder.path.join(layout::POSITIONS_FILE), &layout::POSITIONS)?;
    while rows.next()? {
        let (acquirer, issuer) = (city(&rows, 2)?, city(&rows, 3)?);
        let kind = rows.field(4, "kind of position", |field| {
            Kind::ALL.into_iter().find(|kind| kind.name().as_bytes() == field)
        })?;
        let pair = match kind {
            Kind::Purchase | Kind::LoadReversal => (acquirer, issuer),
            Kind::Load | Kind::PurchaseReversal => (issuer, acquirer),
        };
        let (count, amount) = (figure(&rows, 5)?.unsigned_abs(), figure(&rows, 6)?.unsigned_abs());
        // Fees of a reversal are negative: they go back the way they came, as its amount does.
        let interchange = figure(&rows, 7)?.unsigned_abs();
        let pair = cycle.pairs.entry(pair).or_default();
        pair.count += count;
        pair.amount_fen += amount;
        pair.interchange_fen += interchange;
    }
    Ok(())
}

fn read_items(folder: &Folder, cycle: &mut Cycle) -> Result<(), ReportError> {
    let mut rows = Rows::open(folder.path.join(layout::ITEMS_FILE), &layout::ITEMS)?;
    while rows.next()? {
        cycle.items_total += 1;
        if cycle.items.len() == ITEMS_LISTED_MAX {
            continue;
        }
        let kind = rows.field(1, "kind of item", |field| {
            ItemKind::ALL.into_iter().find(|kind| kind.word().as_bytes() == field)
        })?;
        let original_cycle = rows.field(5, "cycle", |field| match field {
            b"" => Some(None),
            name => str::from_utf8(name).ok()?.parse::<CycleName>().ok().map(Some),
        })?;
        cycle.items.push(Item {
            id: rows.text(0),
            kind,
            debtor: city(&rows, 2)?,
            creditor: city(&rows, 3)?,
            amount_fen: rows.number(4)?,
            original_cycle,
            reference: rows.text(6),
            reason: rows.text(7),
        });
    }
    Ok(())
}

/// A row of an acquirer's file.
fn count_taken(rows: &Rows, acquirer: City, cycle: &mut Cycle) -> Result<(), ReportError> {
    let tally = Tally { count: 1, amount_fen: rows.number::<u32>(5)?.into() };
    rows.field(6, "result", |name| named(name).next())?;
    let result = rows.field(7, "reason for this result", |reason| {
        named(rows.get(6)).find(|result| result.reason().as_bytes() == reason)
    })?;
    cycle.taken.entry(acquirer).or_default().entry(result).or_default().add(tally);
    if result == RecordResult::Parked {
        cycle.parked.entry(city(rows, 4)?).or_default().add(tally);
    }
    Ok(())
}

/// The results of this name; those of `rejected` differ by their reason.
fn named(name: &[u8]) -> impl Iterator<Item = RecordResult> {
    ALL_RESULTS.into_iter().filter(move |result| result.name().as_bytes() == name)
}

/// A row of a home city's file.
fn count_cleared(rows: &Rows, cycle: &mut Cycle) -> Result<(), ReportError> {
    let tally = Tally { count: 1, amount_fen: rows.number::<u32>(6)?.into() };
    cycle.fare_fen += u64::from(rows.number::<u32>(7)?);
    let tapped_at = rows.field(8, "time YYYY-MM-DDTHH:MM:SS", |field| LocalTime::parse(field).ok())?;
    let sector = rows.field(9, "sector", Sector::parse)?;
    let product = rows.field(10, "product", Product::parse)?;
    let medium = rows.field(11, "medium", Medium::parse)?;
    let hour = usize::from(tapped_at.hms().0);
    if let Some(hour) = cycle.hours.get_mut(hour) {
        hour.entry(sector).or_default().add(tally);
    }
    let day = tapped_at.date.julian_day() - cycle.business_date.julian_day();
    cycle.days.entry(day.clamp(DAYS_FIRST, 1)).or_default().add(tally);
    cycle.products.entry(product).or_default().add(tally);
    cycle.media.entry(medium).or_default().add(tally);
    Ok(())
}

/// Gives every city that has figures its names.
fn name_cities(folder: &Folder, cycle: &mut Cycle) {
    let mut cities: Vec<City> = cycle.nets.keys().chain(cycle.taken.keys()).copied().collect();
    cities.extend(cycle.pairs.keys().flat_map(|(creditor, debtor)| [*creditor, *debtor]));
    cities.extend(cycle.parked.keys());
    cities.extend(cycle.items.iter().flat_map(|item| [item.debtor, item.creditor]));
    for city in cities {
        let (en, zh) = match folder.rulebook.participant(city) {
            Some(participant) => (participant.name_en.clone(), participant.name_zh.clone()),
            None => (city.to_string(), city.to_string()),
        };
        cycle.cities.insert(city, Named { city, en, zh });
    }
}

fn city(rows: &Rows, column: usize) -> Result<City, ReportError> {
    rows.field(column, "city", |field| City::parse(field).ok())
}

/// A figure of a settlement, which is never beyond 2⁵³ either way.
fn figure(rows: &Rows, column: usize) -> Result<i64, ReportError> {
    rows.field(column, "whole number that fits", |field| {
        let figure: i64 = str::from_utf8(field).ok()?.parse().ok()?;
        (figure.unsigned_abs() <= FIGURE_FEN_MAX).then_some(figure)
    })
}
