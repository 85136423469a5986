//! `report`: what it says in the terminal, and its page in a real browser.

mod browser;
mod page;
mod terminal;
