//! A tap's life, looked up on the log that is open here, on a thread of its own.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc::SyncSender},
    thread::{Builder, JoinHandle},
};

use anyhow::Result;
use cu_log::{Log, topics::Topics};

use super::say;
use crate::{
    demo::facts::{TapName, Told},
    trace::{on_log, query::Query, story},
};

/// What is looked up, one tap at a time.
#[derive(Debug, Default)]
pub struct Lookup(Option<JoinHandle<()>>);

impl Lookup {
    /// Begins to look for a tap; its life is told when it is known.
    pub fn begin(
        &mut self,
        log: &Arc<dyn Log>,
        topics: &Topics,
        settled: PathBuf,
        tap: TapName,
        tell: &SyncSender<Told>,
    ) {
        if self.0.as_ref().is_some_and(|thread| !thread.is_finished()) {
            let busy = Err("another tap is being looked up; ask again in a moment".to_owned());
            return say(tell, Told::Traced(tap, busy));
        }
        self.wait();
        let (log, topics, telling, asked) = (Arc::clone(log), topics.clone(), tell.clone(), tap.clone());
        let look = move || {
            let life = life(&log, &topics, &settled, &asked).map_err(|error| format!("{error:#}"));
            say(&telling, Told::Traced(asked, life));
        };
        match Builder::new().name("trace".to_owned()).spawn(look) {
            Ok(thread) => self.0 = Some(thread),
            Err(error) => say(tell, Told::Traced(tap, Err(format!("no thread can be started: {error}")))),
        }
    }

    /// Waits for what is being looked up.
    pub fn wait(&mut self) {
        if self.0.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("looking up a tap panicked");
        }
    }
}

fn life(log: &Arc<dyn Log>, topics: &Topics, settled: &Path, tap: &TapName) -> Result<Vec<String>> {
    let query = Query { terminal: tap.terminal.parse()?, terminal_seq: tap.sequence, scheme: None };
    let life = on_log(log, topics, Some(settled), query, &|_| {})?;
    let mut lines = story::lines(&life);
    if !life.found() {
        lines.push(String::new());
        lines.extend(life.next.iter().map(|next| format!("next: {next}")));
    }
    Ok(lines)
}
