//! A real Kafka broker for tests, and free ports for what speaks to it.

use std::{
    env, fs,
    net::TcpListener,
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::kafka::{KafkaConfig, KafkaLog};

const START_WAIT_MAX: Duration = Duration::from_secs(60);
const STOP_WAIT_MAX: Duration = Duration::from_secs(10);
/// Another process may take a free port before the broker does.
const STARTS_MAX: u32 = 3;
/// Where ports for tests are looked for.
const FREE_PORTS: std::ops::Range<u16> = 12_000..32_000;

/// A broker that answers: the one that `KAFKA_BOOTSTRAP` names, else one of this process's own, which
/// ends with it however it ends.
pub struct Broker {
    bootstrap: String,
    /// Ends the broker that was started for this process.
    _own: Option<Own>,
}

struct Own {
    process: Child,
}

impl Broker {
    /// Starts a broker and waits until it answers.
    ///
    /// # Panics
    /// If the broker's jars are missing, or it does not answer within 60 s.
    #[must_use]
    pub fn start() -> Self {
        if let Ok(bootstrap) = env::var("KAFKA_BOOTSTRAP") {
            return Self { bootstrap, _own: None };
        }
        let mut seen = String::new();
        for _ in 0..STARTS_MAX {
            match Own::start() {
                Ok((own, bootstrap)) => return Self { bootstrap, _own: Some(own) },
                Err(why) => seen = why,
            }
        }
        panic!("no Kafka broker for the tests: {seen}");
    }

    /// The broker that all tests of this process share.
    ///
    /// # Panics
    /// As [`Broker::start`].
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// `host:port`.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

/// A prefix for topics and groups that nobody else has, on this broker or another.
#[must_use]
pub fn unique_prefix() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("t{:x}-{}-{number}.", since_epoch.as_nanos(), process::id())
}

impl Own {
    fn start() -> Result<(Self, String), String> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        if !root.join(".deps/kafka/libs").is_dir() {
            panic!("the tests need Apache Kafka's jars in .deps/kafka: run tools/setup once");
        }
        let ports = free_ports(2);
        let (port, controller_port) = (ports[0], ports[1]);
        let data = env::temp_dir().join(format!("cityunion-kafka-{}-{port}", process::id()));
        let process = Command::new(root.join("deploy/kafka/run"))
            .arg("attached")
            .arg(&data)
            .args([port.to_string(), controller_port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| format!("failed to run deploy/kafka/run: {e}"))?;
        let mut own = Self { process };
        let bootstrap = format!("127.0.0.1:{port}");
        own.wait_until_it_answers(&bootstrap).map_err(|why| {
            let said = fs::read_to_string(data.join("kafka.log")).unwrap_or_default();
            format!("{why}; it said:\n{said}")
        })?;
        Ok((own, bootstrap))
    }

    fn wait_until_it_answers(&mut self, bootstrap: &str) -> Result<(), String> {
        let deadline = Instant::now() + START_WAIT_MAX;
        while std::net::TcpStream::connect(bootstrap).is_err() {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("the broker ended while it started, {status}"));
            }
            if Instant::now() > deadline {
                return Err(format!("the broker does not listen within {START_WAIT_MAX:?}"));
            }
            thread::sleep(Duration::from_millis(100));
        }
        KafkaLog::connect(KafkaConfig::new(bootstrap, "test")).map(drop).map_err(|e| e.to_string())
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The script ends its broker when its input is closed.
        drop(self.process.stdin.take());
        let deadline = Instant::now() + STOP_WAIT_MAX;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        if self.process.kill().is_ok() {
            drop(self.process.wait());
        }
    }
}

/// Ports of 127.0.0.1 that nobody listens on, each given once in this process: tests run beside each other, and each
/// binds its ports a while after it got them. They lie outside the range from which systems take the ports of outgoing
/// connections, so that a service that was killed finds its port free.
///
/// # Panics
/// If nearly all of them are taken.
#[must_use]
pub fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Processes beside this one begin elsewhere.
    static FIRST: OnceLock<u64> = OnceLock::new();
    let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let first = FIRST.get_or_init(|| u64::from(process::id()) * 613 + u64::from(since_epoch.subsec_nanos()));
    let width = u64::from(FREE_PORTS.end - FREE_PORTS.start);
    let mut free = Vec::with_capacity(count);
    while free.len() < count {
        let tried = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(tried < width, "no free port is left among {FREE_PORTS:?}");
        let offset = u16::try_from((first + tried) % width).unwrap_or_default();
        let port = FREE_PORTS.start + offset;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            free.push(port);
        }
    }
    free
}
