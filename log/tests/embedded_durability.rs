//! What the embedded log acknowledged stays, whatever happens to the process or the disk.

#![expect(clippy::unwrap_used, reason = "a test says what it expected by panicking")]

use std::{
    collections::BTreeMap,
    env,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use bytes::Bytes;
use cu_log::{Commit, Entry, Log, LogError, Partition, TopicSpec, append_and_wait, embedded::EmbeddedLog};

const PATIENCE: Duration = Duration::from_secs(120);
const PARTITIONS: u32 = 3;

fn topic() -> [TopicSpec; 1] {
    [TopicSpec { name: "t".to_owned(), partitions: PARTITIONS }]
}

fn partition(number: u32) -> Partition {
    Partition::new("t", number)
}

/// A message that tells where it belongs, of a size that goes into a blob file or does not.
fn message(partition: u32, offset: u64) -> Bytes {
    let mut text = format!("{partition} {offset} ");
    let size = if offset.is_multiple_of(2) { 100 } else { 20_000 };
    text.extend(std::iter::repeat_n('.', size));
    Bytes::from(text)
}

fn read_to_end(log: &EmbeddedLog, number: u32) -> Vec<Entry> {
    let end = log.bounds(&partition(number)).unwrap().end;
    let mut reader = log.reader(&[(partition(number), 0)]).unwrap();
    let mut entries = Vec::new();
    while entries.last().map_or(0, |last: &Entry| last.offset + 1) < end {
        entries.extend(reader.poll(1 << 20, Duration::ZERO).unwrap());
    }
    entries
}

fn assert_whole(log: &EmbeddedLog, acknowledged: &BTreeMap<u32, u64>) {
    for number in 0..PARTITIONS {
        let entries = read_to_end(log, number);
        let least = acknowledged.get(&number).map_or(0, |highest| highest + 1);
        assert!(u64::try_from(entries.len()).unwrap() >= least, "partition {number} lost messages");
        for (offset, entry) in (0..).zip(entries) {
            assert_eq!((entry.offset, entry.payload), (offset, message(number, offset)));
        }
    }
}

#[test]
fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let position = [(partition(2), Commit { offset: 40, note: "batch 7".to_owned() })];
    {
        let log = EmbeddedLog::open(folder.path()).unwrap();
        log.create_topics(&topic()).unwrap();
        log.commit("group", &position).unwrap();
        let mut writer = log.writer().unwrap();
        for offset in 0..50 {
            let group = (0..PARTITIONS).map(|number| (partition(number), message(number, offset))).collect();
            writer.append(group, Box::new(|_| ())).unwrap();
        }
        // Nobody waits: whoever closes the log writes what is queued.
    }
    let log = EmbeddedLog::open(folder.path()).unwrap();
    assert_whole(&log, &(0..PARTITIONS).map(|number| (number, 49)).collect());
    assert_eq!(log.committed("group", &[partition(2)]).unwrap(), [Some(position[0].1.clone())]);
    log.create_topics(&topic()).unwrap();
    let mut writer = log.writer().unwrap();
    assert_eq!(append_and_wait(&mut *writer, &partition(1), message(1, 50), PATIENCE).unwrap(), 50);
    log.create_topics(&[TopicSpec { name: "later".to_owned(), partitions: 1 }]).unwrap();
    let later = Partition::new("later", 0);
    assert_eq!(append_and_wait(&mut *writer, &later, message(0, 0), PATIENCE).unwrap(), 0);
    assert_whole(&log, &BTreeMap::from([(1, 50)]));
}

#[test]
fn a_busy_partition_starves_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path()).unwrap();
    log.create_topics(&topic()).unwrap();
    let mut writer = log.writer().unwrap();
    for offset in 0..200 {
        writer.append(vec![(partition(0), message(0, offset))], Box::new(|_| ())).unwrap();
    }
    writer.append(vec![(partition(2), message(2, 0))], Box::new(|_| ())).unwrap();
    writer.flush(PATIENCE).unwrap();
    let mut reader = log.reader(&[(partition(0), 0), (partition(1), 0), (partition(2), 0)]).unwrap();
    let first_two: Vec<Entry> = (0..2).flat_map(|_| reader.poll(50, Duration::ZERO).unwrap()).collect();
    assert!(first_two.iter().any(|entry| entry.partition == partition(2)));
}

#[test]
fn a_missing_message_is_a_hole() {
    let folder = tempfile::tempdir().unwrap();
    {
        let log = EmbeddedLog::open(folder.path()).unwrap();
        log.create_topics(&topic()).unwrap();
        let mut writer = log.writer().unwrap();
        for offset in 0..6 {
            writer.append(vec![(partition(0), message(0, offset))], Box::new(|_| ())).unwrap();
        }
    }
    {
        let options = rocksdb::Options::default();
        let store = rocksdb::DB::open_cf(&options, folder.path(), ["default", "messages"]).unwrap();
        let key = [0_u32.to_be_bytes().as_slice(), &3_u64.to_be_bytes()].concat();
        store.delete_cf(store.cf_handle("messages").unwrap(), key).unwrap();
    }
    let log = EmbeddedLog::open(folder.path()).unwrap();
    let mut reader = log.reader(&[(partition(0), 0)]).unwrap();
    assert_eq!(reader.poll(1 << 20, PATIENCE).unwrap().len(), 3);
    for _ in 0..2 {
        match reader.poll(1 << 20, PATIENCE) {
            Err(LogError::Hole { partition: its, wanted, have }) => {
                assert_eq!((its, wanted, have), (partition(0), 3, 0..6));
            }
            other => panic!("no hole: {other:?}"),
        }
    }
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| match EmbeddedLog::open(path) {
        Err(LogError::InUse(named)) => assert_eq!(named, path.display().to_string()),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("opened twice"),
    };
    let mut child = child("hold", folder.path(), "");
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().ends_with("open")));
    refused(folder.path());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let log = EmbeddedLog::open(folder.path()).unwrap();
    refused(folder.path());
    let clone = log.clone();
    drop(log);
    refused(folder.path());
    drop(clone);
    drop(EmbeddedLog::open(folder.path()).unwrap());
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..5 {
        let mut child = child("append", folder.path(), "");
        let (tell, told) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                if let Some(place) = acknowledgement(&line.unwrap()) {
                    tell.send(place).unwrap();
                }
            }
        });
        for place in told.iter().take(50 + 331 * round) {
            acknowledged.insert(place.0, place.1);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(told.iter());
        reading.join().unwrap();
        assert_eq!(acknowledged.len(), 3);
        assert_whole(&EmbeddedLog::open(folder.path()).unwrap(), &acknowledged);
    }
}

#[test]
fn a_full_disk_stops_the_log_and_loses_nothing_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    // No file may grow beyond 8 MiB, and the process lives to see the error.
    let mut child = child("append", folder.path(), "trap '' XFSZ; ulimit -f 8192");
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    assert!(said.contains("refused from then on"), "{said}");
    assert!(said.contains("see that its disk has room"), "{said}");
    let acknowledged: BTreeMap<u32, u64> = said.lines().filter_map(acknowledgement).collect();
    assert_eq!(acknowledged.len(), 3);

    let log = EmbeddedLog::open(folder.path()).unwrap();
    assert_whole(&log, &acknowledged);
    let next = log.bounds(&partition(0)).unwrap().end;
    let mut writer = log.writer().unwrap();
    assert_eq!(append_and_wait(&mut *writer, &partition(0), message(0, next), PATIENCE).unwrap(), next);
    assert_whole(&log, &BTreeMap::from([(0, next)]));
}

fn acknowledgement(line: &str) -> Option<(u32, u64)> {
    let (number, offset) = line.strip_prefix("durable ")?.split_once(' ')?;
    Some((number.parse().ok()?, offset.parse().ok()?))
}

/// This test program again, as a process that does `what` with the log in `folder`.
fn child(what: &str, folder: &Path, limits: &str) -> Child {
    Command::new("bash")
        .arg("-c")
        .arg(format!("{limits}\nexec \"$0\" --exact acts_as_a_child --ignored --nocapture"))
        .arg(env::current_exe().unwrap())
        .env("CU_LOG_CHILD", what)
        .env("CU_LOG_FOLDER", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "other tests run it as a process of its own"]
fn acts_as_a_child() {
    let log = EmbeddedLog::open(Path::new(&env::var_os("CU_LOG_FOLDER").unwrap())).unwrap();
    match env::var("CU_LOG_CHILD").unwrap().as_str() {
        "hold" => {
            say("open");
            io::stdin().read_to_end(&mut Vec::new()).unwrap();
        }
        _ => append_until_refused(&log),
    }
}

fn say(line: &str) {
    io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

fn append_until_refused(log: &EmbeddedLog) {
    log.create_topics(&topic()).unwrap();
    let mut writer = log.writer().unwrap();
    let (tell, told) = mpsc::channel();
    let mut next: Vec<u64> =
        (0..PARTITIONS).map(|number| log.bounds(&partition(number)).unwrap().end).collect();
    for number in (0..PARTITIONS).cycle() {
        let offset = &mut next[usize::try_from(number).unwrap()];
        let group = vec![
            (partition(number), message(number, *offset)),
            (partition(number), message(number, *offset + 1)),
        ];
        *offset += 2;
        let tell = tell.clone();
        let on_durable = move |durable: Result<Vec<u64>, LogError>| match durable {
            Ok(offsets) => say(&format!("durable {number} {}", offsets[1])),
            Err(error) => drop(tell.send(error)),
        };
        if writer.append(group, Box::new(on_durable)).is_err() {
            break;
        }
    }
    let failure = told.recv().unwrap();
    let cause = std::error::Error::source(&failure).unwrap();
    let again =
        writer.append(vec![(partition(0), message(0, 0))], Box::new(|_| panic!("told of a refused group")));
    assert!(again.is_err());
    assert!(writer.flush(PATIENCE).is_err());
    say(&format!("refused from then on: {failure}: {cause}"));
}
