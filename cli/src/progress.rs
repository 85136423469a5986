//! Progress on a terminal; silent elsewhere.

use std::{sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// A counter, shown on standard error while work goes on, if that is a terminal.
#[derive(Clone, Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Lines whose end is not known.
    #[must_use]
    pub fn lines(what: &'static str) -> Self {
        Self::styled(ProgressBar::new_spinner(), what, "{spinner} {human_pos} {msg}, {per_sec}")
    }

    /// Things of which there are `total`: a bar with the time that is left.
    #[must_use]
    pub fn of(what: &'static str, total: u64) -> Self {
        let template = "{bar:32} {human_pos} of {human_len} {msg}, {per_sec}, {eta} left";
        Self::styled(ProgressBar::new(total), what, template)
    }

    /// Bytes of which the total is told while they are read: a bar with the time that is left.
    #[must_use]
    pub fn bytes(what: &'static str) -> Self {
        let template = "{bar:32} {bytes} of {total_bytes} {msg}, {bytes_per_sec}, {eta} left";
        Self::styled(ProgressBar::no_length(), what, template)
    }

    fn styled(bar: ProgressBar, what: &'static str, template: &str) -> Self {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━━ "));
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Counts on.
    pub fn add(&self, more: u64) {
        self.0.inc(more);
    }

    /// Says how many are done.
    pub fn reach(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Counts on, towards a total.
    pub fn add_of(&self, more: u64, total: u64) {
        self.0.set_length(total);
        self.0.inc(more);
    }

    /// Counts on from other threads.
    #[must_use]
    pub fn heard(&self) -> Arc<dyn Fn(u64, u64) + Send + Sync> {
        let bar = self.clone();
        Arc::new(move |more, total| bar.add_of(more, total))
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
