//! Control lines of a file that is made of rows of another: their figures become those of its own rows.

use super::{
    Mapping, MappingError,
    cells::{Cells, Shape},
    control::{Control, Figure, Kind, Ledger},
    number::Amount,
    spec::{Form, Length, Ref, Sign, Unit},
    text::Source,
};

/// The digits of a hex number where the width of its place does not tell them.
const HEX_LEN: usize = 8;

impl Mapping {
    /// The lines of a file with the figures of its control lines made anew. A figure that this mapping does not tell
    /// how to write (a part of a field, a number too long for its place) stays as it is.
    ///
    /// # Errors
    /// [`MappingError`] if the file cannot be read through this mapping.
    pub fn refigured(&self, mut lines: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, MappingError> {
        if [&self.header, &self.trailer].into_iter().flatten().all(|control| !control.has_figures()) {
            return Ok(lines);
        }
        let file = self.script().file(lines.iter().map(Vec::as_slice));
        let mut reader = self.reader(file.as_slice())?;
        let (ledger, header) = reader.come_to()?;
        let trailer = reader.tail().map(|line| line.number);
        for (control, number) in [(&self.header, header), (&self.trailer, trailer)] {
            let (Some(control), Some(number)) = (control, number) else { continue };
            let index = usize::try_from(number).unwrap_or(usize::MAX).wrapping_sub(1);
            if let Some(line) = lines.get_mut(index) {
                self.refigure(control, &ledger, line);
            }
        }
        Ok(lines)
    }

    fn refigure(&self, control: &Control, ledger: &Ledger, line: &mut Vec<u8>) {
        let sum = control.sum(ledger);
        for (figure, number) in [(&control.records, sum.lines), (&control.amount, sum.fen)] {
            let Some(figure) = figure else { continue };
            let read = |line: &[u8]| figure.read(line, self.dialect, &self.charset).ok();
            if read(line) == Some(number) {
                continue;
            }
            // What does not come back is not written.
            let written = self.with_figure(figure, number, line);
            if let Some(written) = written.filter(|written| read(written) == Some(number)) {
                *line = written;
            }
        }
    }

    /// The line with `number` at the figure's place.
    fn with_figure(&self, figure: &Figure, number: u64, line: &[u8]) -> Option<Vec<u8>> {
        let number = number.checked_add(figure.subtract)?;
        match figure.text.source {
            Source::Bytes(start, length) => {
                let digits = written(&figure.kind, number, Some(length))?;
                let (sign, digits) = match digits.strip_prefix('-') {
                    Some(digits) => ("-", digits),
                    None => ("", &*digits),
                };
                let width = length.checked_sub(sign.len())?;
                let mut line = line.to_vec();
                let place = line.get_mut(start..start.checked_add(length)?)?;
                let text = format!("{sign}{digits:0>width$}");
                if text.len() != length {
                    return None;
                }
                place.copy_from_slice(text.as_bytes());
                Some(line)
            }
            Source::Field(Ref::Position(position)) => {
                let text = written(&figure.kind, number, None)?;
                self.with_field(line, position.checked_sub(1)?, &text)
            }
            _ => None,
        }
    }

    /// The line with another text in one of its fields.
    fn with_field(&self, line: &[u8], place: usize, text: &str) -> Option<Vec<u8>> {
        let shape = Shape::Separated { dialect: self.dialect, columns: None, length: Length::Any };
        let mut cells = Cells::new(shape, self.charset.clone());
        cells.split(line).ok()?;
        let mut written = Vec::new();
        for index in 0..cells.len() {
            let field = if index == place { text.as_bytes() } else { cells.get(line, index).ok()? };
            if index > 0 {
                written.push(self.dialect.separator);
            }
            written.extend_from_slice(&self.dialect.quoted(field)?);
        }
        self.script().bytes(str::from_utf8(&written).ok()?).ok()
    }
}

/// The text of a figure; `length` is the room that it fills, if that is fixed.
fn written(kind: &Kind, number: u64, length: Option<usize>) -> Option<String> {
    match kind {
        Kind::Count(form) => Some(digits(number, *form, length)),
        Kind::Fen(amount) => money(amount, number, length),
    }
}

fn money(amount: &Amount, fen: u64, length: Option<usize>) -> Option<String> {
    let (multiply, divide) = (u64::from(amount.multiply), u64::from(amount.divide));
    let fen = fen.checked_mul(divide)?;
    if !fen.is_multiple_of(multiply) {
        return None;
    }
    let fen = fen / multiply;
    let text = match (amount.unit, amount.form) {
        (Unit::Fen, form) => digits(fen, form, length),
        (Unit::Yuan, Form::Decimal) => format!("{}{}{:02}", fen / 100, char::from(amount.decimal), fen % 100),
        (Unit::Yuan, form) => digits(fen / 100, form, length),
    };
    Some(if amount.sign == Sign::Minus && fen > 0 { format!("-{text}") } else { text })
}

fn digits(number: u64, form: Form, length: Option<usize>) -> String {
    let width = length.unwrap_or(HEX_LEN);
    match form {
        Form::Hex => format!("{number:X}"),
        Form::HexLe => {
            let text = format!("{number:0width$X}");
            text.as_bytes().rchunks(2).flatten().map(|byte| char::from(*byte)).collect()
        }
        _ => number.to_string(),
    }
}
