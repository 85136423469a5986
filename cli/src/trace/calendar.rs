//! What the log tells of rules and cycles, as far as it concerns the records that were found.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domain::{city::City, rulebook::Rulebook, tap::Kind};
use proto::{
    Bytes, CycleEvent, Message, Name, Opening, Position, RulebookDocument, Total, cycle_event::Body,
};

use super::{
    life::{CityName, Owner, PositionRow},
    query::Terminal,
};

/// Acquirer and home city.
pub type Pair = (City, City);

/// Rules and cycles.
#[derive(Debug, Default)]
pub struct Calendar {
    rulebooks: Vec<Arc<Rulebook>>,
    openings: BTreeMap<u32, Opening>,
    plans: BTreeMap<u32, Plan>,
    totals: BTreeMap<u32, Vec<Total>>,
    folders: BTreeMap<u32, String>,
    /// Messages that could not be read.
    pub unreadable: u64,
}

/// The part of a plan that concerns the records.
#[derive(Debug)]
struct Plan {
    version: u32,
    offset: u64,
    positions: Vec<Position>,
}

impl Calendar {
    /// A version of the rules, from wherever it was read.
    pub fn learn(&mut self, rulebook: Rulebook) {
        if !self.rulebooks.iter().any(|known| known.digest() == rulebook.digest()) {
            self.rulebooks.push(Arc::new(rulebook));
        }
    }

    /// A message of `cu.rulebook`.
    pub fn rulebook(&mut self, payload: Bytes) {
        let toml = RulebookDocument::decode(payload).ok().map(|document| document.toml);
        match toml.and_then(|toml| Rulebook::parse(&toml).ok()) {
            Some(rulebook) => self.learn(rulebook),
            None => self.unreadable += 1,
        }
    }

    /// A message of `cu.cycles`; of plans and totals only what concerns `pairs` is kept.
    pub fn event(&mut self, pairs: &BTreeSet<Pair>, offset: u64, payload: Bytes) {
        let Ok(event) = CycleEvent::decode(payload) else {
            self.unreadable += 1;
            return;
        };
        let concerns = |acquirer: &str, issuer: &str| {
            let pair = City::parse(acquirer.as_bytes()).ok().zip(City::parse(issuer.as_bytes()).ok());
            pair.is_some_and(|pair| pairs.contains(&pair))
        };
        match event.body {
            Some(Body::Opening(opening)) => self.open(opening),
            Some(Body::CutOff(cut)) => {
                if let Some(opening) = cut.opens {
                    self.open(opening);
                }
            }
            Some(Body::Totals(mut totals)) => {
                totals.totals.retain(|total| concerns(&total.acquirer, &total.issuer));
                self.totals.entry(totals.cycle).or_default().append(&mut totals.totals);
            }
            Some(Body::Plan(mut plan)) => {
                plan.positions.retain(|position| concerns(&position.acquirer, &position.issuer));
                let known = self.plans.get(&plan.cycle).map_or(0, |known| known.version);
                if plan.version > known {
                    let kept = Plan { version: plan.version, offset, positions: plan.positions };
                    self.plans.insert(plan.cycle, kept);
                }
            }
            Some(Body::Published(published)) => {
                self.folders.insert(published.cycle, published.folder);
            }
            Some(
                Body::Opened(_)
                | Body::Segment(_)
                | Body::City(_)
                | Body::Restored(_)
                | Body::Ruled(_)
                | Body::ActsRead(_),
            )
            | None => {}
        }
    }

    /// The first opening of a cycle wins.
    fn open(&mut self, opening: Opening) {
        self.openings.entry(opening.cycle).or_insert(opening);
    }

    /// The rules of a cycle, and its opening.
    #[must_use]
    pub fn rules(&self, cycle: u32) -> Option<(&Arc<Rulebook>, &Opening)> {
        let opening = self.openings.get(&cycle)?;
        let its = |known: &&Arc<Rulebook>| *known.digest().as_slice() == *opening.rulebook_digest;
        Some((self.rulebooks.iter().find(its)?, opening))
    }

    /// The name of a cycle.
    #[must_use]
    pub fn name(&self, cycle: u32) -> Option<String> {
        self.openings.get(&cycle).map(|opening| clearing_node::book::opening_name(opening).to_string())
    }

    /// The ordinal of a cycle.
    #[must_use]
    pub fn ordinal(&self, name: &str) -> Option<u32> {
        self.openings.keys().copied().find(|cycle| self.name(*cycle).as_deref() == Some(name))
    }

    /// The names of the cycles `first..=last`.
    #[must_use]
    pub fn names(&self, first: u32, last: u32) -> BTreeSet<String> {
        let cycles = self.openings.range(first..=last.max(first)).map(|(cycle, _)| *cycle);
        cycles.filter_map(|cycle| self.name(cycle)).collect()
    }

    /// The last cycle that was opened.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.openings.keys().next_back().copied().unwrap_or(0)
    }

    /// The folder that was published for a cycle.
    #[must_use]
    pub fn folder(&self, cycle: u32) -> Option<&str> {
        self.folders.get(&cycle).map(String::as_str)
    }

    /// The position of a pair and kind in the plan of a cycle, and where the plan stands.
    #[must_use]
    pub fn position(&self, cycle: u32, (acquirer, issuer): Pair, kind: Kind) -> Option<(PositionRow, u64)> {
        let plan = self.plans.get(&cycle)?;
        let row = plan.positions.iter().find(|row| {
            row.kind == u32::from(kind as u8)
                && row.acquirer == acquirer.into()
                && row.issuer == issuer.into()
        })?;
        let row = PositionRow {
            count: row.count,
            amount_fen: row.amount_fen,
            interchange_fen: row.interchange_fen,
            switch_fee_fen: row.switch_fee_fen,
        };
        Some((row, plan.offset))
    }

    /// Records and fen of a pair and kind in a cycle, over all slots of a fee line.
    #[must_use]
    pub fn line_total(
        &self,
        cycle: u32,
        pair: Pair,
        kind: Kind,
        of_line: impl Fn(u16) -> bool,
    ) -> Option<(u64, u64)> {
        let (acquirer, issuer) = (Name::from(pair.0), Name::from(pair.1));
        let its = |total: &&Total| {
            total.kind == u32::from(kind as u8)
                && u16::try_from(total.fee_line).is_ok_and(&of_line)
                && total.acquirer == acquirer
                && total.issuer == issuer
        };
        // Totals may be said again: the first of a slot counts.
        let mut slots: BTreeMap<u32, &Total> = BTreeMap::new();
        for total in self.totals.get(&cycle)?.iter().filter(its) {
            slots.entry(total.fee_line).or_insert(total);
        }
        let sums = slots.into_values().map(|total| (total.count, total.amount_fen));
        sums.reduce(|a, b| (a.0.saturating_add(b.0), a.1.saturating_add(b.1)))
    }

    /// The partition of the book that keeps a city's taps; it never changes.
    #[must_use]
    pub fn partition_of(&self, city: City) -> u32 {
        self.rulebooks.last().map_or(0, |rulebook| rulebook.partition_of(city))
    }

    /// Every city that any version of the rules names.
    #[must_use]
    pub fn participants(&self) -> BTreeSet<City> {
        let cities = self.rulebooks.iter().flat_map(|rulebook| &rulebook.participants);
        cities.map(|participant| participant.city).collect()
    }

    /// Who owns a terminal, by any version of the rules.
    #[must_use]
    pub fn owners(&self, terminal: Terminal) -> Vec<Owner> {
        let mut owners: Vec<Owner> = Vec::new();
        for rulebook in &self.rulebooks {
            let Some(city) = rulebook.terminal_owner(terminal.0) else { continue };
            match owners.iter_mut().find(|owner| owner.city == city) {
                Some(owner) => owner.rulebook_versions.push(rulebook.version),
                None => owners.push(Owner { city, rulebook_versions: vec![rulebook.version] }),
            }
        }
        owners
    }

    /// Whether any rules are known.
    #[must_use]
    pub fn knows_rules(&self) -> bool {
        !self.rulebooks.is_empty()
    }

    /// The version with these bytes' digest.
    #[must_use]
    pub fn with_digest(&self, digest: [u8; 32]) -> Option<&Arc<Rulebook>> {
        self.rulebooks.iter().find(|known| known.digest() == digest)
    }

    /// The names of a city, by the last rules that name it.
    #[must_use]
    pub fn names_of(&self, city: City) -> Option<CityName> {
        let participant = self.rulebooks.iter().rev().find_map(|rulebook| rulebook.participant(city))?;
        let (name_en, name_zh) = (participant.name_en.clone(), participant.name_zh.clone());
        Some(CityName { city, name_en, name_zh })
    }
}
