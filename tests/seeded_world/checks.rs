//! What must hold of the log as a whole, whoever wrote it and however often.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use clearing_node::book::{Book, Effect, Stepped};
use domain::{city::City, identity::Identity, result::RecordResult};
use proto::{
    Clearing, CutOff, CycleEvent, Marker, Opening, PartitionTotals, Plan, clearing, cycle_event::Body,
};

use super::{
    reference::{Check, Did, Paid, Reference},
    scheme::{Document, PARTITIONS, city},
    store::{Gathered, Rows},
};

/// A partition of the book folded once, at the moment of each append: by the code under test and by the
/// reference.
pub struct Partition {
    number: u32,
    book: Book,
    pub rows: Rows,
    /// What any node must say at each offset.
    pub effects: Vec<Vec<Effect>>,
    /// The position that readers committed for their group; no store depends on it.
    pub group_offset: u64,
    pub reference: Reference,
    /// The records that each message paid.
    paid: Vec<Vec<Paid>>,
}

impl Partition {
    pub fn new(number: u32) -> Self {
        Self {
            number,
            book: Book::new(number),
            rows: Rows::new(),
            effects: Vec::new(),
            group_offset: 0,
            reference: Reference::of(number),
            paid: Vec::new(),
        }
    }

    pub fn append(
        &mut self,
        offset: u64,
        payload: Bytes,
        message: &Clearing,
        documents: &[Arc<Document>],
    ) -> Result<Did, String> {
        let mut effects = Vec::new();
        step(&mut self.book, &mut self.rows, offset, payload, documents, &mut effects)?;
        let did = self.reference.step(message, &effects, documents);
        let did = did.map_err(|why| format!("partition {} offset {offset}: {why}", self.number))?;
        self.effects.push(effects);
        self.paid.push(did.paid.clone());
        if matches!(message.body, Some(clearing::Body::Marker(_))) {
            self.counts_add_up()?;
        }
        Ok(did)
    }

    /// What is no more once the log has lost everything from an offset on.
    pub fn paid_since(&self, offset: u64) -> impl Iterator<Item = &Paid> {
        self.paid.iter().skip(usize::try_from(offset).unwrap()).flatten()
    }

    /// How many paid identities it remembers.
    pub fn identities(&self) -> usize {
        self.book.identities().len()
    }

    /// Every record that arrived has one final result, or is parked.
    fn counts_add_up(&self) -> Check {
        let picture = self.book.picture();
        for (acquirer, seen) in &picture.acquirers {
            let told = seen.results.values().sum::<u64>() + seen.parked;
            if told != seen.arrived {
                return Err(format!("{acquirer}: {} records arrived, {told} are told of", seen.arrived));
            }
        }
        let arrived: u64 = picture.acquirers.values().map(|seen| seen.arrived).sum();
        if arrived == self.book.booked().arrived {
            Ok(())
        } else {
            Err(format!("{arrived} records are told of"))
        }
    }
}

/// Folds one message and commits it, learning rulebooks as needed.
pub fn step(
    book: &mut Book,
    rows: &mut Rows,
    offset: u64,
    payload: Bytes,
    documents: &[Arc<Document>],
    effects: &mut Vec<Effect>,
) -> Check {
    let mut txn = Gathered::over(rows);
    for _ in 0..2 {
        match book.step(&mut txn, offset, payload.clone(), effects) {
            Err(halt) => return Err(format!("a partition stands still: {halt}")),
            Ok(Stepped::Done) => {
                book.seal(&mut txn);
                txn.finish().commit(rows);
                return Ok(());
            }
            Ok(Stepped::NeedsRulebook { .. }) => {
                documents.iter().for_each(|document| book.learn(Arc::clone(&document.rulebook)));
            }
        }
    }
    Err("a marker names rules that nobody published".to_owned())
}

/// What was seen on the whole log.
#[derive(Default)]
pub struct Checks {
    /// The shortest window ever published, days.
    days_min: u32,
    /// By digest of the rulebook: whether each record pays its own fees.
    per_record: BTreeMap<[u8; 32], bool>,
    /// Where each batch first stands in the taps.
    tap_offsets: BTreeMap<(City, u64, Bytes), u64>,
    /// Cycles whose barrier was given up.
    pub timed_out: BTreeSet<u32>,
    /// Cities whose adapter's disk went back, or whose taps the log has lost.
    pub rolled_back: BTreeSet<City>,
    /// The last batch of a city that the log has lost.
    lost: BTreeMap<City, u64>,
    /// Cities of which the log lost the end of a topic.
    pub wounded: BTreeSet<City>,
    pub stopped: BTreeSet<City>,
    pub openings: BTreeMap<u32, Opening>,
    pub cut_offs: BTreeMap<u32, CutOff>,
    pub plans: BTreeMap<u32, Plan>,
    pub published: BTreeSet<u32>,
    segments: BTreeMap<(u32, u32), Bytes>,
    totals: BTreeMap<(u32, u32), PartitionTotals>,
    markers: BTreeMap<(u32, u32), Marker>,
    /// Batches on the tap logs that the book has not been told of since, by the last of their offsets.
    owed: BTreeMap<(City, u64, Bytes), u64>,
    /// Parts that stand in the park: acquirer, number, home city.
    parked: BTreeSet<(City, u64, City)>,
    paid: BTreeMap<Identity, Vec<Paid>>,
    /// In which partition the batches of a city were booked, by cycle.
    places: BTreeMap<(City, u32), u32>,
}

impl Checks {
    /// Notes a version of the rules that is published.
    pub fn publish(&mut self, document: &Document) {
        let days = document.terms.days;
        self.days_min = if self.per_record.is_empty() { days } else { self.days_min.min(days) };
        self.per_record.insert(document.rulebook.digest(), document.terms.per_record);
    }

    pub fn stop(&mut self, city: City, reason: &str) -> Check {
        if !self.rolled_back.contains(&city) && !self.stopped.contains(&city) {
            return Err(format!("{city} stopped without cause: {reason}"));
        }
        self.stopped.insert(city);
        Ok(())
    }

    /// A message of `cu.clearing` and what it did.
    pub fn clearing(&mut self, did: Did) -> Check {
        for city in did.stopped {
            self.stop(city, "by the book")?;
        }
        if let Some((city, number, digest, cycle)) = did.booked {
            self.barrier(city, number, digest, cycle)?;
        }
        if let Some(marker) = did.marker {
            self.marker(marker)?;
        }
        did.paid.into_iter().try_for_each(|paid| self.pay(paid))
    }

    /// The batches of a city in a cycle stand in one partition: its files have one share of the city.
    pub fn place(&mut self, city: City, cycle: u32, partition: u32) -> Check {
        let first = *self.places.entry((city, cycle)).or_insert(partition);
        if first == partition {
            return Ok(());
        }
        Err(format!("cycle {cycle} has batches of {city} in the partitions {first} and {partition}"))
    }

    /// What was in the taps at a cut-off is in a cycle before it.
    fn barrier(&self, city: City, number: u64, digest: Bytes, cycle: u32) -> Check {
        if self.stopped.contains(&city) || self.wounded.contains(&city) {
            return Ok(());
        }
        let Some(offset) = self.tap_offsets.get(&(city, number, digest)) else { return Ok(()) };
        for (ended, cut_off) in self.cut_offs.range(..cycle) {
            let end = cut_off.barrier.iter().find(|end| end.acquirer == city.to_string());
            if !self.timed_out.contains(ended) && end.is_some_and(|end| *offset < end.offset) {
                return Err(format!(
                    "barrier: batch {number} of {city} was there at the cut-off of cycle {ended}, counted in {cycle}"
                ));
            }
        }
        Ok(())
    }

    /// A batch stands on a tap log.
    pub fn tap(&mut self, city: City, number: u64, digest: Bytes, offset: u64) {
        self.tap_offsets.entry((city, number, digest.clone())).or_insert(offset);
        self.owed.insert((city, number, digest), offset);
    }

    /// The log has lost a batch of a city.
    pub fn lose(&mut self, city: City, number: u64) {
        self.rolled_back.insert(city);
        self.lost.insert(city, number);
    }

    /// The log has lost the end of a topic of a city, whose taps end here now.
    pub fn wound(&mut self, city: City, taps_end: u64) {
        self.wounded.insert(city);
        self.rolled_back.insert(city);
        self.tap_offsets.retain(|(of, ..), offset| *of != city || *offset < taps_end);
    }

    /// Whether the log has lost the last batches of a city, so that nobody can see a hole.
    pub fn lost_unseen(&self, city: City) -> bool {
        let Some(lost) = self.lost.get(&city) else { return false };
        !self.tap_offsets.keys().any(|(of, number, _)| *of == city && number >= lost)
    }

    /// The book is told of a batch.
    pub fn told(&mut self, city: City, number: u64, digest: Bytes) {
        self.owed.remove(&(city, number, digest));
    }

    /// A part stands in the park: only what the book knows as parked gets there.
    pub fn park(&mut self, city: City, number: u64, issuer: City, reference: &Reference) -> Check {
        if !reference.batches.contains_key(&(city, number)) && !self.stopped.contains(&city) {
            return Err(format!(
                "a part of batch {number} of {city} is parked before the book knows the batch"
            ));
        }
        self.parked.insert((city, number, issuer));
        Ok(())
    }

    /// A switch has passed an acquirer's taps up to an offset: what they say is in the book, and what the book
    /// still calls parked stands in the park.
    pub fn committed(&self, city: City, offset: u64, reference: &Reference) -> Check {
        if self.stopped.contains(&city) || self.rolled_back.contains(&city) {
            return Ok(());
        }
        for ((_, number, digest), _) in
            self.tap_offsets.iter().filter(|((of, ..), at)| *of == city && **at < offset)
        {
            let Some(batch) = reference.batches.get(&(city, *number)).filter(|b| b.digest == digest) else {
                return Err(format!("the taps of {city} are passed, the book lacks batch {number}"));
            };
            let waits = batch.rows.iter().filter(|row| row.result == RecordResult::Parked);
            for issuer in waits.map(|row| row.issuer) {
                if !self.parked.contains(&(city, *number, issuer)) {
                    return Err(format!(
                        "the taps of {city} are passed, {issuer} of batch {number} is not in the park"
                    ));
                }
            }
        }
        Ok(())
    }

    /// At the end: the book was told of every presentation, redeliveries too.
    pub fn nothing_owed(&self, city: City) -> Check {
        match self.owed.keys().find(|(of, ..)| *of == city) {
            Some((_, number, _)) => {
                Err(format!("the book never heard of a redelivery of batch {number} of {city}"))
            }
            None => Ok(()),
        }
    }

    /// At the end: markers are copies of the events.
    pub fn markers_are_copies(&self) -> Check {
        for marker in self.markers.values() {
            let Some(opening) = &marker.opens else { continue };
            if self.openings.get(&opening.cycle) != Some(opening) {
                let event = self.openings.get(&opening.cycle);
                return Err(format!("a marker says {opening:?}, the event {event:?}"));
            }
        }
        Ok(())
    }

    /// Markers that took effect are the same in every partition.
    fn marker(&mut self, marker: Marker) -> Check {
        let key = (marker.closes, marker.opens.as_ref().map_or(0, |opening| opening.cycle));
        let first = self.markers.entry(key).or_insert_with(|| marker.clone());
        if *first != marker {
            return Err(format!("markers differ: {first:?} and {marker:?}"));
        }
        Ok(())
    }

    /// No identity is paid twice: never the same content, no other one within the window.
    fn pay(&mut self, paid: Paid) -> Check {
        let before = self.paid.entry(paid.identity).or_default();
        let days = i32::try_from(self.days_min).unwrap();
        for other in before.iter() {
            if other.content == paid.content {
                return Err(format!("paid twice: {paid:?} and {other:?}"));
            }
            if paid.arrival_date <= other.tapped + days {
                return Err(format!("an identity paid twice within the window: {paid:?} after {other:?}"));
            }
        }
        before.push(paid);
        Ok(())
    }

    /// The log has lost the message that paid a record.
    pub fn unpay(&mut self, lost: &Paid) {
        if let Some(paid) = self.paid.get_mut(&lost.identity) {
            paid.retain(|paid| paid.content != lost.content);
        }
    }

    /// An event of `cu.cycles`.
    pub fn cycles(&mut self, event: CycleEvent) -> Check {
        match event.body {
            Some(Body::Opening(opening)) => self.opening(opening),
            Some(Body::CutOff(cut_off)) => {
                let last = self.openings.keys().next_back().copied().unwrap_or(0);
                if cut_off.cycle == last && !self.cut_offs.contains_key(&last) {
                    self.cut_offs.insert(last, cut_off.clone());
                    if let Some(opening) = cut_off.opens {
                        self.opening(opening);
                    }
                }
            }
            Some(Body::Totals(totals)) => {
                let key = (totals.cycle, totals.partition);
                let first = self.totals.entry(key).or_insert_with(|| totals.clone());
                if *first != totals {
                    return Err(format!("two totals: {first:?} and {totals:?}"));
                }
            }
            Some(Body::Plan(plan)) => return self.plan(plan),
            Some(Body::Published(published)) => {
                self.published.insert(published.cycle);
            }
            Some(Body::Segment(segment)) if !segment.lost => {
                let key = (segment.cycle, segment.partition);
                let digest = segment.manifest_digest;
                let first = self.segments.entry(key).or_insert_with(|| digest.clone());
                if *first != digest {
                    return Err(format!("two segments for cycle {} of partition {}", key.0, key.1));
                }
            }
            Some(
                Body::Segment(_)
                | Body::Opened(_)
                | Body::City(_)
                | Body::Restored(_)
                | Body::Ruled(_)
                | Body::ActsRead(_),
            )
            | None => {}
        }
        Ok(())
    }

    fn opening(&mut self, opening: Opening) {
        let last = self.openings.keys().next_back().copied().unwrap_or(0);
        let closed = last == 0 || self.cut_offs.contains_key(&last);
        if opening.cycle == last + 1 && closed {
            self.openings.insert(opening.cycle, opening);
        }
    }

    fn plan(&mut self, plan: Plan) -> Check {
        if let Some(first) = self.plans.get(&plan.cycle) {
            return if *first == plan { Ok(()) } else { Err(format!("two plans: {first:?} and {plan:?}")) };
        }
        let parts: Vec<&PartitionTotals> =
            self.totals.range((plan.cycle, 0)..=(plan.cycle, u32::MAX)).map(|(_, totals)| totals).collect();
        if parts.len() != PARTITIONS as usize {
            return Err(format!("plan {} with totals of {} partitions", plan.cycle, parts.len()));
        }
        let digest = self.openings.get(&plan.cycle).and_then(|o| o.rulebook_digest.as_ref().try_into().ok());
        let per_record = digest.and_then(|digest: [u8; 32]| self.per_record.get(&digest)).copied();
        check_plan(&plan, &parts, per_record.ok_or("a plan by rules that nobody published")?)?;
        self.plans.insert(plan.cycle, plan);
        Ok(())
    }
}

/// A plan by hand: positions and nets out of the totals, and the zero sum.
fn check_plan(plan: &Plan, parts: &[&PartitionTotals], per_record: bool) -> Check {
    let mut pairs: BTreeMap<(String, String), [i64; 4]> = BTreeMap::new();
    let mut by_account: BTreeMap<(String, u32, String), [i64; 4]> = BTreeMap::new();
    for total in parts.iter().flat_map(|part| &part.totals) {
        let amount = i64::try_from(total.amount_fen).unwrap();
        let (mut interchange, mut switch) = (total.interchange_fen, total.switch_fee_fen);
        if !per_record {
            (interchange, switch) = super::reference::fees(total.amount_fen, total.fee_line % 2 == 0);
        }
        if total.fee_line >= 2 {
            let key = (total.acquirer.to_string(), total.fee_line / 2, total.issuer.to_string());
            let figures = [total.count, total.amount_fen, interchange, switch];
            by_account.insert(key, figures.map(u64::cast_signed));
        }
        let pair = pairs.entry((total.acquirer.to_string(), total.issuer.to_string())).or_default();
        pair[0] += i64::try_from(total.count).unwrap();
        pair[1] += amount;
        pair[2] += i64::try_from(interchange).unwrap();
        pair[3] += i64::try_from(switch).unwrap();
    }
    let stated = plan.positions.iter().map(|p| {
        let figures =
            [p.count.cast_signed(), p.amount_fen.cast_signed(), p.interchange_fen, p.switch_fee_fen];
        ((p.acquirer.to_string(), p.issuer.to_string()), figures)
    });
    let stated: BTreeMap<_, _> = stated.collect();
    if stated != pairs {
        return Err(format!("positions of cycle {}: {stated:?}, by hand {pairs:?}", plan.cycle));
    }
    // A sector has a fee line of its own here, so that no fee is shared.
    let stated = plan.accounts.iter().map(|it| {
        let figures =
            [it.count.cast_signed(), it.amount_fen.cast_signed(), it.interchange_fen, it.switch_fee_fen];
        ((it.acquirer.to_string(), it.account, it.issuer.to_string()), figures)
    });
    let stated: BTreeMap<_, _> = stated.collect();
    if stated != by_account {
        return Err(format!("accounts of cycle {}: {stated:?}, by hand {by_account:?}", plan.cycle));
    }
    let mut nets: BTreeMap<String, i64> = BTreeMap::new();
    for ((acquirer, issuer), [_, amount, interchange, switch]) in &pairs {
        *nets.entry(acquirer.clone()).or_default() += amount - interchange - switch;
        *nets.entry(issuer.clone()).or_default() -= amount - interchange;
        *nets.entry("scheme".to_owned()).or_default() += switch;
    }
    for item in parts.iter().flat_map(|part| &part.adjustments) {
        *nets.entry(item.creditor.clone()).or_default() += item.amount_fen.cast_signed();
        *nets.entry(item.debtor.clone()).or_default() -= item.amount_fen.cast_signed();
    }
    let names = (0..super::scheme::ISSUERS).map(|index| city(index).to_string());
    for name in names.chain(["scheme".to_owned()]) {
        let stated = plan.net.iter().find(|net| *net.participant == *name).map_or(0, |net| net.net_fen);
        let by_hand = nets.get(&name).copied().unwrap_or(0);
        if stated != by_hand {
            return Err(format!("net of {name} in cycle {}: {stated}, by hand {by_hand}", plan.cycle));
        }
    }
    let sum: i64 = plan.net.iter().map(|net| net.net_fen).sum();
    if sum == 0 { Ok(()) } else { Err(format!("plan {} sums to {sum} fen", plan.cycle)) }
}
