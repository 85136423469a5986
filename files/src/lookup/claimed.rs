//! Whether a record that was not paid is asked for under another file or cycle: whole files are known by name and cycle,
//! and a record that was refused may have been presented again in another file.

use std::{collections::BTreeSet, path::Path};

use domain::dispute::{Record, Subject, WholeFile, goes_with_file};

use super::{LookupError, cycle_folder, each_record, paid_among};

/// What a record that was not paid is known by, besides its acquirer and the scheme of its card.
pub(super) type Place = (String, u32);

/// Refuses to ask for a file's records that were not paid if one of them stands in it twice, or was presented again and
/// paid: each would be paid more than once.
///
/// # Errors
/// [`LookupError::Repeated`], [`LookupError::PaidAs`], or if the files cannot be read.
pub(super) fn check_file(root: &Path, file: &WholeFile) -> Result<(), LookupError> {
    let subject = || Subject::File(file.clone()).to_string();
    let mut places = BTreeSet::new();
    let mut twice = None;
    each_of(root, file, &mut |record| {
        let place = place_of(record);
        if !places.insert(place.clone()) {
            twice.get_or_insert(place);
        }
    })?;
    if let Some((terminal, terminal_seq)) = twice {
        return Err(LookupError::Repeated { subject: subject(), terminal, terminal_seq });
    }
    let paid = paid_among(root, file.cycle, (file.acquirer, file.issuer.scheme()), &places)?;
    match paid {
        Some(cycle) => Err(LookupError::PaidAs { subject: subject(), cycle }),
        None => Ok(()),
    }
}

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
    let mut places = BTreeSet::new();
    let mut keep = |record: &Record| {
        places.insert(place_of(record));
    };
    match subject {
        Subject::Record(record) => keep(record),
        Subject::File(file) => each_of(root, file, &mut keep)?,
    }
    Ok(places)
}

fn place_of(record: &Record) -> Place {
    (record.terminal.clone(), record.terminal_seq)
}

/// Shows the records of a file that are asked for together and were not paid.
fn each_of(root: &Path, file: &WholeFile, show: &mut dyn FnMut(&Record)) -> Result<(), LookupError> {
    let folder = cycle_folder(root, file.cycle)?;
    each_record(&folder, file.cycle, file.acquirer, &format!(",{},", file.issuer), &mut |record| {
        if record.file == file.file && record.issuer == file.issuer && goes_with_file(record.result) {
            show(&record);
        }
    })
}
