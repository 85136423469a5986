//! Log lines while the screen is ours: held back, so that none tears the picture.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tracing_subscriber::fmt::MakeWriter;

/// Most lines that wait; of more the oldest are dropped.
const LINES_MAX: usize = 1000;

static HELD: Mutex<Option<VecDeque<String>>> = Mutex::new(None);

/// Where log lines go: to standard error, or held back while a [`Hold`] lives.
#[derive(Clone, Copy, Debug)]
pub struct Lines;

/// Holds log lines back; dropped, what nobody took goes to standard error.
#[derive(Debug)]
pub struct Hold(());

impl Hold {
    /// Begins to hold lines back.
    #[must_use]
    pub fn begin() -> Self {
        held().get_or_insert_default();
        Self(())
    }

    /// Takes the lines that have come since.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        held().as_mut().map(|lines| lines.drain(..).collect()).unwrap_or_default()
    }

    /// Gives lines back that shall go to standard error in the end.
    pub fn give_back(&self, lines: impl Iterator<Item = String>) {
        if let Some(held) = held().as_mut() {
            let later = std::mem::take(held);
            held.extend(lines.chain(later));
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let left = held().take().unwrap_or_default();
        let mut stderr = io::stderr().lock();
        for line in left {
            // Nobody can be told that standard error is closed.
            drop(writeln!(stderr, "{line}"));
        }
    }
}

fn held() -> MutexGuard<'static, Option<VecDeque<String>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = held();
        let Some(lines) = held.as_mut() else { return io::stderr().write(bytes) };
        for line in without_escapes(&String::from_utf8_lossy(bytes)).lines() {
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            lines.push_back(line.trim_end().to_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

/// The text without control characters and colours (`ESC [ … letter`).
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                if chars.next() == Some('[') {
                    chars.by_ref().find(char::is_ascii_alphabetic);
                }
            }
            '\n' => plain.push(c),
            '\t' => plain.push(' '),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_control_characters_are_taken_out() {
        assert_eq!(without_escapes("\u{1b}[33m WARN\u{1b}[0m 上海\tis\r dark\n"), " WARN 上海 is dark\n");
    }

    #[test]
    fn lines_are_held_back_in_order_and_bounded() {
        let hold = Hold::begin();
        let _before = hold.take();
        for number in 0..LINES_MAX + 2 {
            Lines.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        let lines: Vec<_> = hold.take().into_iter().filter(|line| line.starts_with("line ")).collect();
        assert_eq!(lines.first().map(String::as_str), Some("line 2"));
        assert_eq!(lines.len(), LINES_MAX);
        assert!(hold.take().is_empty());
        Lines.write_all(b"the last\n").unwrap();
        hold.give_back(["seen before".to_owned()].into_iter());
        assert_eq!(hold.take(), ["seen before", "the last"]);
    }
}
