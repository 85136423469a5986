//! A node that lost its place and does not know it: what it still writes changes nothing.

use clearing_node::node::{Request, Role};
use proto::cycle_event::Body;

use crate::{
    faults::{Faults, Faulty},
    town::{CITIES, OPEN, Town, is_cut_off, is_opened, said_once, undisturbed, wait},
};

#[test]
fn what_a_node_writes_after_it_lost_its_place_is_ignored_by_content() {
    let town = Town::new();
    let (log, faults) = Faulty::over(&town.log, Faults { deaf: true, ..Faults::default() });
    let zombie = town.node_over("a", &log);
    town.ask(OPEN, || vec![&zombie], is_opened);
    for city in CITIES {
        town.present(city, 1, 3);
    }
    wait("the zombie's results", || CITIES.iter().all(|city| town.results(city).len() == 1).then_some(()));
    faults.throw_out();
    let heir = town.node("b");
    wait("the heir", || heir.status().caught_up.then_some(()));
    assert_eq!(zombie.status().role, Role::Coordinates, "it does not know");
    for city in CITIES {
        town.present(city, 2, 2);
    }
    // Both fold, both publish; both coordinate, and both are asked.
    let both = Request::CutOff { opens: None };
    zombie.request(both.clone());
    town.ask(both, || vec![&heir], is_cut_off);
    for node in [&zombie, &heir] {
        wait("the folder on both", || node.status().published(1).cloned());
        assert_eq!(node.failed(), None, "equal content is no contradiction");
    }
    wait("everything said twice", || {
        let totals = town.events().iter().filter(|event| matches!(event, Body::Totals(_))).count();
        (totals == 4).then_some(())
    });
    said_once(&town.events());
    for city in CITIES {
        let results = town.results(city);
        assert!(results.len() == 2 && results.values().all(|said| said.len() == 1), "{results:?}");
        let said = town.read(&town.topics.results(city)).len();
        assert!(said >= 4, "the zombie spoke too: {said}");
    }
    assert_eq!(town.files("2018-09-01-001"), undisturbed());

    let all = [town.topics.clearing(0), town.topics.clearing(1), town.topics.cycles()];
    faults.tell_lost(&all);
    assert!(zombie.partitions().is_empty(), "it stops as soon as it hears");
    wait("the standby", || (zombie.status().role == Role::Standby).then_some(()));
    town.present("cu-2000", 3, 1);
}
