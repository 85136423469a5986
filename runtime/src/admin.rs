//! The admin port of a service: whether it lives, whether it does its work, and its metrics.
//!
//! | path | answers |
//! |---|---|
//! | `/healthz` | 200 while the process lives and no part of it has failed, else 503 |
//! | `/readyz` | 200 while the service does its work, else 503; the body says what is missing |
//! | `/metrics` | all instruments, in the text format that Prometheus reads |
//!
//! Each answer has a header [`PROCESS_HEADER`] with the number of the process that gives it: whoever started a
//! service sees whether it is that one which answers, or another that holds the port.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, HOST, ORIGIN},
    },
    middleware::{Next, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};

use crate::{metrics::Common, whole_text};

/// The largest body of a request, bytes.
const BODY_LEN_MAX: usize = 16 * 1024;
/// Connections at a time; more of them wait.
const CONNECTIONS_MAX: usize = 64;
/// How long a request may take to say what it wants.
const HEADER_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a connection may stay; a cut-off may take a while.
const CONNECTION_MAX: Duration = Duration::from_secs(120);
/// Pause when no connection can be taken, for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Names the process that answers.
pub const PROCESS_HEADER: &str = "cityunion-process";
/// What Prometheus asks for.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `[admin]` of a service's configuration.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Address to listen on. Nobody is asked who he is: outside this machine only with `remote`.
    pub listen: SocketAddr,
    /// Allows an address that other machines can reach.
    #[serde(default)]
    pub remote: bool,
}

/// Why there is no admin port.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Other machines could reach it.
    #[error(
        "admin.listen: {0} can be reached from other machines, and nobody is asked who he is; \
         use 127.0.0.1, or say admin.remote = true if the network keeps strangers out"
    )]
    Remote(SocketAddr),
    /// The address cannot be listened on.
    #[error("listen on {listen} for the admin port; is it taken? choose another admin.listen")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

impl AdminConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`AdminError::Remote`].
    pub fn check(&self) -> Result<(), AdminError> {
        match self.listen.ip().is_loopback() || self.remote {
            true => Ok(()),
            false => Err(AdminError::Remote(self.listen)),
        }
    }
}

/// What keeps a service from doing its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The part, in a word: `log`, `cycle`, `results`.
    pub what: &'static str,
    /// What is the matter with it, and since when where that is known.
    pub why: String,
}

impl Missing {
    /// A part, and what is the matter with it.
    #[must_use]
    pub fn new(what: &'static str, why: impl Into<String>) -> Self {
        Self { what, why: why.into() }
    }
}

/// What a service says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    missing: Vec<Missing>,
    failed: Option<String>,
}

impl Told {
    fn health(&self) -> (StatusCode, String) {
        match &self.failed {
            None => (StatusCode::OK, "ok\n".to_owned()),
            Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("failed: {why}\n")),
        }
    }

    fn readiness(&self) -> (StatusCode, String) {
        if self.failed.is_some() {
            return self.health();
        }
        if self.missing.is_empty() {
            return (StatusCode::OK, "ready\n".to_owned());
        }
        let lines = self.missing.iter().map(|missing| format!("{}: {}\n", missing.what, missing.why));
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready\n{}", lines.collect::<String>()))
    }
}

/// Where a service says how it is, for its admin port to tell. Clones share everything.
#[derive(Clone)]
pub struct Board(Arc<Shared>);

struct Shared {
    told: Mutex<Told>,
    registry: Mutex<Registry>,
    common: Common,
}

impl Board {
    /// The board of a service that has not begun its work.
    #[must_use]
    pub fn new(service: &'static str) -> Self {
        let mut registry = Registry::with_prefix("cityunion");
        let common = Common::register(&mut registry, service);
        let told = Told { missing: vec![Missing::new("start", "not finished")], failed: None };
        Self(Arc::new(Shared { told: Mutex::new(told), registry: Mutex::new(registry), common }))
    }

    /// Says what is missing now; nothing, when the service does its work.
    pub fn show(&self, missing: Vec<Missing>) {
        self.0.common.ready.set(i64::from(missing.is_empty()));
        lock(&self.0.told).missing = missing;
    }

    /// Says that a part has failed for good.
    pub fn fail(&self, why: String) {
        self.0.common.ready.set(0);
        lock(&self.0.told).failed.get_or_insert(why);
    }

    /// Adds instruments.
    pub fn register<M>(&self, register: impl FnOnce(&mut Registry) -> M) -> M {
        register(&mut lock(&self.0.registry))
    }

    /// All instruments as text.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &lock(&self.0.registry)).is_err() {
            tracing::error!("the metrics cannot be written as text");
        }
        text
    }

    fn told(&self) -> Told {
        lock(&self.0.told).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the admin port's address, before any work begins.
///
/// # Errors
/// [`AdminError`].
pub fn bind(config: &AdminConfig) -> Result<TcpListener, AdminError> {
    config.check()?;
    let listen = config.listen;
    let failed = |source| AdminError::Listen { listen, source };
    let listener = TcpListener::bind(listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Answers on the admin port until the process ends. `more` holds paths of the service's own.
///
/// # Errors
/// If the listener cannot be used.
pub fn serve(
    board: &Board,
    listener: TcpListener,
    more: Router,
    tokio: &tokio::runtime::Handle,
) -> std::io::Result<()> {
    let _inside = tokio.enter();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let loopback = listener.local_addr()?.ip().is_loopback();
    let routes = routes(board.clone())
        .merge(more)
        .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
        .layer(from_fn_with_state(loopback, no_pages))
        .layer(map_response(name_process));
    tokio.spawn(accept(listener, routes));
    Ok(())
}

async fn accept(listener: tokio::net::TcpListener, routes: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let routes = routes.clone();
                tokio::spawn(async move {
                    answer(stream, routes).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("the admin port cannot take a connection: {error}");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Answers what comes over one connection, for a bounded time.
async fn answer(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WAIT_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    match timeout(CONNECTION_MAX, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a connection of the admin port ended: {}", whole_text(&error)),
        Err(_) => tracing::debug!("a connection of the admin port was open for too long"),
    }
}

fn routes(board: Board) -> Router {
    Router::new()
        .route("/healthz", get(|State(board): State<Board>| async move { board.told().health() }))
        .route("/readyz", get(|State(board): State<Board>| async move { board.told().readiness() }))
        .route("/metrics", get(metrics))
        .with_state(board)
}

/// A page in somebody's browser must not speak for him: what a page sends bears an `Origin`, and a page that found
/// a port of this machine through a name of its own (DNS rebinding) bears that name as `Host`.
async fn no_pages(State(loopback): State<bool>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if headers.contains_key(ORIGIN) || (loopback && !is_this_machine(host)) {
        let why = "a page in a browser cannot use the admin port; ask 127.0.0.1 with a tool such as curl\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    next.run(request).await
}

fn is_this_machine(host: &str) -> bool {
    let address = host.parse().map(|address: SocketAddr| address.ip()).or_else(|_| host.parse::<IpAddr>());
    let name = host.split(':').next().unwrap_or_default();
    address.map_or_else(|_| name.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// Says which process answers.
async fn name_process(mut response: Response) -> Response {
    let process = HeaderValue::from(std::process::id());
    response.headers_mut().insert(HeaderName::from_static(PROCESS_HEADER), process);
    response
}

async fn metrics(State(board): State<Board>) -> Response {
    ([(CONTENT_TYPE, METRICS_TYPE)], board.metrics()).into_response()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn ask(address: SocketAddr, path: &str) -> String {
        ask_as(address, path, &format!("Host: {address}"))
    }

    fn ask_as(address: SocketAddr, path: &str, headers: &str) -> String {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn served(board: &Board) -> (tokio::runtime::Runtime, SocketAddr) {
        let tokio =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = AdminConfig { listen: "127.0.0.1:0".parse().unwrap(), remote: false };
        let listener = bind(&config).unwrap();
        let address = listener.local_addr().unwrap();
        serve(board, listener, Router::new(), tokio.handle()).unwrap();
        (tokio, address)
    }

    #[test]
    fn a_service_is_ready_when_nothing_is_missing_and_ill_when_a_part_failed() {
        let board = Board::new("switch");
        let (_tokio, address) = served(&board);
        let healthy = ask(address, "/healthz");
        assert!(healthy.starts_with("HTTP/1.1 200"), "{healthy}");
        assert!(healthy.contains(&format!("\r\n{PROCESS_HEADER}: {}\r\n", std::process::id())), "{healthy}");
        let starting = ask(address, "/readyz");
        assert!(
            starting.starts_with("HTTP/1.1 503") && starting.contains("start: not finished"),
            "{starting}"
        );

        board.show(vec![Missing::new("log", "no answer for 3 s")]);
        let waiting = ask(address, "/readyz");
        assert!(waiting.ends_with("not ready\nlog: no answer for 3 s\n"), "{waiting}");
        board.show(Vec::new());
        assert!(ask(address, "/readyz").starts_with("HTTP/1.1 200"));

        board.fail("partition 1 stands still".to_owned());
        for path in ["/healthz", "/readyz"] {
            let answer = ask(address, path);
            assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("partition 1"), "{answer}");
        }
    }

    #[test]
    fn metrics_are_what_prometheus_reads() {
        let board = Board::new("switch");
        let (_tokio, address) = served(&board);
        board.show(Vec::new());
        let answer = ask(address, "/metrics");
        assert!(answer.contains("application/openmetrics-text"), "{answer}");
        assert!(answer.contains("cityunion_ready 1\n") && answer.ends_with("# EOF\n"), "{answer}");
        assert!(answer.contains("service=\"switch\""), "{answer}");
    }

    #[test]
    fn pages_in_browsers_are_not_answered() {
        let board = Board::new("switch");
        let (_tokio, address) = served(&board);
        for host in ["Host: localhost:7400", "Host: 127.0.0.1", "Host: [::1]:7400"] {
            assert!(ask_as(address, "/healthz", host).starts_with("HTTP/1.1 200"), "{host}");
        }
        for page in
            ["Host: evil.example", "Host: evil.example:7400", "Host: localhost\r\nOrigin: http://localhost"]
        {
            assert!(ask_as(address, "/healthz", page).starts_with("HTTP/1.1 403"), "{page}");
        }
    }

    #[test]
    fn an_address_that_others_reach_must_be_wanted() {
        let open = |remote| AdminConfig { listen: "0.0.0.0:9000".parse().unwrap(), remote };
        assert!(open(false).check().unwrap_err().to_string().contains("admin.remote"));
        assert!(open(true).check().is_ok());
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = taken.local_addr().unwrap();
        let error = bind(&AdminConfig { listen, remote: false }).unwrap_err().to_string();
        assert!(error.contains(&listen.to_string()), "{error}");
    }
}
