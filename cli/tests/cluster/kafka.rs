//! A Kafka of the test's own, that can be killed and started again on the same data.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use cu_log::testing::free_ports;

pub struct Kafka {
    data: TempDir,
    ports: [u16; 2],
    /// The port by which clients are told to reach it.
    advertised: u16,
}

impl Kafka {
    /// A running Kafka. With `behind`, clients are sent to another port than the one that it listens on.
    pub fn start(behind: Option<u16>) -> Self {
        let ports = free_ports(2);
        let kafka = Self {
            data: TempDir::new().unwrap(),
            ports: [ports[0], ports[1]],
            advertised: behind.unwrap_or(ports[0]),
        };
        kafka.start_again();
        kafka
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.ports[0]
    }

    pub fn start_again(&self) {
        let ran = self.script("start");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    /// SIGKILL.
    pub fn kill(&self) {
        let process = fs::read_to_string(self.data.path().join("pid")).unwrap();
        let sent = Command::new("kill").args(["-s", "KILL", process.trim()]).status().unwrap();
        assert!(sent.success());
        let gone = || {
            fs::read(Path::new("/proc").join(process.trim()).join("cmdline")).map_or(true, |it| it.is_empty())
        };
        while !gone() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        fs::remove_file(self.data.path().join("pid")).unwrap();
    }

    fn script(&self, what: &str) -> Output {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka/run");
        let ports = [self.ports[0], self.ports[1], self.advertised].map(|port| port.to_string());
        // It goes on after the script: it must not hold this test's own output.
        Command::new(script).arg(what).arg(self.data.path()).args(ports).output().unwrap()
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if self.data.path().join("pid").exists() {
            drop(self.script("stop"));
        }
    }
}
