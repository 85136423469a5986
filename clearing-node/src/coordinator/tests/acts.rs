//! Whatever people and participants decide, in whatever order, whatever else stands on `cu.acts` and whenever the
//! coordinator dies: money sums to zero, what was planned stays, and every act is ruled once.

use std::collections::BTreeMap;

use domain::{
    act::{Act as Deed, Agreement, Decision, Role},
    cycle::CycleName,
    release::State,
    settlement::confirmation::{AnswerLine, PaymentStatus},
};
use proptest::prelude::*;
use proto::{Message as _, Net, RuledAct};

use super::{
    world::{ActsTopic, CITIES, World, signature},
    *,
};

/// What somebody tries.
#[derive(Clone, Copy, Debug)]
enum Try {
    Agree {
        city: usize,
        right: bool,
        within: bool,
    },
    Propose {
        by: usize,
    },
    Fail {
        by: usize,
        city: usize,
    },
    Approve {
        by: usize,
    },
    Reject {
        by: usize,
    },
    Refuse,
    Confirm {
        right: bool,
    },
    Settle,
    NextCycle {
        fen: u64,
    },
    TakeOver,
    /// The coordinator dies at so many appends from now; the last one lands or not.
    Dies {
        appends: u32,
        lands: bool,
    },
    /// A message of `cu.acts` that is no act.
    Junk {
        kind: usize,
    },
    /// One that stands there already.
    Again {
        which: prop::sample::Index,
    },
    /// The topic is made anew, empty; or with acts of others, more than it had, while nobody reads it.
    Recreated {
        longer: bool,
    },
    /// Retention has removed all of it.
    Cut,
}

const PEOPLE: [&str; 3] = ["li", "wang", "zhao"];

impl World {
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
            Try::Agree { city, right, within } => {
                let city: City = CITIES[city].parse().unwrap();
                let (count, amount_fen) = closed.plan.homes.get(&city).copied().unwrap_or_default();
                let folder = closed.folder.as_ref().and_then(|folder| folder.issuers.get(&city)).cloned();
                let sha256 = if right { folder.unwrap_or_default() } else { "other".to_owned() };
                let figures = Agreement { cycle, city, count, amount_fen, sha256 };
                let (name, role) = (city.to_string(), Role::City(city));
                if within {
                    self.decide(&name, role, Deed::Agree { figures });
                } else {
                    self.act(&name, role, Deed::Agree { figures });
                }
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
            Try::Dies { appends, lands } => self.dies = Some((appends, lands)),
            Try::Junk { kind } => {
                let junk = self.junk(kind);
                self.acts.messages.push(junk);
            }
            Try::Again { which } => {
                let again = self.acts.messages.get(which.index(self.acts.messages.len().max(1))).cloned();
                self.acts.messages.extend(again);
            }
            Try::Recreated { longer } => self.recreate(longer),
            Try::Cut => self.acts = ActsTopic { start: self.acts.end(), messages: Vec::new() },
        }
        self.settle();
    }

    fn recreate(&mut self, longer: bool) {
        let position = self.core.acts_position();
        self.acts = ActsTopic::default();
        // It is known for another by what stands in the place of the last act.
        if longer && position.last.is_some() {
            for _ in 0..=position.next {
                let act =
                    self.written("zhao", Role::Operations, Deed::Approve { proposal: "none".to_owned() });
                self.acts.messages.push(act.encode_to_vec().into());
            }
            self.take_over();
        }
    }

    /// What no act is, or is nobody's: an event of `cu.cycles`, a word that somebody would like to hear.
    fn junk(&mut self, kind: usize) -> Bytes {
        let plan = Plan { cycle: 2, version: 1, digest: vec![7; 32].into(), ..Plan::default() };
        let approved = self.written("li", Role::Operations, Deed::Approve { proposal: self.proposal() });
        let word = RuledAct {
            text: approved.text.clone(),
            by: "li".to_owned(),
            role: "operations".to_owned(),
            ..RuledAct::default()
        };
        let event = |body| CycleEvent { body: Some(body) }.encode_to_vec().into();
        match kind {
            0 => event(Body::Plan(plan)),
            1 => event(Body::Ruled(RuledAct { signature: approved.signature, ..word })),
            2 => event(Body::Opening(Opening { cycle: 3, ..Opening::default() })),
            3 => word.encode_to_vec().into(),
            4 => RuledAct { signature: "forged".into(), ..word }.encode_to_vec().into(),
            5 => Act { text: vec![b' '; 300 << 10].into(), signature: "li operations".into() }
                .encode_to_vec()
                .into(),
            6 => Bytes::from_static(b"\xff\xff no message"),
            _ => Bytes::new(),
        }
    }
}

/// How many kinds of junk there are.
const JUNK: usize = 8;

fn tries() -> impl Strategy<Value = Try> {
    prop_oneof![
        4 => (0..2_usize, prop::bool::weighted(0.9), any::<bool>())
            .prop_map(|(city, right, within)| Try::Agree { city, right, within }),
        3 => (0..3_usize).prop_map(|by| Try::Propose { by }),
        2 => (0..3_usize, 0..2_usize).prop_map(|(by, city)| Try::Fail { by, city }),
        4 => (0..3_usize).prop_map(|by| Try::Approve { by }),
        1 => (0..3_usize).prop_map(|by| Try::Reject { by }),
        1 => Just(Try::Refuse),
        2 => prop::bool::weighted(0.7).prop_map(|right| Try::Confirm { right }),
        1 => Just(Try::Settle),
        1 => (1..100_000_u64).prop_map(|fen| Try::NextCycle { fen }),
        1 => Just(Try::TakeOver),
        4 => (0..4_u32, any::<bool>()).prop_map(|(appends, lands)| Try::Dies { appends, lands }),
        1 => (0..JUNK).prop_map(|kind| Try::Junk { kind }),
        1 => any::<prop::sample::Index>().prop_map(|which| Try::Again { which }),
        1 => any::<bool>().prop_map(|longer| Try::Recreated { longer }),
        1 => Just(Try::Cut),
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
            world.check_acts();
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

/// Ruled acts of a world, with who is said to have done them and why not.
fn told(world: &World) -> Vec<(Option<u64>, String, String)> {
    world.words().map(|word| (word.place, word.by.clone(), word.refused.clone())).collect()
}

/// The word on how far the topic is read, and why the last act was passed over.
fn read(next: u64, refused: &str) -> CycleEvent {
    CycleEvent { body: Some(Body::ActsRead(proto::ActsRead { next, refused: refused.to_owned() })) }
}

#[test]
fn what_is_no_act_on_cu_acts_changes_nothing() {
    let mut world = World::new();
    let (before, events) = (world.core.releases().clone(), world.log.len());
    for kind in 0..JUNK {
        let junk = world.junk(kind);
        world.acts.messages.push(junk);
    }
    world.settle();
    assert_eq!(*world.core.releases(), before);
    // The word that somebody forged is a question with a signature that is nobody's.
    assert!(told(&world).is_empty(), "{:?}", told(&world));
    assert_eq!(world.log[events..], [read(8, "")]);
    assert_eq!(world.core.acts_position().next, 8);
    let [alarm] = &world.alarms[..] else { panic!("{:?}", world.alarms) };
    assert!(alarm.contains("offset 0 of cu.acts is passed over"), "{alarm}");
}

#[test]
fn nobody_takes_the_first_word_on_what_the_batch_process_decides() {
    let mut world = World::new();
    (0..2).for_each(|city| world.try_it(Try::Agree { city, right: true, within: true }));
    let of = world.core.releases().cycles().last().unwrap().released().unwrap();
    let mut batch = world.written("batch", Role::Batch, Deed::Release { of });
    let written: Written = serde_json::from_slice(&batch.text).unwrap();
    batch.signature = signature(CITIES[0], Role::City(CITIES[0].parse().unwrap()));
    world.ask(&batch);
    assert!(world.words().last().unwrap().refused.contains("for the batch process"));
    world.run(Input::Decide(written, Signer::batch()));
    assert_eq!(world.core.releases().cycles().last().unwrap().state, State::Released);
}

/// Strangers stand before somebody's act, one of them with its text, and behind it.
#[test]
fn what_nobody_known_signed_keeps_no_room_and_takes_no_word() {
    let mut world = World::new();
    let events = world.log.len();
    let act = world.written("li", Role::Operations, Deed::Approve { proposal: "none".to_owned() });
    let forged = |text: Bytes| Act { text, signature: vec![b'x'; 60 << 10].into() };
    let mut asked: Vec<Act> = (0..50_u8).map(|text| forged(vec![text; 200 << 10].into())).collect();
    asked.extend([forged(act.text.clone()), act, forged("behind it".into())]);
    world.acts.messages = asked.iter().map(|act| act.encode_to_vec().into()).collect();
    world.settle();
    world.check_acts();
    let [(Some(51), by, refused)] = &told(&world)[..] else { panic!("{:?}", told(&world)) };
    assert!(by == "li" && refused.contains("no proposal none waits"), "{by}: {refused}");
    let why = "nobody known to the scheme signed it: nobody signed it";
    assert_eq!(world.log[events + 1..], [read(53, why)]);
    let [alarm] = &world.alarms[..] else { panic!("{:?}", world.alarms) };
    assert!(alarm.contains("offset 0 of cu.acts is passed over") && alarm.contains(why), "{alarm}");
    world.take_over();
    assert_eq!(world.core.acts_position().next, 53);
}

/// Another city has used the ids that home cities and the batch process have by rule.
#[test]
fn ids_by_rule_are_to_be_had_whoever_has_used_them() {
    let mut world = World::new();
    let (cycle, _) = world.cycle();
    let closed = world.core.releases().cycle(cycle).unwrap().clone();
    let [other, home] = CITIES.map(|city| city.parse::<City>().unwrap());
    let by = |city: City| Signer { name: city.to_string(), role: Role::City(city) };
    let agree = |city: City| {
        let (count, amount_fen) = closed.plan.homes.get(&city).copied().unwrap_or_default();
        let sha256 = closed.folder.as_ref().unwrap().issuers[&city].clone();
        Deed::Agree { figures: Agreement { cycle, city, count, amount_fen, sha256 } }
    };
    let named = |id: &str, act: Deed| {
        let log = world.core.releases().log().to_owned();
        Written { id: id.to_owned(), at: String::new(), log, act }
    };
    let (agreeing, releasing) = (format!("agree-{cycle}-{home}"), format!("release-{cycle}-v1"));
    let taken = [&agreeing, &releasing].map(|id| serde_json::to_vec(&named(id, agree(other))).unwrap());
    let ours = [
        (named(&agreeing, agree(home)), by(home)),
        (named(&releasing, Deed::Release { of: closed.released().unwrap() }), Signer::batch()),
    ];
    for text in taken {
        world.ask(&Act { text: text.into(), signature: signature(CITIES[0], Role::City(other)) });
    }
    for (written, by) in ours {
        world.run(Input::Decide(written, by));
    }
    assert!(world.words().all(|word| word.refused.is_empty()), "{:?}", told(&world));
    assert_eq!(world.core.releases().cycle(cycle).unwrap().state, State::Released);
}

#[test]
fn much_that_is_no_act_is_not_read_again() {
    let mut world = World::new();
    let events = world.log.len();
    world.acts.messages = vec![Bytes::from_static(b"\xff"); 5000];
    world.settle();
    assert_eq!((&world.log[events..], world.alarms.len()), (&[read(5000, "")][..], 1));
    world.take_over();
    assert_eq!(world.core.acts_position().next, 5000);
}

#[test]
fn a_topic_that_lost_something_is_told_and_read_on() {
    let mut world = World::new();
    let act = || Deed::Approve { proposal: "none".to_owned() };
    (0..3).for_each(|_| world.act("li", Role::Operations, act()));
    world.acts = ActsTopic { start: 5, messages: Vec::new() };
    world.act("li", Role::Operations, act());
    assert!(
        world.alarms[0].contains("cu.acts begins at offset 5 and was answered up to 3"),
        "{:?}",
        world.alarms
    );
    assert_eq!(world.core.acts_position().next, 6);
    world.acts = ActsTopic::default();
    world.act("wang", Role::Operations, act());
    assert!(world.alarms[1].contains("another topic"), "{:?}", world.alarms);
    let places: Vec<Option<u64>> = world.words().map(|word| word.place).collect();
    assert_eq!(places, [0, 1, 2, 5, 0].map(Some));
    world.take_over();
    world.act("wang", Role::Operations, act());
    assert_eq!((world.words().count(), world.alarms.len()), (6, 2));
    world.check_acts();
}

#[test]
fn a_log_that_was_brought_back_has_a_new_topic_and_another_name() {
    let mut world = World::new();
    let act = || Deed::Approve { proposal: "none".to_owned() };
    (0..2).for_each(|_| world.act("li", Role::Operations, act()));
    let of_before = world.written("li", Role::Operations, act());
    world.acts = ActsTopic::default();
    world.hear(Body::Restored(proto::Restored { cycle: 1 }));
    world.take_over();
    assert_eq!(world.core.acts_position(), ActsPosition::default());
    world.ask(&of_before);
    world.act("li", Role::Operations, act());
    let [.., other, here] = &told(&world)[..] else { panic!("{:?}", told(&world)) };
    assert_eq!((other.0, here.0), (Some(0), Some(1)));
    assert!(other.2.contains("was signed for log"), "{other:?}");
    assert!(here.2.contains("no proposal none waits"), "{here:?}");
    assert_eq!(world.alarms, Vec::<String>::new());
}
