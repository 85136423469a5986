//! Whether a record that was not paid is asked for under another file or cycle: whole files are known by name and cycle,
//! and a record that was refused may have been presented again in another file.

use std::{collections::BTreeSet, path::Path};

use domain::dispute::{Record, Subject, can_be_owed};

use super::{LookupError, cycle_folder, each_record};

/// What a record that was not paid is known by, besides its acquirer and the scheme of its card.
type Place = (String, u32);

/// Refuses what was not paid if one of its records is asked for by another dispute: `others` are those that are about
/// records of the same acquirer and scheme, each with its id.
///
/// # Errors
/// [`LookupError::Claimed`] with the first, or if the files cannot be read.
pub fn check_claims<'d>(
    root: &Path,
    subject: &Subject,
    others: impl IntoIterator<Item = (&'d str, &'d Subject)>,
) -> Result<(), LookupError> {
    let mut others = others.into_iter().peekable();
    if others.peek().is_none() {
        return Ok(());
    }
    let ours = places(root, subject)?;
    for (dispute, other) in others {
        let theirs = match places(root, other) {
            // What is not published here any more cannot be asked.
            Err(LookupError::NoCycle { .. }) => continue,
            theirs => theirs?,
        };
        if let Some((terminal, terminal_seq)) = theirs.into_iter().find(|place| ours.contains(place)) {
            let (subject, dispute) = (subject.to_string(), dispute.to_owned());
            return Err(LookupError::Claimed { subject, dispute, terminal, terminal_seq });
        }
    }
    Ok(())
}

/// The records that something is about.
fn places(root: &Path, subject: &Subject) -> Result<BTreeSet<Place>, LookupError> {
    let of = |record: &Record| (record.terminal.clone(), record.terminal_seq);
    let whole = match subject {
        Subject::Record(record) => return Ok(BTreeSet::from([of(record)])),
        Subject::File(whole) => whole,
    };
    let folder = cycle_folder(root, whole.cycle)?;
    let mut places = BTreeSet::new();
    each_record(&folder, whole.cycle, whole.acquirer, &format!(",{},", whole.issuer), &mut |record| {
        if record.file == whole.file && record.issuer == whole.issuer && can_be_owed(record.result) {
            places.insert(of(&record));
        }
    })?;
    Ok(places)
}
