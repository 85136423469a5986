//! The ordinary way of a file, and what cities do besides.

use super::*;

#[test]
fn a_file_goes_from_the_inbox_to_the_log_to_results_to_the_archive() {
    let world = World::new();
    let service = world.start();
    let mut lines = text([1, 2]);
    lines.push_str("200000000001,3,cu-3000,zz,\"1\n");
    lines.push_str(&line(4).replace("00000000000000AA", "深圳"));
    world.put("2018-09-01/2018-09-01.csv", &lines);
    world.put("later/2018-09-02.csv", text([9]));

    let taken = wait_way(&service, "2018-09-01/2018-09-01.csv", Way::Published);
    assert_eq!((taken.lines, taken.quarantined, taken.presented, taken.results), (4, 2, 2, 0));
    assert_eq!((taken.first_batch, taken.last_batch, taken.published_batch), (1, 1, 1));
    wait_way(&service, "later/2018-09-02.csv", Way::Dated);
    assert_eq!(
        world.read("quarantine/2018-09-01.csv"),
        format!(
            "line,column,reason,raw\n1,header,,\"{HEADER}\"\n\
             4,line,bad quoting,\"200000000001,3,cu-3000,zz,\"\"1\"\n\
             5,card,expected 16 upper-case hex digits,\"{}\"\n",
            line(4).trim_end().replace("00000000000000AA", "深圳")
        )
    );
    assert_eq!(world.tree("archive"), [""; 0], "not before its results");

    world.clear(&world.batches()[0]);
    let done = wait_for("the archive", || {
        let file = file(&service.status(), "2018-09-01/2018-09-01.csv")?;
        (file.way == Way::Done && !file.note.is_empty()).then_some(file)
    });
    assert_eq!((done.results, done.results_final), (2, 2));
    assert_eq!(world.tree("archive"), ["2018-09-01/2018-09-01.csv"]);
    assert_eq!(world.read("archive/2018-09-01/2018-09-01.csv"), lines);
    assert_eq!(world.read("out/results/cu-2000/2018-09-01.csv").matches(",cleared,").count(), 2);
    assert_eq!(world.tree("inbox"), [""; 0]);
    assert_eq!(service.failed(), None);

    drop(service);
    let status = look(&world.path("state"), city(), 1).unwrap();
    assert!(!status.running);
    let [waiting, archived] = &status.files[..] else { panic!("{status:?}") };
    assert_eq!((&*waiting.name, archived.way, archived.results_final), ("2018-09-02.csv", Way::Done, 2));
}

#[test]
fn files_of_any_folder_are_taken_in_the_order_of_their_names() {
    let world = World::new();
    for name in ["z/1.csv", "3.csv", "a/2.csv", "b/b/4.csv"] {
        world.put(name, text([1]));
    }
    world.put("a/2.csv.manifest.json", "{\"records\":7,\"amount_fen\":1,\"sha256\":\"\"}");
    let service = world.start();
    wait_way(&service, "b/b/4.csv", Way::Published);
    assert_eq!(world.files(), ["1.csv", "3.csv", "4.csv"]);
    let refused = wait_way(&service, "a/2.csv", Way::Refused);
    assert!(refused.note.contains("manifest: records 7 but the file has 1"), "{}", refused.note);
    wait_for("the archive", || (world.tree("archive").len() == 2).then_some(()));
    let archive = world.tree("archive");
    assert!(archive[0].contains("/refused/") && archive[0].ends_with("/2.csv"), "{archive:?}");
}

#[test]
fn the_same_name_again_is_taken_once_and_other_bytes_are_refused() {
    let world = World::new();
    let service = world.start();
    world.put("a.csv", text([1]));
    wait_way(&service, "a.csv", Way::Published);
    world.put("yesterday/a.csv", text([1]));
    wait_for("the repetition", || file(&service.status(), "a.csv").filter(|file| file.again == 1));
    world.put("other/a.csv", text([2]));
    let refused = wait_way(&service, "other/a.csv", Way::Refused);
    assert!(refused.note.contains("other bytes"), "{}", refused.note);
    assert_eq!(world.batches().len(), 1);
    wait_for("an empty inbox", || world.tree("inbox").is_empty().then_some(()));
    // Also after the first is done and a restart.
    world.clear(&world.batches()[0]);
    wait_way(&service, "a.csv", Way::Done);
    drop(service);
    let service = world.start();
    world.put("a.csv", text([1]));
    wait_for("the repetition", || file(&service.status(), "a.csv").filter(|file| file.again == 2));
    assert_eq!(world.batches().len(), 1);
}

#[test]
fn a_file_waits_until_it_stands_still_whatever_time_it_bears() {
    let world = World::new();
    let path = world.path("inbox").join("a.csv");
    let mut writing = fs::File::create(&path).unwrap();
    let service = world.start_with(|config| config.stable = Duration::from_millis(600));
    let whole = text([1, 2, 3]);
    for part in whole.as_bytes().chunks(whole.len() / 3) {
        writing.write_all(part).unwrap();
        wait_way(&service, "a.csv", Way::Arriving);
    }
    // As if a clock had been set back, or was wrong.
    writing.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(4_000_000_000)).unwrap();
    let taken = wait_way(&service, "a.csv", Way::Published);
    assert_eq!(taken.presented, 3);
}

#[test]
fn while_the_log_is_away_files_are_accepted_to_the_limit_and_then_refused_clearly() {
    let mut world = World::new();
    world.away.store(true, Ordering::SeqCst);
    let one = text([1]).len() as u64;
    world.waiting_bytes_max = 2 * one;
    let service = world.start();
    for (name, seq) in [("a.csv", 1), ("b.csv", 2), ("c.csv", 3)] {
        world.put(name, text([seq]));
    }
    wait_way(&service, "b.csv", Way::Accepted);
    let why = wait_trouble(&service, "journal");
    assert!(why.contains("the journal is full") && why.contains("the log has been away since"), "{why}");
    let status = service.status();
    assert!(!status.ready && status.log_away_since.is_some());
    assert_eq!(
        (status.journal_bytes, status.journal_bytes_max, status.refused_bytes),
        (2 * one, 2 * one, one)
    );
    assert_eq!(world.tree("inbox"), ["c.csv"]);
    assert_eq!(world.batches().len(), 0);
    // It starts without the log too.
    drop(service);
    let service = world.start();
    wait_trouble(&service, "journal");

    world.away.store(false, Ordering::SeqCst);
    wait_way(&service, "c.csv", Way::Published);
    assert_eq!(world.files(), ["a.csv", "b.csv", "c.csv"]);
    wait_for("no trouble", || service.status().ready.then_some(()));
}

#[test]
fn a_large_file_is_taken_in_parts_and_its_way_is_shown() {
    let world = World::new();
    let service = world.start();
    world.put("large.csv", text(1..=60_000));
    let mut seen = std::collections::BTreeSet::new();
    let taken = wait_for("the large file", || {
        let file = file(&service.status(), "large.csv")?;
        seen.insert(file.way.word());
        (file.way == Way::Published).then_some(file)
    });
    assert_eq!((taken.presented, taken.first_batch, taken.last_batch), (60_000, 1, 15));
    assert!(seen.contains("taking"), "{seen:?}");
    let batches = world.batches();
    world.clear(&batches[0]);
    let some = wait_for("the first results", || {
        file(&service.status(), "large.csv").filter(|file| file.results > 0)
    });
    assert_eq!((some.results, some.results_final), (4096, 4096));
    wait_for("the results that have come", || {
        let results = fs::read_to_string(world.path("out/results/cu-2000/large.csv")).ok()?;
        (results.matches(",cleared,").count() == 4096 && results.lines().count() == 60_001).then_some(())
    });
}

#[test]
fn one_adapter_at_a_time_has_a_state_folder() {
    let world = World::new();
    let service = world.start();
    let second = StateLock::take(&world.path("state")).err();
    assert!(matches!(second, Some(InboxError::InUse(_))), "{second:?}");
    assert!(look(&world.path("state"), city(), 1).unwrap().running);
    drop(service);
    assert!(!look(&world.path("state"), city(), 1).unwrap().running);
    assert!(look(&world.path("none"), city(), 1).is_err());
}
