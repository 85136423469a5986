//! The terminal while the demo has it: keys in, pictures out, and given back whatever happens.

use std::{
    io::{self, Stdout, stdout},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, TryRecvError},
    },
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use city_adapter::inbox::status::local_time;
use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        event::{self, DisableBracketedPaste, Event as Input},
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

use super::{
    facts::{Named, Order, Told},
    log_lines::Hold,
    model::{Event, Model, update},
    view::{Theme, draw},
};

/// How long a key is waited for before it is looked what the stage tells.
const LOOK: Duration = Duration::from_millis(40);

/// Shows the demo on the terminal until the stage has ended.
///
/// # Errors
/// If the terminal cannot be used.
pub fn show(
    cities: Vec<Named>,
    stop: &AtomicBool,
    told: &Receiver<Told>,
    orders: Sender<Order>,
) -> Result<()> {
    let hold = Hold::begin();
    let mut screen = Screen::open().context("failed to use the terminal; --plain prints lines instead")?;
    let mut model = Model::new(cities);
    let theme = Theme::of_environment();
    let mut changed = true;
    loop {
        if changed {
            let mut hidden = 0;
            screen.0.draw(|frame| hidden = draw(&model, &theme, frame)).context("failed to draw")?;
            update(&mut model, Event::Drawn { hidden });
        }
        let (events, ended) = look(&mut changed, stop, told, &hold)?;
        for order in events.into_iter().flat_map(|event| update(&mut model, event)) {
            // A stage that has ended shows in what it tells.
            drop(orders.send(order));
        }
        if ended {
            hold.give_back(model.warnings());
            return Ok(());
        }
        if model.abandoned {
            hold.give_back(model.warnings());
            drop(screen);
            drop(hold);
            // The log and the stores are made for being left at any moment.
            std::process::exit(130);
        }
    }
}

/// Everything that has happened, and whether the stage has ended. `changed` says whether to draw again.
fn look(
    changed: &mut bool,
    stop: &AtomicBool,
    told: &Receiver<Told>,
    hold: &Hold,
) -> Result<(Vec<Event>, bool)> {
    let mut events = Vec::new();
    *changed = false;
    let mut wait = LOOK;
    while event::poll(wait).context("failed to wait for keys")? {
        match event::read().context("failed to read keys")? {
            Input::Key(key) => events.push(Event::Key(key)),
            Input::Resize(..) => *changed = true,
            _ => {}
        }
        wait = Duration::ZERO;
    }
    let ended = loop {
        match told.try_recv() {
            Ok(fact) => events.push(Event::Told(fact)),
            Err(TryRecvError::Empty) => break false,
            Err(TryRecvError::Disconnected) => break true,
        }
    };
    let lines = hold.take();
    if !lines.is_empty() {
        events.push(Event::Log(lines));
    }
    if stop.swap(false, Ordering::Relaxed) {
        events.push(Event::Stopped);
    }
    if !events.is_empty() {
        *changed = true;
        events.insert(0, Event::Clock(clock()));
    }
    Ok((events, ended))
}

/// The time of day in UTC+8.
fn clock() -> String {
    let now = local_time(SystemTime::now());
    now.split_once('T').map_or(now.clone(), |(_, time)| time.to_owned())
}

/// The terminal in raw mode, on its alternate screen. Dropped, it is as it was before.
struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    fn open() -> io::Result<Self> {
        enable_raw_mode()?;
        OURS.store(true, Ordering::Relaxed);
        restore_on_panic();
        // From here on dropping gives the terminal back, also if the next steps fail.
        let screen = Self(Terminal::new(CrosstermBackend::new(stdout()))?);
        execute!(stdout(), EnterAlternateScreen)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether the terminal is ours. It is given back once: doing it again would move the cursor.
static OURS: AtomicBool = AtomicBool::new(false);

fn restore() {
    if !OURS.swap(false, Ordering::Relaxed) {
        return;
    }
    // If the terminal has gone there is nothing to give back.
    drop(execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show));
    drop(disable_raw_mode());
}

/// A panic of this thread gives the terminal back before it is told; one of another thread becomes a log line,
/// and what stands still because of it ends the demo with an error.
fn restore_on_panic() {
    let before = std::panic::take_hook();
    let owner = thread::current().id();
    std::panic::set_hook(Box::new(move |panic| {
        if thread::current().id() == owner {
            restore();
            before(panic);
        } else {
            tracing::error!("{panic}");
        }
    }));
}
