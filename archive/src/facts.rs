//! What `cu.cycles` says of closed cycles, and so which part of the log belongs to each. Pure.

use std::collections::{BTreeMap, btree_map::Entry};

use cu_log::{Partition, topics::Topics};
use domain::{city::City, cycle::CycleName, date::Date};
use proto::{
    CutOff, CycleEvent, Message, Opening, PartitionTotals, Plan, Published, Restored, RulebookDocument,
    RuledAct, cycle_event::Body,
};

/// Offsets up to which each partition belongs to the cycles so far, by topic (without prefix) and number.
pub type Ends = BTreeMap<Partition, u64>;

/// Something that a coordinator hears of cycles, in the order of the log: by ordinal where [`Facts`] has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A cycle is opened.
    Opening(u32),
    /// It is cut off.
    CutOff(u32),
    /// The totals of a cycle and partition.
    Totals(u32, u32),
    /// A plan of a cycle, by version.
    Plan(u32, u32),
    /// A publication of a cycle, by version.
    Published(u32, u32),
    /// The word on an act.
    Ruled(RuledAct),
    /// The log was brought back: another one to whoever acts.
    Restored(Restored),
}

impl Told {
    /// Whether it is void once the log was brought back with nothing after cycle `last`. An act about a cycle that is not
    /// there has no effect.
    const fn is_after(&self, last: u32) -> bool {
        match *self {
            Self::Opening(cycle) => cycle > last.saturating_add(1),
            Self::CutOff(cycle)
            | Self::Totals(cycle, _)
            | Self::Plan(cycle, _)
            | Self::Published(cycle, _) => cycle > last,
            Self::Ruled(_) | Self::Restored(_) => false,
        }
    }
}

/// Everything that the log says of cycles and rules. As everywhere, the first event counts.
#[derive(Debug, Default)]
pub struct Facts {
    /// Openings by ordinal.
    pub openings: BTreeMap<u32, Opening>,
    /// Versions and digests of the rules that openings named, and where on `cu.cycles`; also of openings that are
    /// void by now.
    named: Vec<(u64, (u32, Vec<u8>))>,
    /// Cut-offs by ordinal.
    pub cut_offs: BTreeMap<u32, CutOff>,
    /// Totals by ordinal and partition.
    pub totals: BTreeMap<(u32, u32), PartitionTotals>,
    /// Plans by ordinal.
    pub plans: BTreeMap<u32, Plan>,
    /// Publications by ordinal, with their offsets on `cu.cycles`.
    pub published: BTreeMap<u32, (u64, Published)>,
    /// Later versions of plans, by ordinal and version.
    pub later_plans: BTreeMap<(u32, u32), Plan>,
    /// Publications of later versions, by ordinal and version.
    later: BTreeMap<(u32, u32), Published>,
    /// The later version of the cycle before that was current at a cut-off, by the ordinal of the cycle cut off.
    followed: BTreeMap<u32, u32>,
    /// What a coordinator hears, in order.
    pub told: Vec<Told>,
    /// The first document of each version and digest, with its offset on `cu.rulebook`.
    pub rulebooks: BTreeMap<(u32, Vec<u8>), (u64, RulebookDocument)>,
    /// Where the log was brought back from an archive: offset on `cu.cycles`, and the last cycle archived then.
    pub restored: Vec<(u64, u32)>,
}

/// The part of one partition that belongs to a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The partition; its topic without prefix.
    pub partition: Partition,
    /// Offset of the first message.
    pub first: u64,
    /// Offset after the last.
    pub end: u64,
}

impl Facts {
    /// Takes the event at an offset of `cu.cycles`.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn event(&mut self, offset: u64, payload: &[u8]) -> Result<(), String> {
        let event = CycleEvent::decode(payload).map_err(|error| error.to_string())?;
        match event.body {
            Some(Body::Opening(opening)) => self.opening(offset, opening),
            Some(Body::CutOff(cut_off)) => {
                let last = self.openings.keys().next_back() == Some(&cut_off.cycle);
                if last && !self.cut_offs.contains_key(&cut_off.cycle) {
                    let opens = cut_off.opens.clone();
                    if let Some(current) = self.newest(cut_off.cycle.saturating_sub(1)) {
                        self.followed.insert(cut_off.cycle, current);
                    }
                    self.told.push(Told::CutOff(cut_off.cycle));
                    self.cut_offs.insert(cut_off.cycle, cut_off);
                    opens.into_iter().for_each(|opening| self.opening(offset, opening));
                }
            }
            Some(Body::Totals(totals)) => {
                let (cycle, partition) = (totals.cycle, totals.partition);
                let told = Told::Totals(cycle, partition);
                keep_first(&mut self.totals, (cycle, partition), totals, told, &mut self.told);
            }
            Some(Body::Plan(plan)) => self.plan(plan),
            Some(Body::Published(published)) => self.publication(offset, published),
            Some(Body::Ruled(ruled)) => self.told.push(Told::Ruled(ruled)),
            Some(Body::Restored(restored)) => {
                self.void_after(offset, restored.cycle);
                self.told.push(Told::Restored(restored));
            }
            Some(Body::Opened(_) | Body::Segment(_) | Body::City(_) | Body::ActsRead(_)) | None => {}
        }
        Ok(())
    }

    fn plan(&mut self, plan: Plan) {
        let (cycle, version) = (plan.cycle, plan.version);
        let told = Told::Plan(cycle, version);
        match version {
            ..=1 => keep_first(&mut self.plans, cycle, plan, told, &mut self.told),
            _ => keep_first(&mut self.later_plans, (cycle, version), plan, told, &mut self.told),
        }
    }

    fn publication(&mut self, offset: u64, published: Published) {
        let (cycle, version) = (published.cycle, published.version);
        let told = Told::Published(cycle, version);
        match version {
            ..=1 => keep_first(&mut self.published, cycle, (offset, published), told, &mut self.told),
            _ => keep_first(&mut self.later, (cycle, version), published, told, &mut self.told),
        }
    }

    /// The newest later version of a cycle that is published.
    fn newest(&self, cycle: u32) -> Option<u32> {
        self.later.range((cycle, 0)..=(cycle, u32::MAX)).next_back().map(|((_, version), _)| *version)
    }

    /// What was said so far of cycles after `last` is void, but for the opening of the next: the log was brought back
    /// without it (see [`crate::beyond`]).
    fn void_after(&mut self, offset: u64, last: u32) {
        self.openings.retain(|cycle, _| *cycle <= last.saturating_add(1));
        self.cut_offs.retain(|cycle, _| *cycle <= last);
        self.totals.retain(|(cycle, _), _| *cycle <= last);
        self.plans.retain(|cycle, _| *cycle <= last);
        self.published.retain(|cycle, _| *cycle <= last);
        self.later_plans.retain(|(cycle, _), _| *cycle <= last);
        self.later.retain(|(cycle, _), _| *cycle <= last);
        self.followed.retain(|cycle, _| *cycle <= last);
        self.told.retain(|told| !told.is_after(last));
        self.restored.push((offset, last));
    }

    fn opening(&mut self, offset: u64, opening: Opening) {
        let last = self.openings.keys().next_back().copied();
        let due = last.map_or(1, |last| last + 1) == opening.cycle;
        if due && last.is_none_or(|last| self.cut_offs.contains_key(&last)) {
            let rules = (opening.rulebook_version, opening.rulebook_digest.to_vec());
            self.named.push((offset, rules));
            self.told.push(Told::Opening(opening.cycle));
            self.openings.insert(opening.cycle, opening);
        }
    }

    /// Takes the document at an offset of `cu.rulebook`.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn rulebook(&mut self, offset: u64, payload: &[u8]) -> Result<(), String> {
        let document = RulebookDocument::decode(payload).map_err(|error| error.to_string())?;
        let digest = proto::digest::bytes(&document.toml).to_vec();
        self.rulebooks.entry((document.version, digest)).or_insert((offset, document));
        Ok(())
    }

    /// The name of a cycle.
    #[must_use]
    pub fn name(&self, cycle: u32) -> Option<CycleName> {
        let opening = self.openings.get(&cycle)?;
        let business_date = Date::from_julian_day(opening.business_date);
        Some(CycleName { business_date, sequence: opening.sequence })
    }

    /// The ordinal of a cycle.
    #[must_use]
    pub fn ordinal(&self, name: CycleName) -> Option<u32> {
        self.openings.keys().copied().find(|cycle| self.name(*cycle) == Some(name))
    }

    /// Ordinal of the last cycle of which all before it are published, and it too; 0 for none.
    #[must_use]
    pub fn last_published(&self) -> u32 {
        (1..).take_while(|cycle| self.published.contains_key(cycle)).last().unwrap_or(0)
    }

    /// The publication that the manifest of a cycle follows: the version of the one before that was current at the
    /// cut-off.
    #[must_use]
    pub fn followed_by(&self, cycle: u32) -> Option<&Published> {
        let before = cycle.checked_sub(1)?;
        let later = |version: &u32| self.later.get(&(before, *version));
        let first = || self.published.get(&before).map(|(_, published)| published);
        self.followed.get(&cycle).and_then(later).or_else(first)
    }

    /// The plan of a version of a cycle.
    #[must_use]
    pub fn plan_of(&self, cycle: u32, version: u32) -> Option<&Plan> {
        match version {
            ..=1 => self.plans.get(&cycle),
            _ => self.later_plans.get(&(cycle, version)),
        }
    }

    /// The publication of a version of a cycle.
    #[must_use]
    pub fn published_of(&self, cycle: u32, version: u32) -> Option<&Published> {
        match version {
            ..=1 => self.published.get(&cycle).map(|(_, published)| published),
            _ => self.later.get(&(cycle, version)),
        }
    }

    /// The publications of a cycle: of its first plan, and of each later version.
    pub fn versions(&self, cycle: u32) -> impl Iterator<Item = &Published> {
        let later = self.later.range((cycle, 0)..=(cycle, u32::MAX)).map(|(_, published)| published);
        self.published_of(cycle, 1).into_iter().chain(later)
    }

    /// The totals of a cycle, by partition.
    pub fn totals_of(&self, cycle: u32) -> impl Iterator<Item = &PartitionTotals> {
        self.totals.range((cycle, 0)..=(cycle, u32::MAX)).map(|(_, totals)| totals)
    }

    /// Number of partitions of `cu.clearing` that a cycle has totals of.
    #[must_use]
    pub fn partitions(&self, cycle: u32) -> u32 {
        u32::try_from(self.totals_of(cycle).count()).unwrap_or(u32::MAX)
    }

    /// What belongs to a published cycle, after what belongs to the cycles before it:
    /// `cu.clearing` through the marker that ended it, `cu.cycles` through its publication, `cu.rulebook` through
    /// the versions that any cycle opened by then names, and `cu.taps.<city>` up to where the cut-off's barrier found
    /// them ending. All of these are said on the log, so the ranges are the same whenever they are asked for.
    ///
    /// # Errors
    /// What is missing.
    pub fn ranges(&self, cycle: u32, before: &Ends) -> Result<Vec<Range>, String> {
        let missing = |what: &str| format!("its {what} is not on cu.cycles");
        let (published_at, _) = self.published.get(&cycle).ok_or_else(|| missing("publication"))?;
        let cut_off = self.cut_offs.get(&cycle).ok_or_else(|| missing("cut-off"))?;
        let topics = Topics::default();
        let cycles_end = published_at + 1;
        let mut ends = vec![(topics.cycles(), cycles_end), (topics.rulebook(), self.rules_end(cycles_end)?)];
        for (due, totals) in (0..).zip(self.totals_of(cycle)) {
            if totals.partition != due {
                return Err(missing(&format!("total of partition {due}")));
            }
            ends.push((topics.clearing(due), totals.end_offset + 1));
        }
        for end in &cut_off.barrier {
            let city: City = end.acquirer.parse().map_err(|_| missing("barrier"))?;
            ends.push((topics.taps(city), end.offset));
        }
        ends.sort();
        let range = |(partition, end): (Partition, u64)| {
            let first = before.get(&partition).copied().unwrap_or(0);
            (end > first).then_some(Range { partition, first, end })
        };
        Ok(ends.into_iter().filter_map(range).collect())
    }

    /// The end of the rules that the openings before an offset of `cu.cycles` name.
    fn rules_end(&self, cycles_end: u64) -> Result<u64, String> {
        let mut end = 0;
        for (_, rules) in self.named.iter().filter(|(at, _)| *at < cycles_end) {
            let (offset, _) = self.rulebooks.get(rules).ok_or_else(|| {
                format!("rulebook version {} with its digest is not on cu.rulebook", rules.0)
            })?;
            end = end.max(offset + 1);
        }
        Ok(end)
    }
}

/// Keeps the first value for a key, and that it was told.
fn keep_first<K: Ord, V>(kept: &mut BTreeMap<K, V>, key: K, value: V, what: Told, told: &mut Vec<Told>) {
    if let Entry::Vacant(place) = kept.entry(key) {
        place.insert(value);
        told.push(what);
    }
}

#[cfg(test)]
mod tests;
