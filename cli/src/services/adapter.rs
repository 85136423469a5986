//! A city's edge alone: its acquiring side over an inbox, its issuing side on a port.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use city_adapter::{
    accepted::AcceptedTaps,
    acquirer::AcquirerHost,
    inbox::{InboxConfig, InboxService, Link, StateLock},
    ingest::IngestConfig,
    issuer::IssuerService,
    mapping::Mapping,
    metrics::Metrics,
};
use cu_log::{
    Log,
    kafka::{KafkaConfig, LastingKafka},
    topics::Topics,
};
use domain::{city::City, cycle::CycleName, home_city::HomeCity, hotlist::Hotlist, keys::KeyRing};
use runtime::{
    admin::{AdminConfig, Missing},
    scheme::SchemeView,
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::{Configured, LogConfig, act, frame::Frame, ingest};
use crate::args::{Action, Service};

mod missing;
mod rejoin;
mod requeue;
mod status;

/// How long the log may take to say that it is there.
const ASK_WAIT: Duration = Duration::from_secs(3);
/// How often the admin port is told how everything is.
const SHOW_EVERY: Duration = Duration::from_millis(500);
/// How often the issuing side looks whether the rules are known.
const RULES_LOOK: Duration = Duration::from_millis(50);
const MIB: u64 = 1 << 20;

/// Arguments of `adapter`.
#[derive(clap::Args, Debug)]
pub struct AdapterArgs {
    #[command(subcommand)]
    action: AdapterAction,
}

/// What to do with an adapter.
#[derive(clap::Subcommand, Debug)]
enum AdapterAction {
    /// Run it until SIGINT or SIGTERM
    Run(crate::args::Config),
    /// Read the configuration, show what would be used, change nothing
    CheckConfig(crate::args::Config),
    /// How far each file is, and what is wrong, whether or not the service runs
    Status(status::StatusArgs),
    /// Make a new upload of a corrected quarantine file
    Requeue(requeue::RequeueArgs),
    /// After the log was restored from an archive: read results again, take back what the log does not know
    Rejoin(rejoin::RejoinArgs),
    /// At the centre: which members have sent nothing for the open business date
    Missing(missing::MissingArgs),
}

impl AdapterArgs {
    /// Whether the service itself is meant, which tells what it does on standard error.
    #[must_use]
    pub const fn is_service(&self) -> bool {
        matches!(self.action, AdapterAction::Run(_) | AdapterAction::CheckConfig(_))
    }

    pub(super) fn act(&self) -> Result<ExitCode> {
        let service = |action| act(&Service { action }, run);
        match &self.action {
            AdapterAction::Run(config) => service(Action::Run(config.clone())),
            AdapterAction::CheckConfig(config) => service(Action::CheckConfig(config.clone())),
            AdapterAction::Status(args) => status::run(args),
            AdapterAction::Requeue(args) => requeue::run(args),
            AdapterAction::Rejoin(args) => rejoin::run(args),
            AdapterAction::Missing(args) => missing::run(args),
        }
    }
}

/// `adapter.toml`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Config {
    log: LogConfig,
    /// The city.
    city: City,
    /// Folder of the journal and of accepted files.
    state_dir: PathBuf,
    /// Folder that tap files are put into.
    inbox_dir: PathBuf,
    /// Folder in which results and receipts appear.
    out_dir: PathBuf,
    /// Folder for files that are done; `archive` in `out_dir` if it is not given.
    archive_dir: Option<PathBuf>,
    /// Folder for malformed lines; `quarantine` in `out_dir` if it is not given.
    quarantine_dir: Option<PathBuf>,
    /// Folder of published cycles, for results that the log no longer holds; without it they are asked for again.
    published_dir: Option<PathBuf>,
    /// How files of another layout are read; without it they are of layout `cityunion-tap/1`.
    mapping: Option<PathBuf>,
    /// Seconds between looks into the inbox.
    #[serde(default = "inbox_every_s")]
    inbox_every_s: u64,
    /// Seconds that a file must stand still to be complete.
    #[serde(default = "stable_s")]
    stable_s: u64,
    /// The most GiB of accepted files that wait for the log.
    journal_gib_max: Option<u64>,
    /// The same in MiB, instead.
    journal_mib_max: Option<u64>,
    /// The issuing side; absent where the city's cards are judged elsewhere.
    issuer: Option<Issuer>,
    /// Taps that terminal back-ends stream; absent where they only write files.
    ingest: Option<IngestConfig>,
    /// The admin port; none without it.
    admin: Option<AdminConfig>,
}

/// `[issuer]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Issuer {
    /// Address to listen on.
    listen: SocketAddr,
    /// keys.toml: TEST keys, so `test_mode` must be true.
    keys: PathBuf,
    /// hotlist.csv
    hotlist: PathBuf,
    /// States that this is no production system.
    #[serde(default)]
    test_mode: bool,
}

const fn inbox_every_s() -> u64 {
    1
}

const fn stable_s() -> u64 {
    10
}

/// 20 GiB.
const JOURNAL_MIB_MAX: u64 = 20 * 1024;

impl Configured for Config {
    fn check(&self) -> Result<()> {
        match (self.journal_gib_max, self.journal_mib_max) {
            (Some(_), Some(_)) => bail!("journal_gib_max and journal_mib_max say the same: give one of them"),
            (Some(0), _) | (_, Some(0)) => bail!("the journal needs room: journal_gib_max is at least 1"),
            _ => {}
        }
        let (archive, quarantine) = (self.archive_dir(), self.quarantine_dir());
        let ours = [
            ("state_dir", &self.state_dir),
            ("out_dir", &self.out_dir),
            ("archive_dir", &archive),
            ("quarantine_dir", &quarantine),
        ];
        for (key, folder) in ours {
            if folder.starts_with(&self.inbox_dir) {
                bail!("{key} lies in inbox_dir: what is written there would be taken for tap files");
            }
        }
        self.mapping()?;
        self.ingest.as_ref().map_or(Ok(()), IngestConfig::check)?;
        self.admin.as_ref().map_or(Ok(()), AdminConfig::check)?;
        match &self.issuer {
            Some(issuer) if !issuer.test_mode => bail!(
                "issuer.keys: a file of master keys is for tests only; set issuer.test_mode = true \
                 if this is a test system"
            ),
            Some(issuer) => issuer.home(self.city).map(drop),
            None => Ok(()),
        }
    }
}

impl Config {
    fn archive_dir(&self) -> PathBuf {
        self.archive_dir.clone().unwrap_or_else(|| self.out_dir.join("archive"))
    }

    fn quarantine_dir(&self) -> PathBuf {
        self.quarantine_dir.clone().unwrap_or_else(|| self.out_dir.join("quarantine"))
    }

    fn journal_bytes_max(&self) -> u64 {
        let gib = self.journal_gib_max.map(|gib| gib.saturating_mul(1024));
        self.journal_mib_max.or(gib).unwrap_or(JOURNAL_MIB_MAX).saturating_mul(MIB)
    }

    fn mapping(&self) -> Result<Option<Mapping>> {
        let read = |path: &PathBuf| {
            let shown = path.display();
            let mapping = Mapping::load(path).with_context(|| format!("mapping: use {shown}"))?;
            mapping.check_complete().with_context(|| format!("mapping: use {shown}"))?;
            Ok(mapping)
        };
        self.mapping.as_ref().map(read).transpose()
    }

    fn inbox(&self) -> InboxConfig {
        InboxConfig {
            city: self.city,
            inbox_dir: self.inbox_dir.clone(),
            state_dir: self.state_dir.clone(),
            archive_dir: self.archive_dir(),
            quarantine_dir: self.quarantine_dir(),
            every: Duration::from_secs(self.inbox_every_s),
            stable: Duration::from_secs(self.stable_s),
            waiting_bytes_max: self.journal_bytes_max(),
            any_ending: self.mapping.is_some(),
        }
    }
}

impl Issuer {
    fn home(&self, city: City) -> Result<HomeCity> {
        let keys = fs::read_to_string(&self.keys).with_context(|| format!("read {}", self.keys.display()))?;
        let keys = KeyRing::parse(&keys).with_context(|| format!("use {}", self.keys.display()))?;
        let hotlist = fs::read(&self.hotlist).with_context(|| format!("read {}", self.hotlist.display()))?;
        let hotlist = Hotlist::parse(&hotlist).with_context(|| format!("use {}", self.hotlist.display()))?;
        Ok(HomeCity { keys: keys.of(city), hotlist: hotlist.of(city) })
    }
}

fn run(config: Config) -> Result<()> {
    let frame = Frame::start("adapter", config.admin.as_ref(), axum::Router::new())?;
    let metrics = frame.board.register(Metrics::register);
    let lock = StateLock::take(&config.state_dir)?;
    let topics = Topics::new(&config.log.prefix);
    let kafka = Arc::new(LastingKafka::new(KafkaConfig::new(&config.log.kafka, "cityunion-adapter")));
    let log: Arc<dyn Log> = Arc::clone(&kafka) as Arc<dyn Log>;
    let host = AcquirerHost::open(&config.state_dir, Arc::clone(&log), topics.clone(), &config.out_dir)?;
    if let Some(mapping) = config.mapping()? {
        host.read_through(config.city, mapping)?;
    }
    let ask = Box::new(move || kafka.ask(ASK_WAIT));
    let link = Link::start(host.clone(), log, topics, config.city, ask).context("follow the log")?;
    if let Some(folder) = &config.published_dir {
        let scheme = link.scheme_of();
        let ordinal_of = move |name: &CycleName| scheme().and_then(|scheme| scheme.ordinal_of(name));
        host.missed_results_from(folder.clone(), Arc::new(ordinal_of));
    }
    let issuing = match &config.issuer {
        Some(issuer) => Some(serve(&frame.tokio, issuer, config.city, &config.state_dir, link.scheme_of())?),
        None => None,
    };
    let streams = match &config.ingest {
        Some(streams) => {
            let (state, inbox) = (&config.state_dir, &config.inbox_dir);
            Some(ingest::start(&frame.tokio, streams, config.city, &host, state, inbox)?)
        }
        None => None,
    };
    let service = InboxService::start(config.inbox(), lock, host, link)?;
    tracing::info!("{}: taking tap files from {}", config.city, config.inbox_dir.display());
    let (mut looked, mut missing): (Option<Instant>, Vec<Missing>) = (None, Vec::new());
    frame.run(|| {
        if let Some(why) = service.failed() {
            bail!("{why}");
        }
        if issuing.as_ref().is_some_and(JoinHandle::is_finished) {
            bail!("the issuing side has ended; nobody judges the cards of {}", config.city);
        }
        streams.as_ref().map_or(Ok(()), ingest::Streams::check)?;
        if looked.is_none_or(|looked| looked.elapsed() >= SHOW_EVERY) {
            looked = Some(Instant::now());
            metrics.show(service.host(), config.city, &config.state_dir);
            let why = service.status().not_ready();
            missing = why.into_iter().map(|why| Missing::new("inbox", why)).collect();
            if let Some(condition) = streams.as_ref().map(ingest::Streams::condition) {
                metrics.show_ingest(&condition);
                missing.extend(condition.trouble.map(|why| Missing::new("ingest", why)));
            }
        }
        Ok(missing.clone())
    })
}

fn serve(
    tokio: &tokio::runtime::Runtime,
    issuer: &Issuer,
    city: City,
    state: &Path,
    scheme: impl Fn() -> Option<Arc<SchemeView>> + Send + Sync + 'static,
) -> Result<JoinHandle<()>> {
    let homes = BTreeMap::from([(city, issuer.home(city)?)]);
    let rules = Arc::new(move || scheme().and_then(|scheme| scheme.last_rulebook()));
    let known = Arc::clone(&rules);
    let grace = move || rules().map_or(0, |rulebook| rulebook.hotlist_grace_hours);
    let accepted = AcceptedTaps::open(state).context("keep what the city accepts")?;
    let service = IssuerService::new(homes, Arc::new(grace), accepted);
    let listen = issuer.listen;
    let listener = tokio
        .block_on(tokio::net::TcpListener::bind(listen))
        .with_context(|| format!("listen on {listen}; is the port taken?"))?;
    Ok(tokio.spawn(async move {
        // Without the rules a card would be judged without its hotlist's grace: whoever asks waits.
        while known().is_none() {
            tokio::time::sleep(RULES_LOOK).await;
        }
        tracing::info!("{city}: judging its cards on {listen}");
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        if let Err(error) = service.serve_with_incoming(incoming).await {
            tracing::error!(%error, "the issuing side has ended");
        }
    }))
}

/// The configuration of an adapter, for commands that look at one.
fn load(path: &Path) -> Result<Config> {
    super::load(&crate::args::Config { config: path.to_owned(), kafka: None })
}
