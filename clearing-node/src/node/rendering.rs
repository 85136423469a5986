//! The thread that renders closed cycles, so that the coordinator goes on answering meanwhile.

use std::{path::PathBuf, sync::Arc, thread::JoinHandle};

use crossbeam_channel::{Receiver, Sender};
use cu_log::{Log, topics::Topics};
use domain::rulebook::Rulebook;
use proto::{Opening, PartitionTotals, Plan, Published};
use runtime::whole_text;

use crate::{
    book::rows,
    render::{self, Source},
    stores::Stores,
};

/// A closed cycle that shall become a folder.
#[derive(Debug)]
pub(super) struct Job {
    pub opening: Opening,
    pub rulebook: Arc<Rulebook>,
    pub plan: Plan,
    /// The totals of each partition.
    pub totals: Vec<PartitionTotals>,
    pub previous_manifest: Option<[u8; 32]>,
}

/// What became of a job.
#[derive(Debug)]
pub(super) enum Made {
    /// The folder is there.
    Folder(Published),
    /// What it is made from is not all here yet, and why.
    NotYet(String),
    /// It cannot be made, and why.
    Failed(String),
}

/// Where folders are made from what.
pub(super) struct Workshop {
    pub log: Arc<dyn Log>,
    pub topics: Topics,
    pub stores: Stores,
    pub work_dir: PathBuf,
    pub out_dir: PathBuf,
}

impl Workshop {
    fn render(&self, job: &Job) -> Made {
        let stores = self.stores.all();
        let ready = |totals: &PartitionTotals| {
            let Some(store) = stores.get(&totals.partition) else {
                return Err(format!("the store of partition {} is not on this node", totals.partition));
            };
            // One that was moved here may still be folding what its totals tell.
            match rows::next_offset(&store.begin()) {
                Ok(next) if next > totals.end_offset => Ok(()),
                Ok(next) => {
                    let (number, end) = (totals.partition, totals.end_offset);
                    Err(format!("partition {number} is at {next}, its part of the cycle ends at {end}"))
                }
                Err(error) => Err(whole_text(&error)),
            }
        };
        if let Err(why) = job.totals.iter().try_for_each(ready) {
            return Made::NotYet(why);
        }
        let source = Source {
            opening: &job.opening,
            rulebook: &job.rulebook,
            plan: &job.plan,
            totals: job.totals.iter().collect(),
            previous_manifest: job.previous_manifest,
            stores: &stores,
            log: &self.log,
            topics: &self.topics,
        };
        match render::render(&source, &self.work_dir, &self.out_dir) {
            Ok(published) => Made::Folder(published),
            Err(error) => Made::Failed(whole_text(&error)),
        }
    }
}

/// The thread. Dropping it waits until the job at hand is done.
pub(super) struct Rendering {
    jobs: Option<Sender<Job>>,
    /// The ordinals of cycles, and what became of them.
    pub done: Receiver<(u32, Made)>,
    thread: Option<JoinHandle<()>>,
}

impl Rendering {
    pub(super) fn start(workshop: Workshop) -> std::io::Result<Self> {
        let (jobs, taken) = crossbeam_channel::bounded::<Job>(1);
        let (told, done) = crossbeam_channel::unbounded();
        let thread = std::thread::Builder::new().name("rendering".to_owned()).spawn(move || {
            for job in taken {
                // Nobody listens any more when the node ends.
                drop(told.send((job.opening.cycle, workshop.render(&job))));
            }
        })?;
        Ok(Self { jobs: Some(jobs), done, thread: Some(thread) })
    }

    /// Hands over a job, unless one waits already.
    pub(super) fn begin(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.try_send(job).is_ok())
    }
}

impl Drop for Rendering {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that renders panicked");
        }
    }
}
