//! A clearing node at work on one partition: folds groups of messages, commits, publishes.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use clearing_node::book::{Book, Effect, Halt, Stepped, Target};
use domain::guard::{Rule, holds};

use super::{
    env::Env,
    net::{Topic, Writer},
    reference::Check,
    store::{Gathered, Rows},
};

/// Key of the offset row.
const OFFSET: &[u8] = b"m/offset";

/// One life of a book on a store.
pub struct Booking {
    pub partition: u32,
    pub writer: Writer,
    pub zombie: bool,
    book: Book,
    /// Its store; always whole transactions.
    pub rows: Rows,
    /// What it will publish next.
    to_send: VecDeque<(u64, Topic, Bytes)>,
    /// Where its reader stands.
    reads: u64,
    known_documents: usize,
    /// Why it stands still: the log has a hole before what it needs next.
    pub hole: Option<String>,
}

impl Booking {
    /// Takes up a store.
    pub fn load(env: &mut Env, partition: u32, rows: Rows) -> Result<Self, String> {
        let rulebooks = env.rulebooks();
        let book = Book::load(partition, &Gathered::over(&rows), &rulebooks);
        let book = book.map_err(|halt| format!("a store cannot be loaded: {halt}"))?;
        let to_send = book.outbox().filter_map(sendable).collect();
        let mut reads = book.next_offset();
        if !holds(Rule::StoreOffset) {
            // The position that the group committed for whoever had the partition before.
            reads = env.partitions[usize::try_from(partition).unwrap()].group_offset.max(reads);
        }
        let known_documents = env.documents.len();
        let writer = env.net.writer();
        let hole = None;
        Ok(Self { partition, writer, zombie: false, book, rows, to_send, reads, known_documents, hole })
    }

    /// Does one thing; whether there was anything to do.
    pub fn act(&mut self, env: &mut Env) -> Result<bool, String> {
        match env.dice.below(10) {
            0..5 => self.fold(env),
            5..9 => Ok(self.send(env)),
            _ => Ok(false),
        }
    }

    /// Folds some messages as one transaction.
    pub fn fold(&mut self, env: &mut Env) -> Result<bool, String> {
        if self.hole.is_some() {
            return Ok(false);
        }
        let group = env.dice.pick(&[1, 1, 2, 3, 8]);
        let first = self.reads;
        let topic = Topic::Clearing(self.partition);
        let start = env.log.start(topic);
        if self.reads < start && start < env.log.end(topic) {
            // Where it should go on there is nothing any more: a reader begins at what is there.
            self.reads = start;
        }
        let mut txn = Gathered::over(&self.rows);
        let mut effects = Vec::new();
        for _ in 0..group {
            let Some(payload) = env.log.read(Topic::Clearing(self.partition), self.reads) else { break };
            let said = effects.len();
            let stepped = self.book.step(&mut txn, self.reads, payload, &mut effects);
            if let (Err(halt @ Halt::Hole { .. }), true) = (&stepped, first < start) {
                env.trace(|| format!("a node of partition {} stands still: {halt}", self.partition));
                self.hole = Some(halt.to_string());
                return Ok(true);
            }
            match stepped
                .map_err(|halt| format!("a node of partition {} stands still: {halt}", self.partition))?
            {
                Stepped::Done => {}
                Stepped::NeedsRulebook { .. } => {
                    for document in &env.documents[self.known_documents..] {
                        self.book.learn(Arc::clone(&document.rulebook));
                    }
                    self.known_documents = env.documents.len();
                    break;
                }
            }
            let partition = &env.partitions[usize::try_from(self.partition).unwrap()];
            if partition.effects[usize::try_from(self.reads).unwrap()] != effects[said..] {
                return Err(format!(
                    "another effect at offset {} of partition {}: {:?}, first {:?}",
                    self.reads,
                    self.partition,
                    &effects[said..],
                    partition.effects[usize::try_from(self.reads).unwrap()]
                ));
            }
            self.reads += 1;
        }
        if self.reads == first {
            return Ok(false);
        }
        self.book.seal(&mut txn);
        let offset_before = self.rows.get(OFFSET).cloned();
        txn.finish().commit(&mut self.rows);
        if !holds(Rule::AtomicOffset) && env.dice.permille(50) {
            // The crash between the write of the state and the write of the offset.
            match offset_before {
                Some(offset) => self.rows.insert(OFFSET.to_vec(), offset),
                None => self.rows.remove(OFFSET),
            };
            *self = Self::load(env, self.partition, std::mem::take(&mut self.rows))?;
            return Ok(true);
        }
        let partition = &mut env.partitions[usize::try_from(self.partition).unwrap()];
        partition.group_offset = partition.group_offset.max(self.reads);
        self.to_send.extend(effects.into_iter().filter_map(sendable));
        Ok(true)
    }

    /// The next offset that its store needs.
    pub fn next_offset(&self) -> u64 {
        self.book.next_offset()
    }

    /// Publishes the next message.
    pub fn send(&mut self, env: &mut Env) -> bool {
        let Some((_, topic, _)) = self.to_send.front() else { return false };
        if env.net.in_flight(self.writer, *topic) >= env.profile.in_flight_max {
            return false;
        }
        let Some((number, topic, payload)) = self.to_send.pop_front() else { return false };
        env.net.send(self.writer, topic, payload, Some(number));
        true
    }

    /// A message it published is durable.
    pub fn acknowledged(&mut self, number: u64) {
        self.book.published(number);
    }

    /// Whether everything is folded.
    pub fn has_read_all(&self, env: &Env) -> bool {
        self.reads == env.log.end(Topic::Clearing(self.partition))
    }

    /// Whether everything is folded and published.
    pub fn is_idle(&self, env: &Env) -> bool {
        self.has_read_all(env) && self.to_send.is_empty()
    }

    /// What its store holds, apart from what waits to be published.
    pub fn compare(&self, rows: &Rows) -> Check {
        let kept = |rows: &Rows| -> Rows {
            let kept = rows.iter().filter(|(key, _)| !key.starts_with(b"o/"));
            kept.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let (here, there) = (kept(&self.rows), kept(rows));
        for (key, value) in &here {
            if there.get(key) != Some(value) {
                return Err(format!(
                    "the live store of partition {} has {:?} where a replay from zero has {:?}",
                    self.partition,
                    (String::from_utf8_lossy(key), value),
                    there.get(key)
                ));
            }
        }
        match there.keys().find(|key| !here.contains_key(*key)) {
            Some(key) => Err(format!(
                "the live store of partition {} lacks the row {:?}",
                self.partition,
                String::from_utf8_lossy(key)
            )),
            None => Ok(()),
        }
    }
}

fn sendable(effect: Effect) -> Option<(u64, Topic, Bytes)> {
    let Effect::Publish { number, target, payload } = effect else { return None };
    let topic = match target {
        Target::Results(city) => Topic::Results(city),
        Target::Cycles => Topic::Cycles,
        Target::Clearing(partition) => Topic::Clearing(partition),
    };
    Some((number, topic, payload))
}
