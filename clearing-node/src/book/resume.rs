//! A stopped city goes on: what the switch and an operator say of it.

use domain::city::City;
use proto::{Resume, Resumed, SwitchStop, city_event::What};

use super::{Book, Effect, Halt, lane::Lane, rows};
use crate::store::Txn;

impl Book {
    /// The switch takes no more taps of a city. What it read before is booked as ever.
    pub(super) fn switch_stopped(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        stop: &SwitchStop,
        effects: &mut Vec<Effect>,
    ) {
        let Ok(city) = City::parse(stop.acquirer.as_bytes()) else {
            let text = format!("the switch stopped `{}`, which is no city", stop.acquirer);
            return effects.push(Effect::Alarm(text));
        };
        let lane = self.lanes.entry(city).or_insert_with(Lane::new);
        if lane.held.is_some() || stop.taps_offset < lane.taps_from {
            return;
        }
        let reason = format!("at the switch: {}", stop.reason);
        lane.held = Some(reason.clone());
        lane.dirty = true;
        effects.push(Effect::Stopped { city, reason: reason.clone() });
        self.say(txn, offset, city, What::Stopped(reason), effects);
    }

    /// An operator lets a city go on. What came while it was stopped is owed and comes again, in order.
    pub(super) fn resume(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        resume: &Resume,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Halt> {
        let Ok(city) = City::parse(resume.city.as_bytes()) else {
            effects.push(Effect::Alarm(format!("`{}` cannot be resumed: it is no city", resume.city)));
            return Ok(());
        };
        let key = rows::operation(&resume.id);
        if txn.get(&key)?.is_some() {
            return Ok(());
        }
        let refused = match self.lanes.get(&city) {
            None => Some("it is not stopped in this partition".to_owned()),
            Some(lane) if lane.leaving.is_some() => Some("it has moved to another partition".to_owned()),
            Some(lane) if lane.arriving => {
                Some("it is not whole here yet; finish `cityunion book move` first".to_owned())
            }
            Some(lane) if lane.why_stopped().is_none() => Some("it is not stopped".to_owned()),
            Some(lane) if lane.next != resume.next => {
                Some(format!("batch {} is due and not {}", lane.next, resume.next))
            }
            Some(_) => self.elsewhere(city).map(|place| {
                format!(
                    "the open cycle keeps it in partition {place}; resume it once a cycle is open that keeps it in \
                     partition {}",
                    self.partition
                )
            }),
        };
        if refused.is_none() {
            txn.put(key, resume.reason.clone().into_bytes());
            if let Some(lane) = self.lanes.get_mut(&city) {
                lane.stopped = None;
                lane.held = None;
                lane.taps_from = lane.taps_from.max(resume.taps_end);
                lane.dirty = true;
            }
            effects.push(Effect::Alarm(format!(
                "{city} goes on from batch {}: {} ({})",
                resume.next, resume.reason, resume.operator
            )));
        }
        let resumed = Resumed { id: resume.id.clone(), refused: refused.unwrap_or_default() };
        self.say(txn, offset, city, What::Resumed(resumed), effects);
        Ok(())
    }
}
