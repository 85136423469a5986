//! Progress on a terminal; silent elsewhere.

use std::{fmt::Write, time::Duration};

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

/// A counter of lines, shown on standard error while work goes on, if that is a terminal.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A counter whose end is not known.
    #[must_use]
    pub fn lines(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner();
        let template = "{spinner} {human_pos} {msg}, {rate}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("rate", rate));
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Counts on.
    pub fn add(&self, lines: u64) {
        self.0.inc(lines);
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }

    /// A line that says what is waited for.
    #[must_use]
    pub fn waiting(what: String) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// A bar that ends at a known number of lines.
    #[must_use]
    pub fn of(lines: u64, what: &'static str) -> Self {
        let bar = ProgressBar::new(lines);
        let template = "{bar:30} {human_pos}/{human_len} {msg}, {rate}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("rate", rate));
        }
        bar.set_message(what);
        Self(bar)
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
