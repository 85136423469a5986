//! Connections: who comes in, for how long, and the end.

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd as _, OwnedFd},
    pin::pin,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use runtime::{admin::Missing, whole_text};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    answer::Answers,
    audit::Audit,
    config::{Limits, PortalConfig},
    crowd::Crowd,
    digests::Digests,
    directory::Fingerprint,
    error::PortalError,
    handle::Desk,
    metrics::Metrics,
    published::Published,
    released::Records,
    request::{Client, serve},
    tls,
    watched::Watched,
};

/// The largest head of a request, bytes.
const HEAD_LEN_MAX: usize = 32 * 1024;
/// The most headers of a request.
const HEADERS_MAX: usize = 64;
/// Connections that are saying who they are, at a time. They take no place among those that are answered: who has no
/// certificate must not keep out who has one.
const DOORS: usize = 512;
/// Of these, from one address; more are closed at once.
const ADDRESS_DOORS: u32 = 32;
/// Pause when no connection can be taken, for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How often the directory is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long downloads may go on after the portal was told to stop.
const STOP_WAIT_MAX: Duration = Duration::from_secs(20);

/// The running portal.
pub struct Portal {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    looked: Mutex<Option<Instant>>,
    config: PortalConfig,
}

struct Shared {
    desk: Arc<Desk>,
    tls: TlsAcceptor,
    limits: Limits,
    doors: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// Connections that are saying who they are, by address.
    at_doors: Crowd<IpAddr>,
    /// Connections that are answered, by certificate.
    open: Crowd<Fingerprint>,
}

impl Portal {
    /// Takes the address and begins to answer.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn start(
        config: &PortalConfig,
        metrics: Metrics,
        tokio: &tokio::runtime::Handle,
    ) -> Result<Self, PortalError> {
        config.check()?;
        let listen = config.listen;
        let listener = listening(listen).map_err(|source| PortalError::Listen { listen, source })?;
        let (state, audit) = (&config.state_dir, config.audit_dir());
        std::fs::create_dir_all(state).map_err(PortalError::io("make", state))?;
        let desk = Desk {
            published: Published::new(&config.published_dir),
            digests: Digests::default(),
            records: Records::new(config.released_only),
            answers: Answers::new(state),
            audit: Audit::new(&audit).map_err(PortalError::io("make", &audit))?,
            audit_failed: false.into(),
            directory: Mutex::new(Watched::open(&config.directory)?),
            metrics,
        };
        let places = usize::try_from(config.limits.connections_max).unwrap_or(Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared {
            desk: Arc::new(desk),
            tls: TlsAcceptor::from(tls::server(&config.tls)?),
            limits: config.limits,
            doors: Arc::new(Semaphore::new(DOORS)),
            places: Arc::new(Semaphore::new(places)),
            at_doors: Crowd::default(),
            open: Crowd::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let _inside = tokio.enter();
        let listener =
            TcpListener::from_std(listener).map_err(|source| PortalError::Listen { listen, source })?;
        tokio.spawn(accept(Arc::clone(&shared), listener, stopped));
        Ok(Self { shared, stop, looked: Mutex::new(None), config: config.clone() })
    }

    /// Looks after what may change: the directory of certificates. What is wrong is for the admin port.
    #[must_use]
    pub fn look(&self) -> Vec<Missing> {
        let desk = &self.shared.desk;
        let mut directory = desk.directory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            *looked = Some(Instant::now());
            directory.look();
        }
        let mut missing = Vec::new();
        missing.extend(directory.trouble().map(|why| Missing::new("directory", why)));
        if !self.config.published_dir.is_dir() {
            let why = format!("{} is no folder that can be read", self.config.published_dir.display());
            missing.push(Missing::new("published", why));
        }
        if desk.audit_failed.load(Ordering::Relaxed) {
            missing.push(Missing::new("audit", "the last access could not be written down"));
        }
        missing
    }

    /// Takes no more connections and waits, for a bounded time, for what is being answered.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let all = self.shared.limits.connections_max;
        if timeout(STOP_WAIT_MAX, self.shared.places.acquire_many(all)).await.is_err() {
            tracing::warn!("downloads are cut off; clients fetch the rest later");
        }
    }
}

fn listening(listen: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    while let Ok(door) = Arc::clone(&shared.doors).acquire_owned().await {
        let accepted = tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
                tokio::spawn(async move {
                    shared.desk.metrics.connections.inc();
                    connection(&shared, stream, peer, door, stopped).await;
                    shared.desk.metrics.connections.dec();
                });
            }
            Err(error) => {
                tracing::warn!("no connection can be taken: {error}");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn connection(
    shared: &Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    door: OwnedSemaphorePermit,
    stopped: watch::Receiver<bool>,
) {
    let cutter = Cutter::of(&stream);
    let shaken = match shared.at_doors.enter(&peer.ip()) {
        1..=ADDRESS_DOORS => shake_hands(shared, stream, peer).await,
        _ => None,
    };
    shared.at_doors.leave(&peer.ip());
    drop(door);
    let Some((stream, fingerprint)) = shaken else { return };
    let Ok(_place) = shared.places.acquire().await else { return };
    let crowded = shared.open.enter(&fingerprint) > shared.limits.certificate_connections_max;
    let client = Client { peer, fingerprint: fingerprint.clone(), crowded, stalled: Arc::default() };
    answer(shared, stream, Arc::new(client), cutter, stopped).await;
    shared.open.leave(&fingerprint);
}

/// Answers what comes over a connection, until its end.
async fn answer(
    shared: &Arc<Shared>,
    stream: TlsStream<TcpStream>,
    client: Arc<Client>,
    cutter: Cutter,
    mut stopped: watch::Receiver<bool>,
) {
    let (peer, crowded, stalled) = (client.peer, client.crowded, Arc::clone(&client.stalled));
    let limits = shared.limits;
    let (desk, limits_of) = (Arc::clone(&shared.desk), limits);
    let service =
        service_fn(move |request| serve(Arc::clone(&desk), Arc::clone(&client), limits_of, request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(!crowded)
        .header_read_timeout(limits.head())
        .max_buf_size(HEAD_LEN_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let mut ended = pin!(tokio::time::sleep(limits.connection()));
    let mut stopping = *stopped.borrow();
    loop {
        if stopping {
            served.as_mut().graceful_shutdown();
        }
        tokio::select! {
            done = served.as_mut() => {
                if let Err(error) = done {
                    tracing::debug!("{peer}: the connection ended: {}", whole_text(&error));
                }
                return;
            }
            () = stalled.notified() => {
                tracing::info!("{peer}: cut off, it took nothing for {:?}", limits.stall());
                return cutter.cut();
            }
            () = ended.as_mut() => {
                tracing::info!("{peer}: cut off after {:?}", limits.connection());
                return cutter.cut();
            }
            _ = stopped.changed(), if !stopping => stopping = true,
        }
    }
}

/// Ends a connection at once: the system would go on sending what it holds for it, as slowly as the client takes it.
struct Cutter(Option<OwnedFd>);

impl Cutter {
    fn of(stream: &TcpStream) -> Self {
        Self(stream.as_fd().try_clone_to_owned().ok())
    }

    fn cut(self) {
        let reset = self.0.as_ref().map(|fd| SockRef::from(fd).set_linger(Some(Duration::ZERO)));
        if let Some(Err(error)) = reset {
            tracing::debug!("a connection is not reset: {error}");
        }
    }
}

async fn shake_hands(
    shared: &Shared,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<(TlsStream<TcpStream>, Fingerprint)> {
    let shaken = timeout(shared.limits.head(), shared.tls.accept(stream)).await;
    let refused = |why: String| {
        shared.desk.metrics.handshakes_refused.inc();
        tracing::info!("{peer}: refused: {why}");
    };
    match shaken {
        Ok(Ok(stream)) => {
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let fingerprint = certificate.map(|certificate| Fingerprint::of(certificate));
            if fingerprint.is_none() {
                refused("no certificate".to_owned());
            }
            fingerprint.map(|fingerprint| (stream, fingerprint))
        }
        Ok(Err(error)) => {
            refused(whole_text(&error));
            None
        }
        Err(_) => {
            refused(format!("it did not say who it is within {:?}", shared.limits.head()));
            None
        }
    }
}
