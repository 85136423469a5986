//! Whatever people and participants decide, in whatever order: money sums to zero, and what was planned stays.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    act::{Act as Deed, Agreement, Decision, Role},
    cycle::CycleName,
    release::State,
    settlement::confirmation::{AnswerLine, PaymentStatus},
};
use proptest::prelude::*;
use proto::{IssuerFile, Net};

use super::*;

/// What somebody tries.
#[derive(Clone, Copy, Debug)]
enum Try {
    Agree { city: usize, right: bool },
    Propose { by: usize },
    Fail { by: usize, city: usize },
    Approve { by: usize },
    Reject { by: usize },
    Refuse,
    Confirm { right: bool },
    Settle,
    NextCycle { fen: u64 },
    TakeOver,
}

const CITIES: [&str; 2] = ["cu-2000", "cu-3000"];
const PEOPLE: [&str; 3] = ["li", "wang", "zhao"];

/// A coordinator, its log, and the world around it.
struct World {
    core: Coordinator,
    log: Vec<CycleEvent>,
    acts: u32,
    /// Items on their way to the book, and those that some cycle has.
    due: BTreeMap<String, Adjustment>,
    booked: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            core: started(1),
            log: Vec::new(),
            acts: 0,
            due: BTreeMap::new(),
            booked: BTreeSet::new(),
        };
        world.step(Input::Open { business_date: date("2018-09-01"), version: 1 });
        world.close(1000);
        world
    }

    fn step(&mut self, input: Input) {
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            let mut effects = Vec::new();
            let input = inputs.remove(0);
            if let Input::Event(event) = &input {
                self.log.push(event.clone());
            }
            self.core.step(input, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Say(event) => inputs.push(Input::Event(event)),
                    Effect::Render { cycle, version } => {
                        inputs.push(Input::Rendered(self.published(cycle, version)));
                    }
                    Effect::Adjust(item) => drop(self.due.insert(item.id.clone(), item)),
                    Effect::Mark(_) | Effect::Refused(_) | Effect::Alarm(_) | Effect::Identify(_) => {}
                }
            }
        }
        assert_eq!(self.core.halted(), None);
    }

    fn published(&self, cycle: u32, version: u32) -> Published {
        let plan = self.core.plan_of(cycle, version).unwrap();
        let issuers =
            CITIES.map(|city| IssuerFile { city: city.to_owned(), sha256: format!("{cycle}-{city}") });
        Published {
            cycle,
            version,
            folder: format!("{cycle}.v{version}"),
            manifest_digest: plan.digest.clone(),
            issuers: issuers.to_vec(),
        }
    }

    /// Ends the open cycle, in which cu-3000 owes `fen`, and opens the next.
    fn close(&mut self, fen: u64) {
        let opening = self.core.last_opening().unwrap().clone();
        self.step(Input::CutOff { opens: None, ends: Vec::new() });
        let CycleEvent { body: Some(Body::Totals(mut totals)) } = totals(opening.cycle, 0, fen) else {
            return;
        };
        // The book takes each id once.
        totals.adjustments =
            self.due.values().filter(|item| !self.booked.contains(&item.id)).cloned().collect();
        self.booked.extend(self.due.keys().cloned());
        self.step(Input::Event(CycleEvent { body: Some(Body::Totals(totals)) }));
        let segment = proto::Segment { cycle: opening.cycle, ..proto::Segment::default() };
        self.step(Input::Event(CycleEvent { body: Some(Body::Segment(segment)) }));
        let next = Date::from_julian_day(opening.business_date + 1);
        self.step(Input::Open { business_date: next, version: 1 });
    }

    fn act(&mut self, name: &str, role: Role, act: Deed) {
        self.acts += 1;
        let written = Written { id: format!("a{}", self.acts), at: String::new(), act };
        self.step(Input::Decide(written, Signer { name: name.to_owned(), role }));
    }

    /// A standby that has read the same log coordinates from now on.
    fn take_over(&mut self) {
        let mut heir = started(1);
        heir.step(Input::StandBy, &mut Vec::new());
        for event in &self.log {
            heir.step(Input::Event(event.clone()), &mut Vec::new());
        }
        assert_eq!(heir.releases(), self.core.releases(), "a standby comes to the same state");
        self.core = heir;
        self.step(Input::CaughtUp);
    }

    /// The cycle that was closed last.
    fn cycle(&self) -> (CycleName, u32) {
        let closed = self.core.releases().cycles().last().unwrap();
        (closed.plan.cycle, closed.plan.version)
    }

    fn proposal(&self) -> String {
        let first = self.core.releases().proposals().next();
        first.map_or_else(|| "none".to_owned(), |(id, _)| id.to_owned())
    }

    fn try_it(&mut self, it: Try) {
        let (cycle, version) = self.cycle();
        let closed = self.core.releases().cycle(cycle).unwrap().clone();
        let operations = |by: usize| (PEOPLE[by], Role::Operations);
        match it {
            Try::Agree { city, right } => {
                let city: City = CITIES[city].parse().unwrap();
                let (count, amount_fen) = closed.plan.homes.get(&city).copied().unwrap_or_default();
                let folder = closed.folder.as_ref().and_then(|folder| folder.issuers.get(&city)).cloned();
                let sha256 = if right { folder.unwrap_or_default() } else { "other".to_owned() };
                let figures = Agreement { cycle, city, count, amount_fen, sha256 };
                self.act(&city.to_string(), Role::City(city), Deed::Agree { figures });
            }
            Try::Propose { by } => {
                let Some(of) = closed.released() else { return };
                let decision = Decision::Release { of, without: Vec::new(), reason: String::new() };
                let (name, role) = operations(by);
                self.act(name, role, Deed::Propose { decision });
            }
            Try::Fail { by, city } => {
                let (city, reason) = (CITIES[city].parse().unwrap(), "no cover".to_owned());
                let (name, role) = operations(by);
                let decision = Decision::Fail { cycle, version, city, reason };
                self.act(name, role, Deed::Propose { decision });
            }
            Try::Approve { by } => {
                let (proposal, (name, role)) = (self.proposal(), operations(by));
                self.act(name, role, Deed::Approve { proposal });
            }
            Try::Reject { by } => {
                let (proposal, (name, role)) = (self.proposal(), operations(by));
                self.act(name, role, Deed::Reject { proposal, reason: "no".to_owned() });
            }
            Try::Refuse => {
                self.act("bank", Role::Bank, Deed::Refuse { cycle, version, reason: "closed".to_owned() });
            }
            Try::Confirm { right } => {
                let nets = closed.plan.net.iter().filter(|net| net.net_fen != 0);
                let line = |net: &domain::settlement::Net| AnswerLine {
                    reference: domain::settlement::reference(cycle, version, net.participant),
                    amount_fen: net.net_fen.unsigned_abs() + u64::from(!right),
                    status: PaymentStatus::Paid,
                    way: None,
                };
                let answer = nets.map(line).collect();
                self.act("bank", Role::Bank, Deed::Confirm { cycle, version, answer, sha256: String::new() });
            }
            Try::Settle => self.act("li", Role::Operations, Deed::Settle { cycle, version }),
            Try::NextCycle { fen } => self.close(fen),
            Try::TakeOver => self.take_over(),
        }
    }
}

fn tries() -> impl Strategy<Value = Try> {
    prop_oneof![
        4 => (0..2_usize, prop::bool::weighted(0.9)).prop_map(|(city, right)| Try::Agree { city, right }),
        3 => (0..3_usize).prop_map(|by| Try::Propose { by }),
        2 => (0..3_usize, 0..2_usize).prop_map(|(by, city)| Try::Fail { by, city }),
        4 => (0..3_usize).prop_map(|by| Try::Approve { by }),
        1 => (0..3_usize).prop_map(|by| Try::Reject { by }),
        1 => Just(Try::Refuse),
        2 => prop::bool::weighted(0.7).prop_map(|right| Try::Confirm { right }),
        1 => Just(Try::Settle),
        1 => (1..100_000_u64).prop_map(|fen| Try::NextCycle { fen }),
        1 => Just(Try::TakeOver),
    ]
}

/// Every plan that the log has, by cycle and version.
fn plans(log: &[CycleEvent]) -> BTreeMap<(u32, u32), Plan> {
    let mut plans = BTreeMap::new();
    for event in log {
        if let Some(Body::Plan(plan)) = &event.body {
            let known = plans.entry((plan.cycle, plan.version)).or_insert_with(|| plan.clone());
            assert_eq!(known, plan, "a version of a plan is said once, or again the same");
        }
    }
    plans
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn money_sums_to_zero_whatever_is_decided(tries in prop::collection::vec(tries(), 1..60)) {
        let mut world = World::new();
        for it in tries {
            world.try_it(it);
            for (cycle, version) in plans(&world.log).keys() {
                prop_assert!(*version == 1 || world.core.plan_of(*cycle, version - 1).is_some());
            }
        }
        world.close(1);
        world.close(1);
        for ((cycle, version), plan) in plans(&world.log) {
            let sum: i64 = plan.net.iter().map(|net: &Net| net.net_fen).sum();
            prop_assert_eq!(sum, 0, "cycle {} version {}", cycle, version);
        }
        // Each debt that left a cycle came into a later one, to the fen, once.
        let last = |closed: &domain::release::Closed| {
            closed.items.iter().map(|item| (format!("{}-due", item.id), item.amount_fen)).collect::<Vec<_>>()
        };
        for (id, fen) in world.core.releases().cycles().flat_map(last) {
            let of_id = |plan: &Plan| plan.items.iter().filter(|item| item.id == id).map(|item| item.amount_fen).sum::<u64>();
            let first: u64 = plans(&world.log).iter().filter(|((_, version), _)| *version == 1).map(|(_, plan)| of_id(plan)).sum();
            prop_assert_eq!(first, fen, "{}", id);
        }
        // What is released was agreed to by every home city and released by two people.
        for closed in world.core.releases().cycles() {
            if matches!(closed.state, State::Released | State::Confirmed | State::Settled) {
                prop_assert!(closed.disagreements().is_empty());
                let (one, two) = closed.released_by.clone().unwrap();
                prop_assert_ne!(one.name, two.name);
            }
        }
    }
}
