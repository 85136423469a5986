//! What every service stands in: its network, its signal to stop, its admin port, its way to the log.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use cu_log::{Log, LogError, Partition, topics::Topics};
use runtime::{
    admin::{self, AdminConfig, Board, Missing},
    log_watch::LogWatch,
    scheme::SchemeView,
    whole_text,
};

use super::LogConfig;

/// How often a service looks whether its parts still work.
const LOOK: Duration = Duration::from_millis(100);
/// How long a service waits for what must be there before it can begin: Kafka, the topics, the first rulebook.
const START_WAIT_MAX: Duration = Duration::from_secs(600);
/// How often an attempt is looked at.
const ATTEMPT_LOOK: Duration = Duration::from_millis(5);
/// Pause before the log is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How long a service may take to end after it was told to.
const END_WAIT_MAX: Duration = Duration::from_secs(30);

/// What a service stands in. Its admin port answers as long as the frame is there.
pub(super) struct Frame {
    /// Where connections live.
    pub(super) tokio: tokio::runtime::Runtime,
    /// Where the service says how it is.
    pub(super) board: Board,
    stop: Arc<AtomicBool>,
    started: Instant,
}

impl Frame {
    /// Catches the signals and opens the admin port, with further paths of the service in `more`.
    pub(super) fn start(
        service: &'static str,
        config: Option<&AdminConfig>,
        more: axum::Router,
    ) -> Result<Self> {
        let tokio = super::network()?;
        let stop = crate::signals::stopped(&tokio)?;
        let board = Board::new(service);
        if let Some(config) = config {
            let listener = admin::bind(config)?;
            admin::serve(&board, listener, more, tokio.handle()).context("serve the admin port")?;
            tracing::info!("admin port on {}: /healthz /readyz /metrics", config.listen);
        }
        Ok(Self { tokio, board, stop, started: Instant::now() })
    }

    /// Reaches Kafka, waiting for it if it is away; `None` if the service was told to stop meanwhile.
    ///
    /// # Errors
    /// If it does not answer within ten minutes.
    pub(super) fn log(
        &self,
        config: &LogConfig,
        client: &'static str,
    ) -> Result<Option<(Arc<dyn Log>, Topics)>> {
        let trying = format!("reaching Kafka at {}", config.kafka);
        let config = config.clone();
        self.patiently("log", &trying, move || config.open(client))
    }

    /// Follows the cycles, waiting until a clearing node has made the topics.
    ///
    /// # Errors
    /// If the log fails, or there are none within ten minutes.
    pub(super) fn scheme(&self, log: &Arc<dyn Log>, topics: &Topics) -> Result<Option<Arc<SchemeView>>> {
        let (log, topics) = (Arc::clone(log), topics.clone());
        self.patiently("cycles", "reading the events of the cycles", move || {
            SchemeView::follow(&log, &topics).map(Arc::new).map_err(|error| match error {
                error @ LogError::NoTopic(_) => {
                    anyhow::Error::new(error).context("the topics are not made yet; start a clearing node")
                }
                error => error.into(),
            })
        })
    }

    /// Tries until it succeeds; what keeps it from doing so stands in the log lines and on the admin port.
    /// It tries on a thread of its own, so that a stop is heard meanwhile.
    fn patiently<T: Send + 'static>(
        &self,
        what: &'static str,
        trying: &str,
        open: impl Fn() -> Result<T> + Send + Sync + 'static,
    ) -> Result<Option<T>> {
        let open = Arc::new(open);
        self.board.show(vec![Missing::new(what, trying)]);
        while !self.told_to_stop() {
            let open = Arc::clone(&open);
            let attempt = std::thread::Builder::new().name("start".to_owned()).spawn(move || open());
            let attempt = attempt.context("start a thread")?;
            while !attempt.is_finished() && !self.told_to_stop() {
                std::thread::sleep(ATTEMPT_LOOK);
            }
            if !attempt.is_finished() {
                break;
            }
            let error = match attempt.join() {
                Ok(Ok(opened)) => return Ok(Some(opened)),
                Ok(Err(error)) => error,
                Err(_) => bail!("{trying}: the thread that tried panicked"),
            };
            let waited = self.started.elapsed();
            if waited > START_WAIT_MAX {
                return Err(error.context(format!("gave up after {} s", waited.as_secs())));
            }
            tracing::warn!("waiting since {} s: {error:#}", waited.as_secs());
            self.board.show(vec![Missing::new(what, format!("{error:#}"))]);
            self.pause(TRY_AGAIN);
        }
        Ok(None)
    }

    /// Waits until `found` finds what the service needs; `None` if it was told to stop meanwhile.
    ///
    /// # Errors
    /// If it is not found within ten minutes.
    pub(super) fn wait_for<T>(
        &self,
        what: &'static str,
        why: &str,
        mut found: impl FnMut() -> Option<T>,
    ) -> Result<Option<T>> {
        let mut said = false;
        while !self.told_to_stop() {
            if let Some(found) = found() {
                return Ok(Some(found));
            }
            if self.started.elapsed() > START_WAIT_MAX {
                bail!("{what}: {why}; gave up after {} s", self.started.elapsed().as_secs());
            }
            if !std::mem::replace(&mut said, true) {
                tracing::info!("waiting: {why}");
            }
            self.board.show(vec![Missing::new(what, why)]);
            self.pause(LOOK);
        }
        Ok(None)
    }

    /// Watches whether the log answers, and where `partitions` end.
    pub(super) fn watch(&self, log: &Arc<dyn Log>, partitions: Vec<Partition>) -> Result<LogWatch> {
        LogWatch::start(Arc::clone(log), partitions).context("start the thread that watches the log")
    }

    /// Runs until SIGINT or SIGTERM, or until `look` finds that something stands still; what `look` finds
    /// missing is shown on the admin port.
    ///
    /// # Errors
    /// What `look` found.
    pub(super) fn run(&self, mut look: impl FnMut() -> Result<Vec<Missing>>) -> Result<()> {
        let mut ready = false;
        while !self.told_to_stop() {
            let missing = look().inspect_err(|error| self.board.fail(format!("{error:#}")))?;
            if missing.is_empty() != ready {
                ready = missing.is_empty();
                match missing.first() {
                    None => tracing::info!("ready"),
                    Some(first) => tracing::warn!("not ready: {}: {}", first.what, first.why),
                }
            }
            self.board.show(missing);
            self.pause(LOOK);
        }
        tracing::info!("told to stop: finishing what is in work");
        self.board.show(vec![Missing::new("stop", "the service is ending")]);
        bound_the_end();
        Ok(())
    }

    fn told_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        while !self.told_to_stop() && Instant::now() < until {
            std::thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
    }
}

/// Ends the process by force if it does not end by itself: everything is resumed from log and stores.
fn bound_the_end() {
    let ending = std::thread::Builder::new().name("end".to_owned()).spawn(|| {
        std::thread::sleep(END_WAIT_MAX);
        tracing::error!(
            "did not end within {END_WAIT_MAX:?}: ended by force; the next start goes on from here"
        );
        std::process::exit(1);
    });
    if let Err(error) = ending {
        tracing::warn!("the end is not bounded: {}", whole_text(&error));
    }
}
