//! Control lines: what the sender says about the whole file.

use super::{
    cells::{Cells, Cut, Shape},
    charset::Charset,
    convert::{AMOUNT_KEYS, refuse_other_keys},
    number::{Amount, whole},
    spec::{ControlPlace, ControlSpec, Counted, Form, Length, Ref, RuleSpec},
    text::{Scratch, Source, Tables, Text, shortened},
};
use crate::fields::Dialect;

/// A kind of control line.
#[derive(Clone, Debug)]
pub struct Control {
    /// `header` or `trailer`.
    pub name: &'static str,
    /// What it begins with, as the file's bytes.
    pub starts_with: Option<Vec<u8>>,
    /// What it begins with, as text.
    pub start_text: String,
    /// The number of lines.
    pub records: Option<Figure>,
    /// The sum of amounts.
    pub amount: Option<Figure>,
    /// Which lines it is about.
    pub counted: Counted,
}

/// A figure of a control line.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Where it stands and how it is cut out.
    pub text: Text,
    /// How it is written.
    pub kind: Kind,
    /// What it says too much.
    pub subtract: u64,
}

/// What a figure is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A number of lines.
    Count(Form),
    /// A sum of amounts.
    Fen(Amount),
}

/// The figures of one control line.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Physical line, 1-based.
    pub line: u32,
    records: Option<u64>,
    fen: Option<u64>,
}

/// What the rows of a file come to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    /// Of every data line.
    pub all: Sum,
    /// Of those that the filters keep.
    pub kept: Sum,
}

/// Lines and their amounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// Lines.
    pub lines: u64,
    /// Sum of amounts.
    pub fen: u64,
    /// Lines whose amount cannot be read.
    pub unreadable: u64,
    /// The first of them.
    pub first_unreadable: Option<u32>,
}

impl Control {
    /// The control line of a table.
    ///
    /// # Errors
    /// What is wrong with the table.
    pub fn of(name: &'static str, spec: &ControlSpec, charset: &Charset) -> Result<Self, String> {
        let start_text = spec.starts_with.clone().unwrap_or_default();
        let starts_with = spec.starts_with.as_deref().map(|text| encoded(text, charset)).transpose()?;
        if starts_with.as_ref().is_some_and(Vec::is_empty) {
            return Err("has an empty `starts_with`".to_owned());
        }
        let records = spec.records.as_ref().map(Figure::count).transpose();
        let amount = spec.amount.as_ref().map(Figure::fen).transpose();
        let wrong = |key: &str, why: String| format!("has `{key}`, which {why}");
        Ok(Self {
            name,
            starts_with,
            start_text,
            records: records.map_err(|why| wrong("records", why))?,
            amount: amount.map_err(|why| wrong("amount", why))?,
            counted: spec.counts,
        })
    }

    /// What its figures should be.
    pub const fn sum(&self, ledger: &Ledger) -> Sum {
        match self.counted {
            Counted::All => ledger.all,
            Counted::Kept => ledger.kept,
        }
    }

    /// Whether there is anything to compare.
    pub fn has_figures(&self) -> bool {
        self.records.is_some() || self.amount.is_some()
    }

    /// Reads the figures of a line.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn read(
        &self,
        line: u32,
        bytes: &[u8],
        dialect: Dialect,
        charset: &Charset,
    ) -> Result<Figures, String> {
        let figure = |key: &str, figure: &Option<Figure>| {
            match figure {
            None => Ok(None),
            Some(figure) => figure.read(bytes, dialect, charset).map(Some).map_err(|why| {
                let name = self.name;
                format!("{name} on line {line}: {key}: {why}; if this line is no {name}, the file may be cut short")
            }),
        }
        };
        Ok(Figures { line, records: figure("records", &self.records)?, fen: figure("amount", &self.amount)? })
    }

    /// Compares the figures with the rows.
    ///
    /// # Errors
    /// Which of them disagree.
    pub fn check(&self, figures: &Figures, ledger: &Ledger) -> Result<(), String> {
        let found = self.sum(ledger);
        let lines = match self.counted {
            Counted::All => "data lines",
            Counted::Kept => "data lines that the mapping's filters keep",
        };
        let Figures { line, records, fen } = *figures;
        let name = self.name;
        if let Some(says) = records.filter(|says| *says != found.lines) {
            return Err(format!(
                "{name} on line {line}: records {says}, but the file has {} {lines}",
                found.lines
            ));
        }
        if let Some(says) = fen.filter(|says| *says != found.fen) {
            let unreadable = match found.first_unreadable {
                None => String::new(),
                Some(first) => {
                    let count = found.unreadable;
                    format!(" (without {count} whose amount cannot be read, first line {first})")
                }
            };
            let fen = found.fen;
            return Err(format!(
                "{name} on line {line}: amount {says} fen, but the {lines} sum to {fen} fen{unreadable}"
            ));
        }
        Ok(())
    }
}

impl Figure {
    fn count(spec: &RuleSpec) -> Result<Self, String> {
        refuse_other_keys(spec, &["form", "subtract"])?;
        match spec.form.unwrap_or(Form::Decimal) {
            Form::Bcd | Form::Digest => Err("has a `form` that counts do not have".to_owned()),
            form => Self::of(spec, Kind::Count(form)),
        }
    }

    fn fen(spec: &RuleSpec) -> Result<Self, String> {
        refuse_other_keys(spec, &AMOUNT_KEYS)?;
        Self::of(spec, Kind::Fen(Amount::of(spec)?))
    }

    fn of(spec: &RuleSpec, kind: Kind) -> Result<Self, String> {
        let text = Text::of(spec, &Tables::new())?;
        match text.source {
            Source::Field(Ref::Position(1..)) | Source::Bytes(..) => {
                Ok(Self { text, kind, subtract: spec.subtract.unwrap_or(0) })
            }
            _ => Err("must say the position of a `column`, or `at` and `length` in bytes".to_owned()),
        }
    }

    /// Its number in a line.
    ///
    /// # Errors
    /// Why there is none.
    pub fn read(&self, line: &[u8], dialect: Dialect, charset: &Charset) -> Result<u64, String> {
        let place = match &self.text.source {
            Source::Bytes(start, length) => ControlPlace::Bytes { at: start + 1, length: *length },
            Source::Field(Ref::Position(position)) => ControlPlace::Position(*position),
            _ => return Err("has no place".to_owned()),
        };
        let found = control_text(line, &place, dialect, charset)?;
        let mut scratch = Scratch::default();
        let text = self.text.finish(found.as_bytes(), &mut scratch)?;
        let number = match &self.kind {
            Kind::Count(form) => whole(text, *form).ok_or_else(|| "expected a whole number".to_owned()),
            Kind::Fen(amount) => amount.read(text).ok_or_else(|| amount.expected()),
        };
        let number = number.map_err(|why| format!("`{}`: {why}", shortened(text)))?;
        number.checked_sub(self.subtract).ok_or_else(|| format!("{number} is less than `subtract`"))
    }
}

/// The text at a place of a control line.
///
/// # Errors
/// Why there is none.
pub fn control_text(
    line: &[u8],
    place: &ControlPlace,
    dialect: Dialect,
    charset: &Charset,
) -> Result<String, String> {
    let (shape, place) = match *place {
        ControlPlace::Bytes { at, length } => {
            let start = at.checked_sub(1).ok_or("`at` counts from 1")?;
            (Shape::Fixed { cuts: vec![Cut { start, length }], width: None, short: false }, 0)
        }
        ControlPlace::Position(position) => {
            let place = position.checked_sub(1).ok_or("positions count from 1")?;
            (Shape::Separated { dialect, columns: None, length: Length::Any }, place)
        }
    };
    let mut cells = Cells::new(shape, charset.clone());
    cells.split(line)?;
    if place >= cells.len() {
        return Err(format!("column {} is wanted, but the line has {}", place + 1, cells.len()));
    }
    Ok(String::from_utf8_lossy(cells.get(line, place)?).into_owned())
}

/// A text as the bytes of lines that are in an encoding.
///
/// # Errors
/// If the encoding does not have a character of it.
pub fn encoded(text: &str, charset: &Charset) -> Result<Vec<u8>, String> {
    let (bytes, _, missing) = charset.encoding.encode(text);
    if missing {
        Err(format!("has `{text}`, which {} cannot write", charset.name()))
    } else {
        Ok(bytes.into_owned())
    }
}
