//! Two texts of one message, value by value: the first value that differs is named by its path.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use crate::layout::SettlementFile;

/// What stands otherwise in the published file than in the one made anew; empty if nothing does.
pub(super) fn compare(file: SettlementFile, published: &str, made: &[u8]) -> Vec<String> {
    if published.as_bytes() == made {
        return Vec::new();
    }
    let made = String::from_utf8_lossy(made);
    let found = match file {
        SettlementFile::Statement(_) => None,
        _ => values(published).zip(values(&made)).and_then(|(published, made)| first(&published, &made)),
    };
    vec![found.unwrap_or_else(|| first_line(published, &made))]
}

/// A value of a message with the path of its element.
type Value = (String, String);

/// The first value that is another one.
fn first(published: &[Value], made: &[Value]) -> Option<String> {
    let told = |value: Option<&Value>| match value {
        Some((path, text)) => format!("{path} `{text}`"),
        None => "its end".to_owned(),
    };
    let count = published.len().max(made.len());
    let at = (0..count).find(|at| published.get(*at) != made.get(*at))?;
    Some(match (published.get(at), made.get(at)) {
        (Some((path, text)), Some((same, other))) if path == same => {
            format!("{path} is `{text}`, the cycle gives `{other}`")
        }
        (found, expected) => format!("it has {} where the cycle gives {}", told(found), told(expected)),
    })
}

/// All values of a message in order; `None` if it is no XML.
fn values(text: &str) -> Option<Vec<Value>> {
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    let mut values = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                path.push(name(&start));
                attributes(&start, &path, &mut values)?;
            }
            Event::Empty(empty) => {
                path.push(name(&empty));
                attributes(&empty, &path, &mut values)?;
                path.pop();
            }
            Event::Text(text) => {
                let text = text.decode().ok()?.trim().to_owned();
                if !text.is_empty() {
                    values.push((path.join("/"), text));
                }
            }
            Event::GeneralRef(reference) => {
                let entity = reference.decode().ok()?.into_owned();
                values.push((path.join("/"), format!("&{entity};")));
            }
            Event::End(_) => {
                path.pop();
            }
            Event::Eof => return Some(values),
            Event::Decl(_) => {}
            // No message of ours has comments, instructions, a document type or CDATA.
            other => values.push((path.join("/"), format!("{other:?}"))),
        }
    }
}

fn name(start: &BytesStart<'_>) -> String {
    String::from_utf8_lossy(start.name().as_ref()).into_owned()
}

fn attributes(start: &BytesStart<'_>, path: &[String], values: &mut Vec<Value>) -> Option<()> {
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        let text = String::from_utf8_lossy(&attribute.value).into_owned();
        values.push((format!("{}/@{key}", path.join("/")), text));
    }
    Some(())
}

/// The first line that differs.
fn first_line(published: &str, made: &str) -> String {
    let mut published = published.lines();
    let mut made = made.lines();
    for number in 1_u64.. {
        match (published.next(), made.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let [a, b] = [a, b]
                    .map(|line| line.map_or("its end".to_owned(), |line| format!("`{}`", excerpt(line))));
                return format!("line {number} is {a}, the cycle gives {b}");
            }
        }
    }
    "it has other line ends than the cycle gives".to_owned()
}

/// A line short enough for a report.
fn excerpt(line: &str) -> String {
    line.chars().take(200).collect()
}
