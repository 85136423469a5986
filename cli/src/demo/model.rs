//! What the screen shows, as data: changed by facts and keys, and by nothing else.

use std::collections::{BTreeMap, VecDeque};

use domain::city::City;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{
    facts::{BadFiles, Named, Order, Snapshot, TapName, Told},
    prompt::Prompt,
};

/// Seconds of taps/s that are kept for all cities together.
const RATES_MAX: usize = 240;
/// Seconds of taps/s that are kept of each city.
const CITY_RATES_MAX: usize = 60;
/// The second from which on rates are taken: in those before it all begins at once, which is no rate.
pub const FIRST_RATED_SECOND: u64 = 2;
/// Least time over which a rate is taken, milliseconds: taps come in by the second.
const RATE_MS_MIN: u64 = 500;
/// Messages that are kept.
const MESSAGES_MAX: usize = 500;
/// Warnings that are told when the screen is given back.
const WARNINGS_LEFT_MAX: usize = 20;
/// Rows that a page key moves.
const PAGE: usize = 10;

/// What happens to the screen.
#[derive(Clone, Debug)]
pub enum Event {
    /// The stage tells something.
    Told(Told),
    /// A key.
    Key(KeyEvent),
    /// Log lines.
    Log(Vec<String>),
    /// The time of day, as it is shown beside messages.
    Clock(String),
    /// SIGINT or SIGTERM.
    Stopped,
    /// The picture was drawn.
    Drawn {
        /// Rows of the panel that found no room.
        hidden: u16,
    },
}

/// What lies over the picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Panel {
    /// Nothing.
    #[default]
    None,
    /// The keys and words.
    Help,
    /// All messages.
    Messages,
    /// What became of the bad files of a city.
    BadFiles(City, BadFiles),
    /// Which tap is to be traced?
    Prompt(Prompt),
    /// A tap's life; none while it is looked up.
    Trace(TapName, Option<Result<Vec<String>, String>>),
}

/// A line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When it came, such as `08:05:09`, UTC+8.
    pub at: String,
    /// Whether something is wrong.
    pub warning: bool,
    /// The line.
    pub text: String,
}

impl Message {
    /// The line without the time that a log line begins with: the screen has its own.
    #[must_use]
    pub fn shown(&self) -> &str {
        let is_time = |word: &str| word.starts_with(|c: char| c.is_ascii_digit()) && word.ends_with('Z');
        match self.text.split_once(' ') {
            Some((first, rest)) if is_time(first) => rest.trim_start(),
            _ => self.text.trim_start(),
        }
    }
}

/// Everything on the screen.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The cities, in order.
    pub cities: Vec<Named>,
    /// Which of them is chosen.
    pub chosen: usize,
    /// The last snapshot.
    pub now: Option<Snapshot>,
    /// Taps/s over all cities, oldest first.
    pub rates: VecDeque<u64>,
    /// Taps/s of each city, oldest first.
    pub city_rates: BTreeMap<City, VecDeque<u64>>,
    /// Messages, oldest first.
    pub messages: VecDeque<Message>,
    /// The time of day.
    clock: String,
    /// Warnings that nobody has looked at.
    pub unread: usize,
    /// What lies over the picture.
    pub panel: Panel,
    /// First row of the panel that is shown.
    pub scroll: u16,
    /// Whether the demo is ending.
    pub ending: bool,
    /// Whether it shall not be waited for any more.
    pub abandoned: bool,
    /// Second, time and records of the last rate.
    rated: (u64, u64, u64),
    /// The same of the cities.
    city_rated: (u64, u64, BTreeMap<City, u64>),
}

impl Model {
    /// The screen before anything is known.
    #[must_use]
    pub fn new(cities: Vec<Named>) -> Self {
        Self { cities, ..Self::default() }
    }

    /// The chosen city.
    #[must_use]
    pub fn chosen_city(&self) -> Option<City> {
        self.cities.get(self.chosen).map(|named| named.city)
    }

    /// A city as people call it.
    #[must_use]
    pub fn name(&self, city: City) -> String {
        let named = self.cities.iter().find(|named| named.city == city);
        named.map_or_else(|| city.to_string(), |named| format!("{} {}", named.name_zh, named.name_en))
    }

    /// Taps/s of all cities in the last second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rates.back().copied().unwrap_or(0)
    }

    /// The last warnings, for those who did not see them on the screen.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let warnings = self.messages.iter().filter(|message| message.warning);
        let skipped = warnings.clone().count().saturating_sub(WARNINGS_LEFT_MAX);
        warnings.skip(skipped).map(|message| message.text.clone())
    }

    fn is_dark(&self, city: City) -> bool {
        self.now.as_ref().is_some_and(|now| now.dark.contains_key(&city))
    }

    fn note(&mut self, warning: bool, text: String) {
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.unread += usize::from(warning);
        self.messages.push_back(Message { at: self.clock.clone(), warning, text });
    }
}

/// Takes an event in; what is to be done about it is returned.
pub fn update(model: &mut Model, event: Event) -> Vec<Order> {
    match event {
        Event::Told(told) => {
            hear(model, told);
            Vec::new()
        }
        Event::Log(lines) => {
            for line in lines {
                let warning = !line.contains(" INFO ") && !line.contains(" DEBUG ");
                model.note(warning, line);
            }
            Vec::new()
        }
        Event::Clock(clock) => {
            model.clock = clock;
            Vec::new()
        }
        Event::Stopped => end(model),
        Event::Drawn { hidden } => {
            model.scroll = model.scroll.min(hidden);
            Vec::new()
        }
        Event::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
        Event::Key(key) => press(model, key),
    }
}

fn hear(model: &mut Model, told: Told) {
    match told {
        Told::Snapshot(now) => {
            rate(model, &now);
            rate_cities(model, &now);
            model.now = Some(*now);
        }
        Told::Closed(closed) => {
            model.note(false, format!("closed {}", closed.folder.display()));
        }
        Told::Note(text) => model.note(false, text),
        Told::BadFiles(city, became) => {
            model.note(false, format!("{}: two bad files handed in", model.name(city)));
            open(model, Panel::BadFiles(city, became));
        }
        Told::Traced(tap, life) => {
            if matches!(&model.panel, Panel::Trace(asked, None) if *asked == tap) {
                open(model, Panel::Trace(tap, Some(life)));
            }
        }
    }
}

/// Taps/s of all cities, once for each second that was played.
fn rate(model: &mut Model, now: &Snapshot) {
    let (second, at_ms, arrived) = model.rated;
    if second < FIRST_RATED_SECOND {
        model.rated = (now.second, now.at_ms, now.counts.arrived);
        return;
    }
    let passed_ms = now.at_ms.saturating_sub(at_ms);
    if now.second == second || passed_ms < RATE_MS_MIN {
        return;
    }
    keep(&mut model.rates, now.counts.arrived.saturating_sub(arrived) * 1000 / passed_ms, RATES_MAX);
    model.rated = (now.second, now.at_ms, now.counts.arrived);
}

/// Taps/s of each city, once for each second that was played.
fn rate_cities(model: &mut Model, now: &Snapshot) {
    let (second, at_ms, before) = &model.city_rated;
    let passed_ms = now.acquirers_at_ms.saturating_sub(*at_ms);
    let rated = *second >= FIRST_RATED_SECOND && !before.is_empty();
    if rated && (now.second == *second || passed_ms < RATE_MS_MIN) {
        return;
    }
    for (city, acquirer) in now.acquirers.iter().filter(|_| rated) {
        let arrived = acquirer.arrived.saturating_sub(before.get(city).copied().unwrap_or(0));
        let rates = model.city_rates.entry(*city).or_default();
        keep(rates, arrived * 1000 / passed_ms, CITY_RATES_MAX);
    }
    let arrived = now.acquirers.iter().map(|(city, acquirer)| (*city, acquirer.arrived)).collect();
    model.city_rated = (now.second, now.acquirers_at_ms, arrived);
}

fn keep(rates: &mut VecDeque<u64>, rate: u64, most: usize) {
    if rates.len() == most {
        rates.pop_front();
    }
    rates.push_back(rate);
}

fn open(model: &mut Model, panel: Panel) {
    model.panel = panel;
    model.scroll = 0;
}

/// Ends the demo; asked a second time, at once.
fn end(model: &mut Model) -> Vec<Order> {
    model.abandoned = model.ending;
    if std::mem::replace(&mut model.ending, true) {
        return Vec::new();
    }
    open(model, Panel::None);
    vec![Order::End]
}

fn press(model: &mut Model, key: KeyEvent) -> Vec<Order> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    if control && matches!(key.code, KeyCode::Char('c' | 'C')) {
        return end(model);
    }
    if control || model.ending {
        return Vec::new();
    }
    if let Panel::Prompt(prompt) = &mut model.panel {
        return match (key.code, prompt.press(key.code)) {
            (KeyCode::Esc, _) => {
                open(model, Panel::None);
                Vec::new()
            }
            (_, Some(tap)) => {
                open(model, Panel::Trace(tap.clone(), None));
                vec![Order::Trace(tap)]
            }
            _ => Vec::new(),
        };
    }
    if model.panel == Panel::None {
        press_on_picture(model, key.code)
    } else {
        press_in_panel(model, key.code)
    }
}

/// A panel takes the keys that the footer shows under it, and no others: they would act unseen.
fn press_in_panel(model: &mut Model, code: KeyCode) -> Vec<Order> {
    match (code, &model.panel) {
        (KeyCode::Char('q' | 'Q'), _) => return end(model),
        (KeyCode::Esc | KeyCode::Enter, _)
        | (KeyCode::Char('?' | 'h'), Panel::Help)
        | (KeyCode::Char('m'), Panel::Messages) => open(model, Panel::None),
        _ => turn(model, code),
    }
    Vec::new()
}

fn press_on_picture(model: &mut Model, code: KeyCode) -> Vec<Order> {
    match code {
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => end(model),
        KeyCode::Char('?' | 'h') => show(model, Panel::Help),
        KeyCode::Char('m') => {
            model.unread = 0;
            show(model, Panel::Messages)
        }
        KeyCode::Char('c') => vec![Order::CutOff],
        KeyCode::Char('d') => {
            let city = model.chosen_city();
            city.map(|city| Order::Darken(city, !model.is_dark(city))).into_iter().collect()
        }
        KeyCode::Char('b') => model.chosen_city().map(Order::BadFiles).into_iter().collect(),
        KeyCode::Char('t') => {
            let recent = |city| model.now.as_ref()?.recent.get(&city);
            let offered = model.chosen_city().and_then(recent);
            open(model, Panel::Prompt(Prompt::offering(offered)));
            Vec::new()
        }
        code => {
            turn(model, code);
            Vec::new()
        }
    }
}

fn show(model: &mut Model, panel: Panel) -> Vec<Order> {
    open(model, panel);
    Vec::new()
}

/// Arrow and page keys: they turn a panel's pages, else choose a city.
fn turn(model: &mut Model, code: KeyCode) {
    let last =
        if model.panel == Panel::None { model.cities.len().saturating_sub(1) } else { usize::from(u16::MAX) };
    let at = if model.panel == Panel::None { model.chosen } else { model.scroll.into() };
    let to = match code {
        KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => at + 1,
        KeyCode::PageUp => at.saturating_sub(PAGE),
        KeyCode::PageDown => at + PAGE,
        KeyCode::Home => 0,
        KeyCode::End if model.panel == Panel::None => last,
        _ => return,
    };
    if model.panel == Panel::None {
        model.chosen = to.min(last);
    } else {
        model.scroll = u16::try_from(to).unwrap_or(u16::MAX);
    }
}

#[cfg(test)]
mod tests;
