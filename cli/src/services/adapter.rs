//! A city's edge alone: its acquiring side over an inbox, its issuing side on a port.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use city_adapter::{
    acquirer::{AcquirerHost, Outcome, Upload},
    issuer::IssuerService,
};
use domain::{city::City, home_city::HomeCity, hotlist::Hotlist, keys::KeyRing};
use runtime::scheme::SchemeView;
use serde::{Deserialize, Serialize};

use super::{Configured, LogConfig, network, until_stopped};

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
    fn log(&mut self) -> &mut LogConfig {
        &mut self.log
    }

    fn check(&self) -> Result<()> {
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
    let (log, topics) = config.log.open("cityunion-adapter")?;
    let tokio = network()?;
    let scheme = Arc::new(
        SchemeView::follow(&log, &topics).context("follow the cycles; is a clearing node running?")?,
    );
    if let Some(issuer) = &config.issuer {
        serve(&tokio, issuer, config.city, &scheme)?;
    }
    let host = AcquirerHost::open(&config.state_dir, log, topics, &config.out_dir)?;
    host.follow(&[config.city])?;
    tracing::info!("{}: taking tap files from {}", config.city, config.inbox_dir.display());
    let mut looked: Option<Instant> = None;
    until_stopped(&tokio, || {
        if let Some((city, why)) = host.stopped().into_iter().next() {
            bail!("{city} is stopped: {why}");
        }
        if looked.is_some_and(|looked| looked.elapsed() < Duration::from_secs(config.inbox_every_s)) {
            return Ok(());
        }
        looked = Some(Instant::now());
        look(&config, &host, &scheme)
    })
}

/// Takes what is new in the inbox, and writes the answers that have come.
fn look(config: &Config, host: &AcquirerHost, scheme: &SchemeView) -> Result<()> {
    let Some(open) = scheme.open_cycle() else {
        tracing::warn!("no cycle is open: the inbox waits");
        return Ok(());
    };
    let date = domain::date::Date::from_julian_day(open.opening.business_date);
    let mut uploads = Vec::new();
    let inbox = config.inbox_dir.display();
    for entry in fs::read_dir(&config.inbox_dir).with_context(|| format!("list the inbox {inbox}"))? {
        let path = entry.with_context(|| format!("list the inbox {inbox}"))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".csv") && path.is_file() && !host.knows(config.city, &name) {
            uploads.push(Upload { city: config.city, path, name });
        }
    }
    let member = |city| open.rulebook.participant(city).is_some_and(|p| p.is_member(date));
    let taken = host.take(uploads, &member, &|_| {})?;
    for upload in taken.uploads {
        match upload.outcome {
            Outcome::Refused(why) | Outcome::Unreadable(why) => {
                tracing::warn!("{} is refused: {why}", upload.name)
            }
            outcome => tracing::info!("{}: {outcome:?}", upload.name),
        }
    }
    for (city, error) in taken.failures {
        tracing::error!("{city}: {error}; it is tried again");
    }
    host.render(&[config.city])?;
    Ok(())
}

fn serve(
    tokio: &tokio::runtime::Runtime,
    issuer: &Issuer,
    city: City,
    scheme: &Arc<SchemeView>,
) -> Result<()> {
    let homes = BTreeMap::from([(city, issuer.home(city)?)]);
    let rules = Arc::clone(scheme);
    let grace = move || rules.last_rulebook().map_or(0, |rulebook| rulebook.hotlist_grace_hours);
    let service = IssuerService::new(homes, Arc::new(grace));
    let listen = issuer.listen;
    let listener = tokio
        .block_on(tokio::net::TcpListener::bind(listen))
        .with_context(|| format!("listen on {listen}; is the port taken?"))?;
    tracing::info!("{city}: judging its cards on {listen}");
    tokio.spawn(async move {
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        if let Err(error) = service.serve_with_incoming(incoming).await {
            tracing::error!(%error, "the issuing side has ended");
        }
    });
    Ok(())
}
