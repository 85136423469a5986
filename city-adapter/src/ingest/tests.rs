//! The ingest over a real store, a real inbox folder and a real port, without a log behind it.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use proto::{PresentReply, PresentRequest, Record, ingest_client::IngestClient, record::Content};
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::*;
use crate::tapfile::HEADER;

mod disk;
mod log;

const WAIT_MAX: Duration = Duration::from_secs(60);

/// What the city's journal says of every upload.
#[derive(Clone)]
struct Said(Arc<Mutex<UploadState>>);

impl Uploads for Said {
    fn state_of(&self, _: &str, _: &[u8; 32]) -> UploadState {
        self.0.lock().unwrap().clone()
    }
}

fn said_nothing() -> Said {
    Said(Arc::new(Mutex::new(UploadState::Unknown)))
}

/// An ingest on a port, with its folders.
struct Town {
    folder: TempDir,
    said: Said,
    tokio: Runtime,
    running: Option<(Ingest, JoinHandle<()>)>,
    config: IngestConfig,
}

impl Town {
    fn new(change: impl FnOnce(&mut IngestConfig)) -> Self {
        let mut config = IngestConfig::on("127.0.0.1:0".parse().unwrap());
        config.seal_after_s = 1;
        change(&mut config);
        config.check().unwrap();
        let tokio =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("inbox")).unwrap();
        let mut town = Self { folder, said: said_nothing(), tokio, running: None, config };
        town.start();
        town
    }

    fn inbox(&self) -> PathBuf {
        self.folder.path().join("inbox")
    }

    fn start(&mut self) {
        let state = self.folder.path().join("state");
        fs::create_dir_all(&state).unwrap();
        let ingest = Ingest::start(&state, &self.inbox(), self.said.clone(), &self.config).unwrap();
        let listener = self.tokio.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        self.config.listen = listener.local_addr().unwrap();
        let served = ingest.service().serve(listener, std::future::pending());
        let served = self.tokio.spawn(async { served.await.unwrap() });
        self.running = Some((ingest, served));
    }

    fn stop(&mut self) {
        let (ingest, served) = self.running.take().unwrap();
        served.abort();
        drop(ingest);
    }

    fn stream(&self, source: &str) -> Client<'_> {
        Client::open(&self.tokio, self.config.listen, source)
    }

    /// The files in the inbox, without their header.
    fn files(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.inbox()).unwrap().map(|entry| entry.unwrap());
        let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
        let visible = named.filter(|(name, _)| !name.starts_with('.'));
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        visible
            .map(|(name, path)| (name, read(path).strip_prefix(&format!("{HEADER}\n")).unwrap().to_owned()))
            .collect()
    }

    /// Waits until the files in the inbox hold these lines.
    fn wait_for_lines(&self, lines: &str) -> BTreeMap<String, String> {
        let hold = |files: &BTreeMap<String, String>| files.values().cloned().collect::<String>() == lines;
        wait_for("lines in the inbox", || Some(self.files()).filter(hold))
    }

    /// From now on the city's journal says this of every upload.
    fn say(&self, state: UploadState) {
        *self.said.0.lock().unwrap() = state;
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.stop();
        }
    }
}

/// One stream.
struct Client<'a> {
    tokio: &'a Runtime,
    source: String,
    requests: Option<mpsc::Sender<PresentRequest>>,
    replies: Result<Streaming<PresentReply>, Status>,
}

impl<'a> Client<'a> {
    fn open(tokio: &'a Runtime, to: SocketAddr, source: &str) -> Self {
        let (requests, stream) = mpsc::channel(64);
        requests.try_send(PresentRequest { source: source.to_owned(), ..Default::default() }).unwrap();
        let replies = tokio.block_on(async {
            let mut client = IngestClient::connect(format!("http://{to}")).await.unwrap();
            client.present(ReceiverStream::new(stream)).await.map(tonic::Response::into_inner)
        });
        Self { tokio, source: source.to_owned(), requests: Some(requests), replies }
    }

    fn send(&mut self, first: u64, texts: &[&str]) {
        let records = texts.iter().map(|text| line(text)).collect();
        let request = PresentRequest { source: self.source.clone(), first_sequence: first, records };
        // A stream that was refused hears nothing more.
        drop(self.tokio.block_on(self.requests.as_ref().unwrap().send(request)));
    }

    fn close(&mut self) {
        self.requests = None;
    }

    /// The next reply; `None` at the end.
    fn reply(&mut self) -> Result<Option<(u64, u64)>, Status> {
        let replies = self.replies.as_mut().map_err(|status| status.clone())?;
        let next =
            async { tokio::time::timeout(WAIT_MAX, replies.message()).await.expect("a reply in time") };
        let reply = self.tokio.block_on(next)?;
        Ok(reply.map(|reply| (reply.journaled_through, reply.on_log_through)))
    }

    /// Reads replies until one says this.
    fn hears(&mut self, journaled: u64, on_log: u64) {
        loop {
            let reply = self.reply().unwrap().expect("the stream goes on");
            if reply == (journaled, on_log) {
                return;
            }
            assert!(reply.0 <= journaled && reply.1 <= on_log, "{reply:?} is more than was sent");
        }
    }

    /// Reads until the stream is refused.
    fn refused(&mut self) -> Status {
        loop {
            match self.reply() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended as if all were well"),
                Err(status) => return status,
            }
        }
    }
}

fn line(text: &str) -> Record {
    Record { content: Some(Content::Line(text.as_bytes().to_vec().into())) }
}

fn next_sequence(status: &Status) -> Option<&str> {
    status.metadata().get("next-sequence").map(|value| value.to_str().unwrap())
}

fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not come within {WAIT_MAX:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn taps_are_acknowledged_when_journaled_and_again_when_on_the_log() {
    let town = Town::new(|_| {});
    let mut stream = town.stream("bus-7");
    assert_eq!(stream.reply().unwrap(), Some((0, 0)), "the first reply comes at once");
    stream.send(1, &["a", "b"]);
    stream.send(3, &["c"]);
    stream.hears(3, 0);
    let files = town.wait_for_lines("a\nb\nc\n");
    assert_eq!(files.keys().next().unwrap(), "ingest-bus-7-000000000000001.csv");
    stream.close();
    town.say(UploadState::Taken);
    stream.hears(3, 3);
    while let Some(reply) = stream.reply().unwrap() {
        assert_eq!(reply, (3, 3), "the stream ends when everything is on the log");
    }
}

#[test]
fn a_source_goes_on_where_the_journal_is_after_a_restart() {
    let mut town = Town::new(|config| config.seal_after_s = 3600);
    let mut stream = town.stream("bus");
    stream.send(1, &["a", "b", "c"]);
    stream.hears(3, 0);
    drop(stream);
    town.stop();
    town.config.seal_after_s = 1;
    town.start();

    let mut stream = town.stream("bus");
    assert_eq!(stream.reply().unwrap(), Some((3, 0)));
    stream.send(2, &["b", "c", "d"]);
    stream.hears(4, 0);
    town.wait_for_lines("a\nb\nc\nd\n");
    town.say(UploadState::Taken);
    stream.hears(4, 4);

    // On the log, and still compared.
    drop(stream);
    let mut stream = town.stream("bus");
    stream.send(1, &["a", "x"]);
    let status = stream.refused();
    assert_eq!((status.code(), next_sequence(&status)), (Code::AlreadyExists, Some("5")));
    assert!(status.message().contains("bus: sequence 2 "), "{status}");
}

#[test]
fn what_cannot_be_taken_is_refused_with_where_to_go_on() {
    let town = Town::new(|config| {
        config.sources_max = 1;
        config.streams_max = 2;
    });
    let mut good = town.stream("bus");
    good.send(1, &["a", "b"]);
    good.hears(2, 0);
    let refused = |source: &str, first: u64, texts: &[&str]| {
        let mut stream = town.stream(source);
        stream.send(first, texts);
        stream.close();
        let status = stream.refused();
        (status.code(), next_sequence(&status).map(str::to_owned))
    };
    let next = Some("3".to_owned());
    assert_eq!(refused("bus", 4, &["d"]), (Code::OutOfRange, next.clone()));
    assert_eq!(refused("bus", 2, &["x", "c"]), (Code::AlreadyExists, next.clone()));
    assert_eq!(refused("bus", 0, &["x"]), (Code::InvalidArgument, next));
    assert_eq!(refused("Bus", 1, &["a"]), (Code::InvalidArgument, None));
    assert_eq!(refused("metro", 1, &["a"]), (Code::ResourceExhausted, None));
    let too_many = vec!["a"; 16_385];
    assert_eq!(refused("bus", 3, &too_many), (Code::InvalidArgument, None));

    let other = PresentRequest { source: "metro".to_owned(), ..Default::default() };
    town.tokio.block_on(good.requests.as_ref().unwrap().send(other)).unwrap();
    assert_eq!(good.refused().code(), Code::InvalidArgument);

    let _streams = [town.stream("bus"), town.stream("bus")].map(|mut stream| {
        stream.reply().unwrap();
        stream
    });
    let third = town.stream("bus").refused();
    assert_eq!(third.code(), Code::ResourceExhausted);
    assert!(third.message().contains("streams_max"), "{third}");
}

#[test]
fn a_full_spool_refuses_until_the_log_is_back() {
    let town = Town::new(|config| config.spool_mib_max = 8);
    let mut stream = town.stream("bus");
    let long = "x".repeat(60_000);
    let mut sent = 0;
    // The inbox takes nothing: there is no log.
    let status = loop {
        stream.send(sent + 1, &[long.as_str(); 20]);
        sent += 20;
        assert!(sent < 1000, "more is taken than there is room for");
        let mut reply = stream.reply();
        while matches!(reply, Ok(Some((journaled, _))) if journaled < sent) {
            reply = stream.reply();
        }
        if let Err(status) = reply {
            break status;
        }
    };
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status.message().contains("of 8388608 bytes") && status.message().contains("the log"),
        "{status}"
    );

    let mut stream = town.stream("bus");
    let (journaled, on_log) = stream.reply().unwrap().unwrap();
    assert!(journaled > 0 && on_log == 0);
    let condition = || town.running.as_ref().unwrap().0.condition();
    wait_for("the condition", || (condition().spool_bytes > 6 << 20).then_some(()));
    town.say(UploadState::Taken);
    stream.hears(journaled, journaled);
    stream.send(journaled + 1, &["y"]);
    stream.hears(journaled + 1, journaled + 1);
    wait_for("an empty spool", || {
        let condition = condition();
        (condition.spool_bytes == 0 && condition.silent_ms == 0 && condition.sources == 1).then_some(())
    });
}

#[test]
fn an_inbox_that_cannot_be_written_is_waited_for() {
    let town = Town::new(|_| {});
    let away = town.folder.path().join("away");
    fs::rename(town.inbox(), &away).unwrap();
    let mut stream = town.stream("bus");
    stream.send(1, &["a"]);
    stream.hears(1, 0);
    stream.send(2, &["b"]);
    stream.hears(2, 0);
    let trouble = wait_for("what is wrong", || town.running.as_ref().unwrap().0.condition().trouble);
    assert!(trouble.contains("inbox"), "{trouble}");
    fs::rename(&away, town.inbox()).unwrap();
    town.wait_for_lines("a\nb\n");
}

#[test]
fn a_spool_of_something_else_is_not_touched() {
    let folder = TempDir::new().unwrap();
    let store = rocksdb::DB::open_default(folder.path().join("ingest")).unwrap();
    store.put(b"somebody", b"else").unwrap();
    drop(store);
    let config = IngestConfig::on("127.0.0.1:0".parse().unwrap());
    let started = Ingest::start(folder.path(), folder.path(), said_nothing(), &config);
    assert!(matches!(started.err(), Some(IngestError::Rows { .. })));
}
