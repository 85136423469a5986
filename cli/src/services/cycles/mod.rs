//! The cycles of a running clearing node, as its admin port shows them, and the cut-off by hand.
//!
//! | request | answers |
//! |---|---|
//! | `GET /cycles` | a [`View`] as JSON |
//! | `POST /cycles/cut-off` with a [`CutOff`] | 202 once the cut-off stands on the log, 409 with the reason if it is refused |
//!
//! The handlers decide nothing: a request waits on the [`Desk`] until the service's own loop takes it.

pub mod clock;
pub mod view;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use tokio::sync::oneshot;

use self::view::{CutOff, View};

/// Requests that may wait at a time.
const WAITING_MAX: usize = 8;
/// How long a request may wait for the service's loop and for the log.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(90);

/// A cut-off that somebody asked for.
#[derive(Debug)]
pub struct Asked {
    /// What was asked.
    pub cut_off: CutOff,
    answer: oneshot::Sender<Result<(), String>>,
}

impl Asked {
    /// Tells whoever asked; the error says why it is refused.
    pub fn answer(self, answer: Result<(), String>) {
        // Whoever asked may have gone.
        drop(self.answer.send(answer));
    }
}

/// Where the admin port and the service's loop meet. Clones share everything.
#[derive(Clone, Default)]
pub struct Desk(Arc<(Mutex<View>, Mutex<VecDeque<Asked>>)>);

impl Desk {
    /// The paths of the admin port.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/cycles", get(show))
            .route("/cycles/cut-off", post(cut_off))
            .with_state(self.clone())
    }

    /// Puts up how the cycles are now.
    pub fn show(&self, view: View) {
        *lock(&self.0.0) = view;
    }

    /// The next request that waits.
    pub fn take(&self) -> Option<Asked> {
        lock(&self.0.1).pop_front()
    }

    fn ask(&self, cut_off: CutOff) -> Option<oneshot::Receiver<Result<(), String>>> {
        let (answer, hear) = oneshot::channel();
        let mut waiting = lock(&self.0.1);
        if waiting.len() >= WAITING_MAX {
            return None;
        }
        waiting.push_back(Asked { cut_off, answer });
        Some(hear)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn show(State(desk): State<Desk>) -> Json<View> {
    Json(lock(&desk.0.0).clone())
}

async fn cut_off(State(desk): State<Desk>, Json(asked): Json<CutOff>) -> (StatusCode, String) {
    let busy = "other requests wait already; ask again\n";
    let Some(hear) = desk.ask(asked) else {
        return (StatusCode::SERVICE_UNAVAILABLE, busy.to_owned());
    };
    match tokio::time::timeout(ANSWER_WAIT_MAX, hear).await {
        Ok(Ok(Ok(()))) => (StatusCode::ACCEPTED, "cut off\n".to_owned()),
        Ok(Ok(Err(why))) => (StatusCode::CONFLICT, why),
        Ok(Err(_)) | Err(_) => {
            let text = "the cut-off may or may not stand on the log yet: look at the status\n";
            (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
        }
    }
}
