//! The same job on Kafka Streams: one broker, one topic of outcomes, read by both.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use cu_log::{
    Log,
    kafka::{KafkaConfig, KafkaLog},
    topics::Topics,
};
use serde_json::{Map, Value, json};

use super::{book, median};

/// Records before the clock begins.
const WARM_UP: u64 = 2_000_000;
const PREFIX: &str = "bench.";
const START_WAIT_MAX: Duration = Duration::from_secs(60);

/// Measures the book and its peer on a broker of their own; `peers` is the folder with the peer.
///
/// # Errors
/// If the broker, the book or the peer cannot run.
pub fn run(peers: &Path, scratch: &Path, taps: u64, runs: usize) -> Result<Map<String, Value>> {
    let build = Command::new(peers.join("run")).arg("build").status().context("run the peer's script")?;
    ensure!(build.success(), "the peer cannot be built: see above");
    let broker = Broker::start(&peers.join("../../deploy/kafka/run"), &scratch.join("kafka"))?;
    let log: Arc<dyn Log> = Arc::new(KafkaLog::connect(KafkaConfig::new(&broker.bootstrap, "bench"))?);
    let prepared = book::prepare_on(log, Topics::new(PREFIX), WARM_UP + taps)?;
    let each = |run: &dyn Fn(&Path) -> Result<u64>| -> Result<u64> {
        let measured = (0..runs).map(|number| {
            let place = scratch.join(format!("run-{number}"));
            fs::create_dir_all(&place)?;
            let measured = run(&place);
            fs::remove_dir_all(&place)?;
            measured
        });
        Ok(median(measured.collect::<Result<Vec<_>>>()?.into_iter()))
    };
    let ours = each(&|place| Ok(book::run_after(&prepared, WARM_UP, place)?.taps_per_s))?;
    let theirs = |form: &'static str| {
        let bootstrap = broker.bootstrap.clone();
        move |place: &Path| peer(peers, &bootstrap, form, taps, place)
    };
    let (ordinary, best) = (each(&theirs("ordinary"))?, each(&theirs("best"))?);
    let mut figures = Map::new();
    figures.insert("book_on_kafka_taps_per_s".to_owned(), json!(ours));
    figures.insert("kafka_streams_taps_per_s".to_owned(), json!(ordinary));
    figures.insert("kafka_streams_best_taps_per_s".to_owned(), json!(best));
    figures.insert("book_vs_kafka_streams".to_owned(), ratio(ours, ordinary)?);
    figures.insert("book_vs_kafka_streams_best".to_owned(), ratio(ours, best)?);
    Ok(figures)
}

/// A ratio with two places.
fn ratio(ours: u64, theirs: u64) -> Result<Value> {
    let hundredths = u128::from(ours) * 100 / u128::from(theirs.max(1));
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    Ok(json!(text.parse::<f64>()?))
}

fn peer(peers: &Path, bootstrap: &str, form: &str, taps: u64, place: &Path) -> Result<u64> {
    let output = Command::new(peers.join("run"))
        .args([bootstrap, &format!("{PREFIX}cu.clearing"), form])
        .args([WARM_UP.to_string(), taps.to_string()])
        .arg(place)
        .stderr(Stdio::inherit())
        .output()
        .context("run the peer")?;
    ensure!(output.status.success(), "the peer ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| format!("read the peer's figure `{}`", text.trim()))
}

/// A broker that ends with this value.
struct Broker {
    process: Child,
    bootstrap: String,
}

impl Broker {
    fn start(script: &Path, data: &Path) -> Result<Self> {
        let (port, controller) = (free_port()?, free_port()?);
        let process = Command::new(script)
            .arg("attached")
            .arg(data)
            .args([port.to_string(), controller.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("run {}", script.display()))?;
        let mut broker = Self { process, bootstrap: format!("127.0.0.1:{port}") };
        let deadline = Instant::now() + START_WAIT_MAX;
        while std::net::TcpStream::connect(&broker.bootstrap).is_err() {
            if let Some(status) = broker.process.try_wait()? {
                bail!("Kafka ended while it started, {status}; has tools/setup run?");
            }
            ensure!(Instant::now() < deadline, "Kafka does not listen within {START_WAIT_MAX:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(broker)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // The script ends its broker when its input is closed, and removes its data.
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("find a free port")?.local_addr()?.port())
}
