//! The program on a pseudo-terminal, with somebody who reads its screen and presses keys.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Instant,
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::{Color, Parser};

use crate::support::{WAIT_MAX, wait_for};

/// A run of the program on a terminal of its own. It is killed when this is dropped.
pub struct OnTerminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<Parser>>,
    reading: Option<JoinHandle<()>>,
    modes: String,
}

impl OnTerminal {
    pub fn start(arguments: Vec<PathBuf>, environment: &[(&str, &str)], columns: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let modes = modes(pair.master.as_ref());
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_cityunion"));
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        for name in ["CITYUNION_LOG", "NO_COLOR"] {
            command.env_remove(name);
        }
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(Parser::new(nonzero(rows), nonzero(columns), 0)));
        let mut output = pair.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&screen);
        let reading = thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading a terminal whose program has ended is an error on Linux.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..count]);
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Self { child, master: pair.master, keys, screen, reading: Some(reading), modes }
    }

    pub fn id(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.screen.lock().unwrap().set_size(nonzero(rows), nonzero(columns));
        self.master.resize(size(columns, rows)).unwrap();
    }

    /// What the screen shows now.
    pub fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the screen shows all of these words.
    #[track_caller]
    pub fn shows(&self, words: &[&str]) -> String {
        self.until(&words.join(", "), |text| words.iter().all(|word| text.contains(word)))
    }

    /// Waits until the screen is as wanted; gives what it shows.
    #[track_caller]
    pub fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + WAIT_MAX / 3;
        wait_for(what, || {
            let text = self.text();
            let ended = self.reading.as_ref().is_some_and(JoinHandle::is_finished);
            let hopeless = ended || Instant::now() > deadline;
            assert!(wanted(&text) || !hopeless, "`{what}` did not appear in:\n{text}");
            wanted(&text).then_some(text)
        })
    }

    /// Whether any cell has a colour.
    pub fn is_coloured(&self) -> bool {
        let parser = self.screen.lock().unwrap();
        let (rows, columns) = parser.screen().size();
        let cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
        cells
            .filter_map(|(row, column)| parser.screen().cell(row, column))
            .any(|cell| (cell.fgcolor(), cell.bgcolor()) != (Color::Default, Color::Default))
    }

    /// Waits for the end; gives the exit code and the last screen, on which the terminal must be as it was.
    #[track_caller]
    pub fn ended(mut self) -> (u32, String) {
        let status = wait_for("the end", || self.child.try_wait().unwrap());
        let modes_after = modes(self.master.as_ref());
        self.reading.take().unwrap().join().unwrap();
        let parser = self.screen.lock().unwrap();
        let screen = parser.screen();
        assert!(!screen.alternate_screen(), "the alternate screen was not left");
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        assert_eq!(modes_after, self.modes, "the terminal's modes are others than before");
        (status.exit_code(), screen.contents())
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().unwrap().local_flags)
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn nonzero(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}
