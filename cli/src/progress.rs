//! Progress on a terminal; silent elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A counter of lines, shown on standard error while work goes on, if that is a terminal.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A counter whose end is not known.
    #[must_use]
    pub fn lines(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner();
        let template = "{spinner} {human_pos} {msg}, {per_sec}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// A bar whose end [`Progress::at`] tells.
    #[must_use]
    pub fn bar() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3}% {msg}") {
            bar.set_style(style);
        }
        Self(bar)
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
    pub fn add(&self, lines: u64) {
        self.0.inc(lines);
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
