//! How the lines of a file are text, and how text becomes lines of such a file again.

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes of text that are made at a time.
const TEXT_LEN: usize = 1024;

/// The encoding of a file. Its lines are bytes of the file, or UTF-8 where the encoding does not hold ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    encoding: &'static Encoding,
    /// Whether the file begins with a mark that says which byte comes first.
    marked: bool,
}

impl Script {
    /// UTF-8.
    pub const UTF_8: Self = Self { encoding: UTF_8, marked: false };

    /// Of an encoding.
    #[must_use]
    pub const fn new(encoding: &'static Encoding, marked: bool) -> Self {
        Self { encoding, marked }
    }

    /// The text of a line. `\\` stands for a backslash, `\xHH` for a byte that is no character of the encoding (or
    /// that would not come back from its character) and for a carriage return.
    #[must_use]
    pub fn shown(self, raw: &[u8]) -> String {
        let mut to = String::with_capacity(raw.len());
        if !self.is_narrow() || self.encoding == UTF_8 {
            for chunk in raw.utf8_chunks() {
                text(chunk.valid(), &mut to);
                hexed(chunk.invalid(), &mut to);
            }
            return to;
        }
        let (mut rest, mut buffer) = (raw, [0; TEXT_LEN]);
        while !rest.is_empty() {
            let mut decoder = self.encoding.new_decoder_without_bom_handling();
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(rest, &mut buffer, true);
            let (good, bad) = match result {
                DecoderResult::Malformed(bad, behind) => {
                    let (bad, behind) = (usize::from(bad), usize::from(behind));
                    (read.saturating_sub(bad + behind), bad)
                }
                // A decoder that goes neither on nor back must not be asked for ever.
                _ => (read, usize::from(read == 0)),
            };
            let (characters, behind) = rest.split_at(good);
            match str::from_utf8(&buffer[..written]) {
                Ok(shown) if self.encoding.encode(shown).0 == characters => text(shown, &mut to),
                _ => characters.iter().for_each(|byte| match str::from_utf8(&[*byte]) {
                    Ok(ascii) => text(ascii, &mut to),
                    Err(_) => hexed(&[*byte], &mut to),
                }),
            }
            let (bad, behind) = behind.split_at(bad.min(behind.len()));
            hexed(bad, &mut to);
            rest = behind;
        }
        to
    }

    /// The line that a text of [`Script::shown`] stands for.
    ///
    /// # Errors
    /// What is no escape, a line break, or a character that the encoding does not have.
    pub fn read(self, raw: &str) -> Result<Vec<u8>, String> {
        let mut line = Vec::with_capacity(raw.len());
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once('\\') {
            line.extend(self.bytes(before)?);
            if let Some(after) = after.strip_prefix('\\') {
                line.push(b'\\');
                rest = after;
                continue;
            }
            let digits = after.strip_prefix('x').and_then(|digits| digits.get(..2));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let byte =
                byte.ok_or("a backslash must be followed by another one, or by x and two hex digits")?;
            if !byte.is_ascii() && !self.is_narrow() {
                let name = self.encoding.name();
                return Err(format!(
                    "\\x{byte:02X} is no character of {name}: write the character that belongs there"
                ));
            }
            line.push(byte);
            rest = &after[3..];
        }
        line.extend(self.bytes(rest)?);
        if memchr::memchr(b'\n', &line).is_some() {
            return Err("it has a line break: one row is one line".to_owned());
        }
        Ok(line)
    }

    /// A file of lines.
    #[must_use]
    pub fn file<'a>(self, lines: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        if self.is_narrow() {
            return bytes;
        }
        let text = String::from_utf8_lossy(&bytes);
        let units: fn(u16) -> [u8; 2] = match () {
            () if self.encoding == UTF_16LE => u16::to_le_bytes,
            () if self.encoding == UTF_16BE => u16::to_be_bytes,
            () => return self.encoding.encode(&text).0.into_owned(),
        };
        let mark = self.marked.then_some('\u{FEFF}');
        let mut two = [0; 2];
        let mark = mark.map(|mark| mark.encode_utf16(&mut two).to_vec()).unwrap_or_default();
        mark.into_iter().chain(text.encode_utf16()).flat_map(units).collect()
    }

    /// Whether lines can be found in the bytes of the file.
    fn is_narrow(self) -> bool {
        self.encoding.is_ascii_compatible()
    }

    /// The bytes of a text in a line.
    ///
    /// # Errors
    /// The character that the encoding does not have.
    pub(crate) fn bytes(self, text: &str) -> Result<Vec<u8>, String> {
        let has = |text: &str| !self.encoding.encode(text).2;
        if !has(text) {
            let missing = text.chars().find(|character| !has(character.encode_utf8(&mut [0; 4])));
            let name = self.encoding.name();
            return Err(format!("`{}` is no character of {name}", missing.unwrap_or_default()));
        }
        if self.is_narrow() { Ok(self.encoding.encode(text).0.into_owned()) } else { Ok(text.into()) }
    }
}

fn text(text: &str, to: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => to.push_str("\\\\"),
            '\r' => to.push_str("\\x0D"),
            character => to.push(character),
        }
    }
}

fn hexed(bytes: &[u8], to: &mut String) {
    bytes.iter().for_each(|byte| to.push_str(&format!("\\x{byte:02X}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(label: &str) -> Script {
        Script::new(Encoding::for_label(label.as_bytes()).unwrap(), label == "utf-16")
    }

    #[test]
    fn every_byte_comes_back() {
        let lines: [&[u8]; 12] = [
            b"plain",
            "深圳,\"北\"".as_bytes(),
            b"\\x41\\",
            b"\xC9\xEE\xDB\xDA;1",
            b"a\rb",
            b"cut \xE6\xB7",
            b"\xFF\\\r\rx\xC9,\x81\x30\x81,\x80\xA2\xE3",
            // Of GB 18030 alone, and four-byte beginnings.
            b"\x81\x30\x81\x30\xFE\x30\x81",
            // Letters, a backslash and a vertical line as second bytes.
            b"\x81A\x81\\\x81|\xD6\x7C",
            &[0xC9; 5000],
            &[0xFF; 5000],
            b"",
        ];
        for label in ["utf-8", "gbk", "gb18030", "big5", "euc-kr", "shift_jis", "euc-jp", "windows-1252"] {
            for line in lines {
                let shown = of(label).shown(line);
                assert_eq!(of(label).read(&shown).unwrap(), line, "{label}: {shown}");
            }
        }
    }

    #[test]
    fn characters_of_the_encoding_are_shown_and_nothing_else_is() {
        let raw = b"\xC9\xEE\xDB\xDA\\\xC9,\xFF\r";
        assert_eq!(of("gbk").shown(raw), "深圳\\\\\\xC9,\\xFF\\x0D");
        assert_eq!(Script::UTF_8.shown("深圳 \\\u{FF}".as_bytes()), "深圳 \\\\\u{FF}");
        assert_eq!(Script::UTF_8.shown(b"\xC9\xEE"), "\\xC9\\xEE");
        let long = "深".repeat(3000);
        let (bytes, _, _) = encoding_rs::GBK.encode(&long);
        assert_eq!(of("gbk").shown(&bytes), long, "whole, whatever is made at a time");
        assert!(of("gbk").read("😀").unwrap_err().contains("`😀` is no character of GBK"));
    }

    #[test]
    fn what_is_no_escape_is_named() {
        for raw in ["a\\", "\\x4", "\\n", "\\xZZ", "a\nb", "\\x0A", "\\深"] {
            assert!(Script::UTF_8.read(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn a_file_without_ascii_is_written_in_its_encoding() {
        let lines = ["站\\", "b"].map(str::as_bytes);
        assert_eq!(of("utf-16be").file(lines), b"\x7A\xD9\0\\\0\n\0b\0\n");
        assert_eq!(of("utf-16").file(lines), b"\xFF\xFE\xD9\x7A\\\0\n\0b\0\n\0");
        assert_eq!(of("utf-16").read("站\\\\\\x0D").unwrap(), "站\\\r".as_bytes());
        assert!(of("utf-16").read("a\\xFF").unwrap_err().contains("write the character"));
        let japanese = of("iso-2022-jp");
        assert_eq!(japanese.file(["駅".as_bytes()]), b"\x1B$B1X\x1B(B\n");
        assert_eq!(of("gbk").file([&b"\xC9\xEE"[..]]), b"\xC9\xEE\n");
    }
}
