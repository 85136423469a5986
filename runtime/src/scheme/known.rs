//! What the log has said of rules and cycles: a fold, without the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cu_log::{Entry, Partition};
use domain::{city::City, rulebook::Rulebook};
use proto::{
    CalendarEvent, CityEvent, Message, Opening, RulebookDocument, calendar_event::Body, city_event::What,
};

use super::OpenCycle;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) rulebooks: BTreeMap<(u32, [u8; 32]), Arc<Rulebook>>,
    pub(super) openings: BTreeMap<u32, Opening>,
    /// The last cycle whose opening came alone, and the last whose markers are said to stand.
    alone: u32,
    opened: u32,
    pub(super) cut_off: u32,
    /// Partitions in which the marker of the last cut-off stands: their totals are there.
    marked: BTreeSet<u32>,
    /// The partition to which each city is on its way or has moved, and the moves that are known.
    pub(super) moved: BTreeMap<City, u32>,
    moves: BTreeSet<String>,
    /// Why nothing more is taken, if so.
    pub(super) failed: Option<String>,
}

impl Known {
    /// Takes a message; an error says what is known of no cycle.
    pub(super) fn take(&mut self, entry: &Entry, rulebook: &Partition) -> Result<(), String> {
        if entry.partition == *rulebook {
            match RulebookDocument::decode(entry.payload.clone()).map(|doc| Rulebook::parse(&doc.toml)) {
                Ok(Ok(rules)) => {
                    self.rulebooks.insert((rules.version, rules.digest()), Arc::new(rules));
                }
                Ok(Err(error)) => tracing::error!(%error, "a rulebook on the log cannot be used"),
                Err(error) => tracing::error!(%error, "a message on cu.rulebook cannot be read"),
            }
            return Ok(());
        }
        match CalendarEvent::decode(entry.payload.clone()).map(|event| event.body) {
            Ok(Some(Body::Opening(opening))) => {
                let cycle = opening.cycle;
                if cycle > self.cut_off + 1 {
                    return Err(format!("opens cycle {cycle}, and cycle {} never ended", self.cut_off + 1));
                }
                if self.opened(opening) {
                    self.alone = cycle;
                }
            }
            Ok(Some(Body::Opened(opened))) => self.opened = self.opened.max(opened.cycle),
            Ok(Some(Body::CutOff(cut))) if cut.cycle > self.cut_off => {
                if cut.cycle > self.cut_off + 1 || !self.openings.contains_key(&cut.cycle) {
                    return Err(format!("ends cycle {}, which never opened", cut.cycle));
                }
                self.cut_off = cut.cycle;
                self.marked.clear();
                if let Some(opening) = cut.opens {
                    self.opened(opening);
                }
            }
            Ok(Some(Body::Totals(totals))) if totals.cycle == self.cut_off => {
                self.marked.insert(totals.partition);
            }
            Ok(Some(Body::City(event))) => self.city(&event),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "a message on cu.cycles cannot be read"),
        }
        Ok(())
    }

    /// A city goes elsewhere. What is said once more of a move changes nothing.
    fn city(&mut self, event: &CityEvent) {
        let (id, to) = match &event.what {
            Some(What::Departing(going)) if going.refused.is_empty() => (&going.id, going.to),
            Some(What::Arrived(arrived)) => (&arrived.id, event.partition),
            _ => return,
        };
        if let (Ok(city), false) = (City::parse(event.city.as_bytes()), self.moves.contains(id)) {
            self.moves.insert(id.clone());
            self.moved.insert(city, to);
        }
    }

    /// The first opening of the cycle that is due wins.
    fn opened(&mut self, opening: Opening) -> bool {
        let first = opening.cycle == self.cut_off + 1 && !self.openings.contains_key(&opening.cycle);
        if first {
            self.openings.insert(opening.cycle, opening);
        }
        first
    }

    /// The rules that an opening names, once their bytes are here.
    pub(super) fn rulebook(&self, opening: &Opening) -> Option<Arc<Rulebook>> {
        let digest: [u8; 32] = opening.rulebook_digest.as_ref().try_into().ok()?;
        self.rulebooks.get(&(opening.rulebook_version, digest)).cloned()
    }

    /// The open cycle, once taps may be presented in it.
    pub(super) fn open_cycle(&self) -> Option<OpenCycle> {
        let opening = self.openings.get(&(self.cut_off + 1))?;
        // Taps before the marker would stand where no cycle is open.
        if self.alone == opening.cycle && self.opened < opening.cycle {
            return None;
        }
        Some(OpenCycle { opening: opening.clone(), rulebook: self.rulebook(opening)? })
    }

    /// The open cycle, once batches of a city may stand in it.
    pub(super) fn open_cycle_of(&self, city: City) -> Option<OpenCycle> {
        let open = self.open_cycle()?;
        let place = open.rulebook.partition_of(city);
        if self.moved.get(&city).is_some_and(|to| *to != place) {
            return None;
        }
        let before = self.openings.get(&self.cut_off).map(|opening| self.rulebook(opening));
        let stays = before.is_none_or(|rules| rules.is_some_and(|rules| rules.partition_of(city) == place));
        (stays || self.alone == open.opening.cycle || self.marked.contains(&place)).then_some(open)
    }
}

#[cfg(test)]
mod tests {
    use cu_log::topics::Topics;
    use proto::{Arrived, CutOff, CycleEvent, Departing, Opened, PartitionTotals, Total, cycle_event::Body};

    use super::*;

    const RULES: &str = "presentment_days = 10\nhotlist_grace_hours = 24\n[fees]\nbasis = \"cycle_bilateral\"\n\
        interchange_rate = \"0.003\"\nswitch_rate = \"0.001\"\n[[participant]]\ncity = \"cu-2000\"\n\
        name_en = \"Shanghai\"\nname_zh = \"上海\"\njoined = \"2018-01-01\"\n[[participant]]\n\
        city = \"cu-3000\"\nname_en = \"Tianjin\"\nname_zh = \"天津\"\njoined = \"2018-01-01\"\n\
        [clearing]\npartitions = 2\n";

    fn rules(version: u32) -> String {
        let moved = if version > 1 { "assignment = { cu-2000 = 1 }\n" } else { "" };
        format!("version = {version}\n{RULES}{moved}")
    }

    /// What a process knows that has read these events behind both versions of the rules.
    fn known(events: &[Body]) -> Known {
        let (topics, mut known) = (Topics::default(), Known::default());
        let mut take = |partition: &Partition, payload: Vec<u8>| {
            let entry = Entry { partition: partition.clone(), offset: 0, payload: payload.into() };
            known.take(&entry, &topics.rulebook()).unwrap();
        };
        for version in [1, 2] {
            let toml = rules(version).into_bytes().into();
            let document = RulebookDocument { version, toml, ..RulebookDocument::default() };
            take(&topics.rulebook(), document.encode_to_vec());
        }
        for body in events {
            take(&topics.cycles(), CycleEvent { body: Some(body.clone()) }.encode_to_vec());
        }
        known
    }

    fn opening(cycle: u32, version: u32) -> Opening {
        let digest = Rulebook::parse(rules(version).as_bytes()).unwrap().digest();
        let rulebook_digest = digest.to_vec().into();
        Opening { cycle, sequence: 1, rulebook_version: version, rulebook_digest, ..Opening::default() }
    }

    fn cut_off(cycle: u32, version: u32) -> Body {
        Body::CutOff(CutOff { cycle, opens: Some(opening(cycle + 1, version)), barrier: Vec::new() })
    }

    fn totals(cycle: u32, partition: u32) -> Body {
        let totals = vec![Total::default(); 2];
        Body::Totals(PartitionTotals {
            cycle,
            partition,
            totals,
            first_offset: 1,
            ..PartitionTotals::default()
        })
    }

    fn said(partition: u32, what: What) -> Body {
        let city = "cu-2000".to_owned();
        Body::City(CityEvent { city, partition, offset: 0, next: 1, what: Some(what) })
    }

    fn going(refused: &str) -> Body {
        let (id, refused) = ("m1".to_owned(), refused.to_owned());
        said(0, What::Departing(Departing { id, to: 1, refused, part: 1, last: true }))
    }

    fn arrived() -> Body {
        said(1, What::Arrived(Arrived { id: "m1".to_owned(), ..Arrived::default() }))
    }

    /// The cycle in which each city may present.
    fn open(known: &Known) -> [Option<u32>; 2] {
        ["cu-2000", "cu-3000"].map(|city| {
            let open = known.open_cycle_of(city.parse().unwrap());
            open.map(|open| open.opening.cycle)
        })
    }

    #[test]
    fn a_city_that_moves_waits_for_the_marker_in_its_new_partition_and_no_other_city_does() {
        let mut events = vec![Body::Opening(opening(1, 1)), Body::Opened(Opened { cycle: 1 })];
        assert_eq!(open(&known(&events)), [Some(1), Some(1)]);
        events.push(going("something is parked"));
        assert_eq!(open(&known(&events)), [Some(1), Some(1)], "it stays");
        for (event, of_the_city) in [
            (going(""), None),
            (arrived(), None),
            (cut_off(1, 2), None),
            (totals(1, 0), None),
            (totals(1, 1), Some(2)),
            (going(""), Some(2)),
        ] {
            events.push(event.clone());
            let others = if matches!(event, Body::City(_)) && of_the_city.is_none() { 1 } else { 2 };
            assert_eq!(open(&known(&events)), [of_the_city, Some(others)], "{event:?}");
        }
    }

    #[test]
    fn a_city_that_has_moved_waits_for_the_rules_that_say_so() {
        let mut events = vec![Body::Opening(opening(1, 1)), Body::Opened(Opened { cycle: 1 })];
        events.extend([going(""), arrived(), cut_off(1, 1), totals(1, 0), totals(1, 1)]);
        assert_eq!(open(&known(&events)), [None, Some(2)]);
        events.extend([cut_off(2, 2), totals(1, 1)]);
        assert_eq!(open(&known(&events)), [None, Some(3)], "totals of another cycle");
        events.push(totals(2, 1));
        assert_eq!(open(&known(&events)), [Some(3), Some(3)]);
    }

    #[test]
    fn a_cycle_that_comes_out_of_nowhere_shows_that_the_first_events_are_gone() {
        for (body, says) in [
            (Body::Opening(opening(3, 1)), "opens cycle 3"),
            (cut_off(1, 1), "ends cycle 1"),
            (cut_off(4, 1), "ends cycle 4"),
        ] {
            let payload = CycleEvent { body: Some(body) }.encode_to_vec().into();
            let entry = Entry { partition: Topics::default().cycles(), offset: 0, payload };
            let why = Known::default().take(&entry, &Topics::default().rulebook()).unwrap_err();
            assert!(why.contains(says), "{why}");
        }
    }
}
