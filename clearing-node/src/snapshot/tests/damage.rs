//! Damaged and incomplete snapshots are recognised, and the one before is used.

use super::*;

/// Two snapshots, at 10 and at 20; the files of the second that it does not share.
fn two() -> (Shop, Taken, Taken, Vec<String>) {
    let shop = Shop::new();
    let store = shop.store("a");
    mark(&store, 0, 1);
    fold(&store, 1, 10);
    let first = shop.snapshot(&store);
    fold(&store, 10, 20);
    let second = shop.snapshot(&store);
    let shared: Vec<String> = first.manifest.files.iter().map(|file| first.manifest.object(file)).collect();
    let own = second.manifest.files.iter().map(|file| second.manifest.object(file));
    let own = own.filter(|object| !shared.contains(object)).collect();
    (shop, first, second, own)
}

#[test]
fn one_wrong_byte_in_any_file_is_recognised_and_the_snapshot_before_is_used() {
    let (shop, first, second, own) = two();
    let kinds = ["CURRENT", "MANIFEST-", "OPTIONS-", ".sst"];
    let names: Vec<&str> = second.manifest.files.iter().map(|file| file.name.as_str()).collect();
    assert!(kinds.iter().all(|kind| names.iter().any(|name| name.contains(kind))), "{names:?}");
    let sorted = second.manifest.files.iter().filter(|file| file.name.ends_with(".sst"));
    // All but the one file of rows that both name.
    assert_eq!(own.len(), names.len() - (sorted.count() - 1));

    for object in own.iter().chain([&second.name]) {
        let path = shop.file(object);
        let length = fs::metadata(&path).unwrap().len();
        for at in [0, length / 2, length.saturating_sub(1)].map(|at| usize::try_from(at).unwrap()) {
            if length == 0 {
                continue;
            }
            flip(&path, at);
            let restored = shop.restore("b").unwrap();
            assert_eq!(restored.name, first.name, "{object} at {at}");
            let [(name, why)] = restored.passed_over.as_slice() else { panic!("{restored:?}") };
            assert_eq!(name, &second.name);
            assert!(why.contains("bytes"), "{why}");
            assert_eq!(rows::next_offset(&shop.store("b").begin()).unwrap(), 10);
            flip(&path, at);
        }
    }
    assert_eq!(shop.restore("b").unwrap().name, second.name, "all bytes are right again");
}

#[test]
fn a_missing_or_shorter_file_is_recognised() {
    let (shop, first, second, own) = two();
    for object in own.iter().chain([&second.name]) {
        let bytes = fs::read(shop.file(object)).unwrap();
        fs::remove_file(shop.file(object)).unwrap();
        assert_eq!(shop.restore("b").unwrap().name, first.name, "{object} is missing");
        if !bytes.is_empty() {
            fs::write(shop.file(object), &bytes[..bytes.len() - 1]).unwrap();
            assert_eq!(shop.restore("b").unwrap().name, first.name, "{object} is shorter");
        }
        fs::write(shop.file(object), bytes).unwrap();
    }
    let verified = Catalog::read(&shop.objects, 1).unwrap().verify(&shop.objects).unwrap();
    assert_eq!(verified, BTreeMap::new());
}

#[test]
fn without_a_usable_snapshot_nothing_is_touched() {
    let (shop, _, second, _) = two();
    let shared = second.manifest.files.iter().find(|file| file.name.ends_with(".sst")).unwrap();
    flip(&shop.file(&second.manifest.object(shared)), 3);
    assert_eq!(shop.restore("b"), None);
    assert!(!shop.path("b").exists());
    assert_eq!(left_beside(&shop, "b"), Vec::<String>::new());
    let wrong = Catalog::read(&shop.objects, 1).unwrap().verify(&shop.objects).unwrap();
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[&second.name].contains(&shared.name), "{wrong:?}");
}

#[test]
fn a_damaged_file_that_snapshots_share_is_put_anew_by_the_next() {
    let (shop, _, second, _) = two();
    let shared = second.manifest.files.iter().find(|file| file.name.ends_with(".sst")).unwrap();
    flip(&shop.file(&second.manifest.object(shared)), 3);
    let store = shop.store("a");
    fold(&store, 20, 21);
    let third = shop.snapshot(&store);
    assert_eq!(shop.restore("b").unwrap().name, third.name);
    assert_eq!(rows_of(&shop.store("b")), rows_of(&store));
    // With it the older ones are whole again.
    let verified = Catalog::read(&shop.objects, 1).unwrap().verify(&shop.objects).unwrap();
    assert_eq!(verified, BTreeMap::new());
}

#[test]
fn what_a_killed_snapshot_left_is_ignored_and_cleaned() {
    let (shop, first, second, own) = two();
    // Killed before its manifest, and in the middle of a file.
    fs::remove_file(shop.file(&second.name)).unwrap();
    let half = format!("{}#1", shop.file(&own[0]).display());
    fs::rename(shop.file(&own[0]), &half).unwrap();
    assert_eq!(offsets(&Catalog::read(&shop.objects, 1).unwrap()), [10]);
    assert_eq!(shop.restore("b").unwrap().name, first.name);

    let young = prune(&shop, Duration::from_secs(3600));
    assert_eq!(young.files, 0, "it may still be going on");
    assert_eq!(prune(&shop, AT_ONCE).files, own.len());
    assert!(!Path::new(&half).exists());
    let left = Catalog::read(&shop.objects, 1).unwrap();
    assert_eq!(left.files.len(), first.manifest.files.len());
    assert_eq!(left.verify(&shop.objects).unwrap(), BTreeMap::new());
}

fn prune(shop: &Shop, grace: Duration) -> crate::snapshot::Pruned {
    crate::snapshot::prune(&shop.objects, 1, crate::snapshot::Pruning { keep: 3, grace }).unwrap()
}
