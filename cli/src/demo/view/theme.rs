//! Colours; where they are not wanted, weight and reversal say the same.

use ratatui::style::{Color, Modifier, Style};

/// The styles of the picture.
#[derive(Clone, Copy, Debug, Default)]
pub struct Theme {
    /// The program's name.
    pub title: Style,
    /// Titles of boards.
    pub board: Style,
    /// Frames of boards.
    pub frame: Style,
    /// Column names, units, what explains.
    pub faint: Style,
    /// What matters most.
    pub strong: Style,
    /// Dark cities and what waits for them.
    pub dark: Style,
    /// What went wrong.
    pub bad: Style,
    /// What is paid.
    pub good: Style,
    /// Bars.
    pub bars: Style,
    /// The chosen row.
    pub chosen: Style,
}

impl Theme {
    /// With colours, unless `NO_COLOR` is set to something.
    #[must_use]
    pub fn of_environment() -> Self {
        if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            Self::plain()
        } else {
            Self::coloured()
        }
    }

    /// Without colours.
    #[must_use]
    pub fn plain() -> Self {
        let style = Style::new();
        Self {
            title: style.add_modifier(Modifier::REVERSED | Modifier::BOLD),
            board: style.add_modifier(Modifier::BOLD),
            faint: style.add_modifier(Modifier::DIM),
            strong: style.add_modifier(Modifier::BOLD),
            dark: style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            bad: style.add_modifier(Modifier::BOLD),
            chosen: style.add_modifier(Modifier::REVERSED),
            ..Self::default()
        }
    }

    /// With colours of the terminal's own palette, so that they fit light and dark ones.
    #[must_use]
    pub fn coloured() -> Self {
        Self {
            title: Style::new().fg(Color::Black).bg(Color::Cyan).add_modifier(Modifier::BOLD),
            board: Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD),
            frame: Style::new().fg(Color::DarkGray),
            faint: Style::new().fg(Color::DarkGray),
            strong: Style::new().add_modifier(Modifier::BOLD),
            dark: Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
            bad: Style::new().fg(Color::Red),
            good: Style::new().fg(Color::Green),
            bars: Style::new().fg(Color::Cyan),
            chosen: Style::new().add_modifier(Modifier::REVERSED),
        }
    }
}
