//! A city's edge alone: its acquiring side over an inbox, its issuing side on a port.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail};
use city_adapter::{
    acquirer::{AcquirerHost, Outcome},
    issuer::IssuerService,
    metrics::Metrics,
};
use domain::{city::City, date::Date, home_city::HomeCity, hotlist::Hotlist, keys::KeyRing};
use runtime::{
    admin::{AdminConfig, Missing},
    scheme::SchemeView,
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::{Configured, LogConfig, frame::Frame};
use crate::scheme_folder::{TapFile, Taps, list_city};

/// `adapter.toml`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    log: LogConfig,
    /// The city.
    city: City,
    /// Folder of the journal.
    state_dir: PathBuf,
    /// Folder that tap files are put into, complete (rename them into it).
    inbox_dir: PathBuf,
    /// Folder in which results and receipts appear.
    out_dir: PathBuf,
    /// Seconds between looks into the inbox.
    #[serde(default = "inbox_every_s")]
    inbox_every_s: u64,
    /// The issuing side; absent where the city's cards are judged elsewhere.
    issuer: Option<Issuer>,
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

impl Configured for Config {
    fn check(&self) -> Result<()> {
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

impl Issuer {
    fn home(&self, city: City) -> Result<HomeCity> {
        let keys = fs::read_to_string(&self.keys).with_context(|| format!("read {}", self.keys.display()))?;
        let keys = KeyRing::parse(&keys).with_context(|| format!("use {}", self.keys.display()))?;
        let hotlist = fs::read(&self.hotlist).with_context(|| format!("read {}", self.hotlist.display()))?;
        let hotlist = Hotlist::parse(&hotlist).with_context(|| format!("use {}", self.hotlist.display()))?;
        Ok(HomeCity { keys: keys.of(city), hotlist: hotlist.of(city) })
    }
}

pub(super) fn run(config: Config) -> Result<()> {
    let frame = Frame::start("adapter", config.admin.as_ref(), axum::Router::new())?;
    let Some((log, topics)) = frame.log(&config.log, "cityunion-adapter")? else { return Ok(()) };
    let Some(scheme) = frame.scheme(&log, &topics)? else { return Ok(()) };
    let watch = frame.watch(&log, vec![topics.taps(config.city)])?;
    let metrics = frame.board.register(Metrics::register);
    let issuing = match &config.issuer {
        Some(issuer) => Some(serve(&frame.tokio, issuer, config.city, &scheme)?),
        None => None,
    };
    let host = AcquirerHost::open(&config.state_dir, log, topics, &config.out_dir)?;
    host.follow(&[config.city])?;
    tracing::info!("{}: taking tap files from {}", config.city, config.inbox_dir.display());
    let mut inbox = Inbox { config: &config, host: &host, scheme: &scheme, seen: BTreeMap::new() };
    let mut looked: Option<Instant> = None;
    frame.run(|| {
        if let Some((city, why)) = host.stopped().into_iter().next() {
            bail!("{city} is stopped: {why}");
        }
        if issuing.as_ref().is_some_and(JoinHandle::is_finished) {
            bail!("the issuing side has ended; nobody judges the cards of {}", config.city);
        }
        if let Some(why) = scheme.failed() {
            bail!("the cycles cannot be followed any more: {why}");
        }
        let mut missing: Vec<Missing> =
            watch.trouble().map(|why| Missing::new("log", why)).into_iter().collect();
        if scheme.open_cycle().is_none() {
            missing.push(Missing::new("cycle", "none is open: the inbox waits"));
        }
        if looked.is_some_and(|looked| looked.elapsed() < Duration::from_secs(config.inbox_every_s)) {
            return Ok(missing);
        }
        looked = Some(Instant::now());
        metrics.show(&host, config.city, &config.state_dir);
        inbox.look()?;
        Ok(missing)
    })
}

/// The inbox, and what of it has been handed over already.
struct Inbox<'a> {
    config: &'a Config,
    host: &'a AcquirerHost,
    scheme: &'a SchemeView,
    /// Each file as it was when it was handed over.
    seen: BTreeMap<PathBuf, Stamp>,
}

/// Length of a file and the time of its last change.
type Stamp = (u64, Option<SystemTime>);

impl Inbox<'_> {
    /// Takes what is new or changed, and writes the answers that have come.
    fn look(&mut self) -> Result<()> {
        let city = self.config.city;
        let Some(open) = self.scheme.open_cycle() else {
            tracing::warn!("no cycle is open: the inbox waits");
            return Ok(());
        };
        let date = Date::from_julian_day(open.opening.business_date);
        let files = self.due(date)?;
        let uploads = files.iter().map(|(file, _)| file.upload()).collect();
        let member = |city| open.rulebook.participant(city).is_some_and(|p| p.is_member(date));
        let taken = self.host.take(uploads, &member, &|_| {})?;
        let mut again = BTreeSet::new();
        for upload in taken.uploads {
            match upload.outcome {
                Outcome::Refused(why) => tracing::warn!("{} is refused: {why}", upload.name),
                Outcome::Unreadable(why) => {
                    tracing::warn!("{} cannot be taken: {why}; it is tried again", upload.name);
                    again.insert(upload.name);
                }
                outcome => tracing::info!("{}: {outcome:?}", upload.name),
            }
        }
        if taken.failures.is_empty() {
            let known = files.into_iter().filter(|(file, _)| !again.contains(&file.name));
            self.seen.extend(known.map(|(file, state)| (file.path, state)));
        }
        for (city, error) in taken.failures {
            tracing::error!("{city}: {error:#}; it is tried again");
        }
        self.host.render(&[city])?;
        Ok(())
    }

    /// Tap files that are new or changed, and not named after a later date.
    fn due(&self, date: Date) -> Result<Vec<(TapFile, Stamp)>> {
        let mut taps = Taps::default();
        list_city(&self.config.inbox_dir, self.config.city, &mut taps)?;
        let mut due = Vec::new();
        for file in taps.files {
            let Ok(metadata) = fs::metadata(&file.path) else { continue };
            let state = (metadata.len(), metadata.modified().ok());
            let waits = file.date().is_some_and(|named| named > date);
            if !waits && self.seen.get(&file.path) != Some(&state) {
                due.push((file, state));
            }
        }
        Ok(due)
    }
}

fn serve(
    tokio: &tokio::runtime::Runtime,
    issuer: &Issuer,
    city: City,
    scheme: &Arc<SchemeView>,
) -> Result<JoinHandle<()>> {
    let homes = BTreeMap::from([(city, issuer.home(city)?)]);
    let rules = Arc::clone(scheme);
    let grace = move || rules.last_rulebook().map_or(0, |rulebook| rulebook.hotlist_grace_hours);
    let service = IssuerService::new(homes, Arc::new(grace));
    let listen = issuer.listen;
    let listener = tokio
        .block_on(tokio::net::TcpListener::bind(listen))
        .with_context(|| format!("listen on {listen}; is the port taken?"))?;
    tracing::info!("{city}: judging its cards on {listen}");
    Ok(tokio.spawn(async move {
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        if let Err(error) = service.serve_with_incoming(incoming).await {
            tracing::error!(%error, "the issuing side has ended");
        }
    }))
}
