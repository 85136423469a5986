//! The fields of a row: how each type stands on the wire.

use bytes::Buf;
use prost::{
    DecodeError,
    encoding::{DecodeContext, WireType, encoded_len_varint, sint64, string, uint32, uint64},
};

use crate::name::{LEN_MAX, Name};

/// Room for the longest row: seven figures of eleven bytes and a name of nine are 86.
const ROW_MAX: usize = 96;

/// A row while it is written: at once into the buffer it would be asked for room byte by byte.
pub struct Written {
    bytes: [u8; ROW_MAX],
    len: usize,
}

impl Default for Written {
    fn default() -> Self {
        Self { bytes: [0; ROW_MAX], len: 0 }
    }
}

impl Written {
    /// What is written.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    #[inline]
    fn name(&mut self, name: Name) {
        // Whole, so that its length need not be known beforehand: what follows stands where it ends.
        if let Some(place) = self.bytes.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut) {
            *place = name.bytes;
            self.len += name.as_bytes().len();
        }
    }

    /// The number of a field, below 16, and how what follows is to be read.
    #[inline]
    fn key(&mut self, tag: u8, wire_type: WireType) {
        self.byte(tag << 3 | wire_type as u8);
    }

    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }
}

/// A field of a row.
pub trait Field {
    /// Writes it, unless it is empty or 0.
    fn write(self, tag: u8, row: &mut Written);

    /// How many bytes it takes.
    fn size(self) -> usize;

    /// Reads it.
    fn read(
        &mut self,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError>;
}

/// A number that stands there as a varint, after `$encoded`.
macro_rules! number {
    ($type:ty, $wire:ident, $encoded:expr) => {
        impl Field for $type {
            #[inline]
            fn write(self, tag: u8, row: &mut Written) {
                if self != 0 {
                    row.key(tag, WireType::Varint);
                    row.varint($encoded(self));
                }
            }

            #[inline]
            fn size(self) -> usize {
                if self == 0 { 0 } else { 1 + encoded_len_varint($encoded(self)) }
            }

            #[inline]
            fn read(
                &mut self,
                wire_type: WireType,
                buf: &mut impl Buf,
                context: DecodeContext,
            ) -> Result<(), DecodeError> {
                $wire::merge(wire_type, self, buf, context)
            }
        }
    };
}

number!(u32, uint32, u64::from);
number!(u64, uint64, std::convert::identity);
// Small whatever its sign: 0, -1, 1, -2 stand there as 0, 1, 2, 3.
number!(i64, sint64, |value: i64| ((value << 1) ^ (value >> 63)).cast_unsigned());

impl Field for Name {
    #[inline]
    fn write(self, tag: u8, row: &mut Written) {
        if !self.is_empty() {
            row.key(tag, WireType::LengthDelimited);
            row.varint(self.as_bytes().len() as u64);
            row.name(self);
        }
    }

    #[inline]
    fn size(self) -> usize {
        if self.is_empty() { 0 } else { 2 + self.as_bytes().len() }
    }

    #[inline]
    fn read(
        &mut self,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        // Nearly every name stands whole in the buffer's next piece.
        if let (WireType::LengthDelimited, [len, rest @ ..]) = (wire_type, buf.chunk())
            && let Some(name) = rest.get(..usize::from(*len)).filter(|name| name.len() <= LEN_MAX)
            && let Ok(text) = std::str::from_utf8(name)
        {
            *self = Self::from(text);
            buf.advance(1 + self.as_bytes().len());
            return Ok(());
        }
        let mut text = String::new();
        string::merge(wire_type, &mut text, buf, context)?;
        *self = Self::from(text.as_str());
        Ok(())
    }
}
