//! A stopped city is resumed, older payments are imported, a city moves: the node dies at each of its appends on the
//! way, and the next one comes to the same files.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use clearing_node::{
    book::{IDENTITIES_MAX, identity_to_wire},
    node::{Node, Request},
};
use proto::{
    Import, Message, Moved, Resume,
    city_event::What,
    clearing::Body,
    cycle_event::{self, Body as Event},
};

use crate::{
    faults::{Faults, Faulty},
    town::{CITIES, DATE, OPEN, Town, is_opened, other, ride, said_once, wait},
};

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A town and the node at work in it; once it dies another takes its place.
struct Duty {
    town: Town,
    faults: Arc<Faults>,
    node: Option<Node>,
    /// Where the next node keeps its stores.
    next: &'static str,
    died: bool,
}

impl Duty {
    /// The node dies at its append number `at`, which lands or not; the next one begins with its stores or with none.
    fn new(at: Option<i64>) -> Self {
        let town = Town::new();
        let appends_left = at.map(AtomicI64::new);
        let last_lands = at.is_some_and(|at| at % 2 == 0);
        let (log, faults) = Faulty::over(&town.log, Faults { appends_left, last_lands, ..Faults::default() });
        let node = Some(town.node_over("a", &log));
        let next = if at.is_some_and(|at| at % 3 == 0) { "b" } else { "a" };
        Self { town, faults, node, next, died: false }
    }

    fn until<T>(&mut self, what: &str, mut found: impl FnMut(&Town, &Node) -> Option<T>) -> T {
        wait(what, || {
            if self.faults.dead.load(Ordering::SeqCst) && !self.died {
                self.died = true;
                self.node = None;
                self.node = Some(self.town.node(self.next));
            }
            found(&self.town, self.node.as_ref()?)
        })
    }

    fn ask(&mut self, request: Request, done: impl Fn(&[Event]) -> bool) {
        self.until("the answer to a request", |town, node| {
            if done(&town.events()) {
                return Some(());
            }
            if node.status().caught_up {
                node.request(request.clone());
            }
            std::thread::sleep(Duration::from_millis(30));
            None
        });
    }

    /// Waits until a partition says something of a city.
    fn hear(&mut self, city: &str, what: &str, is: impl Fn(&What) -> bool) {
        self.until(what, |town, _| said(&town.events(), city).iter().any(&is).then_some(()));
    }

    fn answered(&mut self, city: &str, batches: usize) {
        self.until("the results", |town, _| (town.results(city).len() == batches).then_some(()));
    }
}

/// What was said of a city.
fn said(events: &[Event], city: &str) -> Vec<What> {
    let of_it = |event: &Event| match event {
        cycle_event::Body::City(event) if event.city == city => event.what.clone(),
        _ => None,
    };
    events.iter().filter_map(of_it).collect()
}

/// Shanghai loses its second batch and is resumed.
fn resume(duty: &mut Duty) {
    let city = CITIES[0];
    duty.town.present(city, 1, 3);
    duty.town.present(city, 3, 2);
    duty.hear(city, "that it is stopped", |what| matches!(what, What::Stopped(_)));
    let (id, next) = ("r1".to_owned(), 2);
    duty.town.clearing(0, Body::Resume(Resume { id, city: city.to_owned(), next, ..Resume::default() }));
    let goes_on = |what: &What| matches!(what, What::Resumed(resumed) if resumed.refused.is_empty());
    duty.hear(city, "that it goes on", goes_on);
    duty.town.present(city, 2, 4);
    duty.town.present(city, 3, 2);
    duty.answered(city, 3);
}

/// An older system has paid many taps of Tianjin, and the first of its second batch.
fn import(duty: &mut Duty) {
    let city = CITIES[1];
    let issuer = other(city).parse().unwrap();
    duty.town.present(city, 1, 3);
    duty.answered(city, 1);
    let many = (0..u32::try_from(IDENTITIES_MAX).unwrap()).flat_map(|sequence| {
        let mut tap = ride(city, 1, 0);
        (tap.terminal[5], tap.terminal_seq) = (2, sequence.into());
        identity_to_wire(issuer, &tap)
    });
    let parts: [Vec<u8>; 2] = [many.collect(), identity_to_wire(issuer, &ride(city, 2, 0)).to_vec()];
    for (part, identities) in (1..).zip(parts) {
        let last = part == 2;
        let identities_total = if last { IDENTITIES_MAX as u64 + 1 } else { 0 };
        let (id, city, identities) = ("i1".to_owned(), city.to_owned(), identities.into());
        let import =
            Import { id, city, part, last, identities, identities_total, overlap: true, arrival: None };
        duty.town.clearing(1, Body::Import(import));
    }
    let taken = |what: &What| matches!(what, What::Imported(it) if it.taken == IDENTITIES_MAX as u64 + 1);
    duty.hear(city, "that the import is whole", taken);
}

/// Tianjin goes to the other partition, in two parts.
fn move_city(duty: &mut Duty) {
    let city = CITIES[1];
    for due in 1..=2 {
        let (id, city_name) = ("m1".to_owned(), city.to_owned());
        duty.town.clearing(1, Body::Moved(Moved { id, city: city_name, from: 1, to: 0, part: due }));
        let gone =
            |what: &What| matches!(what, What::Departing(it) if it.part == due && it.last == (due == 2));
        duty.hear(city, "that a part is on its way", gone);
    }
    let whole = |what: &What| matches!(what, What::Arrived(it) if it.batches == 1);
    duty.hear(city, "that the city is whole in its new partition", whole);
}

/// Two days with all of that; whether the node died, and the files.
fn two_days(at: Option<i64>) -> (bool, [Files; 2]) {
    let mut duty = Duty::new(at);
    duty.ask(OPEN, is_opened);
    resume(&mut duty);
    import(&mut duty);
    move_city(&mut duty);
    duty.town.publish_moved();
    let opens = Some((DATE.plus_days(1), 2));
    let first =
        |events: &[Event]| events.iter().any(|event| matches!(event, Event::CutOff(cut) if cut.cycle == 1));
    duty.ask(Request::CutOff { opens }, first);
    duty.until("the first folder", |_, node| node.status().published(1).cloned());
    let city = CITIES[1];
    duty.town.present_in(0, city, 1, 3);
    duty.town.present_in(0, city, 2, 2);
    duty.answered(city, 2);
    let second =
        |events: &[Event]| events.iter().any(|event| matches!(event, Event::CutOff(cut) if cut.cycle == 2));
    duty.ask(Request::CutOff { opens: None }, second);
    duty.until("the second folder", |_, node| node.status().published(2).cloned());

    let events = duty.town.events();
    said_once(&events);
    for city in CITIES {
        assert!(duty.town.results(city).values().all(|said| said.len() == 1), "two results for one batch");
        let said: Vec<Vec<u8>> = said(&events, city).iter().map(bytes).collect();
        let once: BTreeSet<&Vec<u8>> = said.iter().collect();
        assert_eq!(once.len(), if city == CITIES[0] { 2 } else { 4 }, "append {at:?}: {:?}", events);
    }
    let again = &duty.town.results(city)[&2][0];
    assert_eq!(
        (again.exceptions.len(), again.exceptions[0].result),
        (1, 2),
        "imported, moved, and a duplicate"
    );
    let files = ["2018-09-01-001", "2018-09-02-001"].map(|cycle| duty.town.files(cycle));
    (duty.faults.dead.load(Ordering::SeqCst), files)
}

fn bytes(what: &What) -> Vec<u8> {
    proto::CityEvent { what: Some(what.clone()), ..proto::CityEvent::default() }.encode_to_vec()
}

#[test]
fn whatever_an_operator_does_is_finished_whenever_the_node_dies() {
    let (_, expected) = two_days(None);
    assert!(expected.iter().all(|files| files.contains_key(std::path::Path::new("positions.csv"))));
    let mut steps = 0;
    for at in 0.. {
        let (died, files) = two_days(Some(at));
        assert!(files == expected, "append {at}");
        if !died {
            break;
        }
        steps = at + 1;
    }
    assert!(steps >= 15, "there is more to do than {steps} appends");
}
