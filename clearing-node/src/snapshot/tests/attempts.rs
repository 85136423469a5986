//! Attempts to restore one partition at the same time.

use std::sync::Barrier;

use super::*;
use crate::snapshot::clean;

#[test]
fn two_attempts_at_once_give_one_whole_store() {
    let shop = Shop::new();
    let store = shop.store("a");
    mark(&store, 0, 1);
    fold(&store, 1, 40);
    let taken = shop.snapshot(&store);
    for round in 0..8 {
        let folder = shop.path(&format!("partition-{round}"));
        // Both have looked before either puts anything in place.
        let both = Barrier::new(2);
        let attempt = || {
            restore(&shop.objects, 1, &folder, Which::default(), &|_| {
                both.wait();
                Ok(true)
            })
        };
        let attempts = std::thread::scope(|scope| {
            let other = scope.spawn(attempt);
            [attempt(), other.join().unwrap()]
        });
        let (won, lost): (Vec<_>, Vec<_>) = attempts.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "{lost:?}");
        for restored in won {
            let restored = restored.unwrap().unwrap();
            assert_eq!((restored.name, restored.replaced), (taken.name.clone(), None));
        }
        for error in lost {
            assert!(matches!(error, Err(SnapshotError::Overtaken(_))), "{error:?}");
        }
        assert_eq!(rows_of(&RocksStore::open(&folder).unwrap()), rows_of(&store));
        assert_eq!(left_beside(&shop, &format!("partition-{round}")), Vec::<String>::new());
    }
}

#[test]
fn what_killed_attempts_left_goes_and_nothing_else() {
    let shop = Shop::new();
    let stay = ["partition-1", "partition-1.replaced", "objects"];
    let go = ["partition-1.restoring", "partition-1.restoring-a8Xk2", "partition-12.restoring-0"];
    for name in stay.iter().chain(&go) {
        fs::create_dir_all(shop.path(name)).unwrap();
        fs::write(shop.path(name).join("CURRENT"), "MANIFEST-000001").unwrap();
    }
    clean(shop.folder.path()).unwrap();
    clean(&shop.path("not there yet")).unwrap();
    for name in stay {
        assert!(shop.path(name).join("CURRENT").exists(), "{name}");
    }
    for name in go {
        assert!(!shop.path(name).exists(), "{name}");
    }
}
