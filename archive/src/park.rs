//! What still waits for a home city, and how far the switches are, as `cu.clearing` alone tells. Pure.
//!
//! `cu.parked.<city>` and the switches' positions are not archived: an outcome carries the records of its parked
//! parts, and its number says that everything of that city up to it has been passed on.

use std::collections::{BTreeMap, BTreeSet};

use domain::city::City;
use proto::{Clearing, Message, Outcome, ParkedPart, clearing::Body};

/// A fold over `cu.clearing`.
#[derive(Debug, Default)]
pub struct Park {
    /// The highest batch number of each city that has an outcome.
    pub passed: BTreeMap<City, u64>,
    /// By city and number: the partition and offset of the outcome, and the home cities that have not answered.
    waiting: BTreeMap<(City, u64), (u32, u64, BTreeSet<String>)>,
}

impl Park {
    /// Takes the message at an offset of a partition.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn take(&mut self, partition: u32, offset: u64, payload: &[u8]) -> Result<(), String> {
        let message = Clearing::decode(payload).map_err(|error| error.to_string())?;
        let city = |text: &str| text.parse::<City>().map_err(|error| error.to_string());
        match message.body {
            Some(Body::Outcome(outcome)) => {
                self.outcome(city(&outcome.acquirer)?, partition, offset, outcome)
            }
            Some(Body::Late(late)) => {
                let batch = (city(&late.acquirer)?, late.number);
                let judged = late.parts.into_iter().filter(|part| part.verdicts.is_some());
                self.answered(batch, judged.map(|part| part.issuer).collect());
            }
            _ => {}
        }
        Ok(())
    }

    fn outcome(&mut self, city: City, partition: u32, offset: u64, outcome: Outcome) {
        let number = outcome.number;
        let (judged, parked): (Vec<_>, Vec<_>) =
            outcome.parts.into_iter().partition(|part| part.verdicts.is_some());
        let issuers = |parts: Vec<proto::JudgedPart>| -> BTreeSet<String> {
            parts.into_iter().filter_map(|judged| Some(judged.part?.issuer)).collect()
        };
        let passed = self.passed.entry(city).or_default();
        *passed = number.max(*passed);
        // Redelivered: what was parked then and is judged now is settled by it. What it calls parked may be news, if
        // the book passed the first one over; a home city that is asked once too often does no harm.
        self.answered((city, number), issuers(judged));
        let parked = issuers(parked);
        if !parked.is_empty() {
            let waiting = self.waiting.entry((city, number));
            waiting.or_insert_with(|| (partition, offset, BTreeSet::new())).2.extend(parked);
        }
    }

    fn answered(&mut self, batch: (City, u64), issuers: BTreeSet<String>) {
        if let Some((_, _, waiting)) = self.waiting.get_mut(&batch) {
            waiting.retain(|issuer| !issuers.contains(issuer));
            if waiting.is_empty() {
                self.waiting.remove(&batch);
            }
        }
    }

    /// Outcomes with parts that still wait: city, partition and offset of the outcome, by city and batch number.
    pub fn waiting(&self) -> impl Iterator<Item = (City, u32, u64)> {
        self.waiting.iter().map(|((city, _), (partition, offset, _))| (*city, *partition, *offset))
    }

    /// The parts of an outcome that still wait, as they stand in `cu.parked`.
    ///
    /// # Errors
    /// Why the outcome cannot be read.
    pub fn parts(&self, payload: &[u8]) -> Result<Vec<ParkedPart>, String> {
        let message = Clearing::decode(payload).map_err(|error| error.to_string())?;
        let Some(Body::Outcome(outcome)) = message.body else { return Ok(Vec::new()) };
        let city: City = outcome.acquirer.parse().map_err(|_| "its acquirer is no city".to_owned())?;
        let Some((_, _, waiting)) = self.waiting.get(&(city, outcome.number)) else { return Ok(Vec::new()) };
        let parts = outcome.parts.into_iter().filter_map(|judged| judged.part);
        let parked = |part| ParkedPart {
            acquirer: outcome.acquirer.clone(),
            number: outcome.number,
            digest: outcome.digest.clone(),
            part: Some(part),
        };
        Ok(parts.filter(|part| waiting.contains(&part.issuer)).map(parked).collect())
    }
}

#[cfg(test)]
mod tests {
    use proto::{JudgedPart, LateVerdicts, Part, PartVerdicts, Verdicts};

    use super::*;

    fn outcome(number: u64, parts: &[(&str, bool)]) -> Vec<u8> {
        let part = |(issuer, judged): &(&str, bool)| JudgedPart {
            part: Some(Part { issuer: (*issuer).to_owned(), ..Part::default() }),
            verdicts: judged.then(Verdicts::default),
        };
        let parts = parts.iter().map(part).collect();
        let outcome = Outcome { acquirer: "cu-2000".to_owned(), number, parts, ..Outcome::default() };
        Clearing { body: Some(Body::Outcome(outcome)) }.encode_to_vec()
    }

    fn late(number: u64, issuer: &str) -> Vec<u8> {
        let verdicts = Some(Verdicts::default());
        let parts = vec![PartVerdicts { issuer: issuer.to_owned(), verdicts }];
        let late = LateVerdicts { acquirer: "cu-2000".to_owned(), number, parts, ..LateVerdicts::default() };
        Clearing { body: Some(Body::Late(late)) }.encode_to_vec()
    }

    fn parked(park: &Park, payload: &[u8]) -> Vec<String> {
        let parts = park.parts(payload).unwrap();
        parts.into_iter().map(|parked| parked.part.unwrap().issuer).collect()
    }

    #[test]
    fn what_was_parked_waits_until_its_home_city_has_answered() {
        let mut park = Park::default();
        let first = outcome(1, &[("cu-3000", false), ("cu-4000", true), ("cu-5000", false)]);
        park.take(0, 10, &first).unwrap();
        park.take(0, 11, &outcome(2, &[("cu-3000", true)])).unwrap();
        assert_eq!(park.waiting().map(|(_, _, offset)| offset).collect::<Vec<_>>(), [10]);
        assert_eq!(parked(&park, &first), ["cu-3000", "cu-5000"]);

        park.take(0, 12, &late(1, "cu-5000")).unwrap();
        assert_eq!(parked(&park, &first), ["cu-3000"]);
        // Redelivered with its verdict: settled by it.
        park.take(0, 13, &outcome(1, &[("cu-3000", true), ("cu-5000", true)])).unwrap();
        assert_eq!(park.waiting().count(), 0);
        assert_eq!(park.passed.values().copied().collect::<Vec<_>>(), [2]);
    }

    /// The book may have passed the first outcome over, all of it judged, and booked the second.
    #[test]
    fn what_a_second_outcome_calls_parked_waits_too() {
        let mut park = Park::default();
        park.take(0, 10, &outcome(1, &[("cu-3000", true), ("cu-4000", true)])).unwrap();
        let second = outcome(1, &[("cu-3000", true), ("cu-4000", false)]);
        park.take(0, 11, &second).unwrap();
        assert_eq!(park.waiting().map(|(_, _, offset)| offset).collect::<Vec<_>>(), [11]);
        assert_eq!(parked(&park, &second), ["cu-4000"]);
        park.take(0, 12, &late(1, "cu-4000")).unwrap();
        assert_eq!(park.waiting().count(), 0);
    }
}
