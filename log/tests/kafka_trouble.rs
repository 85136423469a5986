//! The Kafka log when messages are gone, the broker goes away or refuses.

#![expect(clippy::unwrap_used, reason = "a test says what it expected by panicking")]

use std::{
    net::TcpListener,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cu_log::{
    Commit, Entry, Log, LogError, Membership, Owner, Partition, Reader, TopicSpec, append_and_wait,
    kafka::{KafkaConfig, KafkaLog, LastingKafka},
    testing::{Broker, unique_prefix},
};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

const PATIENCE: Duration = Duration::from_secs(120);

fn connect(bootstrap: &str) -> KafkaLog {
    KafkaLog::connect(KafkaConfig::new(bootstrap, "trouble")).unwrap()
}

fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", Broker::shared().bootstrap()).create().unwrap()
}

fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn topic(log: &KafkaLog) -> Partition {
    let name = format!("{}trouble", unique_prefix());
    log.create_topics(&[TopicSpec { name: name.clone(), partitions: 1 }]).unwrap();
    Partition::new(&name, 0)
}

fn numbered(number: u64) -> Bytes {
    Bytes::from(number.to_string())
}

fn fill(log: &KafkaLog, partition: &Partition, messages: u64) {
    let mut writer = log.writer().unwrap();
    for number in 0..messages {
        writer.append(vec![(partition.clone(), numbered(number))], Box::new(|_| ())).unwrap();
    }
    writer.flush(PATIENCE).unwrap();
}

/// What retention does, at once.
fn drop_before(partition: &Partition, offset: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&partition.topic, 0, Offset::Offset(offset)).unwrap();
    wait(admin().delete_records(&list, &AdminOptions::new())).unwrap();
}

fn assert_hole(result: Result<impl Sized, LogError>, partition: &Partition, wanted: u64) {
    match result {
        Err(LogError::Hole { partition: its, wanted: asked, have }) => {
            assert_eq!((&its, asked, have), (partition, wanted, 60..100));
        }
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("no hole"),
    }
}

#[test]
fn what_retention_took_away_is_a_hole() {
    let log = connect(Broker::shared().bootstrap());
    let partition = topic(&log);
    fill(&log, &partition, 100);
    let mut overtaken = log.reader(&[(partition.clone(), 10)]).unwrap();
    assert_eq!(overtaken.poll(1, PATIENCE).unwrap()[0].offset, 10);
    // A pause drops what was fetched ahead, so that the reader must ask the broker again.
    overtaken.pause(&partition).unwrap();
    drop_before(&partition, 60);

    assert_eq!(log.bounds(&partition).unwrap(), 60..100);
    assert_hole(log.reader(&[(partition.clone(), 59)]), &partition, 59);
    assert_eq!(read(&mut *log.reader(&[(partition.clone(), 60)]).unwrap(), 40).len(), 40);
    overtaken.resume(&partition).unwrap();
    for _ in 0..2 {
        assert_hole(overtaken.poll(1 << 20, PATIENCE), &partition, 11);
    }
}

#[test]
fn nothing_lands_behind_a_refused_message() {
    let log = connect(Broker::shared().bootstrap());
    let name = format!("{}narrow", unique_prefix());
    let narrow = NewTopic::new(&name, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "1000");
    wait(admin().create_topics([&narrow], &AdminOptions::new())).unwrap();
    log.create_topics(&[TopicSpec { name: name.clone(), partitions: 1 }]).unwrap();
    let (narrow, wide) = (Partition::new(&name, 0), topic(&log));
    let mut writer = log.writer().unwrap();
    let large = Bytes::from((0..100_000_u64).flat_map(u64::to_be_bytes).collect::<Vec<u8>>());
    let refused = append_and_wait(&mut *writer, &narrow, large, PATIENCE);
    assert!(matches!(refused, Err(LogError::Backend { .. })), "{refused:?}");
    for mut writer in [writer, log.writer().unwrap()] {
        let behind = writer.append(vec![(wide.clone(), numbered(0))], Box::new(|_| panic!("told")));
        assert!(matches!(behind, Err(LogError::Backend { .. })));
        assert!(writer.flush(PATIENCE).is_err());
    }
    assert_eq!(log.bounds(&wide).unwrap(), 0..0);

    fill(&connect(Broker::shared().bootstrap()), &wide, 1);
    assert_eq!(log.bounds(&wide).unwrap(), 0..1);
}

#[test]
fn a_lasting_log_needs_no_broker_to_begin_with_and_its_next_writer_works_after_a_failure() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let away = LastingKafka::new(KafkaConfig::new(&nobody, "trouble"));
    assert!(away.ask(Duration::from_millis(10)).is_err());
    assert!(away.writer().is_err());

    let log = LastingKafka::new(KafkaConfig::new(Broker::shared().bootstrap(), "trouble"));
    log.ask(PATIENCE).unwrap();
    let name = format!("{}narrow", unique_prefix());
    let narrow = NewTopic::new(&name, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "1000");
    wait(admin().create_topics([&narrow], &AdminOptions::new())).unwrap();
    log.create_topics(&[TopicSpec { name: name.clone(), partitions: 1 }]).unwrap();
    let narrow = Partition::new(&name, 0);
    let mut writer = log.writer().unwrap();
    let large = Bytes::from((0..100_000_u64).flat_map(u64::to_be_bytes).collect::<Vec<u8>>());
    append_and_wait(&mut *writer, &narrow, large, PATIENCE).unwrap_err();
    let behind = writer.append(vec![(narrow.clone(), numbered(0))], Box::new(|_| panic!("told")));
    assert!(behind.is_err(), "the writer that failed goes on refusing");
    append_and_wait(&mut *log.writer().unwrap(), &narrow, numbered(1), PATIENCE).unwrap();
    assert_eq!(log.bounds(&narrow).unwrap(), 0..1);
}

#[test]
fn a_broker_that_does_not_answer_is_named() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let refused = KafkaLog::connect(KafkaConfig::new(&nobody, "trouble")).err().unwrap();
    assert!(refused.to_string().contains(&nobody), "{refused}");
}

#[test]
fn a_broker_that_goes_away_and_comes_back_only_delays() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::new(folder.path());
    node.run("start");
    let log = connect(&node.bootstrap());
    let partition = topic(&log);
    let durable = Arc::new(AtomicU64::new(0));
    let (messages, half) = (2_000, 1_000);

    let (mut writer, to, told) = (log.writer().unwrap(), partition.clone(), Arc::clone(&durable));
    let writing = thread::spawn(move || {
        for number in 0..messages {
            // The second half is appended while the broker is away.
            while number == half && told.load(Ordering::SeqCst) < half {
                thread::sleep(Duration::from_millis(1));
            }
            let told = Arc::clone(&told);
            let on_durable = move |durable: Result<Vec<u64>, LogError>| {
                assert_eq!(durable.unwrap(), [number]);
                told.fetch_add(1, Ordering::SeqCst);
            };
            writer.append(vec![(to.clone(), numbered(number))], Box::new(on_durable)).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        writer.flush(PATIENCE).unwrap();
    });
    let mut reader = log.reader(&[(partition.clone(), 0)]).unwrap();
    let mut entries = read(&mut *reader, 500);
    while durable.load(Ordering::SeqCst) < 500 {
        thread::sleep(Duration::from_millis(1));
    }
    node.run("stop");
    let (its, of) = (log.clone(), partition.clone());
    let committing = thread::spawn(move || {
        its.commit("patient", &[(of, Commit { offset: 7, note: "during the outage".to_owned() })])
    });
    entries.extend(reader.poll(1 << 20, Duration::from_secs(1)).unwrap());
    node.run("start");

    committing.join().unwrap().unwrap();
    writing.join().unwrap();
    let left = usize::try_from(messages).unwrap() - entries.len();
    entries.extend(read(&mut *reader, left));
    for (number, entry) in (0..messages).zip(&entries) {
        assert_eq!((entry.offset, &entry.payload), (number, &numbered(number)));
    }
    assert_eq!(log.bounds(&partition).unwrap(), 0..messages);
    assert_eq!(log.committed("patient", &[partition]).unwrap()[0].as_ref().map(|it| it.offset), Some(7));
}

/// Notes what a member is told.
struct Told(mpsc::Sender<(&'static str, Vec<Partition>)>);

impl Owner for Told {
    fn assigned(&mut self, partitions: &[Partition]) {
        if partitions.is_empty() {
            return;
        }
        drop(self.0.send(("assigned", partitions.to_vec())));
    }

    fn revoked(&mut self, partitions: &[Partition]) {
        drop(self.0.send(("revoked", partitions.to_vec())));
    }

    fn lost(&mut self, partitions: &[Partition]) {
        drop(self.0.send(("lost", partitions.to_vec())));
    }
}

#[test]
fn a_member_that_cannot_reach_its_group_has_lost_what_it_owned_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::new(folder.path());
    node.run("start");
    let session_timeout = Duration::from_secs(6);
    let config = KafkaConfig { session_timeout, ..KafkaConfig::new(&node.bootstrap(), "trouble") };
    let log = KafkaLog::connect(config).unwrap();
    let partition = topic(&log);
    let (tell, told) = mpsc::channel();
    let group = format!("{}members", unique_prefix());
    let member = log.join(&group, &[partition.topic.to_string()], Box::new(Told(tell))).unwrap();
    let all = vec![partition];
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), ("assigned", all.clone()));

    node.run("stop");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), ("lost", all.clone()));
    owns(&*member, &[]);
    node.run("start");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), ("assigned", all.clone()));
    owns(&*member, &all);
    assert_eq!(member.failed(), None);
    drop(member);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), ("revoked", all));
}

/// What a member owns is shown a moment after its owner is told.
fn owns(member: &dyn Membership, wanted: &[Partition]) {
    let deadline = Instant::now() + PATIENCE;
    while member.owned() != wanted {
        assert!(Instant::now() < deadline, "it owns {:?}", member.owned());
        thread::sleep(Duration::from_millis(1));
    }
}

fn read(reader: &mut dyn Reader, count: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    while entries.len() < count {
        let more = reader.poll(1 << 20, PATIENCE).unwrap();
        assert!(!more.is_empty(), "{} of {count} messages came", entries.len());
        entries.extend(more);
    }
    entries
}

/// A broker of its own that can be stopped and started again.
struct Node<'a> {
    data: &'a Path,
    ports: [String; 2],
}

impl<'a> Node<'a> {
    fn new(data: &'a Path) -> Self {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.map(|it| it.local_addr().unwrap().port().to_string());
        Self { data, ports }
    }

    fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    fn run(&self, what: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka/run");
        let ran = Command::new(script).arg(what).arg(self.data).args(&self.ports).output().unwrap();
        assert!(ran.status.success(), "{what}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        self.run("stop");
    }
}
