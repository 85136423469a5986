//! Bytes of other encodings become UTF-8, and never silently something else.

use std::io::{self, Chain, Cursor, ErrorKind, Read};

use encoding_rs::{
    Decoder, DecoderResult, EUC_JP, Encoding, GB18030, GBK, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE,
};

use super::MappingError;

/// The encoding of a mapping.
#[derive(Clone, Debug)]
pub struct Charset {
    /// What decodes it.
    pub encoding: &'static Encoding,
    /// What the mapping calls it.
    pub label: String,
    /// Whether the file's own mark says which byte comes first.
    pub by_mark: bool,
}

impl Charset {
    /// UTF-8 if there is no label.
    pub fn of(label: Option<&str>) -> Option<Self> {
        let label = label.unwrap_or("utf-8");
        let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
        Some(Self { encoding, label: label.to_owned(), by_mark: label.eq_ignore_ascii_case("utf-16") })
    }

    /// Its name for people.
    pub fn name(&self) -> &'static str {
        self.encoding.name()
    }

    /// Of every byte of a line, whether a character begins before it and ends with it or behind it. Empty if no
    /// encoding but UTF-8, which shows it in every byte, has characters of several bytes there.
    pub fn mark_insides(&self, line: &[u8], insides: &mut Vec<bool>) {
        insides.clear();
        if line.is_ascii() || self.encoding == UTF_8 || self.encoding.is_single_byte() {
            return;
        }
        let mut rest = line;
        while !rest.is_empty() {
            let length = self.length_of_first(rest).min(rest.len());
            insides.push(false);
            insides.resize(insides.len() + length - 1, true);
            rest = &rest[length..];
        }
    }

    /// How many bytes the first character has; a byte that begins none counts alone.
    fn length_of_first(&self, bytes: &[u8]) -> usize {
        let chinese = self.encoding == GB18030 || self.encoding == GBK;
        match bytes {
            [..=0x7F, ..] => 1,
            [0x81..=0xFE, b'0'..=b'9', 0x81..=0xFE, b'0'..=b'9', ..] if chinese => 4,
            [0x8E, 0xA1..=0xDF, ..] if self.encoding == EUC_JP => 2,
            [0x8F, 0xA1..=0xFE, 0xA1..=0xFE, ..] if self.encoding == EUC_JP => 3,
            [0xA1..=0xFE, 0xA1..=0xFE, ..] if self.encoding == EUC_JP => 2,
            [0x80 | 0xA0..=0xDF, ..] if self.encoding == SHIFT_JIS => 1,
            [0x81..=0xFE, 0x40..=0x7E | 0x80..=0xFE, ..] if self.encoding != EUC_JP => 2,
            _ => 1,
        }
    }

    /// Decodes whole characters into `to`. The error says at which byte it fails and whether a character is cut
    /// there.
    pub fn decode(&self, bytes: &[u8], to: &mut Vec<u8>) -> Result<(), Undecodable> {
        let mut decoder = self.encoding.new_decoder_without_bom_handling();
        let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(0);
        let start = to.len();
        to.resize(start + room, 0);
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(bytes, &mut to[start..], true);
        to.truncate(start + written);
        match result {
            DecoderResult::InputEmpty => Ok(()),
            _ => Err(Undecodable { byte: read, cut: read == bytes.len() }),
        }
    }
}

/// Where bytes are not of their encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// The byte, 1-based.
    pub byte: usize,
    /// Whether the bytes end in the middle of a character.
    pub cut: bool,
}

impl Undecodable {
    /// In words.
    pub fn text(self, charset: &Charset) -> String {
        let Self { byte, cut } = self;
        let name = charset.name();
        if cut {
            format!("the last character is cut in the middle ({name}, byte {byte})")
        } else {
            format!("bytes that are not {name}, at byte {byte}")
        }
    }
}

/// Of bytes that should be UTF-8.
pub fn check_utf8(bytes: &[u8]) -> Result<(), Undecodable> {
    std::str::from_utf8(bytes)
        .map(drop)
        .map_err(|error| Undecodable { byte: error.valid_up_to() + 1, cut: error.error_len().is_none() })
}

/// A file whose mark was read, as bytes in which lines can be found.
pub enum Input<R> {
    /// As it is.
    Plain(Chain<Cursor<Vec<u8>>, R>),
    /// An encoding without ASCII, as UTF-8.
    Transcoded(Box<Transcoder<Chain<Cursor<Vec<u8>>, R>>>),
}

const MARKS: [(&[u8], &Encoding); 4] = [
    (b"\xEF\xBB\xBF", UTF_8),
    (b"\x84\x31\x95\x33", GB18030),
    (b"\xFF\xFE", UTF_16LE),
    (b"\xFE\xFF", UTF_16BE),
];

impl<R: Read> Input<R> {
    /// Reads the mark at the beginning of a file.
    ///
    /// # Errors
    /// [`MappingError::Mark`] if it is the one of another encoding, [`MappingError::Io`].
    pub fn open(mut input: R, charset: &Charset) -> Result<Self, MappingError> {
        let mut start = [0; 4];
        let mut len = 0;
        while len < start.len() {
            match input.read(&mut start[len..]) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mark = MARKS.iter().find(|(mark, _)| start[..len].starts_with(mark));
        let mut encoding = charset.encoding;
        if let Some((_, found)) = mark {
            let family = |encoding: &'static Encoding| {
                if encoding == GBK { GB18030 } else { encoding }
            };
            if charset.by_mark && found.name().starts_with("UTF-16") {
                encoding = found;
            } else if family(encoding) != *found {
                return Err(MappingError::Mark { says: charset.label.clone(), found: found.name() });
            }
        }
        let rest = start[mark.map_or(0, |(mark, _)| mark.len())..len].to_vec();
        let input = Cursor::new(rest).chain(input);
        Ok(if encoding.is_ascii_compatible() {
            Self::Plain(input)
        } else {
            let decoder = encoding.new_decoder_without_bom_handling();
            Self::Transcoded(Box::new(Transcoder { input, decoder, raw: Vec::new(), ended: false }))
        })
    }

    /// The file, for what was found out while it was read.
    pub fn into_input(self) -> R {
        match self {
            Self::Plain(input) => input.into_inner().1,
            Self::Transcoded(transcoder) => transcoder.input.into_inner().1,
        }
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(to),
            Self::Transcoded(input) => input.read(to),
        }
    }
}

/// Reads a file as UTF-8. Bytes that are no character become the byte `FF`, which no UTF-8 has, so that their line
/// is found to be bad.
pub struct Transcoder<R> {
    input: R,
    decoder: Decoder,
    /// Bytes that were read and not decoded.
    raw: Vec<u8>,
    ended: bool,
}

const NO_CHARACTER: u8 = 0xFF;
const RAW_LEN: usize = 64 * 1024;
/// Room for any one character and the byte for none.
const LEAST_ROOM: usize = 16;

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if to.len() < LEAST_ROOM {
            return Err(io::Error::new(ErrorKind::InvalidInput, "too little room for a character"));
        }
        let mut written = 0;
        while written == 0 {
            if self.raw.is_empty() && !self.ended {
                self.raw.resize(RAW_LEN, 0);
                let read = self.input.read(&mut self.raw);
                self.raw.truncate(*read.as_ref().unwrap_or(&0));
                self.ended = read? == 0;
            }
            let room = to.len() - 1;
            let (result, read, wrote) =
                self.decoder.decode_to_utf8_without_replacement(&self.raw, &mut to[..room], self.ended);
            self.raw.drain(..read);
            written += wrote;
            match result {
                DecoderResult::Malformed(..) => {
                    to[written] = NO_CHARACTER;
                    written += 1;
                }
                DecoderResult::InputEmpty if self.ended => {
                    // The decoder has said its last word and may not be asked again.
                    self.decoder = UTF_8.new_decoder_without_bom_handling();
                    break;
                }
                DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
            }
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes one at a time.
    struct Slowly<'a>(&'a [u8]);
    impl Read for Slowly<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let n = self.0.len().min(to.len()).min(1);
            to[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn read(label: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let charset = Charset::of(Some(label)).unwrap();
        let mut all = Vec::new();
        let mut input = Input::open(Slowly(bytes), &charset).map_err(|error| error.to_string())?;
        loop {
            let mut buffer = [0; LEAST_ROOM + 1];
            match input.read(&mut buffer).unwrap() {
                0 => break,
                n => all.extend_from_slice(&buffer[..n]),
            }
        }
        Ok(all)
    }

    #[test]
    fn utf_16_is_read_by_its_mark_or_without_one() {
        let bytes = |big: bool, text: &str| -> Vec<u8> {
            text.encode_utf16()
                .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect()
        };
        let text = "线路,站\n😀1号线,a\n".repeat(40);
        for (label, big, mark) in [
            ("utf-16", false, true),
            ("utf-16", true, true),
            ("utf-16le", false, false),
            ("utf-16be", true, true),
        ] {
            let marked = if mark { format!("\u{FEFF}{text}") } else { text.clone() };
            assert_eq!(read(label, &bytes(big, &marked)), Ok(text.clone().into_bytes()), "{label} {big}");
        }
        let error = read("utf-16le", &bytes(true, "\u{FEFF}a")).unwrap_err();
        assert!(error.contains("mark of UTF-16BE, but the mapping says encoding = \"utf-16le\""), "{error}");
        assert!(read("utf-8", &bytes(false, "\u{FEFF}a")).is_err());
        assert!(read("gbk", "\u{FEFF}a".as_bytes()).is_err());
        assert_eq!(read("gbk", b"\x84\x31\x95\x33a"), Ok(b"a".to_vec()));
    }

    #[test]
    fn what_is_no_character_is_marked_and_never_replaced() {
        // A lone half of a pair, then a file cut in the middle of a unit.
        assert_eq!(read("utf-16le", b"a\0\x00\xD8b\0c"), Ok(b"a\xFFb\xFF".to_vec()));
        let charset = Charset::of(Some("gbk")).unwrap();
        let decode = |bytes: &[u8]| {
            let mut to = Vec::new();
            charset.decode(bytes, &mut to).map(|()| String::from_utf8(to).unwrap())
        };
        assert_eq!(decode(b"\xC9\xEE\xDB\xDA|1"), Ok("深圳|1".to_owned()));
        assert_eq!(decode(b"\xC9\xEE\xDB"), Err(Undecodable { byte: 3, cut: true }));
        assert!(decode(b"\xFF\xC9\xEE").is_err_and(|error| !error.cut));
    }
}
