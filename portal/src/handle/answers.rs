//! Taking and showing what participants say of a cycle.

use std::io;

use hyper::StatusCode;
use serde_json::json;

use super::{Asked, Desk, no_cycle};
use crate::{
    access::Role,
    answer::{Answer, Said},
    audit::Moment,
    directory::Participant,
    name::CycleFolder,
    reply::Reply,
};

impl Desk {
    /// What was said of a cycle.
    pub(super) fn said(&self, participant: &Participant, cycle: CycleFolder) -> io::Result<Reply> {
        if participant.role == Role::Operations {
            let answers = self.answers.all(Some(cycle))?;
            return Ok(Reply::json(StatusCode::OK, &json!({ "answers": answers })));
        }
        if participant.role == Role::Bank && self.seen(participant, cycle)?.is_none() {
            return Ok(no_cycle(cycle));
        }
        Ok(match self.answers.get(cycle, &participant.id())? {
            Some(answer) => Reply::json(StatusCode::OK, &json!(answer)),
            None => {
                let why = format!("{} has not answered {cycle} yet", participant.name);
                Reply::error(StatusCode::NOT_FOUND, &why)
            }
        })
    }

    /// Takes what a participant says of a cycle.
    pub(super) fn say(
        &self,
        asked: &Asked,
        participant: &Participant,
        cycle: CycleFolder,
        now: &Moment,
    ) -> io::Result<Reply> {
        if participant.role == Role::Operations {
            let why = "cities and banks answer; operations only read their answers";
            return Ok(Reply::error(StatusCode::FORBIDDEN, why));
        }
        // A page of somebody else in the same browser cannot send this type without being asked first.
        let json_type =
            asked.content_type.as_deref().is_some_and(|kind| kind.starts_with("application/json"));
        if !json_type {
            let why = "Content-Type: expected application/json";
            return Ok(Reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let body = match &asked.body {
            Ok(body) => body,
            Err((status, why)) => return Ok(Reply::error(*status, why)),
        };
        let said = match Said::read(body) {
            Ok(said) => said,
            Err(why) => return Ok(Reply::error(StatusCode::BAD_REQUEST, &why)),
        };
        let manifest = match self.seen(participant, cycle)? {
            Some(_) => self.digests.of_manifest(&self.published, cycle)?,
            None => None,
        };
        let Some(manifest_sha256) = manifest else { return Ok(no_cycle(cycle)) };
        let participant_id = participant.id();
        Ok(match self.answers.get(cycle, &participant_id)? {
            Some(stands) if stands.says(&said) => Reply::json(StatusCode::OK, &json!(stands)),
            Some(stands) => {
                let why =
                    "another answer stands, and it cannot be changed here; call the operations of the scheme";
                Reply::json(StatusCode::CONFLICT, &json!({ "error": why, "stands": stands }))
            }
            None => {
                let answer = Answer {
                    answer: said.answer,
                    cycle: cycle.to_string(),
                    fingerprint: asked.fingerprint.to_string(),
                    manifest_sha256,
                    directory_name: participant.name.clone(),
                    participant: participant_id,
                    reason: said.reason,
                    time: now.text.clone(),
                };
                let mut reply = Reply::json(StatusCode::CREATED, &json!(answer));
                reply.keep = Some(answer);
                reply
            }
        })
    }

    pub(super) fn keep(&self, answer: &Answer) -> io::Result<bool> {
        self.answers.keep(answer.cycle.parse().map_err(io::Error::other)?, answer)
    }
}
