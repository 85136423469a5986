//! Asking home cities: many parts in one request, few requests at a time; and what the directory changes.

use bytes::Bytes;
use domain::{
    city::City,
    guard::{Rule, holds},
    tap::TAP_LEN,
};

use super::{
    Effect, NoAnswer, Switch,
    acquirer::{Place, Stage},
    home::{Health, Home, Ref, Request},
    park::Wait,
    pipe,
};

impl Switch {
    /// Sends what can be asked now, and gives up on requests that are overdue.
    pub(super) fn ask(&mut self) {
        let now_ms = self.now_ms;
        let overdue: Vec<(City, u64)> = self
            .homes
            .iter()
            .flat_map(|(issuer, home)| {
                let due = home.requests.iter().filter(|(_, request)| request.due_ms <= now_ms);
                due.map(|(id, _)| (*issuer, *id))
            })
            .collect();
        for (issuer, id) in overdue {
            let waited = format!("no answer within {} ms", self.config.request_deadline_ms);
            self.answer(issuer, id, Err(NoAnswer::Unreachable(waited)));
        }
        let issuers: Vec<City> =
            self.homes.iter().filter(|(_, home)| home.endpoint).map(|(issuer, _)| *issuer).collect();
        for issuer in issuers {
            while let Some((parts, request)) = self.next_request(issuer) {
                let id = self.next_serial();
                self.mark_asked(issuer, id, &request);
                if let Some(home) = self.homes.get_mut(&issuer) {
                    home.requests.insert(id, request);
                }
                self.out.push(Effect::Ask { issuer, id, parts });
            }
        }
    }

    /// The next request for a home city, if it may get one.
    fn next_request(&mut self, issuer: City) -> Option<(Vec<Bytes>, Request)> {
        let now_ms = self.now_ms;
        let due_ms = now_ms + self.config.request_deadline_ms;
        let home = self.homes.get_mut(&issuer)?;
        if home.health != Health::Up {
            let probing = home.requests.values().any(|request| request.parts.is_empty());
            let probe = !probing && home.probe_at_ms <= now_ms;
            return probe.then(|| (Vec::new(), Request { due_ms, ..Request::default() }));
        }
        if home.requests.len() >= self.config.requests_in_flight_max {
            return None;
        }
        if let Some((taps, part)) = self.next_alone(issuer) {
            let parts = vec![(part, taps.len() / TAP_LEN)];
            return Some((vec![taps], Request { parts, due_ms, alone: true }));
        }
        let mut request = Request { due_ms, ..Request::default() };
        let mut parts = Vec::new();
        let mut bytes = 0;
        let park_first = self.homes.get_mut(&issuer).is_some_and(|home| {
            home.park_first = !home.park_first;
            home.park_first
        });
        for from_park in [park_first, !park_first] {
            while let Some((part, taps)) = self.front(issuer, from_park) {
                let room = (self.config.request_bytes_max).min(self.config.request_taps_max * TAP_LEN);
                if !parts.is_empty() && bytes + taps.len() > room {
                    return Some((parts, request));
                }
                self.take_front(issuer, from_park);
                bytes += taps.len();
                request.parts.push((part, taps.len() / TAP_LEN));
                parts.push(taps);
            }
        }
        (!parts.is_empty()).then_some((parts, request))
    }

    /// A part that failed and whose next attempt is due; one such request at a time.
    fn next_alone(&mut self, issuer: City) -> Option<(Bytes, Ref)> {
        loop {
            let home = self.homes.get_mut(&issuer)?;
            if home.requests.values().any(|request| request.alone) {
                return None;
            }
            let (due_ms, part) = *home.lone.first()?;
            if due_ms > self.now_ms {
                return None;
            }
            home.lone.pop_first();
            if let Some(taps) = self.taps_to_ask(part, issuer) {
                return Some((taps, part));
            }
            let home = self.homes.get_mut(&issuer)?;
            if let Ref::Park { acquirer, number } = part
                && let Some(entry) = self.acquirers.get(&acquirer).and_then(|a| a.park.get(number, issuer))
                && entry.wait == Wait::Waiting
            {
                home.hungry.insert((number, acquirer));
                home.lone.insert((self.now_ms + self.config.retry_ms, part));
            }
        }
    }

    /// The first part in a queue that still waits, and its taps.
    fn front(&mut self, issuer: City, from_park: bool) -> Option<(Ref, Bytes)> {
        loop {
            let home = self.homes.get(&issuer)?;
            let part = if from_park {
                home.ready
                    .first()
                    .map(|(number, acquirer)| Ref::Park { acquirer: *acquirer, number: *number })
            } else {
                home.fresh.front().copied()
            }?;
            if let Some(taps) = self.taps_to_ask(part, issuer) {
                return Some((part, taps));
            }
            self.take_front(issuer, from_park);
        }
    }

    fn take_front(&mut self, issuer: City, from_park: bool) {
        let Some(home) = self.homes.get_mut(&issuer) else { return };
        if from_park {
            home.ready.pop_first();
        } else {
            home.fresh.pop_front();
        }
    }

    /// The taps of a part, if it waits to be asked about.
    fn taps_to_ask(&self, part: Ref, issuer: City) -> Option<Bytes> {
        match part {
            Ref::Pipe { acquirer, seq, index } => {
                let part = self.acquirers.get(&acquirer)?.pipe.get(&seq)?.parts.get(index)?;
                (part.place == Place::Waiting).then(|| part.part.taps.clone())
            }
            Ref::Park { acquirer, number } => {
                let entry = self.acquirers.get(&acquirer)?.park.get(number, issuer)?;
                if entry.wait == Wait::Waiting { entry.taps.clone() } else { None }
            }
        }
    }

    fn mark_asked(&mut self, issuer: City, id: u64, request: &Request) {
        for (part, _) in &request.parts {
            let Some(state) = self.acquirers.get_mut(&part.acquirer()) else { continue };
            match *part {
                Ref::Pipe { seq, index, .. } => {
                    if let Some(item) = state.pipe.get_mut(&seq) {
                        item.parts[index].place = Place::Asked(id);
                    }
                }
                Ref::Park { number, .. } => {
                    if let Some(entry) = state.park.get_mut(number, issuer) {
                        entry.wait = Wait::Asked(id);
                    }
                }
            }
        }
    }

    /// The directory speaks.
    pub(super) fn endpoint(&mut self, issuer: City, up: bool) {
        let home = self.homes.entry(issuer).or_default();
        home.endpoint = up;
        home.health = Health::Up;
        home.fails = 0;
        if up {
            return;
        }
        let requests = std::mem::take(&mut home.requests);
        for (id, request) in requests {
            for (part, _) in request.parts {
                self.unask(issuer, id, part);
            }
        }
        if holds(Rule::NoEndpointParks) {
            self.park_all(issuer);
        }
    }

    /// A request will not be answered, through no fault of its parts.
    fn unask(&mut self, issuer: City, id: u64, part: Ref) {
        let acquirer = part.acquirer();
        let Some(state) = self.acquirers.get_mut(&acquirer) else { return };
        match part {
            Ref::Pipe { seq, index, .. } => {
                if let Some(item) = state.pipe.get_mut(&seq)
                    && item.parts[index].place == Place::Asked(id)
                {
                    item.parts[index].place = Place::Waiting;
                    let home = self.homes.entry(issuer).or_default();
                    home.fresh.push_back(part);
                }
            }
            Ref::Park { number, .. } => {
                let Some(entry) = state.park.get_mut(number, issuer) else { return };
                if entry.wait != Wait::Asked(id) {
                    return;
                }
                entry.wait = Wait::Waiting;
                if entry.fails > 0 {
                    let home = self.homes.entry(issuer).or_default();
                    home.lone.insert((self.now_ms, part));
                } else {
                    self.queue(acquirer, number, issuer);
                }
            }
        }
    }

    /// From now on parts for this home city are parked at once, until it answers.
    pub(super) fn darken(&mut self, issuer: City) {
        let home = self.homes.entry(issuer).or_default();
        if home.health == Health::Dark {
            return;
        }
        if home.health == Health::Up {
            home.probe_at_ms = self.now_ms;
        }
        home.health = Health::Dark;
        self.park_all(issuer);
    }

    /// Parks everything in work that waits for a home city, and lets go of the taps parked for it.
    fn park_all(&mut self, issuer: City) {
        let acquirers: Vec<City> = self.acquirers.keys().copied().collect();
        for acquirer in acquirers {
            let Some(state) = self.acquirers.get(&acquirer) else { continue };
            let waits = state.pipe.range(state.first_unsent..).find_map(|(seq, item)| {
                let index = item.parts.iter().position(|part| part.issuer == issuer)?;
                let part = &item.parts[index];
                let waits = part.place.is_open() || pipe::is_held(state, item.number, part);
                (item.stage == Stage::Asking && waits).then_some((*seq, index))
            });
            if let Some((seq, index)) = waits {
                self.park_from(acquirer, seq, index);
            }
        }
        let home: &mut Home = self.homes.entry(issuer).or_default();
        home.fresh.clear();
        for (number, acquirer) in std::mem::take(&mut home.ready) {
            self.drop_taps(acquirer, number, issuer);
            self.queue(acquirer, number, issuer);
        }
        let acquirers: Vec<City> = self.acquirers.keys().copied().collect();
        for acquirer in acquirers {
            self.say(acquirer);
            self.send(acquirer);
        }
    }
}
