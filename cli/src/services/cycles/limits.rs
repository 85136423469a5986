//! Watches what participants with a cap owe in the open cycle, out of the partitions' running totals.
//!
//! A running net is only whole where every partition's totals are: on a node that owns all of them. Nothing is rejected.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use clearing_node::{
    book::{Picture, opening_name},
    partition::Progress,
};
use domain::{
    city::City,
    limits::{Exposure, exposures, nets_of_cities},
    rulebook::Rulebook,
    settlement::settle,
    totals::{Tally, TotalKey},
};
use proto::Opening;

/// How often the totals are looked at. They are copied for it, so not for every tap.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Watches the open cycle.
#[derive(Debug, Default)]
pub struct Watch {
    pictures: BTreeMap<u32, Picture>,
    asked_at: Option<Duration>,
    cycle: u32,
    exposures: Vec<Exposure>,
    /// The highest level that was told of each city in this cycle.
    told: BTreeMap<City, Level>,
}

/// How far a net debit has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Percent(u32),
    Beyond,
}

impl Watch {
    /// Looks at the partitions at a time `now` since some start; what a person should hear, once each.
    pub fn look(
        &mut self,
        opening: &Opening,
        rulebook: &Rulebook,
        partitions: &BTreeMap<u32, Arc<Progress>>,
        now: Duration,
    ) -> Vec<String> {
        if self.cycle != opening.cycle {
            *self = Self { cycle: opening.cycle, ..Self::default() };
        }
        let watched = rulebook.participants.iter().any(|participant| participant.net_debit_cap_fen.is_some());
        let whole = (0..rulebook.partitions).all(|number| partitions.contains_key(&number));
        if !watched || !whole {
            self.pictures.clear();
            self.exposures.clear();
            return Vec::new();
        }
        for (number, progress) in partitions {
            if let Some(picture) = progress.take_picture() {
                self.pictures.insert(*number, picture);
            }
        }
        if self.asked_at.is_none_or(|at| now.saturating_sub(at) >= LOOK_EVERY) {
            self.asked_at = Some(now);
            partitions.values().for_each(|progress| progress.ask_for_picture());
        }
        let here = |number| self.pictures.get(&number).is_some_and(|it| it.open_cycle == Some(opening.cycle));
        if !(0..rulebook.partitions).all(here) {
            return Vec::new();
        }
        let pictures = std::mem::take(&mut self.pictures);
        self.count(opening, rulebook, pictures.into_values())
    }

    /// What participants with a cap owe so far.
    #[must_use]
    pub fn exposures(&self) -> &[Exposure] {
        &self.exposures
    }

    fn count(
        &mut self,
        opening: &Opening,
        rulebook: &Rulebook,
        pictures: impl Iterator<Item = Picture>,
    ) -> Vec<String> {
        let mut totals: BTreeMap<TotalKey, Tally> = BTreeMap::new();
        for (key, tally) in pictures.flat_map(|picture| picture.totals) {
            // A sum that overflows stops the close, which says so.
            if totals.entry(key).or_default().merge(&tally).is_err() {
                return Vec::new();
            }
        }
        let name = opening_name(opening);
        let Ok(settlement) = settle(rulebook, name.business_date, &totals, &[]) else { return Vec::new() };
        self.exposures = exposures(rulebook, nets_of_cities(&settlement.net));
        let mut alarms = Vec::new();
        for exposure in &self.exposures {
            let reached = exposure.level_percent.map(Level::Percent);
            let level = if exposure.is_beyond() { Some(Level::Beyond) } else { reached };
            if let Some(level) = level
                && self.told.get(&exposure.city).is_none_or(|told| level > *told)
            {
                self.told.insert(exposure.city, level);
                alarms.push(words(&name.to_string(), exposure, level));
            }
        }
        alarms
    }
}

fn words(cycle: &str, exposure: &Exposure, level: Level) -> String {
    let Exposure { city, net_debit_fen, cap_fen, .. } = exposure;
    let how = match level {
        Level::Percent(percent) => format!("has reached {percent} % of its cap"),
        Level::Beyond => "is beyond its cap".to_owned(),
    };
    format!(
        "{cycle}: the net debit of {city}, {net_debit_fen} fen so far, {how} of {cap_fen} fen; nothing is rejected"
    )
}

#[cfg(test)]
mod tests {
    use domain::tap::Kind;

    use super::*;

    const RULES: &str = "version = 1\npresentment_days = 10\nhotlist_grace_hours = 24\n[fees]\n\
        basis = \"cycle_bilateral\"\ninterchange_rate = \"0\"\nswitch_rate = \"0\"\n[limits]\n\
        net_debit_warn_percent = [50, 80]\n[[participant]]\ncity = \"cu-2000\"\nname_en = \"A\"\nname_zh = \"甲\"\n\
        joined = \"2018-01-01\"\n[[participant]]\ncity = \"cu-3000\"\nname_en = \"B\"\nname_zh = \"乙\"\n\
        joined = \"2018-01-01\"\nnet_debit_cap_fen = 1000\n";

    fn picture(acquirer: &str, issuer: &str, amount_fen: u64) -> Picture {
        let key = TotalKey {
            acquirer: acquirer.parse().unwrap(),
            issuer: issuer.parse().unwrap(),
            kind: Kind::Purchase,
            fee_line: 0,
        };
        let tally = Tally { count: 1, amount_fen, ..Tally::default() };
        Picture { open_cycle: Some(1), totals: BTreeMap::from([(key, tally)]), ..Picture::default() }
    }

    #[test]
    fn each_level_is_told_once_as_the_totals_of_all_partitions_rise() {
        let rulebook = Rulebook::parse(RULES.as_bytes()).unwrap();
        let opening = Opening { cycle: 1, business_date: 2_458_363, sequence: 1, ..Opening::default() };
        let mut watch = Watch::default();
        let mut told = |owes: u64, is_owed: u64| {
            let pictures = [picture("cu-2000", "cu-3000", owes), picture("cu-3000", "cu-2000", is_owed)];
            watch.count(&opening, &rulebook, pictures.into_iter())
        };
        assert_eq!(told(599, 100), Vec::<String>::new(), "what it is owed counts against it");
        assert!(
            told(600, 100)[0]
                .contains("the net debit of cu-3000, 500 fen so far, has reached 50 % of its cap")
        );
        assert_eq!(told(700, 100), Vec::<String>::new(), "told already");
        assert!(told(900, 100)[0].contains("has reached 80 %"));
        assert!(
            told(1101, 100)[0]
                .contains("1001 fen so far, is beyond its cap of 1000 fen; nothing is rejected")
        );
        assert_eq!(told(900, 100), Vec::<String>::new(), "nor on the way down");
        assert_eq!(told(5000, 100), Vec::<String>::new());
        assert!(watch.exposures()[0].is_beyond());
    }
}
