//! A snapshot is taken and comes back.

use std::time::{Duration, Instant};

use super::*;
use crate::snapshot::{CycleNote, Last, Position, snapshotter::Plan, take_stopped};

#[test]
fn a_store_comes_back_as_it_was_at_the_snapshot() {
    let shop = Shop::new();
    let store = shop.store("a");
    mark(&store, 0, 1);
    fold(&store, 1, 20);
    let (taken, then) = (shop.snapshot(&store), rows_of(&store));
    fold(&store, 20, 30);

    let restored = shop.restore("b").unwrap();
    assert_eq!((restored.name, restored.passed_over), (taken.name, vec![]));
    assert_eq!(rows_of(&shop.store("b")), then);
    let manifest = restored.manifest;
    assert_eq!((manifest.next_offset, manifest.last_cycle, manifest.open), (20, 1, true));
    assert_eq!(manifest.cycles, [CycleNote { cycle: 1, first_offset: 1, end_offset: None }]);
    assert_eq!(manifest.tip.unwrap().offset, 19);
    assert!(!shop.path("checkpoint").exists());
    assert_eq!(left_beside(&shop, "b"), Vec::<String>::new());
}

#[test]
fn the_next_snapshot_copies_only_what_is_new() {
    let shop = Shop::new();
    let store = shop.store("a");
    fold(&store, 0, 50);
    let mut taker = shop.taker();
    let first = shop.put(&mut taker, &store).unwrap();
    assert_eq!((first.new_files, first.new_bytes), (first.manifest.files.len(), first.manifest.bytes()));
    fold(&store, 50, 60);
    let second = shop.put(&mut taker, &store).unwrap();

    let shared: Vec<_> = second.manifest.files.iter().filter(|f| first.manifest.files.contains(f)).collect();
    assert!(shared.iter().any(|file| file.name.ends_with(".sst")), "{shared:?}");
    // The second brings ten messages, the first fifty; besides there are a few small files.
    assert!(second.manifest.bytes() > first.manifest.bytes() + 10 * 8192, "{second:?}");
    assert!(second.new_bytes < 10 * 8192 + 40_000, "{second:?}");
    let sorted = second.manifest.files.iter().filter(|file| file.name.ends_with(".sst"));
    let new_sorted = sorted.clone().filter(|file| !first.manifest.files.contains(file));
    assert_eq!((sorted.count(), new_sorted.count()), (2, 1));
    shop.restore("b").unwrap();
    assert_eq!(rows_of(&shop.store("b")), rows_of(&store));
}

#[test]
fn two_nodes_that_copy_the_same_partition_do_not_disturb_each_other() {
    let shop = Shop::new();
    let (owner, late) = (shop.store("owner"), shop.store("late"));
    // Equal rows that came about differently.
    fold(&owner, 0, 20);
    fold(&late, 0, 10);
    shop.snapshot(&late);
    fold(&late, 10, 20);
    let [a, b] = [&owner, &late].map(|store| shop.snapshot(store));

    let catalog = Catalog::read(&shop.objects, 1).unwrap();
    assert_eq!(offsets(&catalog), [20, 20, 10]);
    assert_ne!(a.name, b.name);
    for (name, taken) in [("x", a), ("y", b)] {
        // Either is as good: without the other's manifest it is the newest.
        for (found, _) in catalog.whole().filter(|(found, _)| found.object.name != taken.name) {
            fs::rename(shop.file(&found.object.name), shop.path("aside")).unwrap();
            if found.next_offset == 20 {
                assert_eq!(shop.restore(name).unwrap().name, taken.name);
                assert_eq!(rows_of(&shop.store(name)), rows_of(&owner));
            }
            fs::rename(shop.path("aside"), shop.file(&found.object.name)).unwrap();
        }
    }
}

#[test]
fn what_stood_in_the_place_of_a_restored_store_is_kept_beside_it() {
    let shop = Shop::new();
    let store = shop.store("a");
    fold(&store, 0, 5);
    let before = rows_of(&store);
    {
        let other = shop.store("other");
        fold(&other, 0, 9);
        shop.snapshot(&other);
    }
    drop(store);
    let restored = shop.restore("a").unwrap();
    assert_eq!(restored.replaced, Some(shop.path("a.replaced")));
    assert_eq!(rows_of(&shop.store("a.replaced")), before);
    assert_eq!(rows_of(&shop.store("a")).len(), rows_of(&shop.store("other")).len());
}

#[test]
fn a_stopped_node_is_copied_and_a_running_one_is_refused() {
    let shop = Shop::new();
    let take = |name: &str| take_stopped(&shop.objects, 1, &shop.path(name), SystemTime::now());
    assert!(matches!(take("nothing").unwrap_err(), SnapshotError::NoStore(_)));
    assert!(!shop.path("nothing").exists());

    let store = shop.store("a");
    fold(&store, 0, 5);
    let refused = runtime::whole_text(&take("a").unwrap_err());
    assert!(refused.contains("lock"), "{refused}");
    drop(store);
    assert_eq!(take("a").unwrap().manifest.next_offset, 5);
    drop(shop.store("empty"));
    assert!(matches!(take("empty").unwrap_err(), SnapshotError::Empty(_)));
}

#[test]
fn a_snapshot_is_due_at_first_after_a_cycle_and_after_a_while() {
    let every = Duration::from_secs(300);
    let start = Instant::now();
    let at =
        |next_offset, last_cycle, open| Position { next_offset, last_cycle, open, ..Position::default() };
    let mut plan = Plan::default();
    plan.learn(None, start);
    assert!(!plan.is_due(&at(0, 0, false), true, every, start), "there is nothing to copy");
    assert!(plan.is_due(&at(1, 1, true), false, every, start), "there is none yet");

    let last = Last { next_offset: 10, closed_cycle: 1, at: SystemTime::now(), bytes: 1 };
    plan.learn(Some(last), start);
    assert!(!plan.is_due(&at(11, 2, true), false, every, start), "too soon");
    assert!(plan.is_due(&at(11, 2, true), true, every, start), "somebody asked");
    assert!(plan.is_due(&at(11, 3, true), false, every, start), "cycle 2 is closed");
    assert!(plan.is_due(&at(11, 2, false), false, every, start), "cycle 2 is closed");
    assert!(plan.is_due(&at(11, 2, true), false, every, start + every), "it is time");
    assert!(!plan.is_due(&at(10, 2, true), false, every, start + every), "nothing was folded");

    let pauses: Vec<u64> = (0..8).map(|_| plan.failed(start).as_secs()).collect();
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
    assert!(
        !plan.may_try(start + Duration::from_secs(299)) && plan.may_try(start + Duration::from_secs(300))
    );
}
