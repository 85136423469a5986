//! Reading `cu.acts`: the node that coordinates does, from where its fold of `cu.cycles` says that its predecessor stopped.
//!
//! Whatever is the matter with that topic, cycles are closed: it is an alarm, and is tried again.

use std::time::{Duration, Instant};

use cu_log::{LogError, Reader, visit_range};
use proto::{Act, Message as _, digest};
use runtime::whole_text;

use super::{
    super::{NodeError, status::Role},
    AGAIN, Shell,
};
use crate::coordinator::Input;

/// Bytes of acts that are read at once: one at least, and no more before these are ruled.
const READ_BYTES: usize = 1 << 20;

/// The reader of `cu.acts`.
#[derive(Default)]
pub(super) struct Asked {
    reader: Option<Box<dyn Reader>>,
    /// When it is tried again, after a failure.
    again: Option<Instant>,
}

impl Shell<'_> {
    /// Hands the core what was asked for next, once it has ruled what it was given.
    pub(super) fn follow_asked(&mut self) -> Result<(), NodeError> {
        if self.role != Role::Coordinates {
            self.asked = Asked::default();
            return Ok(());
        }
        let early = self.asked.again.is_some_and(|again| Instant::now() < again);
        if early || !self.core.wants_acts() {
            return Ok(());
        }
        if self.asked.reader.is_none() {
            match self.begin_asked() {
                Ok((next, None)) => tracing::debug!("cu.acts is read from offset {next}"),
                Ok((next, Some(why))) => self.step(Input::AskedAnew { next, why })?,
                Err(error) => self.asked_failed(&error),
            }
        }
        let Some(reader) = &mut self.asked.reader else { return Ok(()) };
        match reader.poll(READ_BYTES, Duration::ZERO) {
            Ok(entries) if entries.is_empty() => Ok(()),
            Ok(entries) => {
                self.step(Input::Asked(entries.into_iter().map(|it| (it.offset, it.payload)).collect()))
            }
            Err(error) => {
                self.asked_failed(&error);
                Ok(())
            }
        }
    }

    fn asked_failed(&mut self, error: &LogError) {
        self.asked = Asked { reader: None, again: Some(Instant::now() + AGAIN) };
        let why = whole_text(error);
        self.around.shown.alarm(format!(
            "what people ask for cannot be read, and is tried again every {} s: {why}",
            AGAIN.as_secs()
        ));
    }

    /// Opens the reader: from which offset, and what is the matter if that is not the next one.
    fn begin_asked(&mut self) -> Result<(u64, Option<String>), LogError> {
        let (log, topic) = (self.around.log.as_ref(), self.around.topics.acts());
        let (have, position) = (log.bounds(&topic)?, self.core.acts_position());
        let mut there = None;
        if let Some((place, _)) = position.last.filter(|(place, _)| have.contains(place)) {
            visit_range(log, &topic, place..place + 1, &mut |entry| {
                // What is no act is another message than the one that was ruled.
                let text = Act::decode(entry.payload).map(|act| act.text).unwrap_or_default();
                there = Some(digest::bytes(&text));
                Ok::<(), LogError>(())
            })?;
        }
        let (next, why) = position.go_on(&have, there);
        self.asked.reader = Some(log.reader(&[(topic, next)])?);
        Ok((next, why))
    }
}
