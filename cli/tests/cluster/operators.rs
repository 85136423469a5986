//! What operators tell the book, with the commands that they type, while processes are killed that should carry it out:
//! a stopped city goes on, a city moves, an older system's payments are imported, a partition that stands still goes on.

use std::{fs, path::Path, time::Duration};

use cu_log::{
    Log, append_and_wait,
    kafka::{KafkaConfig, KafkaLog},
    testing::Broker,
    topics::{SWITCH_GROUP, Topics},
};
use domain::city::City;
use proto::{Message, TapBatch};

use crate::{
    cluster::{Cluster, Kind},
    plot::{
        AGAIN, IMPORTED, MOVED, STOPPED, again, between, check_story, import_files, imports, next_rules,
        prepare,
    },
    recounts::Recounts,
    support::{Ran, Running, arguments, cityunion, command},
    world::{DATES, World},
};

const TAPS: u32 = 20_000;
const RATE: &str = "1500/s";
const PATIENCE: Duration = Duration::from_secs(60);

/// The partitions of which a node is given wrong stores.
const WRONG: [u32; 2] = [0, 1];

/// Where operators sit.
struct Console {
    log: KafkaLog,
    topics: Topics,
    /// The options that name the book.
    book: String,
    /// And the nodes.
    nodes: String,
}

impl Console {
    fn new(cluster: &Cluster) -> Self {
        let admins = cluster.of(Kind::Node).into_iter().map(|at| cluster.services[at].admin);
        Self {
            log: KafkaLog::connect(KafkaConfig::new(&cluster.kafka, "test")).unwrap(),
            topics: Topics::new(&cluster.prefix),
            book: format!("--kafka {} --prefix {}", cluster.kafka, cluster.prefix),
            nodes: admins.map(|admin| format!(" --node 127.0.0.1:{admin}")).collect(),
        }
    }

    /// Runs `book` with the owner of a partition standing still: the command has told the book what to do and is killed,
    /// is run again, and then the node is killed that should have done it.
    fn with_kills(&self, cluster: &mut Cluster, partition: u32, words: &str, paths: &[&Path]) -> Ran {
        let words = format!("book {words} {}", self.book);
        let owner = cluster.wait("an owner", |cluster| cluster.owner(partition));
        cluster.stop(owner);
        let mut killed = self.told(cluster, partition, &words, paths);
        match killed.ended() {
            None => drop(killed.kill()),
            // Only where starting it takes longer than the node's session: another node has done it.
            Some(_) => drop(killed.wait().ok()),
        }
        let mut again = self.told(cluster, partition, &words, paths);
        cluster.kill(owner, Duration::from_secs(1));
        cluster.wait(&format!("the end of `{words}`"), |_| again.ended());
        again.wait()
    }

    /// The command once its message stands in the partition.
    fn told(&self, cluster: &mut Cluster, partition: u32, words: &str, paths: &[&Path]) -> Running {
        let place = self.topics.clearing(partition);
        let end = || self.log.bounds(&place).unwrap().end;
        let before = end();
        let mut running = Running::start(command(arguments(words, paths)));
        cluster.wait("the message of an operator", |_| {
            (end() > before || running.ended().is_some()).then_some(())
        });
        running
    }
}

#[test]
fn what_operators_tell_the_book_is_done_once_whoever_is_killed_meanwhile() {
    let world = World::operated(24, TAPS, prepare, between);
    let mut cluster = Cluster::new(world, Broker::shared().bootstrap(), 2, 2);
    cluster.start_all();
    let console = Console::new(&cluster);
    lose_a_batch(&mut cluster, &console);
    cluster.play(DATES[0], RATE, |_| {});
    resume_the_city(&mut cluster, &console);
    cluster.drain(DATES[0]);

    let adapter = move_the_city(&mut cluster, &console);
    cluster.close(DATES[0], |_| {});
    cluster.start(adapter, Duration::ZERO);
    import(&mut cluster, &console);
    give_wrong_stores(&mut cluster, &console);

    let mut recounts = Recounts::default();
    cluster.play(DATES[1], RATE, |cluster| recounts.go_on(cluster, &console.book));
    for (city, file) in again(&cluster.world) {
        cluster.hand_in(&city, AGAIN, &file);
    }
    cluster.drain(DATES[1]);
    recounts.of_everything(&cluster, &console.book);
    recounts.check();
    cluster.close(DATES[1], |_| {});
    cluster.check_all();
    check_story(&cluster.world);
}

/// The third batch of a city stands on its tap log before the first: the city stops.
fn lose_a_batch(cluster: &mut Cluster, console: &Console) {
    let city: City = cluster.world.cities[STOPPED.0].parse().unwrap();
    let piece = cluster.world.pieces(&city.to_string()).swap_remove(2);
    let name = piece.file_name().unwrap().to_str().unwrap();
    let batch = city_adapter::acquirer::recut(&piece, name, city, None).unwrap().remove(0);
    let digest = proto::digest::batch(&batch.acquirer, 3, &batch.file, &batch.parts);
    let batch = TapBatch { number: 3, digest: digest.to_vec().into(), ..batch };
    let mut writer = console.log.writer().unwrap();
    let taps = console.topics.taps(city);
    append_and_wait(writer.as_mut(), &taps, batch.encode_to_vec().into(), PATIENCE).unwrap();
    let look = format!("book resume --look --city {city} {}", console.book);
    cluster.wait("the city is stopped", |_| {
        cityunion(&look, &[]).stdout.contains("batch 1 is due").then_some(())
    });
}

fn resume_the_city(cluster: &mut Cluster, console: &Console) {
    let city = cluster.world.cities[STOPPED.0].clone();
    let others = cluster.world.cities.iter().filter(|other| **other != city).cloned().collect::<Vec<_>>();
    cluster.drain_of(DATES[0], &others);
    let answered = cluster.answered_of(DATES[0], std::slice::from_ref(&city));
    assert_eq!(answered, 0, "{city} is stopped");
    // Everything that it has is on its tap log; its results come only then.
    let (taps, pieces) = (console.topics.taps(&city), cluster.world.pieces(&city));
    let wanted =
        pieces.iter().filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(DATES[0]));
    let wanted = 1 + wanted.count() as u64;
    cluster.wait("its batches", |_| (console.log.bounds(&taps).unwrap().end >= wanted).then_some(()));

    let words = format!("resume --city {city} --reason looked");
    let said = console.with_kills(cluster, STOPPED.1, &words, &[]).ok();
    assert!(said.stdout.contains("goes on from batch 1"), "{said:?}");
    for at in cluster.of(Kind::Switch) {
        cluster.kill(at, Duration::from_millis(500));
    }
    let refused = cityunion(&format!("book {words} {}", console.book), &[]).exits(3);
    refused.says(&["not stopped"]);
}

/// Its adapter, which does not run afterwards.
fn move_the_city(cluster: &mut Cluster, console: &Console) -> usize {
    let city = cluster.world.cities[MOVED.0].clone();
    let is_its = |at: &usize| cluster.services[*at].name == city;
    let adapter = cluster.of(Kind::Adapter).into_iter().find(is_its).unwrap();
    cluster.leave(adapter);
    cluster.wait("the end of its adapter", |cluster| (!cluster.runs(adapter)).then_some(()));
    let (taps, group) = (console.topics.taps(&city), console.topics.group(SWITCH_GROUP));
    cluster.wait("its taps have passed the switch", |_| {
        let passed = console.log.committed(&group, std::slice::from_ref(&taps)).unwrap().remove(0)?;
        (passed.offset >= console.log.bounds(&taps).unwrap().end).then_some(())
    });
    let words = format!("move --city {city} --to {}", MOVED.2);
    let said = console.with_kills(cluster, MOVED.1, &words, &[]).ok();
    assert!(said.stdout.contains(&format!("{city} is in partition {}", MOVED.2)), "{said:?}");
    let run_again = cityunion(&format!("book {words} {}", console.book), &[]).ok();
    assert!(
        run_again.stdout.contains(&format!("{city} = {}", MOVED.2)),
        "it says what is next: {run_again:?}"
    );

    // The next version of the rules, and the nodes with it, one after the other.
    fs::write(cluster.world.path("scheme/rulebook.toml"), next_rules(&cluster.world)).unwrap();
    for node in cluster.of(Kind::Node) {
        cluster.kill(node, Duration::ZERO);
        cluster.wait("the node with the next rules", |cluster| {
            (cluster.services[node].ready() && cluster.working().len() == 4).then_some(())
        });
    }
    adapter
}

fn import(cluster: &mut Cluster, console: &Console) {
    let [paid_taps, items] = import_files(&cluster.world);
    let files = [paid_taps.as_path(), items.as_path()];
    let words = format!("import -o json {}", imports(&cluster.world));
    let paid = fs::read_to_string(&paid_taps).unwrap().lines().count() - 1;
    let said = console.with_kills(cluster, IMPORTED.1, &words, &files).ok();
    for ran in [said, cityunion(&format!("book {words} {}", console.book), &files).ok()] {
        let facts: serde_json::Value = serde_json::from_str(ran.stdout.trim()).unwrap_or_default();
        assert_eq!(facts["remembered"], paid, "{ran:?}");
        assert_eq!(facts["held_with_other_content"], 0, "{ran:?}");
    }
}

/// Somebody has put the stores of two partitions in each other's place. Both stand still until the right ones are
/// brought back from snapshots and the partitions are told to go on; killed while it is told, a node goes on too.
fn give_wrong_stores(cluster: &mut Cluster, console: &Console) {
    let nodes = cluster.of(Kind::Node);
    let (node, other) = (nodes[0], nodes[1]);
    for partition in WRONG {
        cityunion(&format!("book snapshot --partition {partition}{}", console.nodes), &[]).ok();
    }
    cluster.end(other);
    cluster.wait("one node has everything", |cluster| (cluster.working().len() == 4).then_some(()));
    cluster.leave(node);
    cluster.wait("its end", |cluster| (!cluster.runs(node)).then_some(()));
    let state = cluster.world.path(&cluster.services[node].name);
    let [a, b] = WRONG.map(|partition| state.join(format!("partition-{partition}")));
    let aside = state.join("aside");
    fs::rename(&a, &aside).unwrap();
    fs::rename(&b, &a).unwrap();
    fs::rename(&aside, &b).unwrap();
    cluster.start(node, Duration::ZERO);
    let wrong = WRONG.map(u64::from).to_vec();
    let stand_still = |cluster: &mut Cluster| {
        cluster.wait("both partitions stand still, the others work", |cluster| {
            let service = &cluster.services[node];
            let still = service.partitions("stopped") == wrong && service.partitions("working").len() == 2;
            still.then_some(())
        });
    };
    stand_still(cluster);
    let resume = |partition: u32| format!("node resume --partition {partition}{}", console.nodes);
    cityunion(&resume(WRONG[0]), &[]).ok();
    stand_still(cluster);
    for partition in WRONG {
        let words = format!("book restore --partition {partition} --replace --state {{}} --objects {{}}");
        let objects = cluster.world.path("objects");
        // It is refused while the node still looks at the store that it was just told to go on with.
        cluster.wait("the right store", |_| {
            let ran = cityunion(&words, &[&state, &objects]);
            let in_use = ran.code == Some(3) && ran.stderr.contains("in use");
            (!in_use).then(|| ran.ok())
        });
    }
    cityunion(&resume(WRONG[0]), &[]).ok();
    cluster.wait("the first goes on", |cluster| {
        cluster.services[node].partitions("working").contains(&wrong[0]).then_some(())
    });
    assert_eq!(cluster.services[node].partitions("stopped"), wrong[1..], "only what was told to");
    let told = Running::start(command(arguments(&resume(WRONG[1]), &[])));
    cluster.kill(node, Duration::ZERO);
    told.wait();
    cluster.wait("all go on", |cluster| (cluster.working().len() == 4).then_some(()));
    cluster.start(other, Duration::ZERO);
    cluster.wait("everything ready", |cluster| cluster.all_ready().then_some(()));
}
