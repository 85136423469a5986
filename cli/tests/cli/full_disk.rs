//! No space for the output: a clear error, nothing half published, and with space the run completes.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::support::{
    Ran, Running, arguments, assert_same, cityunion, clear, command, cycles, tree, verify_all,
};

fn scheme(folder: &Path) -> PathBuf {
    let scheme = folder.join("scheme");
    cityunion("simulate --out {} --seed 9 --cities 5 --taps 20000", &[&scheme]).ok();
    scheme
}

/// A small file system of its own; unmounted at the end.
struct Disk(PathBuf);

impl Disk {
    /// `None` where mounting is not allowed.
    fn new(path: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(&path)
            .output()
            .ok()?;
        mounted.status.success().then_some(Self(path))
    }

    fn grow(&self, kib: u32) {
        let grown = Command::new("mount")
            .arg("-o")
            .arg(format!("remount,size={kib}k"))
            .arg(&self.0)
            .status()
            .unwrap();
        assert!(grown.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[track_caller]
fn failed_clearly(ran: Ran, words: &[&str], out: &Path) {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert!(words.iter().any(|word| ran.stderr.contains(word)), "{}", ran.stderr);
    for cycle in cycles(out) {
        cityunion("verify {}", &[&out.join(cycle)]).ok();
    }
}

#[test]
fn a_disk_that_fills_up_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let scheme = scheme(folder.path());
    let calm = folder.path().join("calm");
    clear(&scheme, &calm);
    // Where mounting is not allowed the test below stands alone.
    let Some(disk) = Disk::new(folder.path().join("disk")) else { return };
    let out = disk.0.join("out");
    let mut failures = 0;
    for kib in [256, 1024, 2048, 3072, 4096, 5120, 6144, 8192] {
        disk.grow(kib);
        let ran = Running::start(command(arguments("clear {} --out {}", &[&scheme, &out]))).wait();
        if ran.code == Some(0) {
            break;
        }
        failures += 1;
        failed_clearly(ran, &["No space left", "no space", "full"], &out);
    }
    assert!(failures > 1, "the disk was never full");
    disk.grow(512 << 10);
    clear(&scheme, &out);
    assert_same("after the disk was full", &tree(&calm), &out);
    verify_all(&out);
}

/// As on a full disk, for files that may not grow beyond a size.
#[test]
fn files_that_cannot_grow_lose_nothing() {
    let folder = TempDir::new().unwrap();
    let scheme = scheme(folder.path());
    let [calm, out] = ["calm", "out"].map(|name| folder.path().join(name));
    clear(&scheme, &calm);
    let mut failures = 0;
    for blocks in [16, 128, 512, 1024] {
        let mut shell = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" clear \"$1\" --out \"$2\"");
        shell.args(["-c", &script]).arg(env!("CARGO_BIN_EXE_cityunion")).args([&scheme, &out]);
        let ran = Running::start(shell).wait();
        if ran.code != Some(0) {
            failures += 1;
            failed_clearly(ran, &["File too large"], &out);
        }
    }
    assert!(failures > 0, "no file was too large");
    clear(&scheme, &out);
    assert_same("after files could not grow", &tree(&calm), &out);
}
