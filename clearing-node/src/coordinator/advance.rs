//! What is due by what stands on the log: markers, the plan, the folder.

use domain::{
    date::Date,
    guard::{Rule, holds},
    settlement::{Item, settle},
    totals::merged,
};
use proto::{CycleEvent, Marker, Opened, Plan, cycle_event::Body};

use super::{Coordinator, Effect, Step};
use crate::{book::opening_name, wire};

impl Coordinator {
    /// Does what is due: markers, plan, folder.
    pub(super) fn advance(&mut self, effects: &mut Vec<Effect>) {
        if let Some(opening) = self.last_opening().filter(|_| self.is_open()).cloned() {
            let came_alone = opening.cycle == 1
                || self.cut_offs.get(&(opening.cycle - 1)).is_some_and(|cut| cut.opens.is_none());
            if came_alone && self.said.insert((Step::MarkOpening, opening.cycle)) {
                let cycle = opening.cycle;
                effects.push(Effect::Mark(Marker { closes: 0, opens: Some(opening) }));
                let opened = Body::Opened(Opened { cycle });
                effects.push(Effect::Say(CycleEvent { body: Some(opened) }));
            }
        }
        let unplanned: Vec<u32> =
            self.cut_offs.keys().copied().filter(|cycle| !self.plans.contains_key(cycle)).collect();
        for cycle in unplanned {
            self.advance_close(cycle, effects);
        }
        self.advance_acts(effects);
        self.advance_versions(effects);
        let due = self.plans.keys().copied().find(|cycle| !self.published.contains_key(cycle));
        if let Some(cycle) = due
            && self.segments.due(cycle, self.partitions).is_empty()
            && self.said.insert((Step::Render, cycle))
        {
            effects.push(Effect::Render { cycle, version: 1 });
        }
    }

    fn advance_close(&mut self, cycle: u32, effects: &mut Vec<Effect>) {
        let have = self.totals(cycle).count();
        let all = Ok(have) == usize::try_from(self.partitions);
        if !all {
            let passed = !holds(Rule::Barrier) || self.barrier_waits_for().is_empty();
            if passed && self.said.insert((Step::MarkCutOff, cycle)) {
                let opens = self.cut_offs.get(&cycle).and_then(|cut| cut.opens.clone());
                effects.push(Effect::Mark(Marker { closes: cycle, opens }));
            }
        }
        let enough = all || (!holds(Rule::PlanWaitsForAll) && have > 0);
        if enough && !self.said.contains(&(Step::Plan, cycle)) {
            match self.make_plan(cycle, 1, &[]) {
                Ok(Some(plan)) => {
                    self.said.insert((Step::Plan, cycle));
                    effects.push(Effect::Say(CycleEvent { body: Some(Body::Plan(plan)) }));
                }
                Ok(None) => {}
                Err(why) => {
                    let alarm = format!("cycle {cycle} cannot be settled: {why}");
                    self.halted = Some(alarm.clone());
                    effects.push(Effect::Alarm(alarm));
                }
            }
        }
    }

    /// A version of the plan of a cycle, with items beside those of its totals; `None` while the bytes of its rulebook
    /// are not here.
    pub(super) fn make_plan(&self, cycle: u32, version: u32, items: &[Item]) -> Result<Option<Plan>, String> {
        let Some(opening) = self.openings.get(&cycle) else { return Ok(None) };
        let Some(rulebook) = self.rulebook_of(opening) else { return Ok(None) };
        let (mut totals, mut adjustments) = (Vec::new(), Vec::new());
        for partition in self.totals(cycle) {
            totals.reserve(partition.totals.len());
            for total in &partition.totals {
                totals.push(wire::total_from_wire(total).ok_or("a total cannot be read")?);
            }
            adjustments.extend(partition.adjustments.iter().cloned());
        }
        adjustments.extend(items.iter().map(wire::item_to_wire));
        let totals = merged(totals).map_err(|e| e.to_string())?;
        adjustments.sort_by(|a, b| a.id.cmp(&b.id));
        let items: Option<Vec<_>> = adjustments.iter().map(wire::item_from_wire).collect();
        let items = items.ok_or("an adjustment cannot be read")?;
        let date = Date::from_julian_day(opening.business_date);
        let totals = totals.iter().map(|(key, tally)| (key, tally));
        let settlement = settle(&rulebook, date, totals, &items).map_err(|e| e.to_string())?;
        let reason = if version > 1 { self.reason_of(opening_name(opening)) } else { String::new() };
        let (positions, net, accounts) = wire::settlement_to_wire(&settlement);
        let mut plan = Plan {
            cycle,
            version,
            digest: proto::Bytes::new(),
            positions,
            net,
            items: adjustments,
            reason,
            agreement_days: rulebook.terms.agreement_days,
            accounts,
        };
        plan.digest = proto::digest::plan(&plan).to_vec().into();
        Ok(Some(plan))
    }
}
