//! Acquirers come and go while the switch runs.
//!
//! One that comes is read from where the log says it stands, its park before its taps. One that is given up
//! takes no more taps; what is in work for it is finished for a bounded time and its positions are committed,
//! so that its next owner does little again. Of one that was lost nothing is committed any more.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crossbeam_channel::Sender;
use cu_log::{LogError, Partition};
use domain::city::City;
use runtime::whole_text;
use tracing::{error, info, warn};

use super::{
    Event, SwitchError,
    positions::Positions,
    reader::Order,
    shell::{End, Shell},
};
use crate::core::{AcquirerStatus, Input};

/// Pause before the log is asked again for positions that it did not tell.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Shell {
    /// Owns an acquirer whose positions are known, before the first message.
    pub(super) fn begin(&mut self, positions: Positions) {
        let turn = self.holdings.own(positions.assignment.acquirer);
        self.found(turn, positions);
    }

    pub(super) fn own(&mut self, acquirers: Vec<City>) {
        self.joined = true;
        for acquirer in acquirers {
            if self.holdings.turn(acquirer).is_some() {
                // It comes back before it was let go.
                self.let_go(acquirer);
                self.holdings.gone(acquirer);
            }
            let turn = self.holdings.own(acquirer);
            self.look_up(acquirer, turn, Duration::ZERO);
        }
    }

    /// Finds where an acquirer stands, beside everything else.
    fn look_up(&self, acquirer: City, turn: u64, pause: Duration) {
        let (log, topics) = (Arc::clone(&self.with.log), self.with.topics.clone());
        let (events, tokio) = (self.events.clone(), self.with.tokio.clone());
        self.with.tokio.spawn(async move {
            tokio::time::sleep(pause).await;
            tokio.spawn_blocking(move || {
                let found = Positions::find(&*log, &topics, acquirer);
                // Nobody listens any more once the switch has ended.
                drop(events.send(Event::Found(acquirer, turn, found)));
            });
        });
    }

    pub(super) fn looked_up(&mut self, acquirer: City, turn: u64, found: Result<Positions, SwitchError>) {
        if !self.holdings.has(acquirer, turn) {
            return;
        }
        match found {
            Ok(positions) => self.found(turn, positions),
            Err(wrong @ SwitchError::Note { .. }) => self.fail(acquirer, whole_text(&wrong)),
            Err(error) => {
                warn!(%acquirer, "{}; the log is asked again", whole_text(&error));
                self.look_up(acquirer, turn, ASK_AGAIN);
            }
        }
    }

    fn found(&mut self, turn: u64, positions: Positions) {
        let assignment = positions.assignment;
        let acquirer = assignment.acquirer;
        if !self.holdings.found(acquirer, turn) {
            return;
        }
        info!(%acquirer, taps = assignment.tap_offset, batch = assignment.number, "working for an acquirer");
        self.order(Order::Read { acquirer, turn, sources: positions.sources(&self.with.topics) });
        self.step(Input::Assigned(assignment));
    }

    /// An acquirer's messages cannot be read: one with a hole stops until somebody looks, another is tried again.
    pub(super) fn unreadable(&mut self, acquirer: City, turn: u64, error: &LogError) {
        if !self.holdings.has(acquirer, turn) {
            return;
        }
        self.let_go(acquirer);
        if self.holdings.is_leaving(acquirer) {
            // Its next owner reads it again.
            return self.holdings.gone(acquirer);
        }
        let why = whole_text(error);
        if matches!(error, LogError::Hole { .. }) {
            return self.fail(acquirer, why);
        }
        warn!(%acquirer, "{why}; it is read again");
        let turn = self.holdings.own(acquirer);
        self.look_up(acquirer, turn, ASK_AGAIN);
    }

    fn fail(&mut self, acquirer: City, why: String) {
        error!(%acquirer, "stopped {acquirer}: {why}");
        self.holdings.fail(acquirer, why);
    }

    /// Takes no more taps of these; `done` hears when they are given up.
    pub(super) fn give_up(&mut self, acquirers: &[City], done: Sender<()>) {
        let drain_ms = u64::try_from(self.config.drain_max.as_millis()).unwrap_or(u64::MAX);
        let until_ms = self.now_ms().saturating_add(drain_ms);
        for acquirer in self.holdings.leave(acquirers, until_ms, done) {
            self.order(Order::Flow { taps: self.with.topics.taps(acquirer), open: false });
        }
    }

    pub(super) fn lose(&mut self, acquirers: &[City]) {
        self.joined = false;
        for acquirer in acquirers {
            warn!(%acquirer, "lost: another may work for it already");
            self.let_go(*acquirer);
            self.holdings.gone(*acquirer);
        }
    }

    /// Lets those go that have nothing in work any more, or whose time is over.
    pub(super) fn hand_over(&mut self) -> Result<(), End> {
        let due = self.holdings.due(self.now_ms(), |acquirer| self.core.is_working_for(acquirer));
        if !due.is_empty() {
            self.commit().map_err(|source| End::Failed("commit positions", source))?;
        }
        for acquirer in due {
            info!(%acquirer, finished = !self.core.is_working_for(acquirer), "an acquirer is given up");
            self.let_go(acquirer);
            self.holdings.gone(acquirer);
        }
        for done in self.holdings.given_up() {
            self.show();
            // It may have stopped waiting.
            let _ = done.send(());
        }
        Ok(())
    }

    /// Works for an acquirer no more; nothing of it is committed any more.
    fn let_go(&mut self, acquirer: City) {
        self.step(Input::Revoked { acquirer });
        self.order(Order::Leave { acquirer });
        let of = |partition: &Partition| {
            *partition == self.with.topics.taps(acquirer) || *partition == self.with.topics.parked(acquirer)
        };
        self.commits.retain(|partition, _| !of(partition));
    }

    /// The acquirers that stand still without the core.
    pub(super) fn standing_still(&self) -> BTreeMap<City, AcquirerStatus> {
        let one = |(acquirer, why): (City, &str)| {
            (acquirer, AcquirerStatus { stopped: Some(why.to_owned()), ..AcquirerStatus::default() })
        };
        self.holdings.failed().map(one).collect()
    }
}
