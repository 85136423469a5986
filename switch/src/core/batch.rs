//! A numbered batch as it is read: decoded in place and checked before anything of it is used.

use bytes::Bytes;
use domain::{city::City, tap::Tap};
use proto::{Message, Part, TapBatch};

/// Taps in one batch, at most.
pub const BATCH_TAPS_MAX: usize = 4_096;

/// The length of a digest in bytes.
const DIGEST_LEN: usize = 32;

/// Why a message is no batch of its acquirer.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The bytes are no such message.
    #[error("its bytes cannot be read ({0})")]
    Decode(#[from] prost::DecodeError),
    /// It names another acquirer, number 0 or a digest of another length.
    #[error("its header is wrong: acquirer `{acquirer}`, number {number}, digest of {digest_len} bytes")]
    Header {
        /// The acquirer it names.
        acquirer: String,
        /// Its number.
        number: u64,
        /// The length of its digest.
        digest_len: usize,
    },
    /// A home city that is no city.
    #[error("`{0}` is no home city")]
    Issuer(String),
    /// The home cities do not ascend.
    #[error("its parts are not in the order of their home cities, at {0}")]
    Order(City),
    /// Taps or texts of a part have impossible lengths.
    #[error("the part of {0} has taps or texts of impossible length")]
    Lengths(City),
    /// The number of taps differs from what the header says, or is out of bounds.
    #[error("it says {said} records and holds {held} (1 to {BATCH_TAPS_MAX} are allowed)")]
    Records {
        /// What the header says.
        said: u32,
        /// What the parts hold.
        held: usize,
    },
    /// The positions do not say the file's order.
    #[error("its positions are not each of 0 to {0} once")]
    Positions(usize),
}

/// Reads a batch and checks its header; what only lets the city go on is no batch and has none.
pub(super) fn read(acquirer: City, payload: Bytes) -> Result<TapBatch, BatchError> {
    let batch = TapBatch::decode(payload)?;
    if batch.resume.is_some() && batch.acquirer.as_bytes() == acquirer.spelling() {
        return Ok(batch);
    }
    check_header(acquirer, &batch.acquirer, batch.number, &batch.digest)?;
    Ok(batch)
}

/// Checks what every message about a batch says first.
pub(super) fn check_header(
    acquirer: City,
    named: &str,
    number: u64,
    digest: &Bytes,
) -> Result<(), BatchError> {
    if named.as_bytes() != acquirer.spelling() || number == 0 || digest.len() != DIGEST_LEN {
        let digest_len = digest.len();
        return Err(BatchError::Header { acquirer: named.to_owned(), number, digest_len });
    }
    Ok(())
}

/// Checks the records of a batch; the home city of each part, in order.
pub(super) fn check_parts(batch: &TapBatch) -> Result<Vec<City>, BatchError> {
    let mut issuers: Vec<City> = Vec::with_capacity(batch.parts.len());
    let mut seen = vec![false; BATCH_TAPS_MAX];
    let mut held = 0;
    for part in &batch.parts {
        let (issuer, taps) = check_part(part)?;
        if issuers.last().is_some_and(|last| *last >= issuer) {
            return Err(BatchError::Order(issuer));
        }
        issuers.push(issuer);
        for tap in taps {
            match seen.get_mut(usize::from(tap.position.get())) {
                Some(place) if !*place => *place = true,
                _ => return Err(BatchError::Positions(BATCH_TAPS_MAX)),
            }
        }
        held += taps.len();
    }
    if held == 0 || usize::try_from(batch.records) != Ok(held) {
        return Err(BatchError::Records { said: batch.records, held });
    }
    if seen.iter().take(held).any(|place| !place) {
        return Err(BatchError::Positions(held - 1));
    }
    Ok(issuers)
}

/// Checks one part: its home city and its taps.
pub(super) fn check_part(part: &Part) -> Result<(City, &[Tap]), BatchError> {
    let issuer = City::parse(part.issuer.as_bytes()).map_err(|_| BatchError::Issuer(part.issuer.clone()))?;
    let taps = Tap::slice(&part.taps).filter(|taps| !taps.is_empty()).ok_or(BatchError::Lengths(issuer))?;
    if !texts_fit(&part.texts, taps.len()) {
        return Err(BatchError::Lengths(issuer));
    }
    Ok((issuer, taps))
}

/// Whether there are three length-prefixed texts for each tap and nothing else.
fn texts_fit(mut texts: &[u8], taps: usize) -> bool {
    for _ in 0..taps * 3 {
        let Some((len, rest)) = texts.split_first() else { return false };
        let Some(rest) = rest.get(usize::from(*len)..) else { return false };
        texts = rest;
    }
    texts.is_empty()
}
