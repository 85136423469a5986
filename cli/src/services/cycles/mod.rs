//! What a running clearing node shows on its admin port, and what can be asked of it there.
//!
//! | request | answers |
//! |---|---|
//! | `GET /cycles` | a [`View`] as JSON |
//! | `GET /cycles/{name}` | a [`Detail`] of one cycle as JSON |
//! | `POST /cycles/cut-off` with a [`CutOff`] | 202 once the cut-off stands on the log, 409 with the reason if it is refused |
//! | `GET /node` | a [`NodeView`] as JSON |
//! | `POST /partitions/{number}/resume` | 202 once a partition that stood still tries again, 409 with the reason if not |
//! | `POST /partitions/{number}/snapshot` | 202 once a snapshot of a partition at work is in the object store, 409 with the reason if not |
//!
//! The handlers decide nothing: a request waits on the [`Desk`] until the service's own loop takes it.

pub mod clock;
pub mod detail;
pub mod limits;
pub mod node;
pub mod view;

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use clearing_node::node::CycleStatus;
use tokio::sync::oneshot;

use self::{
    detail::Detail,
    node::NodeView,
    view::{CutOff, View},
};

/// Requests that may wait at a time.
const WAITING_MAX: usize = 8;
/// How long a request may wait for the service's loop and for the log.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(90);

/// What somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// End the open cycle.
    CutOff(CutOff),
    /// Have a partition that stands still try again.
    Resume(u32),
    /// Take a snapshot of a partition.
    Snapshot(u32),
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Asked {
    /// What was asked.
    pub ask: Ask,
    answer: oneshot::Sender<Result<(), String>>,
}

impl Asked {
    /// Tells whoever asked; the error says why it is refused.
    pub fn answer(self, answer: Result<(), String>) {
        // Whoever asked may have gone.
        drop(self.answer.send(answer));
    }
}

#[derive(Default)]
struct Shared {
    cycles: Mutex<(CycleStatus, PathBuf)>,
    node: Mutex<NodeView>,
    waiting: Mutex<VecDeque<Asked>>,
}

/// Where the admin port and the service's loop meet. Clones share everything.
#[derive(Clone, Default)]
pub struct Desk(Arc<Shared>);

impl Desk {
    /// The paths of the admin port.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/cycles", get(show))
            .route("/cycles/{name}", get(show_one))
            .route("/cycles/cut-off", post(cut_off))
            .route("/node", get(show_node))
            .route("/partitions/{number}/resume", post(resume))
            .route("/partitions/{number}/snapshot", post(snapshot))
            .with_state(self.clone())
    }

    /// Puts up how the cycles are now. `out_dir` is where folders appear.
    pub fn show(&self, status: CycleStatus, out_dir: PathBuf) {
        *lock(&self.0.cycles) = (status, out_dir);
    }

    /// Puts up how the node is now.
    pub fn show_node(&self, view: NodeView) {
        *lock(&self.0.node) = view;
    }

    /// The next request that waits.
    pub fn take(&self) -> Option<Asked> {
        lock(&self.0.waiting).pop_front()
    }

    fn ask(&self, ask: Ask) -> Option<oneshot::Receiver<Result<(), String>>> {
        let (answer, hear) = oneshot::channel();
        let mut waiting = lock(&self.0.waiting);
        if waiting.len() >= WAITING_MAX {
            return None;
        }
        waiting.push_back(Asked { ask, answer });
        Some(hear)
    }

    /// Hands in a request and waits for its answer; `unsure` is said when there is none in time.
    async fn answer(&self, ask: Ask, done: &str, unsure: &str) -> (StatusCode, String) {
        let Some(hear) = self.ask(ask) else {
            return (StatusCode::SERVICE_UNAVAILABLE, "other requests wait already; ask again\n".to_owned());
        };
        match tokio::time::timeout(ANSWER_WAIT_MAX, hear).await {
            Ok(Ok(Ok(()))) => (StatusCode::ACCEPTED, done.to_owned()),
            Ok(Ok(Err(why))) => (StatusCode::CONFLICT, why),
            Ok(Err(_)) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, unsure.to_owned()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn show(State(desk): State<Desk>) -> Json<View> {
    let cycles = lock(&desk.0.cycles);
    Json(View::of(&cycles.0, &cycles.1))
}

async fn show_one(State(desk): State<Desk>, Path(name): Path<String>) -> Response {
    let cycles = lock(&desk.0.cycles);
    match Detail::of(&cycles.0, &cycles.1, &name) {
        Some(detail) => Json(detail).into_response(),
        None => (StatusCode::NOT_FOUND, format!("no cycle {name} is known here\n")).into_response(),
    }
}

async fn show_node(State(desk): State<Desk>) -> Json<NodeView> {
    Json(lock(&desk.0.node).clone())
}

async fn cut_off(State(desk): State<Desk>, Json(asked): Json<CutOff>) -> (StatusCode, String) {
    let unsure = "the cut-off may or may not stand on the log yet: look at the status\n";
    desk.answer(Ask::CutOff(asked), "cut off\n", unsure).await
}

async fn resume(State(desk): State<Desk>, Path(number): Path<u32>) -> (StatusCode, String) {
    desk.answer(Ask::Resume(number), "resumed\n", "not heard yet: ask again\n").await
}

async fn snapshot(State(desk): State<Desk>, Path(number): Path<u32>) -> (StatusCode, String) {
    let unsure = "the snapshot is not there yet: look with `cityunion node list`\n";
    desk.answer(Ask::Snapshot(number), "there\n", unsure).await
}
