//! Late verdicts, in the order of the park, and reminders until the book reports them final.

use domain::{
    city::City,
    guard::{Rule, holds},
};
use proto::{Clearing, LateVerdicts, Message, PartVerdicts, Repeat, Verdicts, clearing::Body};

use super::{Destination, Switch, park::Wait};

/// Reminders in one tick, at most.
const REMINDERS_MAX: usize = 256;
/// The longest wait between two reminders about one part.
const REMIND_MS_MAX: u64 = 3_600_000;

impl Switch {
    /// Says every late verdict whose turn has come. The message for a batch holds all of its parts that can
    /// be answered, and waits for earlier batches unless their home cities do not answer.
    pub(super) fn say(&mut self, acquirer: City) {
        while let Some((number, issuers)) = self.next_to_say(acquirer) {
            self.say_parts(acquirer, number, &issuers);
        }
    }

    /// The batch whose turn it is, with its answered parts.
    fn next_to_say(&self, acquirer: City) -> Option<(u64, Vec<City>)> {
        let park = &self.acquirers.get(&acquirer)?.park;
        if !park.is_read() {
            return None;
        }
        let mut turn: Option<(u64, Vec<City>, bool)> = None;
        for (issuer, pair) in &park.pairs {
            let Some(first) = pair.unsaid.first().copied() else { continue };
            let judged = park.get(first, *issuer).is_some_and(|entry| matches!(entry.wait, Wait::Judged(_)));
            let flows = pair.failing.is_empty() && self.homes.get(issuer).is_some_and(|home| home.is_up());
            if !judged && !flows {
                continue;
            }
            match &mut turn {
                Some((number, _, _)) if *number < first => {}
                Some((number, issuers, complete)) if *number == first => {
                    issuers.push(*issuer);
                    *complete &= judged;
                }
                _ => turn = Some((first, vec![*issuer], judged)),
            }
        }
        turn.filter(|(.., complete)| *complete).map(|(number, issuers, _)| (number, issuers))
    }

    /// A part that had been set aside is answered at last: it is said by itself.
    pub(super) fn say_alone(&mut self, acquirer: City, number: u64, issuer: City) {
        self.say_parts(acquirer, number, &[issuer]);
    }

    fn say_parts(&mut self, acquirer: City, number: u64, issuers: &[City]) {
        let remind_at_ms = self.now_ms + self.config.remind_ms;
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        let mut parts = Vec::with_capacity(issuers.len());
        let mut digest = None;
        for issuer in issuers {
            let Some(entry) = state.park.get_mut(number, *issuer) else { continue };
            let Wait::Judged(verdicts) = &entry.wait else { continue };
            let verdicts = verdicts.clone();
            digest = Some(entry.digest.clone());
            entry.wait = Wait::Said(verdicts.clone());
            entry.reminders = 0;
            state.park.reminders.insert((remind_at_ms, number, *issuer));
            state.park.no_longer_unsaid(number, *issuer);
            parts.push(PartVerdicts { issuer: issuer.to_string(), verdicts: Some(verdicts) });
        }
        let Some(digest) = digest else { return };
        let late = LateVerdicts { acquirer: acquirer.to_string(), number, digest, parts };
        self.append(
            Destination::Clearing(acquirer),
            Clearing { body: Some(Body::Late(late)) }.encode_to_vec(),
            None,
        );
        if !holds(Rule::ResultUnparks) {
            for issuer in issuers {
                self.leave(acquirer, number, *issuer);
            }
        }
    }

    /// Reminds the book of parts without news.
    pub(super) fn remind(&mut self) {
        if !holds(Rule::BookRepeatsResult) {
            return;
        }
        let acquirers: Vec<City> = self.acquirers.keys().copied().collect();
        for acquirer in acquirers {
            let mut repeated = None;
            for _ in 0..REMINDERS_MAX {
                let Some(state) = self.acquirers.get_mut(&acquirer) else { break };
                let Some((due_ms, number, issuer)) = state.park.reminders.first().copied() else { break };
                if due_ms > self.now_ms {
                    break;
                }
                state.park.reminders.pop_first();
                self.remind_of(acquirer, number, issuer, &mut repeated);
            }
        }
    }

    /// A part that was never answered is asked of the book once (a marker may have ended it); a late verdict
    /// is said again, ever more rarely.
    fn remind_of(&mut self, acquirer: City, number: u64, issuer: City, repeated: &mut Option<u64>) {
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        let Some(entry) = state.park.get_mut(number, issuer) else { return };
        let digest = entry.digest.clone();
        let verdicts: Option<Verdicts> = match &entry.wait {
            Wait::Said(verdicts) => Some(verdicts.clone()),
            _ => None,
        };
        entry.reminders += 1;
        let name = acquirer.to_string();
        let body = if let Some(verdicts) = verdicts {
            let wait_ms =
                self.config.remind_ms.saturating_mul(1 << entry.reminders.min(16)).min(REMIND_MS_MAX);
            state.park.reminders.insert((self.now_ms + wait_ms, number, issuer));
            let parts = vec![PartVerdicts { issuer: issuer.to_string(), verdicts: Some(verdicts) }];
            Body::Late(LateVerdicts { acquirer: name, number, digest, parts })
        } else {
            if repeated.replace(number) == Some(number) {
                return;
            }
            Body::Repeat(Repeat { acquirer: name, number, digest })
        };
        self.append(Destination::Clearing(acquirer), Clearing { body: Some(body) }.encode_to_vec(), None);
    }
}
