//! The whole switch on the embedded log, with home cities behind real connections.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cu_log::{
    Log, Partition, append_and_wait,
    embedded::EmbeddedLog,
    topics::{SWITCH_GROUP, Topics},
};
use domain::{
    city::City,
    tap::{TAP_LEN, Tap},
};
use proto::{
    BatchResult, Clearing, JudgeReply, JudgeRequest, Message, Part, ResultException, TapBatch, Verdicts,
    clearing::Body,
    issuer_server::{Issuer, IssuerServer},
};
use switch::{
    core::SwitchConfig,
    directory::{self, Directory},
    service::{self, ServiceConfig, Surroundings, SwitchHandle},
};
use tokio_stream::{Stream, StreamExt, wrappers::TcpListenerStream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Channel, Server},
};
use zerocopy::{FromZeros, IntoBytes};

fn city(code: &str) -> City {
    format!("cu-{code}").parse().unwrap()
}

/// A home city that rejects taps with an odd terminal sequence.
struct HomeCity {
    judged: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl Issuer for HomeCity {
    type JudgeStream = std::pin::Pin<Box<dyn Stream<Item = Result<JudgeReply, Status>> + Send>>;

    async fn judge(
        &self,
        requests: Request<Streaming<JudgeRequest>>,
    ) -> Result<Response<Self::JudgeStream>, Status> {
        let judged = Arc::clone(&self.judged);
        let replies = requests.into_inner().map(move |request| {
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
struct Running {
    runtime: Option<tokio::runtime::Runtime>,
    judged: Arc<AtomicUsize>,
}

impl Running {
    fn at(address: SocketAddr) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let judged = Arc::new(AtomicUsize::new(0));
        let issuer = HomeCity { judged: Arc::clone(&judged) };
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        runtime.spawn(
            Server::builder()
                .add_service(IssuerServer::new(issuer).max_decoding_message_size(8 << 20))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self { runtime: Some(runtime), judged }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

/// An address at which nobody listens.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A book that believes every verdict and publishes every result.
struct Book {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Body>>>,
}

impl Book {
    fn over(log: Arc<dyn Log>, topics: Topics) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut reader = log.reader(&[(topics.clearing(0), 0)]).unwrap();
            let mut writer = log.writer().unwrap();
            let mut parked: BTreeMap<(String, u64, String), Vec<u32>> = BTreeMap::new();
            let mut told = Vec::new();
            while !end.load(Ordering::Relaxed) {
                for entry in reader.poll(1 << 20, Duration::from_millis(20)).unwrap() {
                    let body = Clearing::decode(entry.payload).unwrap().body.unwrap();
                    let result = fold(&mut parked, &body);
                    let to = topics.results(&result.acquirer);
                    writer.append(vec![(to, Bytes::from(result.encode_to_vec()))], Box::new(|_| {})).unwrap();
                    told.push(body);
                }
            }
            told
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends the book; everything it was told.
    fn end(mut self) -> Vec<Body> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn fold(parked: &mut BTreeMap<(String, u64, String), Vec<u32>>, body: &Body) -> BatchResult {
    let (acquirer, number, digest) = match body {
        Body::Outcome(outcome) => {
            for judged in outcome.parts.iter().filter(|judged| judged.verdicts.is_none()) {
                let part = judged.part.clone().unwrap();
                let places = Tap::slice(&part.taps).unwrap().iter().map(|tap| u32::from(tap.position.get()));
                parked.insert((outcome.acquirer.clone(), outcome.number, part.issuer), places.collect());
            }
            (outcome.acquirer.clone(), outcome.number, outcome.digest.clone())
        }
        Body::Late(late) => {
            for part in &late.parts {
                parked.remove(&(late.acquirer.clone(), late.number, part.issuer.clone()));
            }
            (late.acquirer.clone(), late.number, late.digest.clone())
        }
        Body::Repeat(repeat) => (repeat.acquirer.clone(), repeat.number, repeat.digest.clone()),
        other => panic!("not the switch's: {other:?}"),
    };
    let waits = parked.iter().filter(|((of, n, _), _)| *of == acquirer && *n == number);
    let exceptions = waits
        .flat_map(|(_, places)| places.clone())
        .map(|position| ResultException { position, result: 4, cycle: 1 })
        .collect();
    BatchResult { acquirer, number, digest, records: 0, cycle: 1, exceptions, cycles: Vec::new() }
}

struct World {
    log: Arc<dyn Log>,
    topics: Topics,
    acquirers: Vec<City>,
    homes: BTreeMap<City, SocketAddr>,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(acquirers: &[&str], homes: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path()).unwrap();
        let topics = Topics::new("test.");
        let acquirers: Vec<City> = acquirers.iter().map(|code| city(code)).collect();
        let mut specs = topics.of_centre(1);
        specs.extend(acquirers.iter().flat_map(|acquirer| topics.of_city(*acquirer)));
        log.create_topics(&specs).unwrap();
        Self {
            log: Arc::new(log),
            topics,
            acquirers,
            homes: homes.iter().map(|code| (city(code), free_address())).collect(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            _folder: folder,
        }
    }

    fn channel(&self, home: City) -> Channel {
        let _guard = self.runtime.enter();
        directory::endpoint(format!("http://{}", self.homes[&home]).parse().unwrap()).connect_lazy()
    }

    fn start(&self, park_after_ms: Option<u64>) -> SwitchHandle {
        let switch = SwitchConfig {
            park_after_ms,
            retry_ms: 20,
            retry_ms_max: 100,
            requests_in_flight_max: 2,
            ..SwitchConfig::default()
        };
        let directory: Directory = self.homes.keys().map(|home| (*home, self.channel(*home))).collect();
        let with = Surroundings {
            log: Arc::clone(&self.log),
            topics: self.topics.clone(),
            acquirers: self.acquirers.clone(),
            directory,
            partition_of: Arc::new(|_| 0),
            tokio: self.runtime.handle().clone(),
        };
        service::start(ServiceConfig { switch, ..ServiceConfig::default() }, with).unwrap()
    }

    /// Publishes batches `numbers` of every acquirer, with two taps for each home city.
    fn publish(&self, numbers: std::ops::RangeInclusive<u64>) {
        let mut writer = self.log.writer().unwrap();
        for acquirer in &self.acquirers {
            for number in numbers.clone() {
                let to = self.topics.taps(*acquirer);
                append_and_wait(&mut *writer, &to, self.batch(*acquirer, number), Duration::from_secs(10))
                    .unwrap();
            }
        }
    }

    fn batch(&self, acquirer: City, number: u64) -> Bytes {
        let mut position = 0_u16;
        let mut part = |issuer: &City| {
            let mut taps = Vec::new();
            for _ in 0..2 {
                let mut tap = Tap::new_zeroed();
                tap.position = position.into();
                tap.terminal_seq = u32::from(position).into();
                taps.extend_from_slice(tap.as_bytes());
                position += 1;
            }
            Part { issuer: issuer.to_string(), taps: Bytes::from(taps), texts: Bytes::from_static(&[0; 6]) }
        };
        let parts: Vec<Part> = self.homes.keys().map(&mut part).collect();
        let batch = TapBatch {
            acquirer: acquirer.to_string(),
            number,
            digest: Bytes::copy_from_slice(&proto::digest::batch(
                &acquirer.to_string(),
                number,
                "a.csv",
                &parts,
            )),
            file: "a.csv".to_owned(),
            records: u32::from(position),
            parts,
        };
        Bytes::from(batch.encode_to_vec())
    }

    fn committed(&self, partition: Partition) -> (u64, String) {
        let committed = self.log.committed(&self.topics.group(SWITCH_GROUP), &[partition]).unwrap();
        committed[0].clone().map(|commit| (commit.offset, commit.note)).unwrap_or_default()
    }

    fn wait(&self, switch: &SwitchHandle, what: &str, done: impl Fn() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert_eq!(switch.failed(), None, "{what}");
            assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {:?}", switch.status());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_for_taps(&self, switch: &SwitchHandle, end: u64) {
        for acquirer in &self.acquirers {
            let done = || self.committed(self.topics.taps(acquirer)) == (end, end.to_string());
            self.wait(switch, &format!("taps of {acquirer} committed to {end}"), done);
        }
    }
}

/// For each acquirer, in order: the number and, for each home city, the verdicts or none where parked.
type Told = Vec<(u64, BTreeMap<String, Option<Vec<u8>>>)>;

fn told(bodies: &[Body], acquirer: City) -> (Told, Told) {
    let (mut outcomes, mut late) = (Told::new(), Told::new());
    let codes = |verdicts: &Verdicts| verdicts.codes.to_vec();
    for body in bodies {
        match body {
            Body::Outcome(o) if o.acquirer == acquirer.to_string() => {
                let parts = o
                    .parts
                    .iter()
                    .map(|judged| (judged.part.clone().unwrap().issuer, judged.verdicts.as_ref().map(codes)));
                outcomes.push((o.number, parts.collect()));
            }
            Body::Late(l) if l.acquirer == acquirer.to_string() => {
                let parts = l.parts.iter().map(|p| (p.issuer.clone(), p.verdicts.as_ref().map(codes)));
                late.push((l.number, parts.collect()));
            }
            _ => {}
        }
    }
    (outcomes, late)
}

#[test]
fn verdicts_come_back_in_the_order_of_the_batches() {
    let world = World::new(&["2000", "4000"], &["1000", "3000", "5000"]);
    let homes: Vec<Running> = world.homes.values().map(|address| Running::at(*address)).collect();
    world.publish(1..=40);
    let book = Book::over(Arc::clone(&world.log), world.topics.clone());
    let switch = world.start(None);
    world.wait_for_taps(&switch, 40);
    switch.stop().unwrap();
    let bodies = book.end();
    for acquirer in &world.acquirers {
        let (outcomes, late) = told(&bodies, *acquirer);
        assert!(late.is_empty());
        let numbers: Vec<u64> = outcomes.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
        for (_, parts) in outcomes {
            assert_eq!(parts.len(), 3);
            assert!(parts.values().all(|codes| *codes == Some(vec![0, 2])), "{parts:?}");
        }
    }
    for home in &homes {
        assert_eq!(home.judged.load(Ordering::Relaxed), 2 * 40 * 2, "each tap was asked about once");
    }
}

#[test]
fn a_city_that_goes_dark_parks_and_delivers_while_the_others_go_on() {
    let world = World::new(&["2000", "4000"], &["1000", "3000"]);
    let (bright, dark) = (city("1000"), city("3000"));
    let _bright = Running::at(world.homes[&bright]);
    let book = Book::over(Arc::clone(&world.log), world.topics.clone());

    // Nobody listens at the dark city's address.
    world.publish(1..=10);
    let switch = world.start(Some(200));
    world.wait_for_taps(&switch, 10);
    world.wait(&switch, "the dark city is seen", || switch.status().homes[&dark].dark);
    world.wait(&switch, "its parts stand in the park", || {
        switch.parked_waiting_for(|home| home == dark) == 20
    });
    assert_eq!(switch.parked_waiting_for(|home| home == bright), 0);

    // It comes up; all it missed is delivered, then traffic is direct again.
    let returned = Running::at(world.homes[&dark]);
    world.wait(&switch, "the park empties", || switch.parked_waiting_for(|_| true) == 0);
    world.publish(11..=20);
    world.wait_for_taps(&switch, 20);

    // It vanishes with its connections; a switch that starts while it is gone finds its park.
    drop(returned);
    world.publish(21..=30);
    world.wait_for_taps(&switch, 30);
    switch.stop().unwrap();
    let switch = world.start(Some(200));
    assert_eq!(switch.parked_waiting_for(|home| home == dark), 20);
    let _returned = Running::at(world.homes[&dark]);
    world.wait(&switch, "the park empties again", || switch.parked_waiting_for(|_| true) == 0);
    for acquirer in &world.acquirers {
        let done = || {
            let park = world.log.bounds(&world.topics.parked(acquirer)).unwrap();
            world.committed(world.topics.parked(acquirer)).0 == park.end
        };
        world.wait(&switch, "the park's position is committed", done);
    }
    switch.stop().unwrap();

    let bodies = book.end();
    for acquirer in &world.acquirers {
        let (outcomes, late) = told(&bodies, *acquirer);
        let numbers: Vec<u64> = outcomes.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
        let direct =
            |parts: &BTreeMap<String, Option<Vec<u8>>>, home: City| parts[&home.to_string()].is_some();
        assert!(outcomes.iter().all(|(_, parts)| direct(parts, bright)), "the other city never waited");
        let parked: Vec<u64> =
            outcomes.iter().filter(|(_, parts)| !direct(parts, dark)).map(|(number, _)| *number).collect();
        let away = (1..=10).chain(21..=30).collect::<Vec<_>>();
        assert_eq!(parked, away);
        let delivered: Vec<u64> = late.iter().map(|(number, _)| *number).collect();
        assert_eq!(delivered, away, "in the order of the park");
        assert!(late.iter().all(|(_, parts)| parts[&dark.to_string()] == Some(vec![0, 2])));
    }
}

#[test]
fn an_endpoint_can_be_taken_away_and_given_back() {
    let world = World::new(&["2000"], &["1000"]);
    let home = city("1000");
    let running = Running::at(world.homes[&home]);
    let book = Book::over(Arc::clone(&world.log), world.topics.clone());
    let switch = world.start(None);
    switch.set_endpoint(home, None);
    world.wait(&switch, "the endpoint is gone", || !switch.status().homes[&home].endpoint);
    world.publish(1..=5);
    world.wait_for_taps(&switch, 5);
    assert_eq!(running.judged.load(Ordering::Relaxed), 0);
    switch.set_endpoint(home, Some(world.channel(home)));
    world.wait(&switch, "the park empties", || switch.parked_waiting_for(|_| true) == 0);
    switch.stop().unwrap();
    let (outcomes, late) = told(&book.end(), city("2000"));
    assert!(outcomes.iter().all(|(_, parts)| parts["cu-1000"].is_none()));
    assert_eq!(late.len(), 5);
    assert_eq!(TAP_LEN * 10, world_bytes(&world), "every tap stood in the park once");
}

/// Bytes of taps in the park of the first acquirer.
fn world_bytes(world: &World) -> usize {
    let parked = world.topics.parked(world.acquirers[0]);
    let end = world.log.bounds(&parked).unwrap().end;
    let mut reader = world.log.reader(&[(parked, 0)]).unwrap();
    let (mut bytes, mut next) = (0, 0);
    while next < end {
        for entry in reader.poll(1 << 20, Duration::from_secs(1)).unwrap() {
            let part = proto::ParkedPart::decode(entry.payload).unwrap().part.unwrap();
            bytes += part.taps.len();
            next = entry.offset + 1;
        }
    }
    bytes
}

#[test]
fn a_switch_dropped_in_the_middle_goes_on_from_the_log() {
    let world = World::new(&["2000"], &["1000", "3000"]);
    let _homes: Vec<Running> = world.homes.values().map(|address| Running::at(*address)).collect();
    let book = Book::over(Arc::clone(&world.log), world.topics.clone());
    world.publish(1..=60);
    let switch = world.start(None);
    world.wait(&switch, "some batches have passed", || switch.status().taps_routed > 0);
    drop(switch);
    let switch = world.start(None);
    world.wait_for_taps(&switch, 60);
    switch.stop().unwrap();
    let (outcomes, _) = told(&book.end(), city("2000"));
    let mut highest = 0;
    for (number, parts) in &outcomes {
        assert!(*number <= highest + 1, "no number is skipped");
        highest = highest.max(*number);
        assert!(parts.values().all(|codes| *codes == Some(vec![0, 2])));
    }
    assert_eq!(highest, 60);
}

#[test]
fn a_position_without_a_batch_number_is_refused() {
    let world = World::new(&["2000"], &["1000"]);
    let commit = cu_log::Commit { offset: 0, note: "seven".to_owned() };
    world.log.commit(&world.topics.group(SWITCH_GROUP), &[(world.topics.taps("cu-2000"), commit)]).unwrap();
    let with = Surroundings {
        log: Arc::clone(&world.log),
        topics: world.topics.clone(),
        acquirers: world.acquirers.clone(),
        directory: Directory::new(),
        partition_of: Arc::new(|_| 0),
        tokio: world.runtime.handle().clone(),
    };
    let Err(error) = service::start(ServiceConfig::default(), with) else { panic!("started") };
    assert!(error.to_string().contains("`seven` is no batch number"), "{error}");
}
