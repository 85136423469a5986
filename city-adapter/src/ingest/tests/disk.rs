//! No room for the spool: refused clearly, nothing acknowledged is lost, and with room it goes on by itself.

use std::{path::Path, process::Command};

use super::*;

/// A small file system of its own; unmounted at the end.
struct Disk(PathBuf);

impl Disk {
    /// `None` where mounting is not allowed.
    fn new(path: &Path, mib: u32) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let size = format!("size={mib}m");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).output().ok()?;
        mounted.status.success().then(|| Self(path.to_owned()))
    }

    fn grow(&self, mib: u32) {
        let size = format!("remount,size={mib}m");
        assert!(Command::new("mount").args(["-o", &size]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_refuses_clearly_and_heals() {
    let mut town = Town::new(|config| config.seal_after_s = 3600);
    town.stop();
    let Some(disk) = Disk::new(&town.folder.path().join("state"), 12) else { return };
    town.start();

    // Lines that do not shrink when they are compressed.
    let text = |sequence: u64| -> String {
        let word = |at| crate::ingest::line::Lines::of(&[line(&format!("{sequence} {at}"))]).digests()[0];
        (0..2000).map(|at| format!("{:016x}", word(at))).collect()
    };
    let mut stream = town.stream("bus");
    let mut acknowledged = 0;
    let status = loop {
        assert!(acknowledged < 1000, "more is taken than there is room for");
        stream.send(acknowledged + 1, &[&text(acknowledged + 1)]);
        let mut reply = stream.reply();
        while matches!(reply, Ok(Some((journaled, _))) if journaled <= acknowledged) {
            reply = stream.reply();
        }
        match reply {
            Ok(_) => acknowledged += 1,
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("No space left on device"), "{status}");
    assert!(acknowledged > 10, "{acknowledged}");

    disk.grow(64);
    let next = acknowledged + 1;
    wait_for("a spool that works again", || {
        let mut stream = town.stream("bus");
        match stream.reply() {
            Ok(reply) => {
                assert!(reply.unwrap().0 >= acknowledged, "what was acknowledged is gone");
                Some(())
            }
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status}");
                None
            }
        }
    });
    let mut stream = town.stream("bus");
    stream.send(next, &[&text(next)]);
    stream.hears(next, 0);
    town.stop();
    town.config.seal_after_s = 1;
    town.start();
    town.wait_for_lines(&(1..=next).map(|sequence| text(sequence) + "\n").collect::<String>());
    town.stop();
}
