//! What goes wrong around an inbox: it is told, nothing is lost, nothing comes twice, and it heals.

use std::{os::unix::fs::symlink, process::Command};

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
    assert!(service.status().ready, "the rest works");
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

#[test]
fn an_accepted_file_whose_copy_is_gone_is_told_and_blocks_nobody() {
    let world = World::new();
    world.away.store(true, Ordering::SeqCst);
    let service = world.start();
    world.put("a.csv", text([1]));
    wait_way(&service, "a.csv", Way::Accepted);
    drop(service);
    fs::remove_file(world.path("state/spool/1")).unwrap();
    assert_eq!(file(&look(&world.path("state"), city(), 1).unwrap(), "a.csv").unwrap().way, Way::Lost);

    world.away.store(false, Ordering::SeqCst);
    let service = world.start();
    world.put("b.csv", text([2]));
    wait_way(&service, "b.csv", Way::Published);
    let why = wait_trouble(&service, "a.csv");
    assert!(why.contains("send it again"), "{why}");
    assert!(service.status().ready, "the rest works");
    world.put("a.csv", text([1]));
    wait_way(&service, "a.csv", Way::Published);
    wait_for("no trouble", || service.status().troubles.is_empty().then_some(()));
    assert_eq!(world.files(), ["b.csv", "a.csv"]);
}

#[test]
fn an_accepted_file_that_cannot_be_read_is_set_aside_and_the_rest_goes_on() {
    let world = World::new();
    world.away.store(true, Ordering::SeqCst);
    let service = world.start();
    world.put("a.csv", text([1]));
    wait_way(&service, "a.csv", Way::Accepted);
    drop(service);
    fs::remove_file(world.path("state/spool/1")).unwrap();
    fs::create_dir(world.path("state/spool/1")).unwrap();

    world.away.store(false, Ordering::SeqCst);
    let service = world.start();
    world.put("b.csv", text([2]));
    wait_way(&service, "b.csv", Way::Published);
    let why = wait_trouble(&service, "a.csv");
    assert!(why.contains("set aside"), "{why}");
    assert_eq!(world.files(), ["b.csv"]);
}

#[test]
fn results_that_cannot_be_written_hold_no_others() {
    let world = World::new();
    let service = world.start();
    world.put("a.csv", text([1]));
    wait_way(&service, "a.csv", Way::Published);
    for draft in world.tree("state/drafts") {
        fs::remove_file(world.path("state/drafts").join(draft)).unwrap();
    }
    world.put("b.csv", text([2]));
    wait_way(&service, "b.csv", Way::Published);
    world.batches().iter().for_each(|batch| world.clear(batch));
    wait_way(&service, "b.csv", Way::Done);
    let why = wait_trouble(&service, "answers");
    assert!(why.contains("a.csv"), "{why}");
    assert_eq!(world.read("out/results/cu-2000/b.csv").matches(",cleared,").count(), 1);
}

#[test]
fn receipts_are_written_again_only_when_an_upload_was_decided() {
    use std::os::unix::fs::MetadataExt;
    let world = World::new();
    let service = world.start();
    world.put("a.csv", text([1]));
    wait_way(&service, "a.csv", Way::Published);
    let receipts = || fs::read_to_string(world.path("out/receipts/cu-2000.csv")).unwrap_or_default();
    wait_for("the receipt", || receipts().contains("a.csv").then_some(()));
    let written = || fs::metadata(world.path("out/receipts/cu-2000.csv")).unwrap().ino();
    let before = written();
    // What writes results has gone round when these are there.
    world.clear(&world.batches()[0]);
    wait_way(&service, "a.csv", Way::Done);
    assert_eq!(written(), before, "nothing of it has changed");
    world.put("b.csv", text([2]));
    wait_for("the next receipt", || receipts().contains("b.csv").then_some(()));
}

#[test]
fn a_status_that_is_not_renewed_is_not_believed() {
    let world = World::new();
    drop(world.start());
    let held = StateLock::take(&world.path("state")).unwrap();
    let seen = || look(&world.path("state"), city(), 1).unwrap();
    assert!(seen().troubles.iter().all(|trouble| trouble.what != "status"));
    let file = OpenOptions::new().append(true).open(world.path("state/status.json")).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).unwrap();
    let status = seen();
    let why = status.not_ready().concat();
    assert!(!status.ready && why.contains("s old"), "{why}");
    drop(held);
}

/// A small file system of its own; unmounted at the end.
struct Disk(PathBuf);

impl Disk {
    /// Smaller than what the store sets aside for what is written next. `None` where mounting is not allowed.
    fn new(path: PathBuf) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(&path);
        mount.output().ok()?.status.success().then_some(Self(path))
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut ballast = OpenOptions::new().create(true).append(true).open(self.0.join("ballast")).unwrap();
        for len in [1 << 20, 1 << 12, 1 << 6, 1] {
            while ballast.write_all(&vec![0; len]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn a_disk_that_fills_up_in_the_journal_is_told_and_heals() {
    let world = World::new();
    // Where mounting is not allowed nothing can be said.
    let Some(disk) = Disk::new(world.path("state")) else { return };
    let service = world.start();
    world.put("a.csv", text(1..=4_000));
    wait_way(&service, "a.csv", Way::Published);

    disk.fill();
    world.put("b.csv", text(5_000..10_000));
    let why = wait_trouble(&service, "b.csv");
    assert!(why.contains("bytes free") && why.contains("tried again"), "{why}");
    assert!(!service.status().ready, "it is not only the file's trouble");
    assert_eq!(world.tree("inbox"), ["b.csv"], "it stays where it was");
    // What the log says cannot be journaled either, and is not lost.
    world.reject(&world.batches()[0]);
    let why = wait_trouble(&service, "log");
    assert!(why.contains("journal") && why.contains("No space left"), "{why}");
    assert_eq!(service.failed(), None);
    assert!(!service.status().ready);

    disk.free();
    wait_way(&service, "a.csv", Way::Done);
    wait_way(&service, "b.csv", Way::Published);
    wait_for("no trouble", || service.status().ready.then_some(()));
    assert_eq!(world.files(), ["a.csv", "b.csv"]);
    assert_eq!(world.batches().len(), 3);
    assert_eq!(world.read("out/results/cu-2000/a.csv").matches(",rejected,").count(), 4_000);
    drop(service);
}
