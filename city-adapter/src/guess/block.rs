//! Pieces of a proposed mapping: settings with their reasons.

/// Some lines of TOML with the sentences above them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Sentences, each a comment.
    pub says: Vec<String>,
    /// What a person must decide.
    pub asks: Vec<String>,
    /// Lines of TOML; those that begin with `#` are to be filled in.
    pub lines: Vec<String>,
}

/// The longest line of a comment, in characters.
const WIDTH: usize = 100;

impl Block {
    /// A block with its first lines.
    pub fn new(lines: &[&str]) -> Self {
        Self { lines: lines.iter().map(|line| (*line).to_owned()).collect(), ..Self::default() }
    }

    /// Adds a sentence.
    pub fn say(mut self, sentence: impl Into<String>) -> Self {
        self.says.push(sentence.into());
        self
    }

    /// Adds what a person must decide.
    pub fn ask(mut self, sentence: impl Into<String>) -> Self {
        self.asks.push(sentence.into());
        self
    }

    /// Adds lines of TOML.
    pub fn line(mut self, line: impl AsRef<str>) -> Self {
        self.lines.extend(line.as_ref().lines().map(str::to_owned));
        self
    }

    /// Adds a line to be filled in.
    pub fn gap(self, line: impl AsRef<str>) -> Self {
        self.line(format!("#{}", line.as_ref()))
    }

    /// Writes it, with an empty line before it.
    pub fn write(&self, to: &mut String) {
        to.push('\n');
        for sentence in &self.says {
            comment("# ", sentence, to);
        }
        for sentence in &self.asks {
            comment("# CHECK: ", sentence, to);
        }
        for line in &self.lines {
            to.push_str(line);
            to.push('\n');
        }
    }
}

/// A sentence as a comment of several lines.
fn comment(before: &str, sentence: &str, to: &mut String) {
    let mut line = before.to_owned();
    let mut len = before.chars().count();
    let mut first = true;
    // A comment has no control characters.
    let sentence: String = sentence.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    for word in sentence.split_whitespace() {
        let word_len = word.chars().count();
        if !first && len + 1 + word_len > WIDTH {
            to.push_str(&line);
            to.push('\n');
            line = "# ".to_owned();
            len = 2;
            first = true;
        }
        if !first {
            line.push(' ');
            len += 1;
        }
        line.push_str(word);
        len += word_len;
        first = false;
    }
    to.push_str(&line);
    to.push('\n');
}
