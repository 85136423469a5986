//! Late verdicts: what was parked becomes final, once.

use std::collections::BTreeSet;

use bytes::Bytes;
use domain::{
    city::City,
    date::Date,
    guard::{Rule, holds},
    result::{RecordResult, Rejection},
};
use proto::{LateVerdicts, Message, PartVerdicts};

use super::{
    Book, Effect, Halt,
    batch::{PartView, some_in_file_order},
    judge::{Judge, PartTotals, Taken},
    rows::{self, BatchRow, Exception, Exceptions, ParkedRow},
};
use crate::store::{StoreError, Txn};

impl Book {
    /// Verdicts for parked parts of a batch.
    pub(super) fn late(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        late: LateVerdicts,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Halt> {
        let Some(city) = self.running_city(&late.acquirer, offset)? else { return Ok(()) };
        self.settle(txn, offset, city, late.number, &late.digest, late.parts, effects)
    }

    /// Settles what is still parked of a known batch with the verdicts given, and says its result again.
    /// Without an open cycle nothing is settled: the switch says it again until the result is final.
    #[expect(clippy::too_many_arguments, reason = "the batch, the verdicts and where the effects go")]
    pub(super) fn settle(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        city: City,
        number: u64,
        digest: &Bytes,
        verdicts: Vec<PartVerdicts>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Halt> {
        let Some(mut row) = rows::load::<BatchRow>(txn, &rows::batch(city, number), "batch")? else {
            effects.push(Effect::Alarm(format!(
                "batch {number} of {city} is asked about, but its outcome never came"
            )));
            return Ok(());
        };
        if holds(Rule::DigestKept) && row.digest != *digest {
            let reason = format!("batch {number} came again with other content (another digest)");
            self.stop(txn, offset, city, reason, effects);
            return Ok(());
        }
        let mut exceptions = Exceptions::unpack(&row.exceptions)?;
        if self.open.is_some() && !verdicts.is_empty() {
            match self.parts_answered(txn, city, number, verdicts)? {
                Err(why) => {
                    let reason = format!("late verdicts for batch {number}: {why}");
                    self.stop(txn, offset, city, reason, effects);
                    return Ok(());
                }
                Ok(parts) if parts.is_empty() => {}
                Ok(parts) => {
                    self.settle_parts(txn, offset, (city, number), &parts, &mut exceptions)?;
                    let settled = parts.iter().map(|p| p.issuer).collect();
                    self.unpark(txn, city, number, &settled, &exceptions)?;
                    row.exceptions = exceptions.pack();
                    txn.put(rows::batch(city, number), row.encode_to_vec());
                }
            }
        }
        if holds(Rule::BookRepeatsResult) {
            self.publish_result(txn, city, number, &row, &exceptions, effects);
        }
        Ok(())
    }

    /// The parked parts of a batch for which there are verdicts.
    fn parts_answered(
        &self,
        txn: &dyn Txn,
        city: City,
        number: u64,
        verdicts: Vec<PartVerdicts>,
    ) -> Result<Result<Vec<PartView>, String>, Halt> {
        let Some(parked) = rows::load::<ParkedRow>(txn, &rows::parked(city, number), "parked")? else {
            return Ok(Ok(Vec::new()));
        };
        let answered = parked.parts.into_iter().filter_map(|part| {
            let said = verdicts.iter().find(|v| v.issuer == part.issuer)?;
            Some(PartView::new(part, Some(said.verdicts.clone()?.codes)))
        });
        Ok(answered.collect())
    }

    fn settle_parts(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        (city, number): (City, u64),
        parts: &[PartView],
        exceptions: &mut Exceptions,
    ) -> Result<(), Halt> {
        let Some(line) = self.waiting.get(&(city, number)).map(|waiting| waiting.line) else { return Ok(()) };
        let Some(open) = &mut self.open else { return Ok(()) };
        let mut totals: Vec<PartTotals> = open.part_totals(city, parts);
        let mut settled = Vec::new();
        let acquirer = open.rules.acquirer(city);
        let mut judge =
            Judge { rules: &open.rules, line, identities: &mut self.identities, taken: Taken::default() };
        let order = some_in_file_order(parts);
        let ahead = judge.look_ahead(parts, &order);
        for (place, ahead) in order.iter().zip(&ahead) {
            let (p, t) = (usize::from(place.part), usize::from(place.tap));
            let part = &parts[p];
            let tap = &part.taps()[t];
            let Some(exception) = exceptions.at_mut(tap.position.get()) else { continue };
            if holds(Rule::FinalOnce) && exception.result.is_final() {
                continue;
            }
            let gone =
                if holds(Rule::MemberCheckedAgain) { open.rules.still_member(part.issuer) } else { None };
            let too_late = || {
                let standing = domain::rulebook::Standing::Member;
                let late = open.rules.arrival(&acquirer, standing, tap) == Some(Rejection::Late);
                (!holds(Rule::LateByArrival) && late).then_some(Rejection::Late)
            };
            let code = part.codes.as_ref().and_then(|codes| codes.get(t)).copied().unwrap_or(u8::MAX);
            exception.result = match gone.or_else(too_late) {
                Some(rejection) => RecordResult::Rejected(rejection),
                None => judge.judge(tap, ahead, code, &mut totals[p])?,
            };
            exception.cycle = open.ordinal;
            settled.push(exception.result);
        }
        judge.taken.write(txn, offset);
        settled.into_iter().for_each(|result| self.count(city, result, 1));
        self.merge(city, totals)
    }

    /// Takes parts of a batch out of the park.
    pub(super) fn unpark(
        &mut self,
        txn: &mut dyn Txn,
        city: City,
        number: u64,
        issuers: &BTreeSet<City>,
        exceptions: &Exceptions,
    ) -> Result<(), Halt> {
        let key = rows::parked(city, number);
        let Some(mut row) = rows::load::<ParkedRow>(txn, &key, "parked")? else { return Ok(()) };
        let name = |part: &proto::Part| City::parse(part.issuer.as_bytes());
        row.parts.retain(|part| name(part).is_ok_and(|issuer| !issuers.contains(&issuer)));
        if row.parts.is_empty() {
            self.waiting.remove(&(city, number));
            txn.delete(key);
        } else if let Some(waiting) = self.waiting.get_mut(&(city, number)) {
            waiting.issuers.retain(|issuer| !issuers.contains(issuer));
            waiting.records = exceptions.parked();
            txn.put(key, row.encode_to_vec());
        }
        Ok(())
    }

    /// At a marker: what waits for a home city that is gone ends, the rest waits one more cycle.
    pub(super) fn sweep_parked(&mut self, txn: &mut dyn Txn, effects: &mut Vec<Effect>) -> Result<(), Halt> {
        let waiting: Vec<(City, u64)> = self.waiting.keys().copied().collect();
        for (city, number) in waiting {
            let Some(open) = &self.open else { return Ok(()) };
            let damaged = || StoreError::Damaged { row: "parked" };
            let mut row: BatchRow =
                rows::load(txn, &rows::batch(city, number), "batch")?.ok_or_else(damaged)?;
            let parked: ParkedRow =
                rows::load(txn, &rows::parked(city, number), "parked")?.ok_or_else(damaged)?;
            let mut exceptions = Exceptions::unpack(&row.exceptions)?;
            let mut ended = BTreeSet::new();
            let mut results = Vec::new();
            for part in parked.parts {
                let view = PartView::new(part, None).map_err(|_| damaged())?;
                let gone = open.rules.still_member(view.issuer).filter(|_| holds(Rule::MarkerEndsGone));
                for tap in view.taps() {
                    let Some(exception) = exceptions.at_mut(tap.position.get()) else { continue };
                    if exception.result == RecordResult::Parked {
                        let result = gone.map_or(RecordResult::Parked, RecordResult::Rejected);
                        *exception = Exception { result, cycle: open.ordinal, ..*exception };
                        results.push(result);
                    }
                }
                if gone.is_some() {
                    ended.insert(view.issuer);
                }
            }
            results.into_iter().for_each(|result| self.count(city, result, 1));
            self.unpark(txn, city, number, &ended, &exceptions)?;
            row.exceptions = exceptions.pack();
            txn.put(rows::batch(city, number), row.encode_to_vec());
            self.publish_result(txn, city, number, &row, &exceptions, effects);
        }
        Ok(())
    }

    /// The earliest drop line under which a parked record arrived.
    pub(super) fn oldest_waiting_line(&self) -> Option<Date> {
        self.waiting.values().map(|waiting| waiting.line).min()
    }
}
