//! A disk that is full, and one that stands still again and again.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use cu_log::testing::Broker;

use crate::{
    cluster::{Cluster, Kind},
    world::{DATES, World},
};

const TAPS: u32 = 30_000;
const RATE: &str = "1000/s";

/// A file system of 256 MiB on a file; unmounted at the end.
struct Disk {
    at: PathBuf,
    frozen: bool,
}

impl Disk {
    /// `None` where mounting is not allowed.
    fn mount(image: &Path, at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        File::create(image).unwrap().set_len(256 << 20).unwrap();
        let run = |program: &str, args: &[&str], paths: &[&Path]| {
            let ran = Command::new(program).args(args).args(paths).output().ok();
            ran.is_some_and(|ran| ran.status.success())
        };
        let mounted =
            run("mkfs.ext4", &["-q", "-F"], &[image]) && run("mount", &["-o", "loop"], &[image, &at]);
        if !mounted {
            eprintln!("mounting is not allowed here: nothing is tested");
        }
        mounted.then_some(Self { at, frozen: false })
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        for len in [1 << 20, 4 << 10, 1] {
            let block = vec![1; len];
            while ballast.write_all(&block).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    /// Whoever writes now stands still until it is thawed.
    fn freeze(&mut self, frozen: bool) {
        if self.frozen != frozen {
            let ran = Command::new("fsfreeze").arg(if frozen { "-f" } else { "-u" }).arg(&self.at).status();
            assert!(ran.unwrap().success());
            self.frozen = frozen;
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nobody who stands still at a write can be killed.
        if self.frozen {
            drop(Command::new("fsfreeze").arg("-u").arg(&self.at).status());
        }
        drop(Command::new("umount").arg("-l").arg(&self.at).status());
    }
}

/// Two nodes, of which the first keeps its stores on a disk of its own.
fn cluster(seed: u64) -> Option<(Cluster, Disk)> {
    let world = World::new(seed, TAPS);
    let disk = Disk::mount(&world.path("disk.img"), world.path("node-0"))?;
    let mut cluster = Cluster::new(world, Broker::shared().bootstrap(), 2, 2);
    cluster.start_all();
    cluster.wait("the node has its share", |cluster| {
        (!cluster.services[0].partitions("working").is_empty() && cluster.working().len() == 4).then_some(())
    });
    Some((cluster, disk))
}

/// What a node says of its partitions that do not work.
fn trouble(cluster: &Cluster, at: usize) -> Option<String> {
    let node = cluster.services[at].node();
    node["partitions"].as_array()?.iter().find_map(|row| Some(row["why"].as_str()?.to_owned()))
}

#[test]
fn a_full_disk_stops_its_partitions_alone_and_loses_nothing() {
    let Some((mut cluster, disk)) = cluster(22) else { return };
    let (begun, mut full, mut said) = (Instant::now(), false, None);
    cluster.play(DATES[0], RATE, |cluster| {
        if !full && begun.elapsed() > Duration::from_secs(1) {
            disk.fill();
            full = true;
        }
        if full && said.is_none() {
            said = trouble(cluster, 0);
        }
    });
    let said = said.unwrap_or_else(|| cluster.wait("the node says why", |cluster| trouble(cluster, 0)));
    eprintln!("the node said: {said}");
    assert!(said.to_lowercase().contains("space"), "{said}");
    assert!(trouble(&cluster, 1).is_none(), "the other node goes on");

    // Taken out, the other does its work from snapshots and the log; the cycle closes while the disk is still full.
    cluster.end(0);
    cluster.wait("the other has taken over", |cluster| (cluster.working().len() == 4).then_some(()));
    cluster.drain(DATES[0]);
    cluster.close(DATES[0], |_| {});

    // With the disk full it comes back and harms nothing; with room it does its share again, without anybody's help.
    cluster.start(0, Duration::ZERO);
    cluster.play(DATES[1], RATE, |_| {});
    disk.make_room();
    cluster.drain(DATES[1]);
    cluster.close(DATES[1], |_| {});
    cluster.wait("the node has its share again", |cluster| {
        (!cluster.services[0].partitions("working").is_empty()).then_some(())
    });
    cluster.check_all();
}

#[test]
fn a_disk_that_stands_still_again_and_again_only_delays() {
    let Some((mut cluster, mut disk)) = cluster(23) else { return };
    assert_eq!(cluster.services[0].kind, Kind::Node);
    let begun = Instant::now();
    let mut stalls = 0;
    for date in DATES {
        // Three seconds of four nothing is written, once longer than the session lasts.
        cluster.play(date, RATE, |_| {
            let second = begun.elapsed().as_secs() % 20;
            let frozen = second % 4 < 3 && second < 8 || second > 10 && second < 18;
            stalls += usize::from(frozen && !disk.frozen);
            disk.freeze(frozen);
        });
        disk.freeze(false);
        cluster.drain(date);
        cluster.close(date, |_| {});
    }
    assert!(stalls > 3, "{stalls} stalls");
    cluster.check_all();
}
