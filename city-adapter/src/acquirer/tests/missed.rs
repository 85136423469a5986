//! Results that the log dropped before they were read.

use super::*;

/// A log that has dropped what stands before an offset of every results topic.
struct Forgetful {
    log: Arc<dyn Log>,
    results_start: u64,
}

impl Log for Forgetful {
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        self.log.create_topics(topics)
    }
    fn bounds(&self, partition: &Partition) -> Result<Range<u64>, LogError> {
        let have = self.log.bounds(partition)?;
        let start = if partition.topic.contains("results") { self.results_start } else { have.start };
        Ok(start.min(have.end)..have.end)
    }
    fn reader(&self, starts: &[(Partition, u64)]) -> Result<Box<dyn Reader>, LogError> {
        for (partition, wanted) in starts {
            let have = self.bounds(partition)?;
            if *wanted < have.start {
                return Err(LogError::Hole { partition: partition.clone(), wanted: *wanted, have });
            }
        }
        self.log.reader(starts)
    }
    fn writer(&self) -> Result<Box<dyn Writer>, LogError> {
        self.log.writer()
    }
    fn commit(&self, group: &str, positions: &[(Partition, Commit)]) -> Result<(), LogError> {
        self.log.commit(group, positions)
    }
    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Commit>>, LogError> {
        self.log.committed(group, partitions)
    }
    fn join(
        &self,
        group: &str,
        topics: &[String],
        owner: Box<dyn cu_log::Owner>,
    ) -> Result<Box<dyn cu_log::Membership>, LogError> {
        self.log.join(group, topics, owner)
    }
}

impl World {
    /// The host over a log that has dropped every result so far, told where published cycles are.
    fn host_after_retention(&self) -> AcquirerHost {
        let end = self.log.bounds(&self.topics.results("cu-2000")).unwrap().end;
        let host = self.host_over(Arc::new(Forgetful { log: Arc::clone(&self.log), results_start: end }));
        let ordinal = |name: &domain::cycle::CycleName| match name.to_string().as_str() {
            "2018-09-01-001" => Some(1),
            "2018-09-02-001" => Some(2),
            _ => None,
        };
        host.missed_results_from(self.folder.path().join("settled"), Arc::new(ordinal));
        host
    }

    /// A published cycle: the rows of the city's file, without its header.
    fn publish(&self, cycle: &str, rows: &str) {
        let folder = self.folder.path().join("settled").join(cycle).join("acquirer");
        fs::create_dir_all(&folder).unwrap();
        let header = "file,line,terminal,terminal_seq,issuer,amount_fen,result,reason,decided_by\n";
        fs::write(folder.join("cu-2000.csv"), format!("{header}{rows}")).unwrap();
    }

    /// The entries of the city's taps without records: what was asked for again.
    fn asked(&self) -> Vec<u64> {
        self.batches("cu-2000").iter().filter(|b| b.parts.is_empty()).map(|b| b.number).collect()
    }
}

fn row(file: &str, line: u32, result: &str) -> String {
    format!("{file},{line},200000000001,1,cu-4000,1,{result}\n")
}

const CLEARED: &str = "cleared,,book";
const LATE: &str = "rejected,late,centre";
const PARKED: &str = "parked,issuer_unreachable,centre";

/// Two files of three lines, both taken; then away until the log has dropped every answer.
fn away(world: &World) {
    let uploads = [world.put("cu-2000", "a.csv", file(3)), world.put("cu-2000", "b,c.csv", file(3))];
    let host = world.host();
    let taken = take(&host, &uploads);
    assert!(taken.failures.is_empty(), "{:?}", taken.failures);
    for batch in world.batches("cu-2000") {
        world.answer(&batch, 1, &[]);
    }
}

#[test]
fn results_that_the_log_dropped_come_from_published_cycles_to_the_line() {
    let world = World::new();
    away(&world);
    let a = row("a.csv", 2, CLEARED) + &row("a.csv", 3, LATE) + &row("a.csv", 4, PARKED);
    world.publish("2018-09-01-001", &a);
    let b: String = (2..=4).map(|line| row("\"b,c.csv\"", line, "duplicate,,book")).collect();
    world.publish("2018-09-02-001", &(row("a.csv", 4, "conflict,,book") + &b));
    world.publish("2018-09-03-001", "not read: the log knows no such cycle\n");

    let host = world.host_after_retention();
    host.follow(&[city("cu-2000")]).unwrap();
    host.wait_results(&[city("cu-2000")], WAIT).unwrap();
    host.render(&[city("cu-2000")]).unwrap();
    let rows = world.out("results/cu-2000/a.csv");
    let ends = |line: usize, end: &str| assert!(rows.lines().nth(line).unwrap().ends_with(end), "{rows}");
    ends(1, "cleared,,book,2018-09-01-001");
    ends(2, "rejected,late,centre,2018-09-01-001");
    ends(3, "conflict,,book,2018-09-02-001");
    let rows = world.out("results/cu-2000/b,c.csv");
    assert_eq!(rows.matches("duplicate,,book,2018-09-02-001").count(), 3, "{rows}");
    assert_eq!(world.asked(), [0; 0], "nothing is left to ask for");
    assert_eq!(host.stopped(), []);
}

#[test]
fn what_no_published_cycle_tells_is_asked_for_again_and_answered() {
    let world = World::new();
    away(&world);
    let batches = world.batches("cu-2000");
    world.publish(
        "2018-09-01-001",
        &(row("a.csv", 2, CLEARED) + &row("a.csv", 3, CLEARED) + &row("a.csv", 4, PARKED)),
    );
    {
        let host = world.host_after_retention();
        host.follow(&[city("cu-2000")]).unwrap();
        assert_eq!(host.open_batches(city("cu-2000")), 1, "the first file is known, though not final");
    }
    assert_eq!(world.asked(), [1, 2], "what is parked may be final since; of the second nothing is known");

    let host = world.host_over(Arc::clone(&world.log));
    host.follow(&[city("cu-2000")]).unwrap();
    world.answer(&batches[1], 2, &[(0, R::Conflict, 2)]);
    world.answer(&batches[0], 1, &[(2, R::Duplicate, 2)]);
    host.wait_results(&[city("cu-2000")], WAIT).unwrap();
    host.catch_up(&[city("cu-2000")], WAIT).unwrap();
    host.render(&[city("cu-2000")]).unwrap();
    assert!(world.out("results/cu-2000/a.csv").contains("duplicate,,book,2018-09-02-001"));
    assert!(world.out("results/cu-2000/b,c.csv").contains("conflict,,book,2018-09-02-001"));
    assert_eq!(world.drafts(), 0, "both files are final");
    assert_eq!(host.stopped(), []);
}

#[test]
fn a_published_file_that_cannot_be_used_is_named_and_nothing_is_taken_for_told() {
    let world = World::new();
    away(&world);
    world.publish("2018-09-01-001", &(row("a.csv", 2, CLEARED) + &row("a.csv", 3, "paid,,book")));
    let host = world.host_after_retention();
    let error = host.follow(&[city("cu-2000")]).unwrap_err().to_string();
    assert!(error.contains("2018-09-01-001/acquirer/cu-2000.csv line 3: result, reason"), "{error}");
    world.publish("2018-09-01-001", &(2..=4).map(|line| row("a.csv", line, CLEARED)).collect::<String>());
    host.follow(&[city("cu-2000")]).unwrap();
    assert_eq!(host.open_batches(city("cu-2000")), 1, "the second file waits for its answer");
}
