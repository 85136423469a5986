//! With a city's journal and a log behind it.

use cu_log::{Log, embedded::EmbeddedLog, topics::Topics};

use super::*;
use crate::{
    acquirer::{Outcome, Upload},
    mapping::Mapping,
};

const TAP: &str = "200000000001,1,cu-3000,00000000000000AA,1,06,3,3,2018-09-01T00:00:00,cpu,bus,flat,,,,1,3des,\
                   00000000";

/// A mapping of a city whose own files look nothing like what the ingest makes.
fn mapping() -> Mapping {
    let columns = [
        "terminal",
        "terminal_seq",
        "issuer",
        "card",
        "card_counter",
        "type",
        "amount_fen",
        "fare_fen",
        "tapped_at",
        "medium",
        "sector",
        "product",
        "key_version",
        "algorithm",
        "tac",
    ];
    let columns = columns.map(|name| format!("[columns.{name}]\ncolumn = \"my_{name}\"\n")).concat();
    Mapping::parse(&format!("layout = \"cityunion-mapping/1\"\n{columns}")).unwrap()
}

#[test]
fn on_the_log_is_what_the_journal_of_the_city_says() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let city: City = "cu-2000".parse().unwrap();
    let log = EmbeddedLog::open(&path("log")).unwrap();
    let topics = Topics::new("t-");
    log.create_topics(&topics.of_city(city)).unwrap();
    let host = AcquirerHost::open(&path("state"), Arc::new(log), topics, &path("out")).unwrap();
    host.read_through(city, mapping()).unwrap();
    let take = |name: &str| {
        let upload = Upload { city, path: path("inbox").join(name), name: name.to_owned() };
        host.take(vec![upload], &|_| true, &|_| {}).unwrap().uploads.remove(0).outcome
    };
    let name = "ingest-bus-000000000000001.csv";
    fs::create_dir(path("inbox")).unwrap();

    let mut config = IngestConfig::on("127.0.0.1:0".parse().unwrap());
    config.seal_after_s = 1;
    let ingest =
        Ingest::start(&path("state"), &path("inbox"), CityUploads { host: host.clone(), city }, &config);
    let ingest = ingest.unwrap();
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = tokio.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let served = ingest.service().serve(listener, std::future::pending());
    tokio.spawn(async { served.await.unwrap() });

    let mut stream = Client::open(&tokio, address, "bus");
    stream.send(1, &[TAP, "no tap"]);
    stream.hears(2, 0);
    wait_for("the upload", || path("inbox").join(name).exists().then_some(()));
    let outcome = take(name);
    let counted = matches!(&outcome, Outcome::Taken(found) if (found.presented, found.malformed) == (1, 1));
    assert!(counted, "it is not read through the mapping: {outcome:?}");
    stream.hears(2, 2);

    // A file of the city itself under the name of the next upload: that one is refused, and kept.
    fs::write(path("inbox/ingest-bus-000000000000003.csv"), format!("{HEADER}\n")).unwrap();
    assert!(matches!(take("ingest-bus-000000000000003.csv"), Outcome::Taken(_)));
    stream.send(3, &["more"]);
    stream.hears(3, 2);
    let file = path("inbox/ingest-bus-000000000000003.csv");
    wait_for("the next upload", || fs::read_to_string(&file).unwrap().ends_with("more\n").then_some(()));
    assert!(matches!(take("ingest-bus-000000000000003.csv"), Outcome::Refused(_)));
    let again = "ingest-bus-000000000000003-2.csv";
    wait_for("the same under another name", || {
        (fs::read_to_string(path("inbox").join(again)).ok()?.ends_with("more\n")).then_some(())
    });
    assert!(matches!(take(again), Outcome::Taken(_)));
    stream.hears(3, 3);
}
