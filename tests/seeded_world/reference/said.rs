//! What the book said of one message.

use clearing_node::book::{Effect, Target};
use domain::city::City;
use proto::{
    Adjustment, BatchResult, Clearing, CycleEvent, Message, PartitionTotals, city_event::What, clearing,
    cycle_event,
};

use super::super::scheme::parse;
use super::{Check, Did, Sums};

/// What it says on `cu.cycles` to operators; `refused` is all that counts of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Resumed {
        refused: bool,
    },
    /// Taken, held, conflicts, too old; nothing if it is refused.
    Imported(Option<[u64; 4]>),
    Departing {
        refused: bool,
    },
    /// Batches that are here now.
    Arrived(u64),
}

/// What the book said of one message.
pub struct Said {
    pub results: Vec<BatchResult>,
    totals: Vec<PartitionTotals>,
    pub stopped: Vec<City>,
    alarms: Vec<String>,
    told: Vec<(City, Told)>,
    /// Cities that it sent on their way.
    sent: Vec<City>,
}

impl Said {
    pub fn read(effects: &[Effect]) -> Result<Self, String> {
        let (results, totals, stopped) = (Vec::new(), Vec::new(), Vec::new());
        let mut said =
            Self { results, totals, stopped, alarms: Vec::new(), told: Vec::new(), sent: Vec::new() };
        let mut stops = Vec::new();
        for effect in effects {
            match effect {
                Effect::Publish { target: Target::Results(_), payload, .. } => {
                    said.results.push(BatchResult::decode(payload.clone()).map_err(|e| e.to_string())?);
                }
                Effect::Publish { target: Target::Cycles, payload, .. } => {
                    let event = CycleEvent::decode(payload.clone()).map_err(|e| e.to_string())?;
                    match event.body {
                        Some(cycle_event::Body::Totals(totals)) => said.totals.push(totals),
                        Some(cycle_event::Body::City(event)) => {
                            let (city, what) = (parse(&event.city), event.what.ok_or("an empty event")?);
                            match told(&what) {
                                Some(told) => said.told.push((city, told)),
                                None => stops.push(city),
                            }
                        }
                        other => return Err(format!("the book says {other:?}")),
                    }
                }
                Effect::Publish { target: Target::Clearing(_), payload, .. } => {
                    match Clearing::decode(payload.clone()).map_err(|e| e.to_string())?.body {
                        Some(clearing::Body::Import(import)) => said.sent.push(parse(&import.city)),
                        other => return Err(format!("the book writes {other:?}")),
                    }
                }
                Effect::Stopped { city, .. } => said.stopped.push(*city),
                Effect::Alarm(text) => said.alarms.push(text.clone()),
            }
        }
        if stops != said.stopped {
            return Err(format!(
                "it stops {:?}, and says on cu.cycles that it stops {stops:?}",
                said.stopped
            ));
        }
        Ok(said)
    }

    pub fn find(&self, city: City, number: u64) -> Option<&BatchResult> {
        self.results.iter().find(|r| r.number == number && parse(&r.acquirer) == city)
    }

    /// Operators hear what the reference has to say, and no alarm comes without cause.
    pub fn told_is(&self, did: &Did) -> Check {
        if self.alarms.len() != did.alarms {
            return Err(format!("{} alarms are due, the book raises {:?}", did.alarms, self.alarms));
        }
        if self.told != did.told {
            return Err(format!("operators hear {:?} where {:?} was due", self.told, did.told));
        }
        let goes =
            |(city, told): &(City, Told)| (*told == Told::Departing { refused: false }).then_some(*city);
        if self.sent != did.told.iter().filter_map(goes).collect::<Vec<_>>() {
            return Err(format!("cities on their way: {:?}", self.sent));
        }
        Ok(())
    }

    pub fn totals_are(&self, expected: Option<&(u32, Sums, Vec<Adjustment>)>) -> Check {
        match (self.totals.as_slice(), expected) {
            ([], None) => Ok(()),
            ([said], Some((cycle, sums, adjustments))) => {
                let rows = said.totals.iter().map(|t| {
                    let sums = [t.count, t.amount_fen, t.interchange_fen, t.switch_fee_fen];
                    ((parse(&t.acquirer), parse(&t.issuer), t.fee_line), sums)
                });
                let rows: Sums = rows.collect();
                if said.cycle != *cycle || rows != *sums || said.adjustments != *adjustments {
                    return Err(format!(
                        "totals of cycle {cycle}: the book says {said:?}, the rows {sums:?} {adjustments:?}"
                    ));
                }
                Ok(())
            }
            (said, expected) => Err(format!("totals {said:?} where {expected:?} was due")),
        }
    }
}

/// What an event tells operators; nothing for a stop.
fn told(what: &What) -> Option<Told> {
    Some(match what {
        What::Stopped(_) => return None,
        What::Resumed(resumed) => Told::Resumed { refused: !resumed.refused.is_empty() },
        What::Imported(it) if !it.refused.is_empty() => Told::Imported(None),
        What::Imported(it) => Told::Imported(Some([it.taken, it.held, it.conflicts, it.too_old])),
        What::Departing(departing) => Told::Departing { refused: !departing.refused.is_empty() },
        What::Arrived(arrived) => Told::Arrived(arrived.batches),
    })
}
