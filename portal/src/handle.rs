//! Finding the answer to a request: who asks, what he may have, what is there. Every answer is written down before it
//! goes out.

mod answers;
mod lists;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use hyper::{Method, StatusCode, header::ALLOW};

use crate::{
    access::{Place, may_read},
    answer::Answers,
    audit::{Audit, Line, Moment},
    digests::Digests,
    directory::{Directory, Fingerprint, Participant},
    metrics::Metrics,
    name::{CycleFolder, FileName},
    published::Published,
    range::{Send, Wanted, decide},
    released::{Records, Standing},
    reply::{Reply, etag, kind},
    route::Route,
    watched::Watched,
};

/// What the answers are made of.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) published: Published,
    pub(crate) digests: Digests,
    pub(crate) records: Records,
    pub(crate) answers: Answers,
    pub(crate) audit: Audit,
    /// Whether the last line could not be written.
    pub(crate) audit_failed: AtomicBool,
    pub(crate) directory: Mutex<Watched>,
    pub(crate) metrics: Metrics,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) peer: SocketAddr,
    pub(crate) fingerprint: Fingerprint,
    /// Whether there are too many connections with this certificate.
    pub(crate) crowded: bool,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) content_type: Option<String>,
    /// What came with it, or why it was not read.
    pub(crate) body: Result<Bytes, (StatusCode, String)>,
}

impl Desk {
    /// Answers a request. What is not written down is not answered.
    pub(crate) fn answer(&self, asked: &Asked) -> Reply {
        let now = Moment::now();
        let participant = self.directory().find(&asked.fingerprint);
        let participant = participant.as_deref();
        let mut reply = self.reply(asked, participant, &now);
        if self.record(&now, &line(&now, asked, participant, &reply)).is_err() {
            return unrecorded();
        }
        let Some(answer) = reply.keep.take() else { return reply };
        reply = match self.keep(&answer) {
            Ok(true) => return reply,
            // Somebody else with the same name was quicker.
            Ok(false) => self.reply(asked, participant, &now),
            Err(error) => {
                tracing::error!("an answer about {} cannot be kept: {error}", answer.cycle);
                let why = "the answer cannot be kept now and does not count; try again later";
                Reply::error(StatusCode::INTERNAL_SERVER_ERROR, why)
            }
        };
        match self.record(&now, &line(&now, asked, participant, &reply)) {
            Ok(()) => reply,
            Err(_) => unrecorded(),
        }
    }

    /// Writes down that a download ended early.
    pub(crate) fn cut(&self, mut line: Line, bytes: u64) {
        let now = Moment::now();
        (line.time, line.event, line.bytes) = (now.text.clone(), "cut", bytes);
        self.metrics.downloads_cut.inc();
        drop(self.record(&now, &line));
    }

    /// The line of an answer.
    pub(crate) fn line_of(&self, asked: &Asked, reply: &Reply) -> Line {
        let participant = self.directory().find(&asked.fingerprint);
        line(&Moment::now(), asked, participant.as_deref(), reply)
    }

    fn directory(&self) -> Arc<Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner).current()
    }

    fn record(&self, now: &Moment, line: &Line) -> io::Result<()> {
        let written = self.audit.write(&now.date, line);
        self.audit_failed.store(written.is_err(), Ordering::Relaxed);
        if let Err(error) = &written {
            self.metrics.audit_failures.inc();
            tracing::error!("an access cannot be written down: {error}");
        }
        written
    }

    fn reply(&self, asked: &Asked, participant: Option<&Participant>, now: &Moment) -> Reply {
        let Some(participant) = participant else {
            let why = format!(
                "the certificate with SHA-256 {} is not in the directory of this portal; ask the operations of the \
                 scheme to enter it",
                asked.fingerprint
            );
            return Reply::error(StatusCode::FORBIDDEN, &why);
        };
        if asked.crowded {
            let why = "too many connections with this certificate; end some, or try again later";
            return Reply::error(StatusCode::TOO_MANY_REQUESTS, why);
        }
        let route = match Route::of(&asked.path) {
            Ok(route) => route,
            Err(error) => return Reply::error(StatusCode::NOT_FOUND, &error.to_string()),
        };
        let reply = match (&asked.method, route) {
            (&Method::GET | &Method::HEAD, route) => self.get(asked, participant, route),
            (&Method::POST, Route::Answer(cycle)) => self.say(asked, participant, cycle, now),
            (_, route) => {
                let allowed = if matches!(route, Route::Answer(_)) { "GET, HEAD, POST" } else { "GET, HEAD" };
                let why = format!("this address takes {allowed}");
                let mut reply = Reply::error(StatusCode::METHOD_NOT_ALLOWED, &why);
                reply.set(ALLOW, allowed);
                Ok(reply)
            }
        };
        reply.unwrap_or_else(|error| {
            tracing::error!("{} {}: {error}", asked.method, asked.path);
            let why =
                "what is published or kept cannot be read now; operations have been told, try again later";
            Reply::error(StatusCode::INTERNAL_SERVER_ERROR, why)
        })
    }

    fn get(&self, asked: &Asked, participant: &Participant, route: Route) -> io::Result<Reply> {
        match route {
            Route::Page => self.page(participant),
            Route::Cycles => self.cycles(participant),
            Route::Cycle(cycle) => self.cycle(participant, cycle),
            Route::Answer(cycle) => self.said(participant, cycle),
            Route::CycleFile(cycle, name) => self.file(asked, participant, Some(cycle), &name),
            Route::Files => self.files(asked, participant),
            Route::File(name) => self.file(asked, participant, None, &name),
        }
    }

    /// How a cycle stands that is there for a participant; none of which he knows nothing.
    fn seen(&self, participant: &Participant, cycle: CycleFolder) -> io::Result<Option<Standing>> {
        if !self.published.has(cycle) {
            return Ok(None);
        }
        let standing = self.records.standing(&self.published, &self.digests, cycle)?;
        Ok(self.records.are_for(participant.role, &standing).then_some(standing))
    }

    fn file(
        &self,
        asked: &Asked,
        participant: &Participant,
        cycle: Option<CycleFolder>,
        name: &FileName,
    ) -> io::Result<Reply> {
        let place = if cycle.is_some() { Place::Cycle } else { Place::Beside };
        if !may_read(participant.role, place, name.as_str()) {
            let (who, role) = (&participant.name, participant.role.word());
            let why = format!("{} is not for {who} ({role})", name.as_str());
            return Ok(Reply::error(StatusCode::FORBIDDEN, &why));
        }
        let first = name.as_str().split('/').next().unwrap_or_default();
        let in_cycle = cycle.is_none() && first.parse::<CycleFolder>().is_ok();
        let there = match cycle {
            Some(cycle) => self.seen(participant, cycle)?.is_some(),
            None => !in_cycle,
        };
        let opened = if there { self.published.open(cycle, name)? } else { None };
        let Some(opened) = opened else {
            let of = cycle.map(|cycle| format!("{cycle}/")).unwrap_or_default();
            return Ok(Reply::error(
                StatusCode::NOT_FOUND,
                &format!("{of}{} is not published", name.as_str()),
            ));
        };
        let sha256 = self.digests.of(&self.published, cycle, name, &opened)?;
        let wanted = Wanted {
            range: asked.range.as_deref().filter(|_| asked.method == Method::GET),
            if_range: asked.if_range.as_deref(),
            if_none_match: asked.if_none_match.as_deref(),
        };
        let kind = kind(name.as_str());
        Ok(match decide(wanted, &etag(&sha256), opened.len) {
            Send::Whole => Reply::file(opened.file, opened.len, None, &sha256, kind),
            Send::Part(part) => Reply::file(opened.file, opened.len, Some(part), &sha256, kind),
            Send::NotModified => Reply::not_modified(&sha256),
            Send::Unsatisfiable => Reply::unsatisfiable(opened.len),
            Send::NothingLeft => Reply::nothing_left(opened.len),
        })
    }
}

fn no_cycle(cycle: CycleFolder) -> Reply {
    Reply::error(StatusCode::NOT_FOUND, &format!("{cycle} is not published; /v1/cycles lists what is"))
}

fn unrecorded() -> Reply {
    let why = "accesses cannot be written down now, so nothing is handed out; operations have been told, try again later";
    Reply::error(StatusCode::SERVICE_UNAVAILABLE, why)
}

fn line(now: &Moment, asked: &Asked, participant: Option<&Participant>, reply: &Reply) -> Line {
    let query = asked.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    Line {
        time: now.text.clone(),
        event: "answer",
        peer: asked.peer.to_string(),
        fingerprint: asked.fingerprint.to_string(),
        name: participant.map(|participant| participant.name.clone()),
        role: participant.map(|participant| participant.role.word()),
        method: Line::text(asked.method.as_str()),
        path: Line::text(&format!("{}{query}", asked.path)),
        range: asked.range.as_deref().map(Line::text),
        status: reply.status.as_u16(),
        bytes: if asked.method == Method::HEAD { 0 } else { reply.len() },
    }
}
