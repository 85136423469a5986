//! Posts what happened to every cycle of an OUT, in the order of cycles and of their versions.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result};
use domain::{
    cycle::CycleName,
    ledger::{Account, Entry, Event, Ledger, Stage},
    settlement::Party,
};
use files::Figures;

use super::states::States;

/// What is to be shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Of one participant.
    pub(super) participant: Option<Party>,
    /// Of one cycle.
    pub(super) cycle: Option<CycleName>,
}

impl Wanted {
    /// Whether an entry is to be counted.
    fn counts(&self, entry: &Entry) -> bool {
        let owner = self.participant.is_none_or(|party| entry.account.owner == party);
        owner && self.cycle.is_none_or(|cycle| entry.cycle == cycle)
    }

    /// Whether entries are to be listed one by one: not all of all cycles, which may be millions.
    pub(super) const fn lists(&self) -> bool {
        self.participant.is_some() || self.cycle.is_some()
    }
}

/// What went over an account, fen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turnover {
    /// In favour of its owner.
    pub(super) credits: i128,
    /// Against its owner, not above 0.
    pub(super) debits: i128,
}

/// A cycle in the ledger.
#[derive(Clone, Copy, Debug)]
pub(super) struct CycleRow {
    pub(super) cycle: CycleName,
    pub(super) version: u32,
    pub(super) stage: Stage,
    pub(super) entries: u64,
    /// Half of what its entries come to without their signs, fen.
    pub(super) moved_fen: i128,
}

/// The ledger of an OUT.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// What went over each account, of what is wanted.
    pub(super) accounts: BTreeMap<Account, Turnover>,
    /// Every cycle, in order.
    pub(super) cycles: Vec<CycleRow>,
    /// The entries that are wanted, in the order in which they were posted; none if not listed.
    pub(super) entries: Vec<Entry>,
}

/// Reads every folder and posts it, and what became of it if that is known.
pub(super) fn gather(folders: &[PathBuf], states: &States, wanted: Wanted) -> Result<Books> {
    let mut versions = Vec::with_capacity(folders.len());
    for folder in folders {
        versions.push(Figures::read(folder).context("failed to keep the ledger")?);
    }
    versions.sort_by_key(|figures| (figures.cycle, figures.version));
    let (mut ledger, mut books) = (Ledger::default(), Books::default());
    let mut counted: BTreeMap<CycleName, (u64, i128)> = BTreeMap::new();
    for figures in &versions {
        for entry in post(&mut ledger, figures, states)? {
            let (entries, moved) = counted.entry(entry.cycle).or_default();
            *entries += 1;
            *moved += i128::from(entry.fen.max(0));
            books.keep(entry, wanted);
        }
    }
    let row = |(cycle, version, stage)| {
        let (entries, moved_fen) = counted.get(&cycle).copied().unwrap_or_default();
        CycleRow { cycle, version, stage, entries, moved_fen }
    };
    books.cycles = ledger.cycles().map(row).collect();
    Ok(books)
}

/// Posts what happened to a version of a cycle's plan.
fn post(ledger: &mut Ledger, figures: &Figures, states: &States) -> Result<Vec<Entry>> {
    let payments = figures.payments().with_context(|| format!("failed to post {}", figures.cycle))?;
    let mut events = vec![Event::Closed { payments: &payments, items: &figures.items }];
    events.extend(states.later(figures.cycle, figures.version));
    let mut entries = Vec::new();
    for event in events {
        let posted = ledger.post(figures.cycle, figures.version, event);
        let posted =
            posted.with_context(|| format!("failed to keep the ledger with {}", figures.folder.display()))?;
        entries.extend(posted);
    }
    Ok(entries)
}

impl Books {
    fn keep(&mut self, entry: Entry, wanted: Wanted) {
        if !wanted.counts(&entry) {
            return;
        }
        let turnover = self.accounts.entry(entry.account).or_default();
        let side = if entry.fen < 0 { &mut turnover.debits } else { &mut turnover.credits };
        *side += i128::from(entry.fen);
        if wanted.lists() {
            self.entries.push(entry);
        }
    }
}
