//! The question which tap is to be traced.

use ratatui::crossterm::event::KeyCode;

use super::facts::TapName;

const TERMINAL_LEN: usize = 12;
const SEQUENCE_LEN_MAX: usize = 10;

/// What was typed so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Number of the terminal.
    pub terminal: String,
    /// The terminal's counter.
    pub sequence: String,
    /// Whether the counter is being typed, not the terminal.
    pub at_sequence: bool,
    /// What is wrong with it.
    pub wrong: Option<&'static str>,
    /// The text of the field is an offer: the first character typed replaces it.
    offered: [bool; 2],
}

impl Prompt {
    /// The question, with a tap offered as its answer.
    #[must_use]
    pub fn offering(tap: Option<&TapName>) -> Self {
        let terminal = tap.map(|tap| tap.terminal.clone()).unwrap_or_default();
        let sequence = tap.map(|tap| tap.sequence.to_string()).unwrap_or_default();
        Self { terminal, sequence, offered: [true; 2], ..Self::default() }
    }

    /// Takes a key in; a tap once enter is pressed on a right answer.
    pub fn press(&mut self, code: KeyCode) -> Option<TapName> {
        match code {
            KeyCode::Enter => return self.answer(),
            KeyCode::Tab | KeyCode::BackTab | KeyCode::Up | KeyCode::Down => {
                self.at_sequence = !self.at_sequence;
            }
            KeyCode::Backspace => {
                let field = self.field(false);
                field.pop();
            }
            KeyCode::Char(c) if self.at_sequence && c.is_ascii_digit() => self.type_in(c),
            KeyCode::Char(c) if !self.at_sequence && c.is_ascii_hexdigit() => self.type_in(c),
            _ => {}
        }
        self.wrong = None;
        None
    }

    fn field(&mut self, replace: bool) -> &mut String {
        let index = usize::from(self.at_sequence);
        let offered = self.offered.get_mut(index).is_some_and(std::mem::take);
        let field = if self.at_sequence { &mut self.sequence } else { &mut self.terminal };
        if offered && replace {
            field.clear();
        }
        field
    }

    fn type_in(&mut self, c: char) {
        let longest = if self.at_sequence { SEQUENCE_LEN_MAX } else { TERMINAL_LEN };
        let field = self.field(true);
        if field.len() < longest {
            field.push(c.to_ascii_uppercase());
        }
    }

    fn answer(&mut self) -> Option<TapName> {
        let sequence = self.sequence.parse();
        self.wrong = match sequence {
            _ if self.terminal.len() != TERMINAL_LEN => Some("a terminal has 12 hex digits"),
            Err(_) => Some("a sequence is a number from 0 to 4294967295"),
            Ok(_) => None,
        };
        let sequence = sequence.ok().filter(|_| self.wrong.is_none())?;
        Some(TapName { terminal: self.terminal.clone(), sequence })
    }
}
