//! The fields of one line, by RFC 4180 without line breaks inside a field.

/// How fields are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The byte between fields.
    pub separator: u8,
    /// The byte around fields that may stand in quotes; `None` if quotes are plain characters.
    pub quote: Option<u8>,
    /// Whether spaces may stand around quotes.
    pub spaces: bool,
}

impl Dialect {
    /// Commas and double quotes.
    pub const CSV: Self = Self { separator: b',', quote: Some(b'"'), spaces: false };

    /// A field as it stands in a line, in quotes where it needs them; `None` if it cannot stand there.
    pub fn quoted(self, field: &[u8]) -> Option<Vec<u8>> {
        let special = |byte: &u8| *byte == self.separator || Some(*byte) == self.quote;
        if !field.iter().any(special) {
            return Some(field.to_vec());
        }
        let quote = self.quote?;
        let mut quoted = vec![quote];
        for byte in field {
            if *byte == quote {
                quoted.push(quote);
            }
            quoted.push(*byte);
        }
        quoted.push(quote);
        Some(quoted)
    }

    fn behind_spaces(self, text: &[u8]) -> &[u8] {
        let spaces = text.iter().take_while(|byte| self.spaces && **byte == b' ' && self.separator != b' ');
        &text[spaces.count()..]
    }
}

/// Splits lines and keeps the fields of the last one.
#[derive(Default)]
pub struct Fields {
    /// Where each field ends; it begins one byte after the end of the field before.
    ends: Vec<usize>,
    /// The decoded fields of a line with quotes, one separating byte between them.
    decoded: Vec<u8>,
    quoted: bool,
}

/// Why a line has no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A quote where none may stand, or one that is never closed.
    Quoting,
    /// A carriage return that is no part of a line end.
    CarriageReturn,
    /// Bytes that are not UTF-8.
    Encoding,
}

impl Unreadable {
    /// What is wrong, for the person who has to mend the line.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Quoting => "bad quoting",
            Self::CarriageReturn => "a carriage return inside the line",
            Self::Encoding => "bytes that are not UTF-8",
        }
    }
}

impl Fields {
    /// Splits `line` and checks its encoding.
    pub fn split(&mut self, line: &[u8], dialect: Dialect) -> Result<(), Unreadable> {
        if std::str::from_utf8(line).is_err() {
            return Err(Unreadable::Encoding);
        }
        self.split_text(line, dialect)
    }

    /// Splits a line that is known to be UTF-8.
    pub fn split_text(&mut self, line: &[u8], dialect: Dialect) -> Result<(), Unreadable> {
        self.ends.clear();
        let Dialect { separator, quote, .. } = dialect;
        let special = match quote {
            Some(quote) => memchr::memchr2(quote, b'\r', line),
            None => memchr::memchr(b'\r', line),
        };
        match (special, quote) {
            (None, _) => {
                self.quoted = false;
                self.ends.extend(memchr::memchr_iter(separator, line));
                self.ends.push(line.len());
                Ok(())
            }
            (Some(_), Some(quote)) if memchr::memchr(b'\r', line).is_none() => {
                self.quoted = true;
                self.decoded.clear();
                self.split_quoted(line, dialect, quote)
            }
            (Some(_), _) => Err(Unreadable::CarriageReturn),
        }
    }

    fn split_quoted(&mut self, line: &[u8], dialect: Dialect, quote: u8) -> Result<(), Unreadable> {
        let separator = dialect.separator;
        let mut rest = line;
        loop {
            rest = match dialect.behind_spaces(rest).split_first() {
                Some((first, inside)) if *first == quote => {
                    dialect.behind_spaces(self.quoted_field(inside, quote)?)
                }
                _ => {
                    let end = memchr::memchr(separator, rest).unwrap_or(rest.len());
                    let (field, rest) = rest.split_at(end);
                    if field.contains(&quote) {
                        return Err(Unreadable::Quoting);
                    }
                    self.decoded.extend_from_slice(field);
                    rest
                }
            };
            self.ends.push(self.decoded.len());
            match rest.split_first() {
                None => return Ok(()),
                Some((found, after)) if *found == separator => {
                    self.decoded.push(separator);
                    rest = after;
                }
                Some(_) => return Err(Unreadable::Quoting),
            }
        }
    }

    /// Decodes a field after its opening quote; returns what follows its closing quote.
    fn quoted_field<'a>(&mut self, mut inside: &'a [u8], quote: u8) -> Result<&'a [u8], Unreadable> {
        loop {
            let at = memchr::memchr(quote, inside).ok_or(Unreadable::Quoting)?;
            self.decoded.extend_from_slice(&inside[..at]);
            match inside[at + 1..].split_first() {
                Some((next, after)) if *next == quote => {
                    self.decoded.push(quote);
                    inside = after;
                }
                _ => return Ok(&inside[at + 1..]),
            }
        }
    }

    /// The number of fields of the last line.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Field `index` of the last line, which must be given again; empty beyond the last field.
    pub fn get<'a>(&'a self, line: &'a [u8], index: usize) -> &'a [u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends.get(before).map_or(0, |end| end + 1));
        let source = if self.quoted { &self.decoded } else { line };
        self.ends.get(index).map_or(&[], |end| &source[start..*end])
    }
}

/// Appends a field to a CSV line, in quotes where it needs them.
pub fn write_field(to: &mut Vec<u8>, field: &[u8]) {
    if memchr::memchr3(b',', b'"', b'\n', field).is_none() && !field.contains(&b'\r') {
        return to.extend_from_slice(field);
    }
    to.push(b'"');
    for byte in field {
        if *byte == b'"' {
            to.push(b'"');
        }
        to.push(*byte);
    }
    to.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, want: Result<&[&str], Unreadable>) {
        let mut fields = Fields::default();
        let got = fields.split(line.as_bytes(), Dialect::CSV).map(|()| {
            let field = |i| String::from_utf8(fields.get(line.as_bytes(), i).to_vec()).unwrap();
            (0..fields.len()).map(field).collect::<Vec<_>>()
        });
        assert_eq!(got, want.map(|w| w.iter().map(ToString::to_string).collect()), "{line:?}");
    }

    #[test]
    fn fields_are_split_and_unquoted() {
        check("", Ok(&[""]));
        check("a,b,c", Ok(&["a", "b", "c"]));
        check(",,", Ok(&["", "", ""]));
        check(r#""a",b"#, Ok(&["a", "b"]));
        check(r#"a,"b,""c""",d"#, Ok(&["a", "b,\"c\"", "d"]));
        check("\"\",\"\"", Ok(&["", ""]));
        check("\"\"\",\"\"\"", Ok(&["\",\""]));
        check("x,\"\"\"\"\"\"", Ok(&["x", "\"\""]));
    }

    #[test]
    fn bad_quoting_is_refused() {
        for line in [r#"a"b,c"#, "a,b\"", r#""a"b,c"#, r#""a,b"#, "a,\"", "\"", "a,\"\"\"", r#""a" ,b"#] {
            check(line, Err(Unreadable::Quoting));
        }
        check("a,\"b\rc\"", Err(Unreadable::CarriageReturn));
        check("a\r", Err(Unreadable::CarriageReturn));
        let mut fields = Fields::default();
        assert_eq!(fields.split(b"a,\xFF", Dialect::CSV), Err(Unreadable::Encoding));
    }

    #[test]
    fn written_fields_read_back() {
        for text in ["", "plain", "a,b", "\"", "a\"\"b,", "深圳,\"北\""] {
            let mut line = Vec::new();
            write_field(&mut line, text.as_bytes());
            let mut fields = Fields::default();
            assert_eq!(fields.split(&line, Dialect::CSV), Ok(()));
            assert_eq!((fields.len(), fields.get(&line, 0)), (1, text.as_bytes()));
        }
    }
}
