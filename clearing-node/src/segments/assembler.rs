//! The thread of a coordinating node that puts folders together, so that the coordinator goes on answering.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, thread::JoinHandle};

use crossbeam_channel::{Receiver, Sender};
use cu_log::{Log, topics::Topics};
use cu_objects::Objects;
use proto::{PartitionTotals, Published};
use runtime::whole_text;
use signing::Signers;

use super::AssembleError;
use crate::{
    coordinator::{Correction, SegmentIn},
    priority::stand_back,
    render::{self, Closed},
    watch,
};

/// Tasks that may wait.
const TASKS_MAX: usize = 4;

/// Where folders are made.
#[derive(Clone)]
pub struct Surroundings {
    /// The log, for the reports beside a folder.
    pub log: Arc<dyn Log>,
    /// Its topics.
    pub topics: Topics,
    /// Where the segments are.
    pub objects: Objects,
    /// For what is made on the way; on the file system of `out_dir`.
    pub work_dir: PathBuf,
    /// Where cycles appear.
    pub out_dir: PathBuf,
    /// Who signs them, if somebody does.
    pub signers: Option<Arc<Signers>>,
    /// How much the thread stands back behind others: 0 (not at all) to 19.
    pub niceness: i32,
}

/// A closed cycle that shall become a folder.
#[derive(Clone, Debug)]
pub struct Job {
    /// What it is.
    pub closed: Closed,
    /// The totals of all partitions, which say where its log ranges are.
    pub totals: Vec<PartitionTotals>,
    /// The segments of all partitions.
    pub segments: Vec<SegmentIn>,
    /// What a later version of its plan replaces: its detail comes from there.
    pub correction: Option<Correction>,
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// The folder is there.
    Folder(Published),
    /// A segment is missing or damaged.
    Lost {
        /// Its partition.
        partition: u32,
        /// What is wrong with it.
        what: String,
    },
    /// It cannot be made now, and why; it may be later.
    Failed(String),
}

enum Task {
    Assemble(Box<Job>),
    Tidy(BTreeSet<String>),
}

/// The thread. Dropping it waits until the task at hand is done.
pub struct Assembler {
    tasks: Option<Sender<Task>>,
    done: Receiver<((u32, u32), Made)>,
    thread: Option<JoinHandle<()>>,
}

impl Assembler {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there can be none.
    pub fn start(around: Surroundings) -> std::io::Result<Self> {
        let (tasks, taken) = crossbeam_channel::bounded::<Task>(TASKS_MAX);
        let (told, done) = crossbeam_channel::unbounded();
        let thread = std::thread::Builder::new().name("assembler".to_owned()).spawn(move || {
            stand_back(around.niceness);
            for task in taken {
                match task {
                    // Nobody listens any more when the node ends.
                    Task::Assemble(job) => {
                        let of = (job.closed.opening.cycle, job.closed.plan.version);
                        drop(told.send((of, around.assemble(&job))));
                    }
                    Task::Tidy(published) => around.tidy(&published),
                }
            }
        })?;
        Ok(Self { tasks: Some(tasks), done, thread: Some(thread) })
    }

    /// Hands over a job, unless too many wait already.
    #[must_use]
    pub fn begin(&self, job: Job) -> bool {
        self.send(Task::Assemble(Box::new(job)))
    }

    /// Has the segments of published cycles removed, by the names of their folders; nothing if too many tasks wait.
    #[must_use]
    pub fn tidy(&self, published: BTreeSet<String>) -> bool {
        self.send(Task::Tidy(published))
    }

    /// A job that is done, by the ordinal of its cycle and the version of its plan.
    #[must_use]
    pub fn done(&self) -> Option<((u32, u32), Made)> {
        self.done.try_recv().ok()
    }

    fn send(&self, task: Task) -> bool {
        self.tasks.as_ref().is_some_and(|tasks| tasks.try_send(task).is_ok())
    }
}

impl Drop for Assembler {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that puts folders together panicked");
        }
    }
}

impl Surroundings {
    fn assemble(&self, job: &Job) -> Made {
        let Self { objects, signers, work_dir, out_dir, .. } = self;
        if let Some(correction) = &job.correction {
            let made = render::correct(&job.closed, correction, signers.as_deref(), work_dir, out_dir);
            return made.map_or_else(|error| Made::Failed(whole_text(&error)), Made::Folder);
        }
        // Beside the folder, so that they cost the close no time; they are there before it is said to be published.
        let assembled = std::thread::scope(|scope| {
            scope.spawn(|| self.watch(job));
            super::assemble(objects, &job.closed, &job.segments, signers.as_deref(), work_dir, out_dir)
        });
        match assembled {
            Ok(published) => Made::Folder(published),
            Err(AssembleError::Lost { partition, what }) => Made::Lost { partition, what },
            Err(error) => Made::Failed(whole_text(&error)),
        }
    }

    /// Makes the reports of a cycle. They are no part of what is settled: without them it is published all the same.
    fn watch(&self, job: &Job) {
        let totals: Vec<&PartitionTotals> = job.totals.iter().collect();
        let Closed { opening, rulebook, .. } = &job.closed;
        let Self { log, topics, .. } = self;
        let source = watch::Source { opening, rulebook, totals: &totals, log, topics };
        if let Err(error) = watch::watch(&source, &self.work_dir, &self.out_dir) {
            let cycle = opening.cycle;
            tracing::error!("the reports of cycle {cycle} are missing: {}", whole_text(&error));
        }
    }

    fn tidy(&self, published: &BTreeSet<String>) {
        if let Err(error) = super::tidy(&self.objects, published, &self.work_dir) {
            let why = whole_text(&error);
            tracing::warn!("segments of published cycles are still there: {why}");
        }
    }
}
