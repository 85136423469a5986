//! The admin port of a service, and how it begins and ends when Kafka is away.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
};

use cu_log::testing::{Broker, free_ports, unique_prefix};
use tempfile::TempDir;

use crate::{
    local::ask,
    scheme::Scheme,
    support::{Running, arguments, cityunion, command, wait_for},
};

/// A clearing node that cuts off by hand, over a Kafka on a port.
struct Node {
    folder: TempDir,
    kafka: u16,
    admin: u16,
}

impl Node {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let ports = free_ports(2);
        let node = Self { folder, kafka: ports[0], admin: ports[1] };
        let scheme = Scheme::new(node.folder.path().join("scheme"), &["cu-2000", "cu-3000"]);
        let here = node.folder.path().display();
        let text = format!(
            "state_dir = \"{here}/node\"\nout_dir = \"{here}/out\"\nrulebook = \"{here}/scheme/rulebook.toml\"\n\
             cut_off = \"by_hand\"\nfirst_business_date = \"2018-09-01\"\n\
             [log]\nkafka = \"127.0.0.1:{}\"\nprefix = \"{}\"\n[admin]\nlisten = \"127.0.0.1:{}\"\n",
            node.kafka,
            unique_prefix(),
            node.admin
        );
        fs::write(node.config(), text).unwrap();
        drop(scheme);
        node
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("clearing-node.toml")
    }

    fn start(&self) -> Running {
        Running::start(command(arguments("clearing-node run --config {}", &[&self.config()])))
    }

    /// Waits until /readyz says something, and gives all that it says.
    fn wait_until(&self, says: &str) -> String {
        wait_for(says, || ask(self.admin, "/readyz").ok().filter(|(_, body)| body.contains(says))).1
    }
}

/// Passes connections to one port on to another, for as long as the test's process lives.
fn forward(from: u16, to: &str) {
    let listener = TcpListener::bind(("127.0.0.1", from)).unwrap();
    let to = to.to_owned();
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = TcpStream::connect(&to) else { continue };
            let (near_again, far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || pass(near, far));
            thread::spawn(move || pass(far_again, near_again));
        }
    });
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    // Either side may hang up at any time.
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}

#[test]
fn a_service_waits_for_kafka_says_so_and_begins_by_itself() {
    let node = Node::new();
    let running = node.start();
    node.wait_until(&format!("log: reaching Kafka at 127.0.0.1:{}", node.kafka));
    assert_eq!(ask(node.admin, "/healthz").unwrap(), (200, "ok\n".to_owned()), "it lives while it waits");
    forward(node.kafka, Broker::shared().bootstrap());
    node.wait_until("ready\n");
    wait_for("readiness", || ask(node.admin, "/readyz").ok().filter(|(status, _)| *status == 200));
    cityunion("cycle status --config {}", &[&node.config()]).ok();
    running.signal("TERM").ok();
}

#[test]
fn a_running_node_takes_a_snapshot_when_it_is_asked_and_shows_it() {
    let node = Node::new();
    forward(node.kafka, Broker::shared().bootstrap());
    let running = node.start();
    wait_for("readiness", || ask(node.admin, "/readyz").ok().filter(|(status, _)| *status == 200));
    // Ready is also a node that the group has given nothing yet.
    let works = || cityunion("node list --config {} -o json", &[&node.config()]).stdout;
    wait_for("the partition", || works().contains("\"state\": \"working\"").then_some(()));
    cityunion("book snapshot --partition 0 --config {}", &[&node.config()]).ok();

    let [state, objects] = ["node", "node/objects"].map(|name| node.folder.path().join(name));
    let listed = cityunion("book list --objects {} --check", &[&objects]).ok().stdout;
    assert!(listed.contains("snapshots/partition-0/"), "{listed}");
    let shown = wait_for("its age", || {
        let (_, body) = ask(node.admin, "/node").ok()?;
        body.contains("\"snapshot_age_s\":0").then_some(body)
    });
    assert!(shown.contains("\"snapshot_trouble\":null"), "{shown}");
    let (_, metrics) = ask(node.admin, "/metrics").unwrap();
    assert!(metrics.contains("cityunion_clearing_snapshot_age_seconds{partition=\"0\"}"), "{metrics}");

    // What runs is not touched from outside.
    let folders: &[&Path] = &[&state, &objects];
    cityunion("book snapshot --partition 0 --state {} --objects {}", folders)
        .exits(1)
        .says(&["lock", "ask it"]);
    cityunion("book restore --partition 0 --replace --state {} --objects {}", folders)
        .exits(3)
        .says(&["is in use", "stop its clearing node first"]);
    cityunion("book snapshot --partition 77 --config {}", &[&node.config()]).exits(3).says(&["partition 77"]);
    running.signal("TERM").ok();
}

#[test]
fn a_service_that_waits_for_kafka_ends_when_it_is_told_to() {
    let node = Node::new();
    let running = node.start();
    node.wait_until("log: reaching Kafka");
    running.signal("TERM").ok();
}

#[test]
fn what_cannot_be_an_admin_port_is_refused_before_any_work() {
    let node = Node::new();
    let taken = TcpListener::bind(("127.0.0.1", node.admin)).unwrap();
    node.start().wait().exits(1).says(&["admin port", &node.admin.to_string(), "taken"]);
    drop(taken);
    let good = fs::read_to_string(node.config()).unwrap();
    let words = "clearing-node check-config --config {}";
    cityunion(words, &[&node.config()]).ok();

    fs::write(node.config(), good.replace("listen = \"127.0.0.1", "listen = \"0.0.0.0")).unwrap();
    cityunion(words, &[&node.config()]).exits(2).says(&["admin.listen", "admin.remote"]);
    let (without, _) = good.split_once("[admin]").unwrap();
    fs::write(node.config(), without).unwrap();
    cityunion(words, &[&node.config()]).exits(2).says(&["by_hand", "admin.listen"]);
    fs::write(node.config(), format!("cut_off_every_s = 5\n{good}")).unwrap();
    cityunion(words, &[&node.config()]).exits(2).says(&["cut_off_every_s", "contradict"]);
}

#[test]
fn a_command_that_reaches_no_clearing_node_says_what_to_do() {
    let node = Node::new();
    cityunion("cycle status --config {}", &[&node.config()]).exits(1).says(&[
        "admin port",
        "make up",
        "--node",
    ]);
    let none = node.folder.path().join("none.toml");
    cityunion("cycle cut-off --config {}", &[&none]).exits(2).says(&["none.toml", "--node HOST:PORT"]);
    cityunion("feed --local {}", &[node.folder.path()]).exits(2).says(&["make up", "--inbox-of"]);
}

#[test]
fn endless_requests_do_not_keep_others_out_for_long() {
    let node = Node::new();
    let running = node.start();
    node.wait_until("log: reaching Kafka");
    let mut slow: Vec<TcpStream> = Vec::new();
    for _ in 0..80 {
        let mut stream = TcpStream::connect(("127.0.0.1", node.admin)).unwrap();
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: ").unwrap();
        slow.push(stream);
    }
    assert_eq!(ask(node.admin, "/healthz").unwrap().0, 200);
    let mut stream = TcpStream::connect(("127.0.0.1", node.admin)).unwrap();
    write!(stream, "POST /cycles/cut-off HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n")
        .unwrap();
    write!(stream, "Connection: close\r\nContent-Length: 100000\r\n\r\n").unwrap();
    drop(stream.write_all(&[b' '; 100_000]));
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(std::str::from_utf8(&answer).unwrap(), "HTTP/1.1 413");
    running.signal("TERM").ok();
}
