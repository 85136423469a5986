//! What people and clocks ask for: openings, cut-offs, an end of waiting. Refused with the reason where it cannot be.

use std::sync::Arc;

use domain::{
    calendar::cut_off_allowed,
    city::City,
    date::Date,
    guard::{Rule, holds},
    rulebook::Rulebook,
};
use proto::{CutOff, CycleEvent, Marker, Opening, TapEnd, cycle_event::Body};

use super::{Coordinator, Effect, Step};

impl Coordinator {
    /// The opening of the next cycle, checked against what really ruled.
    fn next_opening(
        &self,
        business_date: Date,
        version: u32,
        effects: &mut Vec<Effect>,
    ) -> Result<Opening, String> {
        let newest = |version: u32| self.rulebooks.get(&version).and_then(|known| known.first());
        let wanted =
            newest(version).ok_or_else(|| format!("rulebook version {version} is not known here"))?;
        let mut history = Vec::new();
        for opening in self.openings.values() {
            let rulebook = self.rulebook_of(opening).ok_or_else(|| {
                format!("rulebook version {} of an earlier cycle is not known here", opening.rulebook_version)
            })?;
            history.push((Date::from_julian_day(opening.business_date), rulebook));
        }
        let past: Vec<(Date, &Rulebook)> = history.iter().map(|(date, book)| (*date, &**book)).collect();
        let mut rulebook = Arc::clone(wanted);
        if holds(Rule::CutOffChecked)
            && let Err(refusal) = cut_off_allowed(&past, &self.moved, business_date, wanted)
        {
            let Some((_, ruling)) = history.last() else { return Err(refusal.to_string()) };
            cut_off_allowed(&past, &self.moved, business_date, ruling).map_err(|e| e.to_string())?;
            effects.push(Effect::Alarm(format!(
                "rulebook version {version} cannot rule from {business_date} on ({refusal}); version {} goes on",
                ruling.version
            )));
            rulebook = Arc::clone(ruling);
        }
        let same_date = self.openings.values().filter(|o| o.business_date == business_date.julian_day());
        Ok(Opening {
            cycle: self.openings.keys().next_back().map_or(1, |last| last + 1),
            business_date: business_date.julian_day(),
            sequence: u32::try_from(same_date.count()).unwrap_or(u32::MAX).saturating_add(1),
            rulebook_version: rulebook.version,
            rulebook_digest: rulebook.digest().to_vec().into(),
        })
    }

    /// Somebody wants the next cycle opened.
    pub(super) fn request_open(&mut self, business_date: Date, version: u32, effects: &mut Vec<Effect>) {
        if !self.caught_up || self.is_open() {
            effects.push(Effect::Refused("a cycle is open; cut it off first".to_owned()));
            return;
        }
        if let Some(why) = self.still_closing() {
            effects.push(Effect::Refused(why));
            return;
        }
        match self.next_opening(business_date, version, effects) {
            Err(why) => effects.push(Effect::Refused(why)),
            Ok(opening) => {
                if self.said.insert((Step::Open, opening.cycle)) {
                    effects.push(Effect::Say(CycleEvent { body: Some(Body::Opening(opening)) }));
                }
            }
        }
    }

    /// Why no cycle may be opened alone: a partition that has not folded the closing marker of the last one would
    /// stop at an opening.
    fn still_closing(&self) -> Option<String> {
        let cycle = *self.cut_offs.keys().next_back()?;
        let missing: Vec<String> = self.without_totals(cycle).map(|number| number.to_string()).collect();
        (!missing.is_empty()).then(|| {
            format!(
                "cycle {cycle} is still being closed: the totals of partition {} are missing; open the next one when \
                 they are there (`cityunion cycle show` says what the close waits for)",
                missing.join(", ")
            )
        })
    }

    /// Somebody wants the open cycle ended.
    pub(super) fn request_cut_off(
        &mut self,
        opens: Option<(Date, u32)>,
        barrier: Vec<TapEnd>,
        effects: &mut Vec<Effect>,
    ) {
        let refuse = |why: String, effects: &mut Vec<Effect>| effects.push(Effect::Refused(why));
        let Some(open) = self.last_opening().filter(|_| self.caught_up && self.is_open()).cloned() else {
            return refuse("no cycle is open".to_owned(), effects);
        };
        let unplanned = open.cycle > 1 && !self.plans.contains_key(&(open.cycle - 1));
        if unplanned && holds(Rule::PlanBeforeCutOff) {
            let why = format!("cycle {} has no plan yet; it must close first", open.cycle - 1);
            return refuse(why, effects);
        }
        let opens = match opens.map(|(date, version)| self.next_opening(date, version, effects)).transpose() {
            Ok(opens) => opens,
            Err(why) => return refuse(why, effects),
        };
        if self.said.insert((Step::CutOff, open.cycle)) {
            let cut_off = CutOff { cycle: open.cycle, opens, barrier };
            effects.push(Effect::Say(CycleEvent { body: Some(Body::CutOff(cut_off.clone())) }));
            if !holds(Rule::MarkerReadBack) {
                effects.push(Effect::Mark(Marker { closes: cut_off.cycle, opens: cut_off.opens }));
                self.said.insert((Step::MarkCutOff, open.cycle));
            }
        }
    }

    /// The barrier is given up: who is missing is named.
    pub(super) fn waive_barrier(&mut self, effects: &mut Vec<Effect>) {
        let waits = self.barrier_waits_for();
        let Some(cycle) = self.cut_offs.keys().next_back().copied() else { return };
        if !waits.is_empty() {
            self.barrier_waived.insert(cycle);
            let names: Vec<String> = waits.iter().map(City::to_string).collect();
            let names = names.join(", ");
            effects.push(Effect::Alarm(format!("cycle {cycle} closes without the last taps of {names}")));
        }
    }
}
