//! What operators do, as the reference has it: stopped cities go on, older payments come in, cities move.

use std::collections::{BTreeMap, BTreeSet};

use domain::{city::City, identity::Identity, tap::Tap};
use proto::{Import, Moved, Resume};

use super::{
    super::scheme::{index_of, parse, terminal_byte},
    Batch, Did, Holder, Paid, Reference, Told, content,
};

/// What is known of a city that leaves.
#[derive(Clone, Debug)]
pub struct Luggage {
    next: u64,
    batches: Vec<(u64, Batch)>,
    held: Vec<(Identity, Vec<Holder>)>,
}

/// An import so far: its parts, whether that is all, and what became of its taps.
#[derive(Clone, Debug, Default)]
struct Imports {
    parts: u32,
    all: bool,
    counts: [u64; 4],
}

/// What operators have done in a partition.
#[derive(Debug, Default)]
pub struct Operators {
    /// The highest number of each city that was passed over.
    owed: BTreeMap<City, u64>,
    /// Cities that went away, by which move.
    left: BTreeMap<City, String>,
    done: BTreeSet<String>,
    imports: BTreeMap<String, Imports>,
    /// What went away, by move: the way on which it goes is not the reference's.
    pub departed: BTreeMap<String, Luggage>,
    /// What comes with a message: a city's luggage, or the taps in a part of an import.
    pub arriving: Option<Luggage>,
    pub imported: BTreeMap<(String, u32), Vec<(City, Tap)>>,
}

impl Operators {
    pub fn owed(&self, city: City) -> u64 {
        self.owed.get(&city).copied().unwrap_or(0)
    }
}

impl Reference {
    /// The number that is due of a city.
    pub fn next_of(&self, city: City) -> u64 {
        self.next.get(&city).copied().unwrap_or(1)
    }

    /// Whether it waits for batches to come again, and whether an operator must look first.
    pub fn waits_for_operator(&self, city: City) -> (bool, bool) {
        let stopped = self.stopped.contains(&city) || self.held_at_switch.contains(&city);
        (self.operators.owed(city) >= self.next_of(city), stopped)
    }

    /// Whether nothing of a city is booked.
    pub(super) fn stands(&self, city: City) -> bool {
        self.stopped.contains(&city) || self.operators.left.contains_key(&city)
    }

    /// Whether the open cycle keeps a city in another partition.
    pub(super) fn is_elsewhere(&self, city: City) -> bool {
        self.open.as_ref().is_some_and(|open| open.document.terms.places[index_of(city)] != self.number)
    }

    pub(super) fn owe(&mut self, city: City, number: u64) {
        let owed = self.operators.owed(city).max(number);
        if number >= self.next_of(city) {
            self.operators.owed.insert(city, owed);
        }
    }

    /// A batch that is not booked now.
    pub(super) fn pass_over(&mut self, city: City, number: u64, did: &mut Did) {
        if number < self.next_of(city) {
            return;
        }
        let loud = self.operators.left.contains_key(&city) || !self.stopped.contains(&city);
        did.alarms += usize::from(loud);
        self.owe(city, number);
    }

    pub(super) fn resume(&mut self, resume: &Resume, did: &mut Did) {
        let city = parse(&resume.city);
        if self.operators.done.contains(&resume.id) {
            return;
        }
        let stopped = self.stopped.contains(&city) || self.held_at_switch.contains(&city);
        let gone = self.operators.left.contains_key(&city) || self.is_elsewhere(city);
        let refused = !stopped || gone || resume.next != self.next_of(city);
        if !refused {
            self.operators.done.insert(resume.id.clone());
            self.stopped.remove(&city);
            self.held_at_switch.remove(&city);
            did.alarms += 1;
        }
        did.told.push((city, Told::Resumed { refused }));
    }

    pub(super) fn depart(&mut self, moved: &Moved, did: &mut Did) {
        let city = parse(&moved.city);
        if self.operators.done.contains(&moved.id) {
            return;
        }
        let parked = self.parked().iter().any(|(acquirer, ..)| *acquirer == city);
        let (owed, stopped) = self.waits_for_operator(city);
        let wrong = moved.from != self.number || moved.to == self.number || moved.part != 1;
        let refused = wrong || parked || owed || stopped || self.operators.left.contains_key(&city);
        did.told.push((city, Told::Departing { refused }));
        if refused {
            return;
        }
        let batches = self.batches.range((city, 0)..=(city, u64::MAX));
        let batches = batches.map(|((_, number), batch)| (*number, Batch { here: false, ..batch.clone() }));
        let of_the_city = |identity: &Identity| identity.terminal[0] == terminal_byte(index_of(city));
        let held = self.held.iter().filter(|(identity, _)| of_the_city(identity));
        let luggage = Luggage {
            next: self.next_of(city),
            batches: batches.collect(),
            held: held.map(|(identity, holders)| (*identity, holders.clone())).collect(),
        };
        self.operators.done.insert(moved.id.clone());
        self.operators.left.insert(city, moved.id.clone());
        self.operators.departed.insert(moved.id.clone(), luggage);
    }

    pub(super) fn import(&mut self, import: &Import, did: &mut Did) -> Result<(), String> {
        let city = parse(&import.city);
        let mut known = self.operators.imports.get(&import.id).cloned().unwrap_or_default();
        if import.part <= known.parts {
            return Ok(());
        }
        if import.part > known.parts + 1 || known.all {
            did.alarms += 1;
            return Ok(());
        }
        if import.arrival.is_some() {
            let luggage = self.operators.arriving.take().ok_or("a city comes out of nowhere")?;
            self.arrive(city, luggage, did);
        } else {
            let first = import.part == 1 && self.next_of(city) > 1 && !import.overlap;
            if first || self.operators.left.contains_key(&city) {
                did.told.push((city, Told::Imported(None)));
                return Ok(());
            }
            let taps = self.operators.imported.get(&(import.id.clone(), import.part));
            for (issuer, tap) in taps.cloned().ok_or("taps out of nowhere")? {
                known.counts[self.remember(issuer, &tap, did)] += 1;
            }
            if import.last {
                did.told.push((city, Told::Imported(Some(known.counts))));
            }
        }
        known.parts = import.part;
        known.all = import.last;
        self.operators.imports.insert(import.id.clone(), known);
        Ok(())
    }

    /// A tap that an older system has paid; which count it adds to.
    fn remember(&mut self, issuer: City, tap: &Tap, did: &mut Did) -> usize {
        let (tapped, line) = (tap.tapped_day.get(), self.line.unwrap_or(i32::MIN));
        if tapped < line {
            return 3;
        }
        let (identity, content) = (Identity::of(issuer, tap), content(issuer, tap));
        let holders = self.held.entry(identity).or_default();
        if let Some(holder) = holders.last().filter(|holder| holder.tapped >= line) {
            return if holder.content == content { 1 } else { 2 };
        }
        holders.push(Holder { content: content.clone(), tapped });
        let arrival_date = self.open.as_ref().map_or(tapped, |open| open.date);
        did.paid.push(Paid { identity, content, tapped, arrival_date });
        0
    }

    fn arrive(&mut self, city: City, luggage: Luggage, did: &mut Did) {
        did.told.push((city, Told::Arrived(luggage.batches.len() as u64)));
        self.next.insert(city, luggage.next);
        self.stopped.remove(&city);
        self.operators.left.remove(&city);
        self.operators.owed.remove(&city);
        for (number, batch) in luggage.batches {
            // One of an earlier stay was booked here.
            let here = self.batches.get(&(city, number)).is_some_and(|known| known.here);
            self.batches.insert((city, number), Batch { here, ..batch });
        }
        self.held.extend(luggage.held);
    }
}
