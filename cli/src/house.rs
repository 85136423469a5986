//! The whole system in one process: the same services that run alone elsewhere, put together.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use city_adapter::{accepted::AcceptedTaps, acquirer::AcquirerHost, issuer::IssuerService};
use clearing_node::node::{Node, NodeConfig};
use cu_log::{Log, append_and_wait, topics::Topics};
use cu_objects::Objects;
use domain::{city::City, home_city::HomeCity, rulebook::Rulebook};
use hyper_util::rt::TokioIo;
use proto::{Message, RulebookDocument};
use runtime::scheme::SchemeView;
use signing::Signers;
use switch::{
    directory::{Directory, endpoint},
    service::{Acquirers, ServiceConfig, Surroundings, SwitchHandle},
};
use tokio::io::DuplexStream;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::transport::Channel;
use tower::service_fn;

use crate::{errors::Refused, signatures};

#[cfg(test)]
mod tests;

/// How long the log may take for a rare event.
const APPEND_WAIT: Duration = Duration::from_secs(60);
/// How long the only clearing node may take to get all partitions and to open their stores.
const WHOLE_WAIT: Duration = Duration::from_secs(120);
/// Bytes on their way between two services of one process.
const PIPE_BYTES: usize = 1 << 20;

/// The centre and the acquiring side; home cities and the switch come and go with the business date.
pub struct House {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Its topics.
    pub topics: Topics,
    /// What the log says of rules and cycles.
    pub scheme: Arc<SchemeView>,
    /// The clearing node.
    pub node: Node,
    /// The acquiring side of every city.
    pub adapter: AcquirerHost,
    /// What the home cities served here have accepted.
    pub accepted: AcceptedTaps,
    /// Where connections live.
    pub tokio: tokio::runtime::Runtime,
}

impl House {
    /// Puts the services together over a log. `state` holds their stores, `out` is where files appear, signed if
    /// there are `signers`.
    ///
    /// # Errors
    /// If the log or a store cannot be used, or the rulebook contradicts what the log holds.
    pub fn start(
        log: Arc<dyn Log>,
        topics: Topics,
        rulebook: &Rulebook,
        cities: &BTreeSet<City>,
        state: &Path,
        out: &Path,
        signers: Option<Arc<Signers>>,
    ) -> Result<Self> {
        let mut specs = topics.of_centre(rulebook.partitions);
        cities.iter().for_each(|city| specs.extend(topics.of_city(city)));
        log.create_topics(&specs).context("create the topics")?;
        let scheme = Arc::new(SchemeView::follow(&log, &topics)?);
        publish_rulebook(log.as_ref(), &topics, &scheme, rulebook)?;
        let config = NodeConfig {
            state_dir: state.join("book"),
            work_dir: state.join("work"),
            objects: Objects::open(&state.join("objects").to_string_lossy())?,
            // Nothing runs beside it in `clear`, and little in the demo.
            render_niceness: 0,
            out_dir: out.to_owned(),
            signers,
            people: signatures::people(state)?,
            partitions: rulebook.partitions,
            barrier_max: None,
            restore: None,
        };
        let node = Node::start(config, &log, &topics, &scheme)?;
        node.wait_until_whole(WHOLE_WAIT)?;
        let adapter = AcquirerHost::open(&state.join("adapter"), Arc::clone(&log), topics.clone(), out)?;
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("start the network runtime")?;
        let accepted = AcceptedTaps::open(state).context("keep what home cities accept")?;
        Ok(Self { log, topics, scheme, node, adapter, accepted, tokio })
    }

    /// Starts a switch over home cities that run in this process.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn switch(
        &self,
        config: ServiceConfig,
        acquirers: &BTreeSet<City>,
        home_cities: BTreeMap<City, HomeCity>,
        rulebook: &Arc<Rulebook>,
    ) -> Result<SwitchHandle> {
        self.switch_over(config, acquirers, self.serve(home_cities)?, rulebook)
    }

    /// Starts a switch over the channels given.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn switch_over(
        &self,
        config: ServiceConfig,
        acquirers: &BTreeSet<City>,
        directory: Directory,
        rulebook: &Arc<Rulebook>,
    ) -> Result<SwitchHandle> {
        let rules = Arc::clone(rulebook);
        let surroundings = Surroundings {
            log: Arc::clone(&self.log),
            topics: self.topics.clone(),
            acquirers: Acquirers::Own(acquirers.clone()),
            directory,
            partition_of: Arc::new(move |city| rules.partition_of(city)),
            tokio: self.tokio.handle().clone(),
        };
        switch::service::start(config, surroundings).context("start the switch")
    }

    /// Serves home cities over in-memory connections, with the same gRPC service that listens on a port elsewhere.
    ///
    /// # Errors
    /// If a channel cannot be named.
    pub fn serve(&self, home_cities: BTreeMap<City, HomeCity>) -> Result<Directory> {
        let cities: Vec<City> = home_cities.keys().copied().collect();
        let scheme = Arc::clone(&self.scheme);
        let grace = move || scheme.last_rulebook().map_or(0, |rulebook| rulebook.hotlist_grace_hours);
        let service = IssuerService::new(home_cities, Arc::new(grace), self.accepted.clone());
        let (connect, incoming) = tokio::sync::mpsc::channel::<DuplexStream>(16);
        let incoming = ReceiverStream::new(incoming).map(Ok::<_, io::Error>);
        self.tokio.spawn(async move {
            if let Err(error) = service.serve_with_incoming(incoming).await {
                tracing::error!(%error, "the home cities' service has ended");
            }
        });
        let _inside = self.tokio.enter();
        cities.into_iter().map(|city| Ok((city, channel(city, connect.clone())?))).collect()
    }

    /// Fails if a service stands still.
    ///
    /// # Errors
    /// What stands still and why.
    pub fn check(&self, switch: Option<&SwitchHandle>) -> Result<()> {
        if let Some(why) = self.node.failed() {
            bail!("the clearing node stands still: {why}");
        }
        if let Some(why) = self.accepted.failed() {
            bail!("home cities do not answer, since they cannot {why}");
        }
        if let Some(why) = switch.and_then(SwitchHandle::failed) {
            bail!("the switch stands still: {why}");
        }
        let stopped = switch.and_then(|switch| {
            let acquirers = switch.status().acquirers;
            acquirers.into_iter().find_map(|(city, status)| Some((city, status.stopped?)))
        });
        if let Some((city, why)) = stopped {
            bail!("{city} is stopped: {why}");
        }
        Ok(())
    }
}

/// A channel over in-memory pipes, opened when it is first used.
fn channel(city: City, connect: tokio::sync::mpsc::Sender<DuplexStream>) -> Result<Channel> {
    let uri = format!("http://{city}").parse().context("name a home city's channel")?;
    let connector = service_fn(move |_| {
        let connect = connect.clone();
        async move {
            let (near, far) = tokio::io::duplex(PIPE_BYTES);
            connect.send(far).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok::<_, io::Error>(TokioIo::new(near))
        }
    });
    Ok(endpoint(uri).connect_with_connector_lazy(connector))
}

/// Puts a version of the rules on the log, unless it stands there.
///
/// # Errors
/// If the version is in force with other bytes, or the log fails.
pub fn publish_rulebook(
    log: &dyn Log,
    topics: &Topics,
    scheme: &SchemeView,
    rulebook: &Rulebook,
) -> Result<()> {
    let known = scheme.rulebooks();
    let same = known.iter().find(|known| known.version == rulebook.version);
    match same {
        Some(same) if same.digest() == rulebook.digest() => return Ok(()),
        Some(_) => {
            let text = format!(
                "rulebook version {} is already in force with other content; a version never changes: \
                 give the changed rulebook.toml a higher version",
                rulebook.version
            );
            return Err(Refused(text).into());
        }
        None => {}
    }
    let document = RulebookDocument {
        version: rulebook.version,
        digest: rulebook.digest().to_vec().into(),
        toml: rulebook.bytes().to_vec().into(),
    };
    let mut writer = log.writer()?;
    append_and_wait(writer.as_mut(), &topics.rulebook(), document.encode_to_vec().into(), APPEND_WAIT)?;
    scheme.wait_for(APPEND_WAIT, |view| {
        view.rulebooks().iter().any(|known| known.digest() == rulebook.digest()).then_some(())
    })?;
    Ok(())
}
