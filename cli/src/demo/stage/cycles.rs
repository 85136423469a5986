//! The cycles of the demo: which are closed, what the open one comes to.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use clearing_node::{book::Picture, node::CycleStatus};
use domain::{date::Date, rulebook::Rulebook, settlement::settle};
use files::{
    layout::{MANIFEST_FILE, POSITIONS_FILE},
    manifest::Manifest,
};

use crate::demo::facts::Closed;

/// Most closed cycles that are shown.
const CLOSED_MAX: usize = 50;

/// The closed cycles, as their folders tell them.
#[derive(Debug, Default)]
pub struct ClosedCycles {
    told: usize,
    last: Vec<Closed>,
}

impl ClosedCycles {
    /// Reads what was published since the last look, and returns it.
    pub fn look(&mut self, status: &CycleStatus, settled: &Path) -> Vec<Closed> {
        let fresh = status.published.iter().skip(self.told);
        let news: Vec<Closed> = fresh.map(|p| told_or_bare(&settled.join(&p.folder), &p.folder)).collect();
        self.told += news.len();
        self.last.extend(news.iter().cloned());
        self.last.drain(..self.last.len().saturating_sub(CLOSED_MAX));
        news
    }

    /// The last of them, oldest first.
    #[must_use]
    pub fn last(&self) -> &[Closed] {
        &self.last
    }
}

/// A closed cycle; without figures if its folder cannot be read, which stops nothing here.
fn told_or_bare(folder: &Path, name: &str) -> Closed {
    read(folder, name).unwrap_or_else(|error| {
        tracing::warn!("the closed cycle {name} cannot be shown: {error:#}");
        Closed { name: name.to_owned(), folder: folder.to_owned(), ..Closed::default() }
    })
}

/// Name, records and amount of a closed cycle, from the control totals in its manifest.
fn read(folder: &Path, name: &str) -> Result<Closed> {
    let path = folder.join(MANIFEST_FILE);
    let bytes = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let manifest =
        Manifest::from_bytes(&bytes).with_context(|| format!("failed to read {}", path.display()))?;
    let positions = manifest.files.iter().find(|file| file.name == POSITIONS_FILE);
    let total = |column: &str| {
        let total = positions.and_then(|file| file.totals.get(column)).copied().unwrap_or(0);
        u64::try_from(total).unwrap_or(0)
    };
    Ok(Closed {
        name: name.to_owned(),
        folder: folder.to_owned(),
        records: total("count"),
        amount_fen: total("amount_fen"),
    })
}

/// The nets that the open cycle would have if it were cut off now, by the rules of its settlement.
///
/// # Errors
/// If the totals cannot be settled.
pub fn running_net(
    rulebook: &Rulebook,
    date: Date,
    cycle: u32,
    pictures: &[Option<Picture>],
) -> Result<Vec<domain::settlement::Net>> {
    let mut totals = BTreeMap::new();
    for picture in pictures.iter().flatten().filter(|picture| picture.open_cycle == Some(cycle)) {
        // An acquirer's records are all in one partition, so no key comes twice.
        totals.extend(picture.totals.iter().map(|(key, tally)| (*key, *tally)));
    }
    Ok(settle(rulebook, date, &totals, &[]).context("failed to net the running totals")?.net)
}
