//! Which bytes of a file to send (RFC 9110, chapters 13 and 14).

use std::ops::RangeInclusive;

use http_range_header::{EndPosition, RangeUnsatisfiableError, StartPosition, parse_range_header};

/// What a request says about the bytes it wants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// `Range`
    pub range: Option<&'a str>,
    /// `If-Range`
    pub if_range: Option<&'a str>,
    /// `If-None-Match`
    pub if_none_match: Option<&'a str>,
}

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Send {
    /// 200: all of it.
    Whole,
    /// 206: these bytes.
    Part(RangeInclusive<u64>),
    /// 304: the client has it.
    NotModified,
    /// 416: there are no such bytes.
    Unsatisfiable,
    /// 416: whoever goes on from the end has everything.
    NothingLeft,
}

/// Decides what to send of a file whose strong tag is `etag`, quotes included. A range that cannot be understood, or
/// several of them, are answered with the whole file, as the standard allows.
#[must_use]
pub fn decide(wanted: Wanted<'_>, etag: &str, len: u64) -> Send {
    if wanted.if_none_match.is_some_and(|tags| matches(tags, etag)) {
        return Send::NotModified;
    }
    let Some(range) = wanted.range else { return Send::Whole };
    // A date, or the tag of another content: the file has changed, and a part of it would not fit.
    if wanted.if_range.is_some_and(|tag| tag.trim() != etag) {
        return Send::Whole;
    }
    match parse_range_header(range) {
        Ok(parsed) => match parsed.ranges.as_slice() {
            [one] => resolve(one.start, one.end, len),
            _ => Send::Whole,
        },
        Err(RangeUnsatisfiableError::ZeroSuffix) => Send::Unsatisfiable,
        Err(_) => Send::Whole,
    }
}

/// One range on a file (RFC 9110, 14.1.2); the parser's own check refuses a suffix longer than the file.
fn resolve(start: StartPosition, end: EndPosition, len: u64) -> Send {
    let Some(last) = len.checked_sub(1) else { return Send::Unsatisfiable };
    match (start, end) {
        (StartPosition::FromLast(suffix), _) => Send::Part(len.saturating_sub(suffix)..=last),
        (StartPosition::Index(first), EndPosition::Index(until)) if first > until => Send::Whole,
        (StartPosition::Index(first), EndPosition::LastByte) if first == len => Send::NothingLeft,
        (StartPosition::Index(first), _) if first > last => Send::Unsatisfiable,
        (StartPosition::Index(first), EndPosition::Index(until)) => Send::Part(first..=until.min(last)),
        (StartPosition::Index(first), EndPosition::LastByte) => Send::Part(first..=last),
    }
}

/// Whether a list of tags holds this one; weak ones are compared by their text (RFC 9110, 13.1.2).
fn matches(tags: &str, etag: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"aa\"";

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (range, len, send) in [
            ("bytes=0-", 10, Send::Part(0..=9)),
            ("bytes=0-0", 10, Send::Part(0..=0)),
            ("bytes=3-5", 10, Send::Part(3..=5)),
            ("bytes=3-99", 10, Send::Part(3..=9)),
            ("bytes=9-", 10, Send::Part(9..=9)),
            ("bytes=-4", 10, Send::Part(6..=9)),
            ("bytes=-40", 10, Send::Part(0..=9)),
            ("bytes=10-", 10, Send::NothingLeft),
            ("bytes=11-", 10, Send::Unsatisfiable),
            ("bytes=10-20", 10, Send::Unsatisfiable),
            ("bytes=-0", 10, Send::Unsatisfiable),
            ("bytes=0-", 0, Send::Unsatisfiable),
            ("bytes=-5", 0, Send::Unsatisfiable),
            ("bytes=0-1,4-5", 10, Send::Whole),
            ("lines=0-1", 10, Send::Whole),
            ("bytes=x-y", 10, Send::Whole),
            ("bytes=5-3", 10, Send::Whole),
            ("", 10, Send::Whole),
        ] {
            let wanted = Wanted { range: Some(range), ..Wanted::default() };
            assert_eq!(decide(wanted, TAG, len), send, "{range} of {len}");
        }
        assert_eq!(decide(Wanted::default(), TAG, 0), Send::Whole);
    }

    #[test]
    fn a_part_of_another_content_is_not_sent() {
        let part = |tag| {
            decide(Wanted { range: Some("bytes=1-2"), if_range: Some(tag), ..Wanted::default() }, TAG, 9)
        };
        assert_eq!(part(TAG), Send::Part(1..=2));
        for other in ["\"bb\"", "W/\"aa\"", "aa", "Sat, 01 Sep 2018 00:00:00 GMT", ""] {
            assert_eq!(part(other), Send::Whole, "{other}");
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let send = |tags| {
            decide(
                Wanted { if_none_match: Some(tags), range: Some("bytes=99-"), ..Wanted::default() },
                TAG,
                9,
            )
        };
        for has in [TAG, "*", "\"bb\", \"aa\"", "W/\"aa\""] {
            assert_eq!(send(has), Send::NotModified, "{has}");
        }
        assert_eq!(send("\"bb\""), Send::Unsatisfiable, "what it has is another one");
    }
}
