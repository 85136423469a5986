//! The fields of one line, by RFC 4180 without line breaks inside a field.

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

impl Fields {
    /// Splits `line` at `separator` and checks its encoding.
    pub fn split(&mut self, line: &[u8], separator: u8) -> Result<(), Unreadable> {
        if std::str::from_utf8(line).is_err() {
            return Err(Unreadable::Encoding);
        }
        self.ends.clear();
        match memchr::memchr2(b'"', b'\r', line) {
            None => {
                self.quoted = false;
                self.ends.extend(memchr::memchr_iter(separator, line));
                self.ends.push(line.len());
                Ok(())
            }
            Some(_) if memchr::memchr(b'\r', line).is_some() => Err(Unreadable::CarriageReturn),
            Some(_) => {
                self.quoted = true;
                self.decoded.clear();
                self.split_quoted(line, separator)
            }
        }
    }

    fn split_quoted(&mut self, line: &[u8], separator: u8) -> Result<(), Unreadable> {
        let mut rest = line;
        loop {
            rest = match rest {
                [b'"', inside @ ..] => self.quoted_field(inside)?,
                _ => {
                    let end = memchr::memchr(separator, rest).unwrap_or(rest.len());
                    let (field, rest) = rest.split_at(end);
                    if field.contains(&b'"') {
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
    fn quoted_field<'a>(&mut self, mut inside: &'a [u8]) -> Result<&'a [u8], Unreadable> {
        loop {
            let at = memchr::memchr(b'"', inside).ok_or(Unreadable::Quoting)?;
            self.decoded.extend_from_slice(&inside[..at]);
            match &inside[at + 1..] {
                [b'"', after @ ..] => {
                    self.decoded.push(b'"');
                    inside = after;
                }
                after => return Ok(after),
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
        let got = fields.split(line.as_bytes(), b',').map(|()| {
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
        assert_eq!(fields.split(b"a,\xFF", b','), Err(Unreadable::Encoding));
    }

    #[test]
    fn written_fields_read_back() {
        for text in ["", "plain", "a,b", "\"", "a\"\"b,", "深圳,\"北\""] {
            let mut line = Vec::new();
            write_field(&mut line, text.as_bytes());
            let mut fields = Fields::default();
            assert_eq!(fields.split(&line, b','), Ok(()));
            assert_eq!((fields.len(), fields.get(&line, 0)), (1, text.as_bytes()));
        }
    }
}
