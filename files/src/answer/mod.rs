//! What a bank answers to the payments of a cycle, read from its file: `pacs.002` or `pain.002` (a status of each payment),
//! `camt.054` (the movements of the scheme's settlement account), or CSV.
//!
//! Banks write many versions and name spaces, so those do not matter; what is used of a file must be there, once, and
//! plain. An answer that leaves something open is refused with its place.

mod csv;
mod error;
pub mod example;
mod notification;
mod status;
mod tree;

use std::{fs::File, io::Read as _, path::Path};

use domain::settlement::confirmation::AnswerLine;

pub use self::error::AnswerError;
use self::{
    error::{Fault, fault},
    tree::Element,
};

/// The largest answer that is read, bytes.
pub const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// Reads a bank's answer; which of the forms it is shows its beginning.
///
/// # Errors
/// [`AnswerError`]: file, line, element or column, and what is wrong there.
pub fn read(path: &Path) -> Result<Vec<AnswerLine>, AnswerError> {
    let failed = |source| AnswerError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(ANSWER_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    parse(&path.display().to_string(), &bytes)
}

/// The same of bytes that were read; `file` is how errors call them.
///
/// # Errors
/// As [`read`].
pub fn parse(file: &str, bytes: &[u8]) -> Result<Vec<AnswerLine>, AnswerError> {
    lines(bytes).map_err(|fault| fault.of(file))
}

fn lines(bytes: &[u8]) -> Result<Vec<AnswerLine>, Fault> {
    if bytes.len() as u64 > ANSWER_BYTES_MAX {
        return Err(fault(0, "", format!("it has more than {ANSWER_BYTES_MAX} bytes")));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u64;
        fault(line.saturating_add(1), "", "it is not UTF-8; have it converted")
    })?;
    if text.trim_start().starts_with('<') { message(&tree::parse(text)?) } else { csv::lines(text) }
}

/// The lines of a message, by what it is.
fn message(root: &Element) -> Result<Vec<AnswerLine>, Fault> {
    // Some banks wrap a message in an envelope of theirs, with a header beside it.
    let document = if root.name == "Document" { root } else { root.one("Document")? };
    let known = [
        ("pacs.002", "FIToFIPmtStsRpt", status::lines as fn(&Element) -> Result<Vec<AnswerLine>, Fault>),
        ("pain.002", "CstmrPmtStsRpt", status::lines),
        ("camt.054", "BkToCstmrDbtCdtNtfctn", notification::lines),
    ];
    let found = known.into_iter().find_map(|(kind, name, lines)| {
        let body = document.children.iter().find(|child| child.name == name)?;
        Some((kind, body, lines))
    });
    let Some((kind, body, lines)) = found else {
        let what = "it is none of pacs.002 (FIToFIPmtStsRpt), pain.002 (CstmrPmtStsRpt), camt.054 (BkToCstmrDbtCdtNtfctn)";
        return Err(document.fault(what));
    };
    if document.children.len() > 1 {
        return Err(document.fault(format!("there is something beside {}", body.name)));
    }
    match document.message_in_namespace() {
        Some(named) if named != kind => {
            Err(document.fault(format!("its name space says {named}, {} is of {kind}", body.name)))
        }
        _ => lines(body),
    }
}

/// The payment that some elements refer to: the end-to-end id, or the instruction's where a bank does not keep that.
fn reference(of: &Element, end_to_end: &str, instruction: &str) -> Result<String, Fault> {
    let given = |name: &str| match of.maybe(name)? {
        Some(element) => {
            let text = element.value()?;
            Ok(Some(text.to_owned()).filter(|text| text != "NOTPROVIDED"))
        }
        None => Ok(None),
    };
    match given(end_to_end)? {
        Some(reference) => Ok(reference),
        None => given(instruction)?
            .ok_or_else(|| of.fault(format!("it has neither {end_to_end} nor {instruction}"))),
    }
}

/// The reason in an element that says why something was not done: its code, or else the words beside it.
fn reason(of: &Element) -> Result<String, Fault> {
    let mut said = Vec::new();
    if let Some(reason) = of.maybe("Rsn")? {
        said.extend(reason.children.iter().map(|code| code.text.clone()));
    }
    said.extend(of.all("AddtlInf").map(|words| words.text.clone()));
    said.retain(|words| !words.is_empty());
    Ok(crate::settlement::cut(&said.join(" "), REASON_CHARS_MAX))
}

/// The longest reason that is kept, characters.
const REASON_CHARS_MAX: usize = 500;
