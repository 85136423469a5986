//! Names of objects: only such as a folder and every S3-compatible store spell alike.

use object_store::path::Path;

use crate::ObjectsError;

/// Longest name, bytes: what S3 takes, less room for the place's own prefix.
pub(crate) const NAME_BYTES_MAX: usize = 900;
/// Longest part between slashes, bytes: what file systems take, less room for the suffix of a draft.
const PART_BYTES_MAX: usize = 240;

/// The name as the store wants it.
pub(crate) fn checked(name: &str) -> Result<Path, ObjectsError> {
    let is_part = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'=');
        !part.is_empty()
            && part.len() <= PART_BYTES_MAX
            && part != "."
            && part != ".."
            && part.bytes().all(allowed)
    };
    if name.len() <= NAME_BYTES_MAX && name.split('/').all(is_part) {
        Ok(Path::from(name))
    } else {
        Err(ObjectsError::Name { name: name.to_owned(), limit: NAME_BYTES_MAX })
    }
}
