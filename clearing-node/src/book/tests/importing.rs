//! What an older system has paid is not paid again.

use domain::city::City;
use proto::{Import, Imported};

use super::*;
use crate::book::identity_to_wire;

fn part(id: &str, part: u32, last: bool, taps: &[Tap]) -> Body {
    let issuer: City = city("cu-3000");
    Body::Import(Import {
        id: id.to_owned(),
        city: "cu-2000".to_owned(),
        part,
        last,
        identities: taps.iter().flat_map(|tap| identity_to_wire(issuer, tap)).collect::<Vec<u8>>().into(),
        ..Import::default()
    })
}

fn imported(desk: &Desk) -> Imported {
    match desk.last_event() {
        What::Imported(imported) => imported,
        other => panic!("{other:?}"),
    }
}

/// The older system paid 1 and 2 and, too long ago for any tap to meet it, 3. Killed and repeated, the import
/// counts once. Then 1 comes as it was, 2 with another fare, 4 is new.
#[test]
fn a_tap_that_was_paid_before_go_live_is_a_duplicate_and_another_content_a_conflict() {
    let mut desk = Desk::new(0);
    desk.open(1, "2018-09-01");
    let (first, second) = ([ride(1, 100), ride_on("2018-08-20", 3, 300)], [ride(2, 200)]);
    desk.fold(part("a", 1, false, &first));
    desk.crash();
    for body in [part("a", 1, false, &first), part("a", 2, true, &second), part("a", 1, false, &first)] {
        desk.fold(body);
    }
    desk.fold(part("a", 2, true, &second));
    assert_eq!(desk.events().len(), 1, "told once");
    let Imported { refused, taken, held, conflicts, too_old, .. } = imported(&desk);
    assert_eq!((refused.as_str(), taken, held, conflicts, too_old), ("", 2, 0, 0, 1));
    desk.crash();
    assert_eq!(desk.batch(1, &[ride(1, 100), ride(2, 250), ride(4, 400)]), [2, 3, 1]);
    assert_eq!(desk.close(1), (1, 400));
}

#[test]
fn parts_out_of_order_or_damaged_change_nothing() {
    let mut desk = Desk::new(0);
    desk.open(1, "2018-09-01");
    desk.fold(part("a", 2, true, &[ride(2, 200)]));
    let Body::Import(whole) = part("a", 1, false, &[ride(1, 100)]) else { panic!() };
    let torn = Import { identities: whole.identities.slice(1..), ..whole };
    desk.fold(Body::Import(torn));
    assert!(desk.events().is_empty() && desk.book.identities().is_empty());
    assert_eq!(desk.said.len(), 2, "alarms: {:?}", desk.said);
}

/// A city with traffic is refused, for the older system may have paid what was paid here. By force the book's own
/// stay: what was paid here stays paid to who has it.
#[test]
fn a_city_with_traffic_is_imported_by_force_only() {
    let mut desk = Desk::new(0);
    desk.open(1, "2018-09-01");
    desk.batch(1, &[ride(1, 100), ride(2, 200)]);
    let taps = [ride(1, 100), ride(2, 250), ride(3, 300)];
    desk.fold(part("a", 1, true, &taps));
    assert!(imported(&desk).refused.contains("1 batches already"), "{:?}", desk.last_event());
    let Body::Import(import) = part("b", 1, true, &taps) else { panic!() };
    desk.fold(Body::Import(Import { overlap: true, ..import }));
    let Imported { taken, held, conflicts, .. } = imported(&desk);
    assert_eq!((taken, held, conflicts), (1, 1, 1));
    assert_eq!(desk.batch(2, &[ride(1, 100), ride(2, 200), ride(3, 300)]), [2, 2, 2]);
}
