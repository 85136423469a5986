//! Any commands in any order, drawn and shrunk by proptest: taps presented, presented again, cut-offs, crashes,
//! restores, expiry, and what operators do: resumes, imports, moves of cities. Each message is compared with the naive
//! reference, each node with a fold from zero.
//! `CU_MODEL_SEED=n` draws other commands; a failure names its seed and the fewest commands that still fail.

mod node;
mod operators;

use std::collections::BTreeMap;

use domain::{
    city::City,
    date::Date,
    guard::{Rule, without},
};
use node::Node;
use proptest::{
    collection::vec,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use proto::{Outcome, clearing::Body};

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
    scheme::{FIRST_DATE, PARTITIONS, Terms, acquirers, city},
};

/// Everything that commands work on.
struct Machine<D> {
    centre: Centre,
    nodes: Vec<Node<D>>,
    presented: Vec<Record>,
    /// Every batch as the switch has it, by city.
    sent: BTreeMap<City, Vec<Outcome>>,
}

impl<D: Disk> Machine<D> {
    fn new() -> Result<Self, String> {
        let env = Env::with_terms(0, Profile::still(), Dice::new(0), false, Terms::first(2, true));
        let mut centre = Centre::new(env)?;
        // Cities are stopped here with cause, and the reference knows when.
        centre.env.checks.rolled_back.extend(acquirers());
        centre.open(Date::from_julian_day(FIRST_DATE), 1)?;
        let nodes = (0..PARTITIONS).map(Node::new).collect::<Result<_, _>>()?;
        Ok(Self { centre, nodes, presented: Vec::new(), sent: BTreeMap::new() })
    }

    fn run(mut self, commands: &[Command]) -> Check {
        for command in commands {
            self.carry_out(command).map_err(|why| format!("{command:?}: {why}"))?;
        }
        self.centre.write_markers()?;
        let env = &self.centre.env;
        env.checks.markers_are_copies()?;
        for node in &mut self.nodes {
            if node.ahead {
                node.restore(env, node.snapshots.len().saturating_sub(1))?;
            }
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
            Command::Present { acquirer, taps, answered } => {
                let records = self.records(*acquirer, taps);
                self.send(*acquirer, &records, *answered, false)
            }
            Command::PresentAgain { which, clash, answered } => self.present_again(*which, *clash, *answered),
            Command::Answer { partition, place } => self.centre.answer(*partition, *place),
            Command::Redeliver { partition, back } => {
                let end = self.centre.env.log.end(Topic::Clearing(*partition));
                self.centre.again(*partition, end.saturating_sub(*back))
            }
            Command::OtherContent { partition, back } => self.other_content(*partition, *back),
            Command::Lose { acquirer, taps } => {
                let records = self.records(*acquirer, taps);
                self.send(*acquirer, &records, u8::MAX, true)
            }
            Command::Resume { acquirer, looked, copies } => self.resume(city(*acquirer), *looked, *copies),
            Command::Import { acquirer, taps, order, overlap } => {
                self.import(*acquirer, taps, order.parts(), *overlap)
            }
            Command::Move { acquirer, lands } => self.move_city(city(*acquirer), *lands),
            Command::Land { twice } => self.land(*twice),
            Command::CutOff { days, window, slow, stale } => {
                self.centre.slow = *slow;
                self.cut_off(*days, *window, *stale)
            }
            Command::Mark => self.centre.write_marker(),
            Command::Expire => self.cut_off(12, None, false),
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
                if !node.ahead {
                    node.snapshots.push(node.disk.copy()?);
                }
                Ok(())
            }
            Command::Restore { partition, which } => {
                let node = &mut self.nodes[node(partition)];
                let place = which % (node.snapshots.len() + 1);
                node.restore(&self.centre.env, place)
            }
            Command::LoseEnd { partition, count } => {
                self.centre.env.lose_end(*partition, *count)?;
                self.nodes[node(partition)].log_has_shrunk(&self.centre.env)
            }
            Command::Rebalance { partition, folded } => {
                let node = &mut self.nodes[node(partition)];
                while *folded && node.fold(&self.centre.env, 3, false)? {}
                node.start(&self.centre.env)
            }
        }
    }

    fn records(&self, acquirer: usize, taps: &[Drawn]) -> Vec<Record> {
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
        taps.iter().map(record).collect()
    }

    /// The switch has a batch, and it reaches the book or not.
    fn send(&mut self, acquirer: usize, records: &[Record], answered: u8, lost: bool) -> Check {
        self.presented.extend(records.iter().cloned());
        let of = city(acquirer);
        let has = |issuer| answered & (1 << super::scheme::index_of(issuer)) != 0;
        let outcome = self.centre.make(of, records, |_, issuer| has(issuer));
        self.sent.entry(of).or_default().push(outcome.clone());
        if lost { Ok(()) } else { self.centre.clearing(self.centre.place(of), Body::Outcome(outcome)) }
    }

    fn present_again(&mut self, which: usize, clash: bool, answered: bool) -> Check {
        if self.presented.is_empty() {
            return Ok(());
        }
        let mut record = self.presented[which % self.presented.len()].clone();
        record.content += u32::from(clash);
        self.send(record.acquirer, &[record], if answered { u8::MAX } else { 0 }, false)
    }

    fn cut_off(&mut self, days: i32, window: Option<u32>, stale: bool) -> Check {
        self.centre.write_markers()?;
        let latest = self.centre.env.documents.last().unwrap().terms.clone();
        let homes = std::array::from_fn(|index| self.centre.home(city(index)));
        let places = if stale { latest.places } else { homes };
        let days_kept = window.unwrap_or(latest.days);
        if window.is_some() || places != latest.places {
            let version = latest.version + 1;
            self.centre.env.publish(Terms { version, days: days_kept, places, ..latest });
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

/// Some commands of a seed, in memory.
pub fn some(seed: u64, _: bool) -> Check {
    failure::<InMemory>(seed, 20, 60).map_or(Ok(()), |(why, commands)| Err(format!("{why}: {commands:?}")))
}

fn check<D: Disk>(cases: u32, longest: usize) {
    let seed: u64 = std::env::var("CU_MODEL_SEED").map_or(1, |seed| seed.parse().unwrap());
    if let Some((why, commands)) = failure::<D>(seed, cases, longest) {
        panic!("CU_MODEL_SEED={seed}: {why}\nthe fewest commands: {commands:#?}");
    }
}

#[test]
fn a_rule_that_is_missing_is_found_and_few_commands_show_it() {
    let mut wrong = Vec::new();
    for (rule, most) in [
        (Rule::ConflictUnpaid, 2),
        (Rule::RedeliveryCountsNothing, 4),
        (Rule::RejectedTakesNoIdentity, 4),
        (Rule::WaitedRowsShown, 4),
        (Rule::KeepWhileArrivedParked, 6),
        (Rule::SkippedNumberStops, 2),
        (Rule::DigestKept, 8),
        (Rule::PlaceByTable, 4),
    ] {
        match without(rule, || failure::<InMemory>(1, 2_000, 60)) {
            None => wrong.push(format!("nothing fails without {rule:?}")),
            Some((why, commands)) if commands.len() > most => {
                wrong.push(format!("without {rule:?}: {why}: {commands:#?}"));
            }
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn any_commands_on_a_store_in_memory() {
    check::<InMemory>(1_500, 60);
}

#[test]
fn any_commands_on_rocksdb() {
    check::<OnRocks>(40, 40);
}
