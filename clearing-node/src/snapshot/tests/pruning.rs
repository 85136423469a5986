//! Old snapshots go; what is needed stays.

use super::*;
use crate::snapshot::{Pruned, Pruning, prune};

fn pruned(shop: &Shop, keep: usize) -> Pruned {
    prune(&shop.objects, 1, Pruning { keep, grace: AT_ONCE }).unwrap()
}

#[test]
fn the_newest_stay_and_those_from_which_a_cycle_can_be_folded_again() {
    let shop = Shop::new();
    let store = shop.store("a");
    // Cycle 1 is opened at 0, cycle 2 at 20, cycle 3 at 40; a snapshot every 5 messages.
    let mut at = 0;
    for (marker, cycle, until) in [(0, 1, 20), (20, 2, 40), (40, 3, 65)] {
        mark(&store, marker, cycle);
        at = at.max(marker + 1);
        while at < until {
            let to = (at / 5 + 1) * 5;
            fold(&store, at, to.min(until));
            at = to.min(until);
            if at % 5 == 0 {
                shop.snapshot(&store);
            }
        }
    }
    let before = Catalog::read(&shop.objects, 1).unwrap();
    assert_eq!(offsets(&before), [65, 60, 55, 50, 45, 40, 35, 30, 25, 20, 15, 10, 5]);
    let went = pruned(&shop, 3);
    let after = Catalog::read(&shop.objects, 1).unwrap();
    // Cycle 2, closed last, begins at 21; the open cycle 3 begins at 41.
    assert_eq!(offsets(&after), [65, 60, 55, 40, 20]);
    assert_eq!(went.snapshots, 8);
    assert!(went.files > 8, "{went:?}");
    assert_eq!(after.verify(&shop.objects).unwrap(), BTreeMap::new(), "what is kept is whole");
    assert_eq!(pruned(&shop, 3), Pruned::default(), "the second time there is nothing to do");

    let which = Which { at_most: Some(21), ..Which::default() };
    let restored = restore(&shop.objects, 1, &shop.path("b"), which, &|_| Ok(true)).unwrap().unwrap();
    assert_eq!(restored.manifest.next_offset, 20);
}

#[test]
fn a_broken_snapshot_takes_no_place_of_a_whole_one_and_goes_once_it_is_old() {
    let shop = Shop::new();
    let store = shop.store("a");
    let mut taken = Vec::new();
    for at in 0..5 {
        fold(&store, at * 5, at * 5 + 5);
        taken.push(shop.snapshot(&store));
    }
    flip(&shop.file(&taken[4].name), 9);
    let young = Pruning { keep: 2, grace: Duration::from_secs(3600) };
    prune(&shop.objects, 1, young).unwrap();
    let catalog = Catalog::read(&shop.objects, 1).unwrap();
    assert_eq!(offsets(&catalog), [20, 15, 10, 5], "what is young stays");
    assert_eq!(catalog.snapshots.len(), 5, "a person may look at it");
    pruned(&shop, 2);
    assert_eq!(Catalog::read(&shop.objects, 1).unwrap().snapshots.len(), 2);
}

#[test]
fn a_file_that_a_late_pruner_deleted_comes_again_with_the_next_snapshot() {
    let shop = Shop::new();
    let store = shop.store("a");
    let mut taker = shop.taker();
    fold(&store, 0, 10);
    let first = shop.put(&mut taker, &store).unwrap();
    let sorted = first.manifest.files.iter().find(|file| file.name.ends_with(".sst")).unwrap();
    fs::remove_file(shop.file(&first.manifest.object(sorted))).unwrap();
    fold(&store, 10, 11);
    let second = shop.put(&mut taker, &store).unwrap();
    assert!(second.manifest.files.contains(sorted));
    assert_eq!(shop.restore("b").unwrap().name, second.name);
    assert_eq!(rows_of(&shop.store("b")), rows_of(&store));
}

#[test]
fn pruning_one_partition_leaves_the_others_alone() {
    let shop = Shop::new();
    let store = shop.store("a");
    fold(&store, 0, 10);
    for partition in [1, 10] {
        let checkpoint = Checkpoint::take(&store, &shop.path("checkpoint")).unwrap();
        let mut taker = Taker::new(shop.objects.clone(), partition);
        taker.put(&checkpoint, SystemTime::now(), &AtomicBool::new(false)).unwrap();
    }
    fold(&store, 10, 20);
    shop.snapshot(&store);
    pruned(&shop, 1);
    assert_eq!(offsets(&Catalog::read(&shop.objects, 1).unwrap()), [20]);
    assert_eq!(offsets(&Catalog::read(&shop.objects, 10).unwrap()), [10]);
    assert_eq!(crate::snapshot::partitions(&shop.objects).unwrap(), [1, 10]);
}

#[test]
fn snapshots_of_a_lost_log_that_go_further_do_not_crowd_out_the_new_ones() {
    let shop = Shop::new();
    let lost = shop.store("lost");
    let of_lost = [(0, 40), (40, 50), (50, 60)].map(|(from, to)| {
        fold(&lost, from, to);
        shop.snapshot(&lost)
    });
    // They are hours old when the log that was brought back begins again from far behind.
    let hours_ago = SystemTime::now() - Duration::from_secs(7200);
    for object in shop.objects.list("snapshots").unwrap() {
        let file = fs::File::options().write(true).open(shop.file(&object.name)).unwrap();
        file.set_modified(hours_ago).unwrap();
    }
    let restored = shop.store("restored");
    fold(&restored, 0, 10);
    let new = shop.snapshot(&restored);
    prune(&shop.objects, 1, Pruning { keep: 3, grace: Duration::from_secs(3600) }).unwrap();
    let catalog = Catalog::read(&shop.objects, 1).unwrap();
    assert_eq!(offsets(&catalog), [60, 50, 40, 10]);
    assert_eq!(catalog.verify(&shop.objects).unwrap(), BTreeMap::new());

    // The new log has not come so far, or has other messages there: those of the lost one are passed over.
    let belongs = |manifest: &crate::snapshot::Manifest| Ok(manifest.next_offset <= 10);
    let found = restore(&shop.objects, 1, &shop.path("b"), Which::default(), &belongs).unwrap().unwrap();
    assert_eq!(found.name, new.name);
    let passed_over: Vec<&str> = found.passed_over.iter().map(|(name, _)| name.as_str()).collect();
    let expected: Vec<&str> = of_lost.iter().rev().map(|taken| taken.name.as_str()).collect();
    assert_eq!(passed_over, expected);
    assert_eq!(rows_of(&shop.store("b")), rows_of(&restored));
}
