//! What goes wrong around an inbox: it is told, nothing is lost, nothing comes twice, and it heals.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn an_inbox_that_cannot_be_read_is_told_and_heals() {
    let world = World::new();
    fs::remove_dir(world.path("inbox")).unwrap();
    fs::write(world.path("inbox"), "a file").unwrap();
    let service = world.start();
    let why = wait_trouble(&service, "inbox");
    assert!(why.contains("cannot be read"), "{why}");
    assert_eq!(service.failed(), None);
    fs::remove_file(world.path("inbox")).unwrap();
    world.put("a.csv", text([1]));
    wait_way(&service, "a.csv", Way::Published);
    assert!(service.status().ready, "{:?}", service.status().troubles);
}

#[test]
fn what_is_no_file_is_told_and_the_rest_goes_on() {
    let world = World::new();
    fs::write(world.path("secret.csv"), text([7])).unwrap();
    symlink(world.path("secret.csv"), world.path("inbox").join("link.csv")).unwrap();
    fs::create_dir(world.path("inbox").join("folder.csv")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(world.path("inbox").join("pipe.csv")).unwrap();
    world.put("good.csv", text([1]));
    let service = world.start();
    wait_way(&service, "good.csv", Way::Published);
    for (what, why) in [("link.csv", "symbolic link"), ("folder.csv", "folder"), ("pipe.csv", "neither")] {
        let told = wait_trouble(&service, what);
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(world.files(), ["good.csv"]);
    assert_eq!(world.read("secret.csv"), text([7]));
}

#[test]
fn who_writes_on_after_a_file_was_accepted_changes_nothing_of_it() {
    let world = World::new();
    world.away.store(true, Ordering::SeqCst);
    let service = world.start();
    world.put("a.csv", text([1]));
    let mut writing = OpenOptions::new().append(true).open(world.path("inbox/a.csv")).unwrap();
    wait_way(&service, "a.csv", Way::Accepted);
    writing.write_all(line(2).as_bytes()).unwrap();
    world.away.store(false, Ordering::SeqCst);
    assert_eq!(wait_way(&service, "a.csv", Way::Published).presented, 1);
}

#[test]
fn an_archive_that_cannot_be_written_holds_nothing_else_and_heals() {
    let world = World::new();
    fs::write(world.path("archive"), "a file").unwrap();
    let service = world.start();
    world.put("a.csv", text([1]));
    wait_way(&service, "a.csv", Way::Published);
    world.clear(&world.batches()[0]);
    wait_way(&service, "a.csv", Way::Done);
    let why = wait_trouble(&service, "archive");
    assert!(why.contains("a.csv cannot be archived"), "{why}");
    world.put("b.csv", text([2]));
    wait_way(&service, "b.csv", Way::Published);
    fs::remove_file(world.path("archive")).unwrap();
    wait_for("the archive", || (world.tree("archive").len() == 1).then_some(()));
}

#[test]
fn a_quarantine_that_cannot_be_written_holds_the_file_until_it_can() {
    let world = World::new();
    fs::write(world.path("quarantine"), "a file").unwrap();
    let service = world.start();
    world.put("a.csv", format!("{}bad\n", text([1])));
    let why = wait_trouble(&service, "a.csv");
    assert!(why.contains("quarantine") && why.contains("tried again"), "{why}");
    assert_eq!(file(&service.status(), "a.csv").unwrap().way, Way::Accepted);
    fs::remove_file(world.path("quarantine")).unwrap();
    assert_eq!(wait_way(&service, "a.csv", Way::Published).quarantined, 1);
    assert_eq!(world.tree("quarantine"), ["a.csv"]);
    assert_eq!(world.batches().len(), 1);
}
