//! Folders of closed cycles: has them made beside everything else, has later versions made again that are not there any
//! more, and tells the renderer what is due.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{
    super::{NodeError, status::Role},
    Shell,
};
use crate::{
    coordinator::Input,
    render::Closed,
    segments::assembler::{Job, Made},
};

/// Pause after a folder could not be made or a segment was lost; each further one doubles it.
pub(super) const RENDER_AGAIN: Duration = Duration::from_secs(1);
/// Longest pause between attempts to make a folder.
const RENDER_AGAIN_MAX: Duration = Duration::from_secs(60);
/// How often it looks whether what was published is there.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// A closed cycle whose folder is being made.
pub(super) struct Making {
    pub(super) cycle: u32,
    /// The version of its plan.
    pub(super) version: u32,
    /// When it is tried next; none while it is in work.
    pub(super) next: Option<Instant>,
    pub(super) pause: Duration,
}

impl Shell<'_> {
    /// A version of a closed cycle is to become a folder, after those that wait already.
    pub(super) fn make_later(&mut self, cycle: u32, version: u32) {
        self.making.retain(|making| (making.cycle, making.version) != (cycle, version));
        let next = Some(Instant::now() + self.after_loss);
        self.making.push_back(Making { cycle, version, next, pause: RENDER_AGAIN });
    }

    /// Has the folder of a closed cycle made, beside everything else; a failure is tried again.
    pub(super) fn make_folders(&mut self) -> Result<(), NodeError> {
        while let Some((of, made)) = self.assembler.done() {
            let Some(making) = self.making.front_mut().filter(|making| (making.cycle, making.version) == of)
            else {
                continue;
            };
            match made {
                Made::Folder(published) => {
                    self.making.pop_front();
                    self.after_loss = Duration::ZERO;
                    self.around.shown.change(|status| status.unrendered = None);
                    let known = self.core.published_of(published.cycle, published.version);
                    if known.is_some_and(|known| known.manifest_digest == published.manifest_digest) {
                        tracing::info!(
                            "{} was published and not there any more: made again",
                            published.folder
                        );
                    } else {
                        self.step(Input::Rendered(published))?;
                    }
                }
                Made::Lost { partition, what } => {
                    self.making.pop_front();
                    self.after_loss = (self.after_loss * 2).clamp(RENDER_AGAIN, RENDER_AGAIN_MAX);
                    self.step(Input::SegmentLost { cycle: of.0, partition, what })?;
                }
                Made::Failed(why) => {
                    let why = format!("version {} of cycle {} cannot be rendered: {why}", of.1, of.0);
                    self.around.shown.alarm(why.clone());
                    // What was published once closes nothing: it is an alarm, and is looked for again.
                    if self.core.published_of(of.0, of.1).is_some() {
                        self.making.pop_front();
                        continue;
                    }
                    self.around.shown.change(|status| status.unrendered = Some(why));
                    making.next = Some(Instant::now() + making.pause);
                    making.pause = (making.pause * 2).min(RENDER_AGAIN_MAX);
                    // First versions are made in order. A later one that cannot be made holds nobody up.
                    if making.version > 1 {
                        self.making.rotate_left(1);
                    }
                }
            }
        }
        self.look_for_versions();
        let due = |making: &&Making| making.next.is_some_and(|next| Instant::now() >= next);
        if let Some((cycle, version)) = self.making.front().filter(due).map(|it| (it.cycle, it.version))
            && self.assembler.begin(self.job(cycle, version)?)
            && let Some(making) = self.making.front_mut()
        {
            making.next = None;
        }
        Ok(())
    }

    /// Has later versions made again that were published and are not there, as long as what they replace is: their detail
    /// comes from it. First versions are made from a partition's store, and their segments are gone: a replay makes them.
    fn look_for_versions(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_AGAIN) {
            return;
        }
        let first_look = self.looked.replace(Instant::now()).is_none();
        let out = &self.around.config.out_dir;
        let is_there = |folder: &str| out.join(folder).symlink_metadata().is_ok();
        let mut due: Vec<(u32, u32)> = Vec::new();
        for (published, replaces) in self.core.later_versions() {
            let of = (published.cycle, published.version);
            let waits = self.making.iter().any(|making| (making.cycle, making.version) == of);
            // One that is due itself is there by then: they are made in order.
            let before = due.contains(&(replaces.cycle, replaces.version)) || is_there(&replaces.folder);
            if !waits && before && !is_there(&published.folder) {
                due.push(of);
            }
        }
        if first_look {
            let firsts = self.core.openings().filter_map(|opening| self.core.published(opening.cycle));
            let gone: Vec<&str> =
                firsts.map(|first| first.folder.as_str()).filter(|it| !is_there(it)).collect();
            if let Some(first) = gone.first() {
                let (count, at) = (gone.len(), out.display());
                tracing::warn!(
                    "{count} published cycles are not in {at}, the first is {first}; `cityunion replay --from … --all --out \
                     {at}` makes them again"
                );
            }
        }
        due.into_iter().for_each(|(cycle, version)| self.make_later(cycle, version));
    }

    fn job(&self, cycle: u32, version: u32) -> Result<Job, NodeError> {
        let missing = |what: &str| {
            NodeError::Halted(format!("cycle {cycle} cannot be rendered: its {what} is not known"))
        };
        let opening = self.core.opening(cycle).ok_or_else(|| missing("opening"))?;
        let rulebook = self.core.rulebook_of(opening).ok_or_else(|| missing("rulebook"))?;
        let plan = self.core.plan_of(cycle, version).ok_or_else(|| missing("plan"))?;
        let previous = self.core.followed_by(cycle, version);
        let closed = Closed {
            opening: opening.clone(),
            rulebook,
            plan: plan.clone(),
            previous_manifest: previous
                .and_then(|published| published.manifest_digest.as_ref().try_into().ok()),
        };
        let totals = self.core.totals(cycle).cloned().collect();
        let segments = self.core.segments(cycle).collect();
        Ok(Job { closed, totals, segments, correction: self.core.correction(cycle, version) })
    }

    /// Tells the renderer what is due, once history is read; removes the segments of published cycles.
    pub(super) fn follow_segments(&mut self) {
        if self.role == Role::Reading {
            return;
        }
        let renderer = &self.around.renderer;
        let failed = renderer.failed();
        let known = self.around.shown.lock().segment_failed.clone();
        if failed != known {
            failed.iter().for_each(|why| self.around.shown.alarm(why.clone()));
            self.around.shown.change(|status| status.segment_failed = failed);
        }
        if !self.changed {
            return;
        }
        renderer.follow(&self.core);
        let published = self.core.openings().filter_map(|opening| self.core.published(opening.cycle));
        let published: BTreeSet<String> = published.map(|published| published.folder.clone()).collect();
        let count = published.len();
        if self.role == Role::Coordinates && count > self.tidied && self.assembler.tidy(published) {
            self.tidied = count;
        }
    }
}
