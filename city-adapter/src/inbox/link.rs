//! The link to the log: whether it answers, since when it does not, and what it says of the open cycle. It heals by
//! itself: whoever stopped following is started again.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use cu_log::{Log, LogError, topics::Topics};
use domain::{city::City, date::Date};
use runtime::{
    scheme::{OpenCycle, SchemeView},
    whole_text,
};

use super::status::local_time;
use crate::acquirer::AcquirerHost;

/// How often the log is asked.
const EVERY: Duration = Duration::from_millis(500);

/// How long a failure is told after it was tried again.
const TELL: Duration = Duration::from_secs(3);

/// Asks the log once whether it answers.
pub type Ask = Box<dyn Fn() -> Result<(), LogError> + Send>;

/// A log that does not answer.
#[derive(Clone, Debug)]
pub struct Away {
    /// Since when.
    pub since: SystemTime,
    /// What it says.
    pub why: String,
}

/// What the log says of today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenDay {
    /// Business date of the open cycle.
    pub date: Date,
    /// Whether the city is a member on that date.
    pub member: bool,
}

/// Follows the log on a thread of its own until it is dropped.
pub struct Link {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    city: City,
    state: Mutex<State>,
    stop: AtomicBool,
}

struct State {
    away: Option<Away>,
    /// Whether it was told that the log is away.
    warned: bool,
    /// What keeps it from following a log that answers.
    trouble: Option<String>,
    scheme: Option<Arc<SchemeView>>,
    /// When and why results could not be taken in last.
    results_failed: Option<(Instant, String)>,
}

impl Link {
    /// Begins to follow. The log need not be there.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        host: AcquirerHost,
        log: Arc<dyn Log>,
        topics: Topics,
        city: City,
        ask: Ask,
    ) -> std::io::Result<Self> {
        // Until it has answered once it is away.
        let away = Away { since: SystemTime::now(), why: "it has not answered yet".to_owned() };
        let state = Mutex::new(State {
            away: Some(away),
            warned: false,
            trouble: None,
            scheme: None,
            results_failed: None,
        });
        let shared = Arc::new(Shared { city, state, stop: AtomicBool::new(false) });
        let mine = Arc::clone(&shared);
        let thread = thread::Builder::new().name("link".to_owned()).spawn(move || {
            while !mine.stop.load(Ordering::Relaxed) {
                mine.look(&host, &log, &topics, &ask);
                thread::sleep(EVERY);
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Since when the log has not answered, if it does not.
    #[must_use]
    pub fn away(&self) -> Option<Away> {
        self.shared.state().away.clone()
    }

    /// What keeps it from following a log that answers.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.state().trouble.clone()
    }

    /// What the log says of rules and cycles, once it was reached.
    #[must_use]
    pub fn scheme(&self) -> Option<Arc<SchemeView>> {
        self.shared.state().scheme.clone()
    }

    /// A function that finds what the log says of rules and cycles, for other threads.
    pub fn scheme_of(&self) -> impl Fn() -> Option<Arc<SchemeView>> + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.state().scheme.clone()
    }

    /// The open business date, once it is known.
    #[must_use]
    pub fn open_day(&self) -> Option<OpenDay> {
        let OpenCycle { opening, rulebook } = self.scheme()?.open_cycle_of(self.shared.city)?;
        let date = Date::from_julian_day(opening.business_date);
        let member = rulebook.participant(self.shared.city).is_some_and(|p| p.is_member(date));
        Some(OpenDay { date, member })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that looks after the log panicked");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, host: &AcquirerHost, log: &Arc<dyn Log>, topics: &Topics, ask: &Ask) {
        match ask() {
            Ok(()) => self.back(),
            Err(error) => return self.gone(whole_text(&error)),
        }
        let followed = self.follow(host, log, topics);
        let mut state = self.state();
        if let (Err(why), false) = (&followed, state.trouble == followed.clone().err()) {
            tracing::warn!("{}: {why}; it is tried again", self.city);
        }
        state.trouble = followed.err();
    }

    fn gone(&self, why: String) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.warned, true) {
            tracing::warn!("the log does not answer: {why}; files are accepted meanwhile and wait for it");
        }
        let since = state.away.as_ref().map_or_else(SystemTime::now, |away| away.since);
        state.away = Some(Away { since, why });
    }

    fn back(&self) {
        let mut state = self.state();
        let away = state.away.take();
        if let (Some(away), true) = (away, std::mem::take(&mut state.warned)) {
            let lasted = away.since.elapsed().unwrap_or_default().as_secs();
            tracing::info!("the log answers again; it was away since {}, {lasted} s", local_time(away.since));
        }
    }

    fn follow(&self, host: &AcquirerHost, log: &Arc<dyn Log>, topics: &Topics) -> Result<(), String> {
        let followed = self.state().scheme.as_ref().map(|scheme| scheme.failed());
        if !matches!(followed, Some(None)) {
            let scheme = SchemeView::follow(log, topics).map_err(|error| {
                format!("the cycles cannot be followed: {}; has the clearing node run?", whole_text(&error))
            })?;
            let before = self.state().scheme.replace(Arc::new(scheme));
            drop(before);
        }
        if let Some(why) = host.follow_failure() {
            self.state().results_failed = Some((Instant::now(), why));
        }
        if !host.is_following() {
            host.follow(&[self.city]).map_err(|error| {
                let why = whole_text(&error);
                format!("the results cannot be followed: {why}; is {} in the rulebook?", self.city)
            })?;
        }
        let mut state = self.state();
        state.results_failed.take_if(|(at, _)| at.elapsed() > TELL);
        match &state.results_failed {
            Some((_, why)) => Err(format!("the results could not be taken in: {why}")),
            None => Ok(()),
        }
    }
}
