//! One range of one partition as a file that describes itself.
//!
//! ```text
//! magic      8 bytes, "culog/1\n"
//! topic      u16 length, then its name without the system's prefix
//! partition  u32
//! first      u64 offset of the first message
//! end        u64 offset after the last
//! count      u64 messages: end - first, since an offset without a message is a hole
//! blocks     each: u32 compressed bytes (never 0), u32 plain bytes, u64 first offset, u32 messages,
//!            then zstd over: for each message u32 length and its bytes
//! trailer    u32 zero, then 32 bytes of SHA-256 over everything before them
//! ```
//! Numbers are little-endian. A block holds about 1 MiB, so a reader skips to an offset without unpacking what
//! lies before it, and its memory is bounded by a block with one message of the largest size.

use std::io::{self, Read, Seek, SeekFrom, Write};

use bytes::Bytes;
use cu_log::MESSAGE_BYTES_MAX;
use sha2::{Digest as _, Sha256};

/// How every file begins.
pub const MAGIC: &[u8; 8] = b"culog/1\n";
/// A block is closed once it holds so many bytes.
const BLOCK_BYTES: usize = 1 << 20;
/// More than this no block holds, plain.
const BLOCK_BYTES_MAX: usize = BLOCK_BYTES + MESSAGE_BYTES_MAX + LENGTH_BYTES;
/// Bytes of a message's length.
const LENGTH_BYTES: usize = 4;
/// Bytes of a SHA-256.
const DIGEST_BYTES: usize = 32;
/// How hard zstd works: its default.
const LEVEL: i32 = 3;

/// What is wrong with a file, or with what shall be written into one.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It cannot be read or written.
    #[error("reading or writing failed")]
    Io(#[from] io::Error),
    /// It begins otherwise.
    #[error("it is no file of an archive, or one of a newer version")]
    Magic,
    /// Its header contradicts itself.
    #[error("its header makes no sense")]
    Header,
    /// It ends too early.
    #[error("it ends in the middle of {0}")]
    Truncated(&'static str),
    /// A block is not what its lengths say.
    #[error("the block with offset {offset} {what}")]
    Block {
        /// First offset of the block.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// Messages are missing.
    #[error("offset {wanted} is missing, {found} came in its place")]
    Hole {
        /// The offset that was due.
        wanted: u64,
        /// The offset that came, or where the range ends.
        found: u64,
    },
    /// The digest at its end is another.
    #[error("its bytes are not those that were written: the SHA-256 at its end is another")]
    Digest,
    /// Bytes stand behind the digest.
    #[error("bytes stand behind its end")]
    Tail,
}

/// Which messages a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The topic, without the system's prefix.
    pub topic: String,
    /// Number of the partition.
    pub partition: u32,
    /// Offset of the first message.
    pub first: u64,
    /// Offset after the last.
    pub end: u64,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Size of the file, bytes.
    pub size: u64,
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
}

/// Writes a file.
pub struct Encoder<W: Write> {
    out: Hashing<W>,
    next: u64,
    end: u64,
    block: Vec<u8>,
    block_first: u64,
}

impl<W: Write> Encoder<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`FormatError::Header`] for a range that is none, [`FormatError::Io`].
    pub fn new(out: W, header: &Header) -> Result<Self, FormatError> {
        let topic = u16::try_from(header.topic.len()).map_err(|_| FormatError::Header)?;
        let count = header.end.checked_sub(header.first).ok_or(FormatError::Header)?;
        let mut out = Hashing { out, sha256: Sha256::new(), size: 0 };
        out.put(MAGIC)?;
        out.put(&topic.to_le_bytes())?;
        out.put(header.topic.as_bytes())?;
        out.put(&header.partition.to_le_bytes())?;
        for number in [header.first, header.end, count] {
            out.put(&number.to_le_bytes())?;
        }
        Ok(Self { out, next: header.first, end: header.end, block: Vec::new(), block_first: header.first })
    }

    /// Adds the next message.
    ///
    /// # Errors
    /// [`FormatError::Hole`] if it is not the one that is due, [`FormatError::Io`].
    pub fn push(&mut self, offset: u64, payload: &[u8]) -> Result<(), FormatError> {
        if offset != self.next || offset >= self.end {
            return Err(FormatError::Hole { wanted: self.next, found: offset });
        }
        let what = "is too large";
        let length = u32::try_from(payload.len()).map_err(|_| FormatError::Block { offset, what })?;
        self.block.extend_from_slice(&length.to_le_bytes());
        self.block.extend_from_slice(payload);
        self.next += 1;
        if self.block.len() >= BLOCK_BYTES { self.close_block() } else { Ok(()) }
    }

    fn close_block(&mut self) -> Result<(), FormatError> {
        if self.next == self.block_first {
            return Ok(());
        }
        let offset = self.block_first;
        let large = |_| FormatError::Block { offset, what: "is too large" };
        let packed = zstd::bulk::compress(&self.block, LEVEL)?;
        self.out.put(&u32::try_from(packed.len()).map_err(large)?.to_le_bytes())?;
        self.out.put(&u32::try_from(self.block.len()).map_err(large)?.to_le_bytes())?;
        self.out.put(&offset.to_le_bytes())?;
        self.out.put(&u32::try_from(self.next - offset).map_err(large)?.to_le_bytes())?;
        self.out.put(&packed)?;
        self.block.clear();
        self.block_first = self.next;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`FormatError::Hole`] if messages are missing at its end, [`FormatError::Io`].
    pub fn finish(mut self) -> Result<(W, Written), FormatError> {
        if self.next != self.end {
            return Err(FormatError::Hole { wanted: self.next, found: self.end });
        }
        self.close_block()?;
        self.out.put(&0_u32.to_le_bytes())?;
        let digest = self.out.sha256.clone().finalize();
        self.out.put(&digest)?;
        let Hashing { mut out, sha256, size } = self.out;
        out.flush()?;
        Ok((out, Written { size, sha256: sha256.finalize().into() }))
    }
}

struct Hashing<W> {
    out: W,
    sha256: Sha256,
    size: u64,
}

impl<W: Write> Hashing<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sha256.update(bytes);
        self.size += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

/// Reads a file whose digest is known to be right; what is damaged all the same is an error, never a panic.
pub struct Decoder<R> {
    input: R,
    header: Header,
    next: u64,
}

impl<R: Read + Seek> Decoder<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`FormatError`] if it is none.
    pub fn open(mut input: R) -> Result<Self, FormatError> {
        let what = "its header";
        let mut magic = [0; MAGIC.len()];
        fill(&mut input, &mut magic, what)?;
        if magic != *MAGIC {
            return Err(FormatError::Magic);
        }
        let length = u16::from_le_bytes(array(&mut input, what)?);
        let mut topic = vec![0; usize::from(length)];
        fill(&mut input, &mut topic, what)?;
        let topic = String::from_utf8(topic).map_err(|_| FormatError::Header)?;
        let partition = u32::from_le_bytes(array(&mut input, what)?);
        let mut number = || Ok::<_, FormatError>(u64::from_le_bytes(array(&mut input, what)?));
        let (first, end, count) = (number()?, number()?, number()?);
        if end.checked_sub(first) != Some(count) {
            return Err(FormatError::Header);
        }
        Ok(Self { input, header: Header { topic, partition, first, end }, next: first })
    }

    /// Which messages it holds.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The messages of the next block that holds `from` or what lies behind it, with the offset of the first;
    /// none at the end. Blocks before are skipped.
    ///
    /// # Errors
    /// [`FormatError`] for what is damaged.
    pub fn block(&mut self, from: u64) -> Result<Option<(u64, Vec<Bytes>)>, FormatError> {
        loop {
            let Some(block) = self.block_header()? else { return Ok(None) };
            let first = self.next;
            self.next = block.end;
            if block.end <= from {
                self.input.seek(SeekFrom::Current(i64::from(block.packed)))?;
                continue;
            }
            let wrong = |what| FormatError::Block { offset: first, what };
            let mut packed = Vec::new();
            self.input.by_ref().take(u64::from(block.packed)).read_to_end(&mut packed)?;
            if packed.len() as u64 != u64::from(block.packed) {
                return Err(FormatError::Truncated("a block"));
            }
            let plain = zstd::bulk::decompress(&packed, block.plain);
            let plain = plain.map_err(|_| wrong("cannot be unpacked"))?;
            let messages = split(&plain.into(), block.plain, block.end - first).map_err(wrong)?;
            return Ok(Some((first, messages)));
        }
    }

    fn block_header(&mut self) -> Result<Option<Block>, FormatError> {
        let what = "a block";
        let offset = self.next;
        let packed = u32::from_le_bytes(array(&mut self.input, what)?);
        if packed == 0 {
            let (wanted, found) = (offset, self.header.end);
            return if wanted == found { Ok(None) } else { Err(FormatError::Hole { wanted, found }) };
        }
        let plain = u32::from_le_bytes(array(&mut self.input, what)?);
        let first = u64::from_le_bytes(array(&mut self.input, what)?);
        let count = u32::from_le_bytes(array(&mut self.input, what)?);
        let wrong = |what| FormatError::Block { offset, what };
        if first != offset {
            return Err(FormatError::Hole { wanted: offset, found: first });
        }
        let plain = usize::try_from(plain).ok().filter(|bytes| *bytes <= BLOCK_BYTES_MAX);
        let plain = plain.ok_or_else(|| wrong("claims to be larger than any block"))?;
        let end = first.checked_add(u64::from(count)).filter(|end| *end <= self.header.end && *end > first);
        let end = end.ok_or_else(|| wrong("holds other messages than the file"))?;
        Ok(Some(Block { packed, plain, end }))
    }

    /// Reads the trailer, after the last block, and gives the input back.
    ///
    /// # Errors
    /// [`FormatError::Truncated`], [`FormatError::Tail`].
    pub fn finish(mut self) -> Result<[u8; 32], FormatError> {
        let digest = array(&mut self.input, "the digest at its end")?;
        let mut more = [0];
        if self.input.read(&mut more)? > 0 { Err(FormatError::Tail) } else { Ok(digest) }
    }
}

/// What a block says of itself.
struct Block {
    packed: u32,
    plain: usize,
    /// Offset after its last message.
    end: u64,
}

/// Takes a block apart.
fn split(plain: &Bytes, length: usize, count: u64) -> Result<Vec<Bytes>, &'static str> {
    let wrong = "is not what its lengths say";
    if plain.len() != length {
        return Err(wrong);
    }
    let mut messages = Vec::new();
    let mut at = 0_usize;
    while at < plain.len() {
        let body = at + LENGTH_BYTES;
        let length = plain.get(at..body).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        let length = length.and_then(|length| usize::try_from(length).ok()).ok_or(wrong)?;
        let end = body.checked_add(length).filter(|end| *end <= plain.len()).ok_or(wrong)?;
        messages.push(plain.slice(body..end));
        at = end;
    }
    if messages.len() as u64 == count { Ok(messages) } else { Err(wrong) }
}

/// SHA-256 and size of a whole file, and whether the digest at its end is that of what stands before it.
///
/// # Errors
/// [`FormatError::Io`], [`FormatError::Truncated`], [`FormatError::Digest`].
pub fn digest(mut input: impl Read) -> Result<Written, FormatError> {
    let mut whole = Sha256::new();
    let mut inner = Sha256::new();
    let mut size = 0_u64;
    // The last 32 bytes seen so far stay out of the inner digest.
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = input.read(&mut buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        whole.update(bytes);
        size += bytes.len() as u64;
        kept.extend_from_slice(bytes);
        let out = kept.len().saturating_sub(DIGEST_BYTES);
        inner.update(kept.drain(..out).as_slice());
    }
    if kept.len() < DIGEST_BYTES {
        return Err(FormatError::Truncated("the digest at its end"));
    }
    let right = inner.finalize().as_slice() == kept;
    if right { Ok(Written { size, sha256: whole.finalize().into() }) } else { Err(FormatError::Digest) }
}

fn fill(input: &mut impl Read, bytes: &mut [u8], what: &'static str) -> Result<(), FormatError> {
    input.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => FormatError::Truncated(what),
        _ => FormatError::Io(error),
    })
}

fn array<const N: usize>(input: &mut impl Read, what: &'static str) -> Result<[u8; N], FormatError> {
    let mut bytes = [0; N];
    fill(input, &mut bytes, what)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
