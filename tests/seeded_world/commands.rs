//! Any commands in any order, drawn and shrunk by proptest: taps presented, presented again, cut-offs, crashes,
//! restores, moves, expiry. Each message is compared with the naive reference, each node with a fold from zero.
//! `CU_MODEL_SEED=n` draws other commands; a failure names its seed and the fewest commands that still fail.

use clearing_node::{
    book::{Book, Stepped},
    store::Txn,
};
use domain::{
    date::Date,
    guard::{Rule, without},
};
use proptest::{
    collection::vec,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use super::{
    centre::Centre,
    dice::Dice,
    disks::{Disk, InMemory, OnRocks},
    drawing::{Command, Drawn, command},
    env::Env,
    net::Topic,
    profiles::Profile,
    records::Record,
    reference::Check,
    scheme::{FIRST_DATE, PARTITIONS, Terms, city},
};

/// A node of one partition.
struct Node<D> {
    partition: u32,
    disk: D,
    book: Book,
    snapshots: Vec<D>,
}

impl<D: Disk> Node<D> {
    fn new(partition: u32) -> Result<Self, String> {
        let disk = D::empty()?;
        Ok(Self { partition, book: Book::new(partition), disk, snapshots: Vec::new() })
    }

    /// Starts on what its disk holds.
    fn start(&mut self, env: &Env) -> Check {
        let rulebooks: Vec<_> = env.documents.iter().map(|d| std::sync::Arc::clone(&d.rulebook)).collect();
        let loaded = self.disk.read(&mut |txn: &dyn Txn| {
            Book::load(self.partition, txn, &rulebooks).map_err(|halt| halt.to_string())
        });
        self.book = loaded?;
        Ok(())
    }

    /// Folds up to so many messages as one transaction; whether there was one.
    fn fold(&mut self, env: &Env, messages: u64, dies: bool) -> Result<bool, String> {
        let (first, partition) = (self.book.next_offset(), &mut self.book);
        let oracle = &env.partitions[usize::try_from(self.partition).unwrap()];
        for document in &env.documents {
            partition.learn(std::sync::Arc::clone(&document.rulebook));
        }
        let mut write = |txn: &mut dyn Txn| {
            for offset in first..first + messages {
                let Some(payload) = env.log.read(Topic::Clearing(self.partition), offset) else { break };
                let mut said = Vec::new();
                let stepped = partition.step(txn, offset, payload, &mut said).map_err(|h| h.to_string())?;
                if stepped != Stepped::Done || said != oracle.effects[usize::try_from(offset).unwrap()] {
                    return Err(format!("offset {offset} of partition {}: {said:?}", self.partition));
                }
            }
            partition.seal(txn);
            Ok(())
        };
        self.disk.write(!dies, &mut write)?;
        if dies {
            self.start(env)?;
        }
        Ok(self.book.next_offset() > first)
    }
}

/// Everything that commands work on.
struct Machine<D> {
    centre: Centre,
    nodes: Vec<Node<D>>,
    presented: Vec<Record>,
}

impl<D: Disk> Machine<D> {
    fn new() -> Result<Self, String> {
        let env = Env::with_terms(0, Profile::still(), Dice::new(0), false, Terms::first(2, true));
        let mut centre = Centre::new(env)?;
        centre.open(Date::from_julian_day(FIRST_DATE), 1)?;
        let nodes = (0..PARTITIONS).map(Node::new).collect::<Result<_, _>>()?;
        Ok(Self { centre, nodes, presented: Vec::new() })
    }

    fn run(mut self, commands: &[Command]) -> Check {
        for command in commands {
            self.carry_out(command).map_err(|why| format!("{command:?}: {why}"))?;
        }
        let env = &self.centre.env;
        env.checks.markers_are_copies()?;
        for node in &mut self.nodes {
            while node.fold(env, 7, false)? {}
            node.start(env)?;
            let rows = node.disk.rows()?;
            if rows != env.partitions[usize::try_from(node.partition).unwrap()].rows {
                return Err(format!(
                    "the store of partition {} differs from a fold from zero",
                    node.partition
                ));
            }
            super::rendering::all_cycles(env, node.partition, &rows)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, command: &Command) -> Check {
        let node = |partition: &u32| usize::try_from(*partition).unwrap();
        match command {
            Command::Present { acquirer, taps, answered } => self.present(*acquirer, taps, *answered),
            Command::PresentAgain { which, clash, answered } => self.present_again(*which, *clash, *answered),
            Command::Answer { partition, place } => self.centre.answer(*partition, *place),
            Command::Redeliver { partition, back } => {
                let end = self.centre.env.log.end(Topic::Clearing(*partition));
                self.centre.again(*partition, end.saturating_sub(*back))
            }
            Command::CutOff { days, window } => self.cut_off(*days, *window),
            Command::Expire => self.cut_off(12, None),
            Command::Fold { partition, messages, dies } => {
                self.nodes[node(partition)].fold(&self.centre.env, *messages, *dies).map(drop)
            }
            Command::Crash { partition } => {
                let node = &mut self.nodes[node(partition)];
                node.disk = node.disk.copy()?;
                node.start(&self.centre.env)
            }
            Command::Snapshot { partition } => {
                let node = &mut self.nodes[node(partition)];
                node.snapshots.push(node.disk.copy()?);
                Ok(())
            }
            Command::Restore { partition, which } => {
                let node = &mut self.nodes[node(partition)];
                let place = which % (node.snapshots.len() + 1);
                node.disk = node.snapshots.get(place).map_or_else(D::empty, D::copy)?;
                node.start(&self.centre.env)
            }
            Command::Rebalance { partition, folded } => {
                let node = &mut self.nodes[node(partition)];
                while *folded && node.fold(&self.centre.env, 3, false)? {}
                node.start(&self.centre.env)
            }
        }
    }

    fn present(&mut self, acquirer: usize, taps: &[Drawn], answered: u8) -> Check {
        let date = self.centre.env.reference(0).date().unwrap();
        let record = |drawn: &Drawn| Record {
            acquirer,
            issuer: drawn.issuer,
            prefix: acquirer,
            sequence: drawn.sequence,
            content: drawn.content,
            tapped: date - drawn.age,
            code: if drawn.genuine { 0 } else { 2 },
            poison: false,
        };
        let records: Vec<Record> = taps.iter().map(record).collect();
        self.presented.extend(records.iter().cloned());
        let has = |issuer| answered & (1 << super::scheme::index_of(issuer)) != 0;
        self.centre.present(city(acquirer), &records, |_, issuer| has(issuer)).map(drop)
    }

    fn present_again(&mut self, which: usize, clash: bool, answered: bool) -> Check {
        if self.presented.is_empty() {
            return Ok(());
        }
        let mut record = self.presented[which % self.presented.len()].clone();
        record.content += u32::from(clash);
        self.centre.present(city(record.acquirer), &[record], |_, _| answered).map(drop)
    }

    fn cut_off(&mut self, days: i32, window: Option<u32>) -> Check {
        if let Some(days) = window {
            let latest = self.centre.env.documents.last().unwrap().terms.clone();
            self.centre.env.publish(Terms { version: latest.version + 1, days, ..latest });
        }
        let last = self.centre.core.last_opening().unwrap().business_date;
        let version = self.centre.env.latest_version();
        self.centre.cut_off(Some((Date::from_julian_day(last + days), version)))
    }
}

/// Draws and runs cases; of the first that fails why, and the fewest commands that still do.
fn failure<D: Disk>(seed: u64, cases: u32, longest: usize) -> Option<(String, Vec<Command>)> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let run = runner.run(&vec(command(), 1..longest), |commands| {
        let machine = Machine::<D>::new().map_err(TestCaseError::fail)?;
        machine.run(&commands).map_err(TestCaseError::fail)
    });
    match run {
        Ok(()) => None,
        Err(TestError::Fail(why, commands)) => Some((why.to_string(), commands)),
        Err(TestError::Abort(why)) => Some((why.to_string(), Vec::new())),
    }
}

fn check<D: Disk>(cases: u32, longest: usize) {
    let seed: u64 = std::env::var("CU_MODEL_SEED").map_or(1, |seed| seed.parse().unwrap());
    if let Some((why, commands)) = failure::<D>(seed, cases, longest) {
        panic!("CU_MODEL_SEED={seed}: {why}\nthe fewest commands: {commands:#?}");
    }
}

#[test]
fn a_rule_that_is_missing_is_found_and_few_commands_show_it() {
    for (rule, most) in [
        (Rule::ConflictUnpaid, 2),
        (Rule::RedeliveryCountsNothing, 3),
        (Rule::RejectedTakesNoIdentity, 2),
        (Rule::WaitedRowsShown, 4),
        (Rule::KeepWhileArrivedParked, 6),
    ] {
        let found = without(rule, || failure::<InMemory>(1, 2_000, 60));
        let (why, commands) = found.unwrap_or_else(|| panic!("nothing fails without {rule:?}"));
        assert!(commands.len() <= most, "without {rule:?}: {why}: {commands:#?}");
    }
}

#[test]
fn any_commands_on_a_store_in_memory() {
    check::<InMemory>(1_500, 60);
}

#[test]
fn any_commands_on_rocksdb() {
    check::<OnRocks>(40, 40);
}
