//! Home cities behind real connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::tap::Tap;
use proto::{
    JudgeReply, JudgeRequest, Verdicts,
    issuer_server::{Issuer, IssuerServer},
};
use tokio_stream::{Stream, StreamExt, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// A home city that rejects taps with an odd terminal sequence.
pub struct HomeCity {
    judged: Arc<AtomicUsize>,
    think_ms: Arc<AtomicU64>,
}

#[tonic::async_trait]
impl Issuer for HomeCity {
    type JudgeStream = std::pin::Pin<Box<dyn Stream<Item = Result<JudgeReply, Status>> + Send>>;

    async fn judge(
        &self,
        requests: Request<Streaming<JudgeRequest>>,
    ) -> Result<Response<Self::JudgeStream>, Status> {
        let (judged, think_ms) = (Arc::clone(&self.judged), Arc::clone(&self.think_ms));
        let thought = requests.into_inner().then(move |request| {
            let think = Duration::from_millis(think_ms.load(Ordering::Relaxed));
            async move {
                tokio::time::sleep(think).await;
                request
            }
        });
        let replies = thought.map(move |request| {
            let request = request?;
            let verdicts = request.taps.iter().map(|part| {
                let taps = Tap::slice(part).ok_or_else(|| Status::invalid_argument("length"))?;
                judged.fetch_add(taps.len(), Ordering::Relaxed);
                let codes =
                    taps.iter().map(|tap| if tap.terminal_seq.get() % 2 == 0 { 0 } else { 2 }).collect();
                Ok(Verdicts { codes, issuer_seal: Bytes::new() })
            });
            Ok(JudgeReply { id: request.id, verdicts: verdicts.collect::<Result<_, Status>>()? })
        });
        Ok(Response::new(Box::pin(replies)))
    }
}

/// A home city's server with a runtime of its own, so that it can vanish with its connections.
pub struct Running {
    runtime: Option<tokio::runtime::Runtime>,
    pub judged: Arc<AtomicUsize>,
    /// How long it takes for each request.
    pub think_ms: Arc<AtomicU64>,
}

impl Running {
    pub fn at(address: SocketAddr) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let judged = Arc::new(AtomicUsize::new(0));
        let think_ms = Arc::new(AtomicU64::new(0));
        let issuer = HomeCity { judged: Arc::clone(&judged), think_ms: Arc::clone(&think_ms) };
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        runtime.spawn(Server::builder().serve_with_incoming(
            IssuerServer::new(issuer).max_decoding_message_size(8 << 20),
            TcpListenerStream::new(listener),
        ));
        Self { runtime: Some(runtime), judged, think_ms }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

/// An address at which nobody listens.
pub fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
