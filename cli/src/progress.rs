//! Progress on a terminal; silent elsewhere.

use std::{borrow::Cow, fmt::Write, sync::Arc, time::Duration};

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

/// A counter, shown on standard error while work goes on, if that is a terminal.
#[derive(Clone, Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Lines whose end is not known.
    #[must_use]
    pub fn lines(what: &'static str) -> Self {
        Self::styled(ProgressBar::new_spinner(), what, "{spinner} {human_pos} {msg}, {rate}")
    }

    /// Things of which there are `total`: a bar with the time that is left.
    #[must_use]
    pub fn of(what: &'static str, total: u64) -> Self {
        let template = "{wide_bar} {human_pos} of {human_len} {msg}, {rate}, {eta} left";
        Self::styled(ProgressBar::new(total), what, template)
    }

    /// Bytes of which the total is told while they are read: a bar with the time that is left.
    #[must_use]
    pub fn bytes(what: &'static str) -> Self {
        let template = "{wide_bar} {bytes} of {total_bytes} {msg}, {bytes_per_sec}, {eta} left";
        Self::styled(ProgressBar::no_length(), what, template)
    }

    fn styled(bar: ProgressBar, what: impl Into<Cow<'static, str>>, template: &str) -> Self {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━━ ").with_key("rate", rate));
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// A bar whose end [`Progress::at`] tells.
    #[must_use]
    pub fn bar() -> Self {
        Self::styled(ProgressBar::new(0), "", "{wide_bar} {percent:>3}% {msg}")
    }

    /// Shows how much of `total` is done.
    pub fn at(&self, what: &str, done: u64, total: u64) {
        if self.0.message() != what {
            self.0.set_message(what.to_owned());
        }
        self.0.set_length(total);
        self.0.set_position(done);
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

    /// A line that says what is waited for.
    #[must_use]
    pub fn waiting(what: String) -> Self {
        Self::styled(ProgressBar::new_spinner(), what, "{spinner} {msg}, {elapsed}")
    }

    /// Says something else.
    pub fn say(&self, what: String) {
        self.0.set_message(what);
    }

    /// Whether nobody sees it.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.0.is_hidden()
    }
}

/// Whole lines a second.
fn rate(state: &ProgressState, to: &mut dyn Write) {
    // The line is drawn again soon.
    let _ = write!(to, "{}/s", HumanCount(state.per_sec() as u64));
}
