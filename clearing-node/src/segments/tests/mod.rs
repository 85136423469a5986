//! Segments on a real log, real stores and a real object store: whoever renders them, whenever and how often, the
//! published bytes are the same.

mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use signing::{Algorithm, Authority, Order, Signers, Usage};

use self::world::World;
use super::{folder, tidy};
use crate::{
    coordinator::SegmentDue,
    render::{Source, render},
};

type Files = BTreeMap<String, Vec<u8>>;

/// Traffic of a first cycle, one part of which is parked.
fn first_day(world: &mut World) {
    world.open();
    for number in 1..=2 {
        (0..4).for_each(|acquirer| world.batch(acquirer, number, number == 1 && acquirer == 0));
    }
    world.cut_off();
}

/// A second cycle, in which what was parked is judged.
fn second_day(world: &mut World) {
    world.open();
    world.late(0, 1);
    (0..4).for_each(|acquirer| world.batch(acquirer, 3, false));
    world.cut_off();
}

/// Both cycles without any trouble.
fn undisturbed(partitions: u32) -> [Files; 2] {
    let mut world = World::new(partitions);
    let stand = world.stand("node");
    let renderer = world.renderer(&stand);
    [first_day as fn(&mut World), second_day].map(|day| {
        day(&mut world);
        world.fold_all(&stand);
        world.publish(&[&renderer])
    })
}

fn lines(files: &Files, name: &str) -> usize {
    String::from_utf8_lossy(&files[name]).lines().count()
}

/// Everything but the rules, which say how many partitions there are, and the digests of them.
fn without_rules(mut days: [Files; 2]) -> [Files; 2] {
    for files in &mut days {
        files.retain(|name, _| name != "rulebook.toml" && name != "manifest.json");
    }
    days
}

#[test]
fn one_two_and_four_partitions_publish_the_same_bytes() {
    let expected = undisturbed(1);
    // 8 batches of 31 records, 10 of them parked: ones that are told on the acquirer's side alone.
    assert_eq!(lines(&expected[0], "acquirer/cu-2000.csv"), 1 + 62);
    assert_eq!(lines(&expected[0], "issuer/cu-6000.csv"), 1 + 6 * 10 - 10);
    // 1 of the 10 is not genuine.
    assert_eq!(lines(&expected[1], "acquirer/cu-2000.csv"), 1 + 31 + 10);
    assert_eq!(lines(&expected[1], "issuer/cu-6000.csv"), 1 + 3 * 10 + 9);
    let expected = without_rules(expected);
    for partitions in [2, 4] {
        assert!(without_rules(undisturbed(partitions)) == expected, "{partitions} partitions");
    }
}

#[test]
fn a_damaged_or_lost_segment_is_named_rendered_again_and_never_published() {
    let expected = undisturbed(2);
    let mut world = World::new(2);
    let stand = world.stand("node");
    let renderer = world.renderer(&stand);
    first_day(&mut world);
    world.fold_all(&stand);
    let cycle = world.wait_for_segments(&[&renderer]);
    let name = world.closed(cycle).opening;
    let name = crate::book::opening_name(&name);

    let in_store =
        |file: &str, partition| world.objects.file(&format!("{}/{file}", folder(&name, partition))).unwrap();
    let (rows, manifest) = (in_store("issuer/cu-3000.csv", 1), in_store("manifest.json", 0));
    let mut bytes = fs::read(&rows).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(&rows, bytes).unwrap();
    assert_eq!(world.assemble(cycle), None);
    assert_eq!(world.core.segments_due(), [SegmentDue { cycle: 1, partition: 1, round: 1 }]);
    assert!(world.alarms[0].contains("partition 1") && world.alarms[0].contains("issuer/cu-3000.csv"));
    assert!(!world.out().exists() || fs::read_dir(world.out()).unwrap().next().is_none());

    world.wait_for_segments(&[&renderer]);
    fs::remove_file(manifest).unwrap();
    assert_eq!(world.assemble(cycle), None);
    assert!(world.alarms[1].contains("partition 0") && world.alarms[1].contains("missing"));
    assert!(world.publish(&[&renderer]) == expected[0]);
}

/// Pairs of a signer in a folder of their own, by their CA.
fn signers(folder: &Path) -> Signers {
    fs::create_dir(folder).unwrap();
    let order = |subject, usage, serial| Order {
        subject,
        serial,
        from: "2018-01-01".parse().unwrap(),
        until: "2018-12-31".parse().unwrap(),
        usage,
        algorithm: Algorithm::EcdsaP256Sha256,
    };
    let (authority, issued) = Authority::new(&[1; 32], &order("CN=CA", Usage::Authority, 1)).unwrap();
    fs::write(folder.join("ca.pem"), issued.certificate).unwrap();
    let issued = authority.issue(&[2; 32], &order("CN=Signer", Usage::Signer, 2)).unwrap();
    fs::write(folder.join("signer-1.pem"), issued.certificate).unwrap();
    fs::write(folder.join("signer-1.key"), issued.key).unwrap();
    fs::set_permissions(folder.join("signer-1.key"), fs::Permissions::from_mode(0o600)).unwrap();
    Signers::open(folder, &folder.join("ca.pem"), None).unwrap()
}

#[test]
fn a_folder_that_cannot_be_signed_does_not_appear_until_it_can() {
    let expected = undisturbed(2);
    let mut world = World::new(2);
    let pki = world.dir.path().join("pki");
    let signers = signers(&pki);
    world.signers = Some(signers.clone());
    let stand = world.stand("node");
    let renderer = world.renderer(&stand);
    first_day(&mut world);
    world.fold_all(&stand);
    let cycle = world.wait_for_segments(&[&renderer]);
    let [key, away] = ["signer-1.key", "away.key"].map(|name| pki.join(name));
    fs::rename(&key, &away).unwrap();
    let error = world.try_assemble(cycle).unwrap_err();
    assert!(error.to_string().contains("signer-1.key"), "{error}");
    assert!(!world.out().exists() || fs::read_dir(world.out()).unwrap().next().is_none());

    fs::rename(&away, &key).unwrap();
    let folder = world.out().join(world.assemble(cycle).unwrap().folder);
    assert_eq!(files::verify::check_signatures(&folder, &signers.trust().unwrap()).unwrap(), []);
    let (signatures, rest): (Files, Files) =
        world::read_all(&folder).into_iter().partition(|(name, _)| name.ends_with(".p7s"));
    assert!(signatures.contains_key("manifest.json.p7s") && rest == expected[0]);
}

#[test]
fn a_partition_that_moved_is_rendered_by_its_new_owner_and_a_late_owner_changes_nothing() {
    let expected = undisturbed(2);
    let mut world = World::new(2);
    let (old, new) = (world.stand("old"), world.stand("new"));
    first_day(&mut world);
    world.fold_all(&old);
    world.read();
    let before = world.events();
    // Partition 1 leaves before anything is rendered; its new owner has folded nothing yet.
    let late = old.stores.get(1).unwrap();
    old.stores.remove(1);
    let renderers = [world.renderer(&old), world.renderer(&new)];
    let renderers = [&renderers[0], &renderers[1]];
    let deadline = Instant::now() + Duration::from_secs(60);
    while world.core.segments_due().len() > 1 {
        renderers.iter().for_each(|renderer| renderer.follow(&world.core));
        world.read();
        assert!(Instant::now() < deadline, "{:?}", world.core.segments_due());
    }
    assert_eq!(world.core.segments_due(), [SegmentDue { cycle: 1, partition: 1, round: 0 }]);
    // It folds past the marker, and renders; what it says of its totals was said before.
    world.fold(&new, 1);
    let cycle = world.wait_for_segments(&renderers);

    // A node that was away does not know that it lost the partition, and renders what the new owner has rendered.
    let zombie = world.stand("zombie");
    zombie.stores.put(1, late);
    let renderer = world.renderer(&zombie);
    renderer.follow(&world.core_after(before));
    let said = world.events();
    while world.events() == said {
        assert!(Instant::now() < deadline, "{:?}", renderer.failed());
        std::thread::sleep(Duration::from_millis(5));
    }
    world.read();
    assert_eq!((world.core.halted(), &world.alarms), (None, &Vec::new()));
    world.assemble(cycle).unwrap();
    assert!(world::read_all(&world.out().join("2018-09-01-001")) == expected[0]);
}

#[test]
fn rendered_after_the_next_cycle_the_bytes_are_the_same() {
    let expected = undisturbed(2);
    let mut world = World::new(2);
    let stand = world.stand("node");
    first_day(&mut world);
    world.fold_all(&stand);
    world.read();
    second_day(&mut world);
    world.fold_all(&stand);
    // What an attempt that was killed has left: half a draft, and a file of the segment.
    let drafts = world.dir.path().join("node/rendering/.2018-09-01-001-p0/issuer");
    fs::create_dir_all(&drafts).unwrap();
    fs::write(drafts.join("cu-2000.csv"), "half a li").unwrap();
    world.objects.put_bytes("segments/2018-09-01-001/p0/issuer/cu-2000.csv", "half a li").unwrap();
    let renderer = world.renderer(&stand);
    assert!(world.publish(&[&renderer]) == expected[0]);
    assert!(world.publish(&[&renderer]) == expected[1]);

    // Without an object store, from the stores alone, too.
    let closed = world.closed(1);
    let stores = stand.stores.all();
    let source = Source {
        closed: &closed,
        totals: world.core.totals(1).collect(),
        stores: &stores,
        log: world.log(),
        topics: world.topics(),
        signers: None,
    };
    let again = world.dir.path().join("again");
    render(&source, &again.join("work"), &again.join("out")).unwrap();
    assert!(world::read_all(&again.join("out/2018-09-01-001")) == expected[0]);
}

#[test]
fn segments_go_once_their_cycle_is_published() {
    let mut world = World::new(2);
    let stand = world.stand("node");
    let renderer = world.renderer(&stand);
    first_day(&mut world);
    world.fold_all(&stand);
    let files = world.publish(&[&renderer]);
    second_day(&mut world);
    world.fold_all(&stand);
    world.wait_for_segments(&[&renderer]);
    let work = world.dir.path().join("work");
    fs::create_dir_all(work.join(".tmp-2018-09-01-001-x")).unwrap();
    fs::create_dir_all(work.join(".tmp-2018-09-01-002-x")).unwrap();
    tidy(&world.objects, &BTreeSet::from(["2018-09-01-001".to_owned()]), &work).unwrap();
    let left = world.objects.list("segments").unwrap();
    assert!(!left.is_empty() && left.iter().all(|o| o.name.starts_with("segments/2018-09-01-002/")));
    assert!(!work.join(".tmp-2018-09-01-001-x").exists() && work.join(".tmp-2018-09-01-002-x").exists());
    // The folder has its own name for what was shared.
    assert!(world::read_all(&world.out().join("2018-09-01-001")) == files);
    assert!(world.assemble(2).is_some());
}
