//! Answers of home cities, and patience with those that fail.

use std::collections::BTreeSet;

use domain::{
    city::City,
    guard::{Rule, holds},
    result::Verdict,
};
use proto::Verdicts;

use super::{
    NoAnswer, Switch,
    acquirer::Place,
    home::{Health, Ref, Request},
    park::Wait,
};

impl Switch {
    /// Takes an answer. A wrong one is none.
    pub(super) fn answer(&mut self, issuer: City, id: u64, answer: Result<Vec<Verdicts>, NoAnswer>) {
        let now_ms = self.now_ms;
        let Some(home) = self.homes.get_mut(&issuer) else { return };
        let Some(request) = home.requests.remove(&id) else { return };
        let checked = answer.and_then(|verdicts| match refusal(&request, &verdicts) {
            Some(reason) if holds(Rule::WrongAnswerRefused) => Err(NoAnswer::Refused(reason)),
            _ => Ok(verdicts),
        });
        match checked {
            Ok(verdicts) => {
                home.health = Health::Up;
                home.answered_ms = Some(now_ms);
                home.fails = 0;
                let mut verdicts = verdicts.into_iter();
                let mut touched = BTreeSet::new();
                for (part, _) in request.parts {
                    self.judged(issuer, id, part, verdicts.next().unwrap_or_default());
                    touched.insert(part.acquirer());
                }
                for acquirer in touched {
                    self.say(acquirer);
                    self.send(acquirer);
                }
            }
            Err(reason) => self.failed(issuer, id, &request, reason),
        }
    }

    /// The home city has spoken on a part.
    fn judged(&mut self, issuer: City, id: u64, part: Ref, verdicts: Verdicts) {
        let Some(state) = self.acquirers.get_mut(&part.acquirer()) else { return };
        match part {
            Ref::Pipe { seq, index, .. } => {
                if let Some(item) = state.pipe.get_mut(&seq)
                    && item.parts[index].place == Place::Asked(id)
                {
                    item.parts[index].place = Place::Judged(verdicts);
                    item.open -= 1;
                }
            }
            Ref::Park { acquirer, number } => {
                let Some(entry) = state.park.get_mut(number, issuer) else { return };
                if entry.wait != Wait::Asked(id) {
                    return;
                }
                entry.wait = Wait::Judged(verdicts);
                let failed = std::mem::take(&mut entry.fails) > 0;
                let set_aside = state.park.set_aside(number, issuer, false);
                self.drop_taps(acquirer, number, issuer);
                if set_aside {
                    self.say_alone(acquirer, number, issuer);
                } else if failed {
                    self.no_longer_failing(acquirer, number, issuer);
                }
            }
        }
    }

    /// A request has no answer: its parts are asked about again, alone and with pauses.
    fn failed(&mut self, issuer: City, id: u64, request: &Request, reason: NoAnswer) {
        self.doubt(issuer, request, &reason);
        let mut touched = BTreeSet::new();
        for (part, _) in &request.parts {
            // A broken connection says nothing against one part unless that part was alone on it.
            let counts = request.alone || matches!(reason, NoAnswer::Refused(_));
            match *part {
                Ref::Pipe { acquirer, seq, index } => self.failed_in_work(acquirer, seq, index, id, counts),
                Ref::Park { acquirer, number } => self.failed_in_park(acquirer, number, issuer, id, counts),
            }
            touched.insert(part.acquirer());
        }
        for acquirer in touched {
            self.say(acquirer);
            self.send(acquirer);
        }
    }

    /// What a failure says about the home city.
    fn doubt(&mut self, issuer: City, request: &Request, reason: &NoAnswer) {
        let retry_ms = self.retry_ms(self.homes.get(&issuer).map_or(0, |home| home.fails));
        let now_ms = self.now_ms;
        let Some(home) = self.homes.get_mut(&issuer) else { return };
        home.fails = home.fails.saturating_add(1);
        match reason {
            NoAnswer::Unreachable(_) if home.health == Health::Up => {
                home.health = Health::Suspect;
                home.probe_at_ms = now_ms;
            }
            _ if request.parts.is_empty() => home.probe_at_ms = now_ms + retry_ms,
            NoAnswer::Refused(reason) if home.quiet_until_ms <= now_ms => {
                home.quiet_until_ms = now_ms + self.config.set_aside_retry_ms;
                let text = format!("{issuer} gave no usable answer ({reason}); it is asked again");
                self.alarm(issuer, text);
            }
            _ => {}
        }
    }

    fn failed_in_work(&mut self, acquirer: City, seq: u64, index: usize, id: u64, counts: bool) {
        let Some(item) = self.acquirers.get_mut(&acquirer).and_then(|state| state.pipe.get_mut(&seq)) else {
            return;
        };
        let part = &mut item.parts[index];
        if part.place != Place::Asked(id) {
            return;
        }
        part.place = Place::Waiting;
        part.fails = if counts { part.fails + 1 } else { part.fails.max(1) };
        let (fails, issuer) = (part.fails, part.issuer);
        if fails >= self.config.attempts_max {
            return self.park_from(acquirer, seq, index);
        }
        let retry_at_ms = self.now_ms + self.retry_ms(fails - 1);
        let home = self.homes.entry(issuer).or_default();
        home.lone.insert((retry_at_ms, Ref::Pipe { acquirer, seq, index }));
    }

    fn failed_in_park(&mut self, acquirer: City, number: u64, issuer: City, id: u64, counts: bool) {
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        let Some(entry) = state.park.get_mut(number, issuer) else { return };
        if entry.wait != Wait::Asked(id) {
            return;
        }
        entry.wait = Wait::Waiting;
        entry.fails = if counts { entry.fails + 1 } else { entry.fails.max(1) };
        let fails = entry.fails;
        let set_aside = fails >= self.config.attempts_max;
        if set_aside {
            let newly = state.park.set_aside(number, issuer, true);
            self.drop_taps(acquirer, number, issuer);
            if newly {
                self.no_longer_failing(acquirer, number, issuer);
                if let Some(state) = self.acquirers.get_mut(&acquirer) {
                    state.park.no_longer_unsaid(number, issuer);
                }
                let text = format!(
                    "{issuer} answers, but not about its part of batch {number} of {acquirer}: the part is \
                     set aside in the park and asked about now and then; have its home city look at it"
                );
                self.alarm(issuer, text);
            }
        } else if let Some(pair) = state.park.pairs.get_mut(&issuer) {
            pair.failing.insert(number);
            self.queue_pair(acquirer, issuer);
        }
        let wait_ms = if set_aside { self.config.set_aside_retry_ms } else { self.retry_ms(fails - 1) };
        let retry_at_ms = self.now_ms + wait_ms;
        let home = self.homes.entry(issuer).or_default();
        home.lone.insert((retry_at_ms, Ref::Park { acquirer, number }));
    }

    /// A part that failed no longer holds up the others of its pair.
    fn no_longer_failing(&mut self, acquirer: City, number: u64, issuer: City) {
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        if let Some(pair) = state.park.pairs.get_mut(&issuer) {
            pair.failing.remove(&number);
        }
        self.queue_pair(acquirer, issuer);
    }

    /// The wait after so many earlier failures.
    fn retry_ms(&self, earlier: u32) -> u64 {
        self.config.retry_ms.saturating_mul(1 << earlier.min(16)).min(self.config.retry_ms_max)
    }
}

/// What is wrong with an answer.
fn refusal(request: &Request, verdicts: &[Verdicts]) -> Option<String> {
    if verdicts.len() != request.parts.len() {
        return Some(format!("{} parts answered, {} asked", verdicts.len(), request.parts.len()));
    }
    for ((_, taps), said) in request.parts.iter().zip(verdicts) {
        if said.codes.len() != *taps {
            return Some(format!("{} verdicts for {taps} taps", said.codes.len()));
        }
        if let Some(code) = said.codes.iter().find(|code| Verdict::from_code(**code).is_none()) {
            return Some(format!("{code} is no verdict"));
        }
    }
    None
}
