//! The part of an adapter that terminal back-ends stream to.

use std::path::Path;

use anyhow::{Context, Result, bail};
use city_adapter::{
    acquirer::AcquirerHost,
    ingest::{CityUploads, Condition, Ingest, IngestConfig},
};
use domain::city::City;
use tokio::task::JoinHandle;

/// The ingest and what serves it. Dropped, it ends.
pub(super) struct Streams {
    ingest: Ingest,
    served: JoinHandle<()>,
}

/// Begins to take taps from streams; what they make goes into the inbox.
pub(super) fn start(
    tokio: &tokio::runtime::Runtime,
    config: &IngestConfig,
    city: City,
    host: &AcquirerHost,
    state: &Path,
    inbox: &Path,
) -> Result<Streams> {
    let listen = config.listen;
    let listener = tokio
        .block_on(tokio::net::TcpListener::bind(listen))
        .with_context(|| format!("listen on {listen} for taps; is the port taken?"))?;
    let uploads = CityUploads { host: host.clone(), city };
    let ingest = Ingest::start(state, inbox, uploads, config)?;
    let service = ingest.service();
    tracing::info!("{city}: taking streams of taps on {listen}");
    let served = tokio.spawn(async move {
        if let Err(error) = service.serve(listener, std::future::pending()).await {
            tracing::error!(%error, "the ingest is not served any more");
        }
    });
    Ok(Streams { ingest, served })
}

impl Streams {
    /// How what is streamed is.
    pub(super) fn condition(&self) -> Condition {
        self.ingest.condition()
    }

    /// Whether it still works.
    pub(super) fn check(&self) -> Result<()> {
        if self.ingest.is_finished() || self.served.is_finished() {
            bail!("the ingest has ended; nobody takes streams of taps");
        }
        Ok(())
    }
}
