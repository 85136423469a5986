//! The elements of a message, with their places.

use domain::terms::CURRENCY;
use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

use super::error::{Fault, fault};
use crate::settlement::yuan;

/// The most elements of a message.
const ELEMENTS_MAX: usize = 200_000;
/// How deep they may be inside each other.
const DEPTH_MAX: usize = 32;

/// An element.
#[derive(Debug)]
pub(super) struct Element {
    /// Its name without prefix.
    pub(super) name: String,
    /// Its text without the blanks around it.
    pub(super) text: String,
    /// Its children in order.
    pub(super) children: Vec<Element>,
    /// The names of those that it is in, and its own.
    path: String,
    line: u64,
    prefix: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// Something that is wrong here.
    pub(super) fn fault(&self, what: impl Into<String>) -> Fault {
        fault(self.line, self.path.as_str(), what)
    }

    /// Its children of a name.
    pub(super) fn all<'e>(&'e self, name: &str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Its one child of a name, if it has it.
    pub(super) fn maybe(&self, name: &str) -> Result<Option<&Self>, Fault> {
        let mut found = self.all(name);
        match (found.next(), found.next()) {
            (one, None) => Ok(one),
            (_, Some(second)) => Err(second.fault("it is there a second time")),
        }
    }

    /// Its one child of a name, which it must have.
    pub(super) fn one(&self, name: &str) -> Result<&Self, Fault> {
        self.maybe(name)?.ok_or_else(|| self.fault(format!("{name} is missing")))
    }

    /// Its text, which must be there.
    pub(super) fn value(&self) -> Result<&str, Fault> {
        if self.text.is_empty() || !self.children.is_empty() {
            return Err(self.fault("it must have a text and nothing else"));
        }
        Ok(&self.text)
    }

    /// The amount that it states, fen.
    pub(super) fn amount_fen(&self) -> Result<u64, Fault> {
        let currency = self.attributes.iter().find(|(name, _)| name == "Ccy");
        match currency.map(|(_, currency)| currency.as_str()) {
            Some(CURRENCY) => {}
            Some(other) => return Err(self.fault(format!("its currency is `{other}`, not {CURRENCY}"))),
            None => return Err(self.fault("it has no currency (Ccy)")),
        }
        let text = self.value()?;
        yuan::fen_stated(text)
            .ok_or_else(|| self.fault(format!("`{text}` is no amount of yuan with at most two decimals")))
    }

    /// The message that its name space is of, such as `pacs.002`, if that says one.
    pub(super) fn message_in_namespace(&self) -> Option<&str> {
        let name = if self.prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{}", self.prefix) };
        let (_, namespace) = self.attributes.iter().find(|(attribute, _)| *attribute == name)?;
        let message = namespace.strip_prefix("urn:iso:std:iso:20022:tech:xsd:")?;
        message.get(..8)
    }
}

/// The outermost element of a text.
pub(super) fn parse(text: &str) -> Result<Element, Fault> {
    let mut reader = Reader::from_str(text);
    let mut place = Place { text, at: 0, line: 1 };
    let mut open: Vec<Element> = Vec::new();
    let (mut root, mut elements) = (None, 0_usize);
    loop {
        let event = reader.read_event();
        let line = place.line_at(reader.error_position().max(reader.buffer_position()));
        let broken = |what: String| fault(line, path_of(&open), what);
        let event = event.map_err(|error| broken(format!("it is no XML: {error}")))?;
        let (start, is_empty) = match event {
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            Event::End(_) => {
                close(&mut open, &mut root);
                continue;
            }
            Event::Text(text) => {
                let text = text.xml10_content().map_err(|error| broken(error.to_string()))?;
                add_text(&mut open, &text, line)?;
                continue;
            }
            Event::CData(text) => {
                let text = text.xml10_content().map_err(|error| broken(error.to_string()))?;
                add_text(&mut open, &text, line)?;
                continue;
            }
            Event::GeneralRef(reference) => {
                let text = resolved(&reference).ok_or_else(|| broken("an entity is not known".to_owned()))?;
                add_text(&mut open, &text.to_string(), line)?;
                continue;
            }
            Event::Decl(declared) => match declared.encoding() {
                Some(Ok(encoding)) if !encoding.eq_ignore_ascii_case(b"UTF-8") => {
                    let encoding = String::from_utf8_lossy(&encoding);
                    return Err(broken(format!("its encoding is {encoding}, not UTF-8; have it converted")));
                }
                _ => continue,
            },
            Event::DocType(_) => {
                return Err(broken("it has a document type, which no message has".to_owned()));
            }
            Event::Comment(_) | Event::PI(_) => continue,
            Event::Eof => break,
        };
        elements = elements.saturating_add(1);
        if elements > ELEMENTS_MAX || open.len() >= DEPTH_MAX {
            return Err(broken(format!(
                "it has more than {ELEMENTS_MAX} elements, or more than {DEPTH_MAX} inside each other"
            )));
        }
        if root.is_some() {
            return Err(broken("there is a second message behind the first".to_owned()));
        }
        let element = element(&start, &open, line)?;
        open.push(element);
        if is_empty {
            close(&mut open, &mut root);
        }
    }
    match (open.last(), root) {
        (None, Some(root)) => Ok(root),
        (Some(inner), _) => Err(inner.fault("the file ends inside it: it was cut")),
        (None, None) => Err(fault(0, "", "it has no element")),
    }
}

/// Counts lines up to a place that only moves on.
struct Place<'t> {
    text: &'t str,
    at: usize,
    line: u64,
}

impl Place<'_> {
    /// The line where an event ends that ended at a byte.
    fn line_at(&mut self, byte: u64) -> u64 {
        let to = usize::try_from(byte).unwrap_or(usize::MAX).min(self.text.len()).max(self.at);
        let between = self.text.as_bytes().get(self.at..to).unwrap_or_default();
        let breaks = between.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at = to;
        self.line = self.line.saturating_add(breaks);
        self.line
    }
}

fn path_of(open: &[Element]) -> String {
    open.last().map(|element| element.path.clone()).unwrap_or_default()
}

fn close(open: &mut Vec<Element>, root: &mut Option<Element>) {
    let Some(mut element) = open.pop() else { return };
    element.text = element.text.trim().to_owned();
    match open.last_mut() {
        Some(outer) => outer.children.push(element),
        None => *root = Some(element),
    }
}

fn add_text(open: &mut [Element], text: &str, line: u64) -> Result<(), Fault> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(fault(line, "", "there is a text outside of the message")),
    }
    Ok(())
}

/// The character that a reference stands for.
fn resolved(reference: &BytesRef<'_>) -> Option<char> {
    if reference.is_char_ref() {
        return reference.resolve_char_ref().ok()?;
    }
    match &**reference {
        b"amp" => Some('&'),
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"apos" => Some('\''),
        b"quot" => Some('"'),
        _ => None,
    }
}

fn element(start: &BytesStart<'_>, open: &[Element], line: u64) -> Result<Element, Fault> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = text(start.local_name().as_ref());
    let prefix = start.name().prefix().map(|prefix| text(prefix.as_ref())).unwrap_or_default();
    let outer = path_of(open);
    let path = if outer.is_empty() { name.clone() } else { format!("{outer}/{name}") };
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let broken = |what: String| fault(line, path.as_str(), what);
        let attribute = attribute.map_err(|error| broken(format!("it is no XML: {error}")))?;
        // No attribute that is used has an entity in it.
        attributes.push((text(attribute.key.as_ref()), text(&attribute.value)));
    }
    Ok(Element { name, text: String::new(), children: Vec::new(), path, line, prefix, attributes })
}
