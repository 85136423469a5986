//! Replaying closed cycles from the log alone, with the code that settled them.
//!
//! The production [`Book`](crate::book::Book) folds `cu.clearing` from offset 0 into stores of its own, the
//! production [`Coordinator`](crate::coordinator::Coordinator) makes the plans again from the totals of that fold and
//! from what was said since, later versions too, and the production renderer writes the folders. What comes out is
//! compared with what the log says was settled. Nothing of the running system is touched, and nothing is written to the log.

mod fold;
mod plan;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use archive::{ArchiveError, facts::Facts};
use cu_log::{Log, topics::Topics};
use domain::rulebook::Rulebook;
use proto::{Opening, PartitionTotals, Published};
use signing::Signers;

use crate::{
    book::Halt,
    coordinator::Correction,
    render::{self, Closed, RenderError, Source},
    rocks::RocksStore,
    store::StoreError,
    watch::{self, WatchError},
};

pub use archive::Progress;
pub use plan::Difference;

/// Why a replay cannot be done. Each message reads well after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log or the archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The book of a partition stopped.
    #[error("fold partition {partition}")]
    Halt {
        /// Its number.
        partition: u32,
        /// Why.
        #[source]
        halt: Halt,
    },
    /// A store cannot be opened.
    #[error("open a store for the replay")]
    Store(#[from] StoreError),
    /// A folder cannot be written.
    #[error("render {cycle}")]
    Render {
        /// The cycle.
        cycle: String,
        /// Why not.
        #[source]
        source: RenderError,
    },
    /// Reports cannot be made.
    #[error("make the reports of {cycle}")]
    Reports {
        /// The cycle.
        cycle: String,
        /// Why not.
        #[source]
        source: WatchError,
    },
    /// Something that the replay needs is not on the log.
    #[error("replay: {0}")]
    Missing(String),
}

/// Totals by cycle and partition.
type Totals = BTreeMap<(u32, u32), PartitionTotals>;

/// A replay of a log.
pub struct Replay<'a> {
    log: Arc<dyn Log>,
    topics: Topics,
    facts: &'a Facts,
    rulebooks: Vec<Arc<Rulebook>>,
    stores: BTreeMap<u32, RocksStore>,
    /// The totals that the fold came to, by cycle and partition.
    totals: Totals,
    /// The plans that follow from them and from what was said.
    made: plan::Made,
    last: u32,
}

impl<'a> Replay<'a> {
    /// Folds everything through the end of cycle `last` into stores in `stores` (one folder a partition, as a node
    /// keeps them). Stores that are there already are gone on with, so an interrupted replay loses little.
    ///
    /// With `keep_results` everything that the book would tell the log stays in the stores' outboxes: a node that
    /// starts on them publishes it, and a log restored from an archive gets its results that way. Without, only
    /// totals stay, and memory does not grow with the batches.
    ///
    /// # Errors
    /// [`ReplayError`]; a hole in the log is named.
    pub fn fold(
        log: &Arc<dyn Log>,
        topics: &Topics,
        facts: &'a Facts,
        last: u32,
        stores: &Path,
        keep_results: bool,
        progress: Progress<'_>,
    ) -> Result<Self, ReplayError> {
        let parse = |(_, document): &(u64, proto::RulebookDocument)| {
            let why = |error| ReplayError::Missing(runtime::whole_text(&error));
            Rulebook::parse(&document.toml).map(Arc::new).map_err(why)
        };
        let rulebooks = facts.rulebooks.values().map(parse).collect::<Result<Vec<_>, _>>()?;
        if !facts.published.contains_key(&last) {
            return Err(ReplayError::Missing(format!("cycle {last} is not published on this log")));
        }
        let partitions = facts.partitions(last);
        let opened = (0..partitions).map(|number| Ok((number, RocksStore::open(&folder(stores, number))?)));
        let opened = opened.collect::<Result<BTreeMap<_, _>, StoreError>>()?;
        let mut replay = Self {
            log: Arc::clone(log),
            topics: topics.clone(),
            facts,
            rulebooks,
            stores: opened,
            totals: BTreeMap::new(),
            made: plan::Made::default(),
            last,
        };
        replay.totals = replay.fold_all(keep_results, progress)?;
        replay.made = plan::make(facts, &replay.rulebooks, &replay.totals, partitions);
        Ok(replay)
    }

    /// Folds the partitions, a few at a time.
    fn fold_all(&self, keep_results: bool, progress: Progress<'_>) -> Result<Totals, ReplayError> {
        let ends: Vec<u64> = self.facts.totals_of(self.last).map(|totals| totals.end_offset + 1).collect();
        let total = ends.iter().sum();
        let done = Mutex::new(0_u64);
        let heard = |more: u64| {
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            *done += more;
            progress("messages folded", *done, total);
        };
        let queue = Mutex::new(self.stores.iter().zip(ends));
        let work = || -> Result<Vec<PartitionTotals>, ReplayError> {
            let mut found = Vec::new();
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(((number, store), end)) = next else { return Ok(found) };
                let number = *number;
                let clearing = self.topics.clearing(number);
                let rulebooks = &self.rulebooks;
                let folding = fold::Folding { number, store, rulebooks, keep_results, heard: &heard };
                found.extend(folding.run(self.log.as_ref(), &clearing, end)?);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let results: Vec<Result<Vec<PartitionTotals>, ReplayError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let panicked = |_| Err(ReplayError::Missing("a thread of the replay panicked".to_owned()));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        });
        let mut totals = Totals::new();
        for found in results {
            totals.extend(found?.into_iter().map(|it| ((it.cycle, it.partition), it)));
        }
        Ok(totals)
    }

    /// Compares the plan of a version of a cycle with the one on the log, and with the first version its totals.
    ///
    /// # Errors
    /// [`ReplayError::Missing`] if the log does not hold what the plan needs.
    pub fn check(&self, cycle: u32, version: u32) -> Result<Vec<Difference>, ReplayError> {
        let mut differences = Vec::new();
        if version == 1 {
            for (number, said) in (0..).zip(self.facts.totals_of(cycle)) {
                plan::compare_totals(said, self.totals.get(&(cycle, number)), &mut differences);
            }
        }
        let made = self.plan(cycle, version)?;
        let said = self.facts.plan_of(cycle, version).ok_or_else(|| missing("plan", cycle))?;
        plan::compare_plans(said, made, &mut differences);
        Ok(differences)
    }

    fn plan(&self, cycle: u32, version: u32) -> Result<&proto::Plan, ReplayError> {
        self.made.plan(cycle, version).map_err(ReplayError::Missing)
    }

    /// Renders a version of a cycle from the plan that was made again, and puts its folder into `out`, signed if there are
    /// `signers`. `previous` is the publication that its manifest follows: that of the cycle before, or of the version
    /// before, which must stand in `out`.
    ///
    /// A folder of that name that is in `out` already is taken for the same by its manifest alone: to compare what is there,
    /// render into another one.
    ///
    /// # Errors
    /// [`ReplayError::Render`]; no folder is visible then.
    pub fn render(
        &self,
        (cycle, version): (u32, u32),
        previous: Option<&Published>,
        signers: Option<&Signers>,
        work: &Path,
        out: &Path,
    ) -> Result<Published, ReplayError> {
        let (opening, rulebook) = self.opened(cycle)?;
        let closed = Closed {
            opening: opening.clone(),
            rulebook: Arc::clone(rulebook),
            plan: self.plan(cycle, version)?.clone(),
            previous_manifest: previous.and_then(|it| it.manifest_digest.as_ref().try_into().ok()),
        };
        let name = || crate::book::opening_name(opening).to_string();
        let made = if version > 1 {
            let replaces = previous.ok_or_else(|| missing("version before it", cycle))?.clone();
            let correction = Correction { replaces, reason: closed.plan.reason.clone(), published: None };
            render::correct(&closed, &correction, signers, work, out)
        } else {
            let source = Source {
                closed: &closed,
                totals: self.totals_of(cycle),
                stores: &self.stores,
                log: self.log.as_ref(),
                topics: &self.topics,
                signers,
            };
            render::render(&source, work, out)
        };
        made.map_err(|source| ReplayError::Render { cycle: name(), source })
    }

    /// Makes the reports beside a cycle in `out`; those that are there stay.
    ///
    /// # Errors
    /// [`ReplayError::Reports`]; nothing is visible then.
    pub fn reports(&self, cycle: u32, work: &Path, out: &Path) -> Result<(), ReplayError> {
        let (opening, rulebook) = self.opened(cycle)?;
        let (totals, log, topics) = (self.totals_of(cycle), &self.log, &self.topics);
        let reports = watch::Source { opening, rulebook, totals: &totals, log, topics };
        let cycle = || crate::book::opening_name(opening).to_string();
        watch::watch(&reports, work, out).map_err(|source| ReplayError::Reports { cycle: cycle(), source })
    }

    /// The opening of a cycle, and its rules.
    fn opened(&self, cycle: u32) -> Result<(&Opening, &Arc<Rulebook>), ReplayError> {
        let opening = self.facts.openings.get(&cycle).ok_or_else(|| missing("opening", cycle))?;
        let rules = |known: &&Arc<Rulebook>| known.digest().as_slice() == opening.rulebook_digest.as_ref();
        let rulebook = self.rulebooks.iter().find(rules).ok_or_else(|| missing("rulebook", cycle))?;
        Ok((opening, rulebook))
    }

    fn totals_of(&self, cycle: u32) -> Vec<&PartitionTotals> {
        self.totals.range((cycle, 0)..=(cycle, u32::MAX)).map(|(_, totals)| totals).collect()
    }
}

fn missing(what: &str, cycle: u32) -> ReplayError {
    ReplayError::Missing(format!("the {what} of cycle {cycle} is not on the log"))
}

fn folder(stores: &Path, number: u32) -> PathBuf {
    stores.join(format!("partition-{number}"))
}
