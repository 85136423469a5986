//! A client that never gives up: it sends its lines in small messages and goes on where the adapter says.

use std::{
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use proto::{PresentRequest, Record, ingest_client::IngestClient, record::Content};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

const RECORDS_A_MESSAGE: usize = 40;
const WAIT_MAX: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

/// What the client has heard.
#[derive(Clone, Copy, Default)]
pub struct Heard {
    pub replies: u64,
    pub journaled: u64,
    pub on_log: u64,
}

/// The client's thread.
pub struct Client {
    heard: Arc<Mutex<Heard>>,
    thread: JoinHandle<()>,
}

impl Client {
    pub fn heard(&self) -> Heard {
        *self.heard.lock().unwrap()
    }

    /// Waits until everything is on the log.
    pub fn finish(self) {
        self.thread.join().unwrap();
    }
}

/// Begins to send lines as the records of a source.
pub fn start(to: String, source: &'static str, lines: Vec<String>) -> Client {
    let heard = Arc::new(Mutex::new(Heard::default()));
    let shared = Arc::clone(&heard);
    let thread = thread::spawn(move || {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let work = async {
            while let Err(status) = stream(&to, source, &lines, &shared).await {
                let heals = matches!(status.code(), tonic::Code::Unavailable | tonic::Code::Unknown);
                assert!(heals, "{status}");
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio.block_on(async { timeout(WAIT_MAX, work).await.unwrap() });
    });
    Client { heard, thread }
}

/// One stream, until it breaks or everything is on the log.
async fn stream(to: &str, source: &str, lines: &[String], heard: &Mutex<Heard>) -> Result<(), Status> {
    let connected = IngestClient::connect(format!("http://{to}")).await;
    let mut client = connected.map_err(|error| Status::unavailable(error.to_string()))?;
    let (requests, queue) = mpsc::channel(4);
    let hello = PresentRequest { source: source.to_owned(), ..Default::default() };
    requests.try_send(hello).unwrap();
    let mut replies = client.present(ReceiverStream::new(queue)).await?.into_inner();
    let mut sent = None;
    while let Some(reply) = replies.message().await? {
        {
            let mut heard = heard.lock().unwrap();
            assert!(reply.journaled_through >= heard.journaled, "what was acknowledged is gone");
            assert!(reply.on_log_through >= heard.on_log, "what was on the log is gone");
            heard.replies += 1;
            heard.journaled = reply.journaled_through;
            heard.on_log = reply.on_log_through;
        }
        if reply.on_log_through == lines.len() as u64 {
            return Ok(());
        }
        // The next message, and now and then what was sent before once more.
        let journaled = usize::try_from(reply.journaled_through).unwrap();
        let from = if journaled % 3 == 0 { journaled.saturating_sub(7) } else { journaled };
        if journaled == lines.len() || sent == Some(journaled) {
            continue;
        }
        sent = Some(journaled);
        let to = (journaled + RECORDS_A_MESSAGE).min(lines.len());
        let record = |line: &String| {
            let line = line.trim_end().as_bytes().to_vec().into();
            Record { content: Some(Content::Line(line)) }
        };
        let records = lines[from..to].iter().map(record).collect();
        let request = PresentRequest { first_sequence: from as u64 + 1, records, ..Default::default() };
        if requests.send(request).await.is_err() {
            continue;
        }
    }
    Err(Status::unavailable("the stream ended"))
}
