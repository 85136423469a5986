//! The gRPC side: streams of taps in, how far they are safe out.

use std::{
    future::Future,
    sync::{Arc, mpsc as blocking},
    time::Duration,
};

use proto::{
    PresentReply, PresentRequest,
    ingest_server::{Ingest, IngestServer},
};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{MetadataMap, MetadataValue},
    transport::{Server, server::TcpIncoming},
};

use super::{
    core::{Progress, Refusal},
    line::Lines,
    source::Source,
    work::{Failure, Work},
};

/// The largest message, in bytes.
pub const MESSAGE_LEN_MAX: usize = 4 << 20;

/// The most records in a message.
const MESSAGE_RECORDS_MAX: usize = 16_384;

/// Lines that are on their way to the journal over all streams, in KiB.
const IN_FLIGHT_KIB_MAX: usize = 64 << 10;

/// Replies that wait for a client; one that does not read them is not read from either.
const REPLIES_MAX: usize = 16;

const STREAM_WINDOW_LEN: u32 = 4 << 20;
const CONNECTION_WINDOW_LEN: u32 = 8 << 20;

/// How often a silent client is asked whether it is still there, and how long it may take to say so.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEPALIVE_WAIT_MAX: Duration = Duration::from_secs(20);

/// The trailer that holds the sequence to go on with.
const NEXT_SEQUENCE: &str = "next-sequence";

/// The gRPC service. Clones share everything.
#[derive(Clone)]
pub struct IngestService {
    work: blocking::Sender<Work>,
    streams: Arc<Semaphore>,
    streams_max: usize,
    in_flight_kib: Arc<Semaphore>,
}

impl IngestService {
    pub(super) fn new(work: blocking::Sender<Work>, streams_max: usize) -> Self {
        let streams = Arc::new(Semaphore::new(streams_max));
        Self { work, streams, streams_max, in_flight_kib: Arc::new(Semaphore::new(IN_FLIGHT_KIB_MAX)) }
    }

    /// Serves a TCP port until `stop` is ready; streams are then cut off, which loses nothing.
    ///
    /// # Errors
    /// A failure of the transport as a whole; a broken connection is none.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> Result<(), tonic::transport::Error> {
        let service = IngestServer::new(self).max_decoding_message_size(MESSAGE_LEN_MAX);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let served = Server::builder()
            .initial_stream_window_size(STREAM_WINDOW_LEN)
            .initial_connection_window_size(CONNECTION_WINDOW_LEN)
            .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
            .http2_keepalive_timeout(Some(KEEPALIVE_WAIT_MAX))
            .serve_with_incoming(service, incoming);
        tokio::select! {
            ended = served => ended,
            () = stop => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl Ingest for IngestService {
    type PresentStream = ReceiverStream<Result<PresentReply, Status>>;

    async fn present(
        &self,
        request: Request<Streaming<PresentRequest>>,
    ) -> Result<Response<Self::PresentStream>, Status> {
        let permit = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            let max = self.streams_max;
            Status::resource_exhausted(format!(
                "{max} streams are open and no more are allowed (ingest.streams_max); try again later"
            ))
        })?;
        let (replies, stream) = mpsc::channel(REPLIES_MAX);
        let service = self.clone();
        tokio::spawn(async move {
            if let Err(status) = service.stream(request.into_inner(), &replies).await {
                // A client that is gone hears nothing.
                drop(replies.send(Err(status)).await);
            }
            drop(permit);
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

type Replies = mpsc::Sender<Result<PresentReply, Status>>;

/// One stream of a source.
struct Stream {
    source: Source,
    progress: watch::Receiver<Progress>,
    /// Goes with everything that is handed to the journal; dropped when the client has closed its side.
    failed: Option<mpsc::Sender<Failure>>,
}

impl IngestService {
    async fn stream(&self, mut requests: Streaming<PresentRequest>, replies: &Replies) -> Result<(), Status> {
        let nothing = || Status::invalid_argument("the stream ended before it named a source");
        let first = requests.message().await?.ok_or_else(nothing)?;
        let (failed, mut failures) = mpsc::channel(1);
        let mut stream = self.open(&first.source, failed).await?;
        stream.reply(replies).await?;
        self.take(&mut stream, first, replies).await?;
        // Set once the client has closed its side and all that it sent is journaled.
        let mut wanted = None;
        while wanted.is_none_or(|wanted| stream.progress.borrow().on_log_through < wanted) {
            tokio::select! {
                biased;
                failure = failures.recv(), if wanted.is_none() => match failure {
                    Some(failure) => return Err(status_of(failure)),
                    None => wanted = Some(stream.progress.borrow().journaled_through),
                },
                changed = stream.progress.changed() => {
                    changed.map_err(|_| stopping())?;
                    stream.reply(replies).await?;
                }
                request = requests.message(), if stream.failed.is_some() => match request? {
                    Some(request) => self.take(&mut stream, request, replies).await?,
                    None => stream.failed = None,
                },
            }
        }
        stream.reply(replies).await
    }

    async fn open(&self, source: &str, failed: mpsc::Sender<Failure>) -> Result<Stream, Status> {
        let source: Source = source
            .parse()
            .map_err(|error| Status::invalid_argument(format!("source `{source}`: {error}")))?;
        let (reply, opened) = oneshot::channel();
        self.hand_over(Work::Open { source: source.clone(), reply })?;
        let progress = opened.await.map_err(|_| stopping())?.map_err(status_of)?;
        Ok(Stream { source, progress, failed: Some(failed) })
    }

    /// Hands the records of a request to the journal, once there is room on the way.
    async fn take(
        &self,
        stream: &mut Stream,
        request: PresentRequest,
        replies: &Replies,
    ) -> Result<(), Status> {
        if !request.source.is_empty() && request.source != stream.source.as_str() {
            let (is, was) = (request.source, &stream.source);
            return Err(Status::invalid_argument(format!(
                "the stream is of source `{was}`; begin another one for `{is}`"
            )));
        }
        let count = request.records.len();
        if count > MESSAGE_RECORDS_MAX {
            return Err(Status::invalid_argument(format!(
                "a message holds {count} records; at most {MESSAGE_RECORDS_MAX} are allowed"
            )));
        }
        if count == 0 {
            return stream.reply(replies).await;
        }
        let first = request.first_sequence;
        let made = tokio::task::spawn_blocking(move || Lines::of(&request.records)).await;
        let lines = made.map_err(|error| Status::internal(format!("the records were not read: {error}")))?;
        let room = self.room(lines.bytes_from(0).len()).await?;
        let Some(failed) = stream.failed.clone() else { return Ok(()) };
        let source = stream.source.clone();
        self.hand_over(Work::Present { source, first, lines, failed, room })
    }

    /// Waits until so many bytes may be on their way.
    async fn room(&self, len: usize) -> Result<OwnedSemaphorePermit, Status> {
        let kib = u32::try_from((len / 1024 + 1).min(IN_FLIGHT_KIB_MAX)).unwrap_or(u32::MAX);
        Arc::clone(&self.in_flight_kib).acquire_many_owned(kib).await.map_err(|_| stopping())
    }

    fn hand_over(&self, work: Work) -> Result<(), Status> {
        self.work.send(work).map_err(|_| stopping())
    }
}

impl Stream {
    async fn reply(&mut self, replies: &Replies) -> Result<(), Status> {
        let Progress { journaled_through, on_log_through } = *self.progress.borrow_and_update();
        let reply = PresentReply { journaled_through, on_log_through };
        replies.send(Ok(reply)).await.map_err(|_| Status::cancelled("the client has gone"))
    }
}

fn stopping() -> Status {
    Status::unavailable("the adapter is stopping; send again later from where it says")
}

/// The one table from refusals to codes.
fn status_of(failure: Failure) -> Status {
    let (source, refusal) = match failure {
        Failure::Unavailable(why) => {
            return Status::unavailable(format!(
                "the journal cannot be written now: {why}; send again later"
            ));
        }
        Failure::Refused(source, refusal) => (source, refusal),
    };
    let code = match refusal {
        Refusal::NotOpen => Code::FailedPrecondition,
        Refusal::TooManySources { .. } | Refusal::Full { .. } => Code::ResourceExhausted,
        Refusal::Sequence { .. } => Code::InvalidArgument,
        Refusal::Gap { .. } | Refusal::Forgotten { .. } => Code::OutOfRange,
        Refusal::Changed { .. } => Code::AlreadyExists,
    };
    let mut trailers = MetadataMap::new();
    if let Some(next) = refusal.next() {
        trailers.insert(NEXT_SEQUENCE, MetadataValue::from(next));
    }
    Status::with_metadata(code, format!("source {source}: {refusal}"), trailers)
}
