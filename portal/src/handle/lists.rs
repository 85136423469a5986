//! Lists of cycles and files, for programs and for people.

use std::io;

use hyper::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{Asked, Desk, no_cycle};
use crate::{
    access::{Place, Role, beside, may_read},
    directory::Participant,
    name::CycleFolder,
    page::{self, Shown},
    published::Listed,
    released::Standing,
    reply::Reply,
};

/// The most files in one list; the rest comes with `after`.
const LIST_MAX: usize = 5_000;
/// The most cycles in the list of all.
const CYCLES_MAX: usize = 10_000;
/// Cycles on the page for people.
const PAGE_CYCLES: usize = 31;

impl Desk {
    pub(super) fn cycles(&self, participant: &Participant) -> io::Result<Reply> {
        let mut cycles = Vec::new();
        for (cycle, standing) in self.newest(participant, CYCLES_MAX)? {
            let said = self.answers.get(cycle, &participant.id())?;
            cycles.push(json!({
                "cycle": cycle.to_string(),
                "business_date": cycle.name.business_date,
                "answer": said.map(|said| said.answer),
                "state": standing.state,
                "version": cycle.version,
            }));
        }
        Ok(Reply::json(StatusCode::OK, &json!({ "cycles": cycles })))
    }

    pub(super) fn cycle(&self, participant: &Participant, cycle: CycleFolder) -> io::Result<Reply> {
        let Some(standing) = self.seen(participant, cycle)? else { return Ok(no_cycle(cycle)) };
        let mut files = Vec::new();
        for file in self.own(participant, cycle)? {
            let digest = self.digests.listed(&self.published, Some(cycle), &file.name)?;
            files.push(json!({
                "name": file.name.as_str(),
                "size": file.size,
                "sha256": digest.map(|(digest, _)| digest),
                "href": format!("/v1/cycles/{cycle}/files/{}", file.name.address()),
            }));
        }
        let mut document = json!({
            "cycle": cycle.to_string(),
            "business_date": cycle.name.business_date,
            "manifest_sha256": self.digests.of_manifest(&self.published, cycle)?,
            "answer": self.answers.get(cycle, &participant.id())?,
            "files": files,
            "state": standing.state,
            "version": cycle.version,
        });
        if let (Role::Operations, Value::Object(document)) = (participant.role, &mut document) {
            document.insert("answers".to_owned(), json!(self.answers.all(Some(cycle))?));
        }
        Ok(Reply::json(StatusCode::OK, &document))
    }

    pub(super) fn files(&self, asked: &Asked, participant: &Participant) -> io::Result<Reply> {
        let after = asked.query.as_deref().and_then(|query| query.strip_prefix("after="));
        let after = after.map(|after| percent_decode_str(after).decode_utf8_lossy().into_owned());
        let mut files = Vec::new();
        for start in beside(participant.role) {
            let keep = |name: &str| {
                let later = after.as_deref().is_none_or(|after| name > after);
                later && may_read(participant.role, Place::Beside, name)
            };
            files.extend(self.published.list(None, &start, keep)?);
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let more = files.len() > LIST_MAX;
        files.truncate(LIST_MAX);
        let next =
            files.last().filter(|_| more).map(|file| format!("/v1/files?after={}", file.name.address()));
        let rows: Vec<Value> = files
            .iter()
            .map(|file| {
                let href = format!("/v1/files/{}", file.name.address());
                json!({ "name": file.name.as_str(), "size": file.size, "href": href })
            })
            .collect();
        Ok(Reply::json(StatusCode::OK, &json!({ "files": rows, "next": next })))
    }

    pub(super) fn page(&self, participant: &Participant) -> io::Result<Reply> {
        let mut shown = Vec::new();
        for (cycle, standing) in self.newest(participant, PAGE_CYCLES)? {
            let files = self.own(participant, cycle)?;
            let answer = self.answers.get(cycle, &participant.id())?;
            shown.push(Shown { cycle, state: standing.state, answer, files });
        }
        Ok(Reply::page(page::of(participant, &shown)))
    }

    /// The newest cycles that are there for a participant, and how they stand.
    fn newest(&self, participant: &Participant, max: usize) -> io::Result<Vec<(CycleFolder, Standing)>> {
        let mut newest = Vec::new();
        for cycle in self.published.cycles()? {
            if newest.len() >= max {
                break;
            }
            newest.extend(self.seen(participant, cycle)?.map(|standing| (cycle, standing)));
        }
        Ok(newest)
    }

    fn own(&self, participant: &Participant, cycle: CycleFolder) -> io::Result<Vec<Listed>> {
        self.published.list(Some(cycle), "", |name| may_read(participant.role, Place::Cycle, name))
    }
}
