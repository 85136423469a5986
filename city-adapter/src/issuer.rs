//! The home city's side: says of each tap whether its key, cryptogram and card are good.
//!
//! Requests of a stream are judged side by side on the blocking pool, as many at a time as the machine has
//! cores; what more comes waits in the stream's own flow control. An answer goes out once what it accepts is durable in
//! the city's own records.

use std::{collections::BTreeMap, future::Future, sync::Arc, thread};

use bytes::Bytes;
use domain::{city::City, home_city::HomeCity, result::Verdict, tap::Tap};
use proto::{
    JudgeReply, JudgeRequest, Verdicts,
    issuer_server::{Issuer, IssuerServer},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{
        Semaphore,
        mpsc::{self, OwnedPermit},
    },
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{
        Server,
        server::{Connected, TcpIncoming},
    },
};

use crate::accepted::AcceptedTaps;

#[cfg(test)]
mod tests;

/// The most taps in a request.
pub const REQUEST_TAPS_MAX: usize = 65_536;

/// The largest message, in bytes.
pub const MESSAGE_LEN_MAX: usize = 8 << 20;

const STREAM_WINDOW_LEN: u32 = 4 << 20;
const CONNECTION_WINDOW_LEN: u32 = 8 << 20;

/// Replies that wait for the asker.
const REPLIES_MAX: usize = 16;

/// The hours of hotlist grace by the rulebook of the open cycle, asked once for each request.
pub type GraceHours = Arc<dyn Fn() -> u32 + Send + Sync>;

/// The issuer side of one or many home cities. Clones share everything.
#[derive(Clone)]
pub struct IssuerService {
    cities: Arc<BTreeMap<City, HomeCity>>,
    grace_hours: GraceHours,
    accepted: AcceptedTaps,
    /// Bounds the requests that are judged at a time, over all streams.
    cores: Arc<Semaphore>,
}

impl IssuerService {
    /// Serves these home cities; what they accept is kept in `accepted`.
    #[must_use]
    pub fn new(cities: BTreeMap<City, HomeCity>, grace_hours: GraceHours, accepted: AcceptedTaps) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self { cities: Arc::new(cities), grace_hours, accepted, cores: Arc::new(Semaphore::new(cores)) }
    }

    /// Serves connections until there are no more.
    ///
    /// # Errors
    /// A failure of the transport as a whole; a broken connection is none.
    pub async fn serve_with_incoming<C, E>(
        self,
        incoming: impl Stream<Item = Result<C, E>>,
    ) -> Result<(), tonic::transport::Error>
    where
        C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (server, service) = self.server();
        server.serve_with_incoming(service, incoming).await
    }

    /// Serves a TCP port until `stop` is ready; streams in flight may end first.
    ///
    /// # Errors
    /// As [`IssuerService::serve_with_incoming`].
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> Result<(), tonic::transport::Error> {
        let (server, service) = self.server();
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        server.serve_with_incoming_shutdown(service, incoming, stop).await
    }

    fn server(self) -> (Server, IssuerServer<Self>) {
        let server = Server::builder()
            .initial_stream_window_size(STREAM_WINDOW_LEN)
            .initial_connection_window_size(CONNECTION_WINDOW_LEN);
        let service = IssuerServer::new(self)
            .max_decoding_message_size(MESSAGE_LEN_MAX)
            .max_encoding_message_size(MESSAGE_LEN_MAX);
        (server, service)
    }

    /// Judges one request.
    ///
    /// # Errors
    /// `NOT_FOUND` for a city that is not served here, `INVALID_ARGUMENT` for a request that no asker may send.
    fn judge(&self, request: &JudgeRequest) -> Result<Judged, Status> {
        let id = request.id;
        let invalid = |what: &str| Status::invalid_argument(format!("request {id}: {what}"));
        let city: City = request.issuer.parse().map_err(|_| invalid("its issuer is no city"))?;
        let home = self
            .cities
            .get(&city)
            .ok_or_else(|| Status::not_found(format!("request {id}: {city} is not served here")))?;
        let part = |bytes| Tap::slice(bytes).ok_or_else(|| invalid("a part is no multiple of 52 bytes"));
        let parts: Vec<&[Tap]> = request.taps.iter().map(|bytes| part(bytes)).collect::<Result<_, _>>()?;
        if parts.iter().map(|taps| taps.len()).sum::<usize>() > REQUEST_TAPS_MAX {
            return Err(invalid("it has more than 65536 taps"));
        }
        let grace_hours = (self.grace_hours)();
        let mut accepted = Vec::new();
        let mut code = |tap: &Tap| {
            let verdict = home.judge(tap, grace_hours);
            if verdict == Verdict::Accepted {
                accepted.extend_from_slice(tap.content_bytes());
            }
            verdict.code()
        };
        let mut verdicts = Vec::with_capacity(parts.len());
        for taps in parts {
            let codes: Bytes = taps.iter().map(&mut code).collect();
            verdicts.push(Verdicts { codes, issuer_seal: Bytes::new() });
        }
        Ok(Judged { city, accepted, answer: JudgeReply { id, verdicts } })
    }

    /// Has what was accepted made durable, and the answer sent after that.
    fn answer(&self, judged: Result<Judged, Status>, reply: OwnedPermit<Result<JudgeReply, Status>>) {
        let Judged { city, accepted, answer } = match judged {
            Ok(judged) => judged,
            Err(status) => {
                reply.send(Err(status));
                return;
            }
        };
        if accepted.is_empty() {
            reply.send(Ok(answer));
            return;
        }
        self.accepted.keep(city, &accepted, move |kept| {
            reply.send(kept.map(|()| answer).map_err(|error| Status::unavailable(error.to_string())));
        });
    }

    /// Reads the requests of a stream and has each answered.
    async fn read(self, mut requests: Streaming<JudgeRequest>, replies: Replies) {
        loop {
            let request = match requests.message().await {
                Ok(Some(request)) => request,
                Ok(None) => return,
                Err(status) => {
                    // The asker is gone or speaks another language: the reply stream tells it what it can.
                    drop(replies.send(Err(status)).await);
                    return;
                }
            };
            // The place of the reply is taken before the core: nobody who does not read holds a core.
            let Ok(reply) = replies.clone().reserve_owned().await else { return };
            let Ok(core) = Arc::clone(&self.cores).acquire_owned().await else { return };
            let service = self.clone();
            tokio::task::spawn_blocking(move || {
                let judged = service.judge(&request);
                drop(core);
                service.answer(judged, reply);
            });
        }
    }
}

/// A request that is judged and not yet answered.
struct Judged {
    city: City,
    /// The content of each tap that was accepted.
    accepted: Vec<u8>,
    answer: JudgeReply,
}

type Replies = mpsc::Sender<Result<JudgeReply, Status>>;

#[tonic::async_trait]
impl Issuer for IssuerService {
    type JudgeStream = ReceiverStream<Result<JudgeReply, Status>>;

    async fn judge(
        &self,
        request: Request<Streaming<JudgeRequest>>,
    ) -> Result<Response<Self::JudgeStream>, Status> {
        let (replies, stream) = mpsc::channel(REPLIES_MAX);
        tokio::spawn(self.clone().read(request.into_inner(), replies));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}
