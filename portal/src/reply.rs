//! What goes back to a client.

use std::{fs::File, ops::RangeInclusive};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{
    HeaderMap, StatusCode,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
        ETAG, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    },
};
use serde_json::{Value, json};

use crate::answer::Answer;

/// Pages and statements have styles of their own and load nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is sent.
#[derive(Debug)]
pub(crate) enum Payload {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A part of a file.
    File(File, RangeInclusive<u64>),
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
    /// What is to be kept before this goes out.
    pub(crate) keep: Option<Answer>,
}

impl Reply {
    fn new(status: StatusCode, payload: Payload) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (CACHE_CONTROL, "private, no-cache"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "no-referrer"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Self { status, headers, payload, keep: None }
    }

    fn bytes(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Self {
        let mut reply = Self::new(status, Payload::Bytes(bytes.into()));
        reply.set(CONTENT_LENGTH, &reply.len().to_string());
        reply.set(CONTENT_TYPE, kind);
        reply
    }

    /// A JSON document.
    pub(crate) fn json(status: StatusCode, value: &Value) -> Self {
        Self::bytes(status, "application/json", format!("{value:#}\n").into_bytes())
    }

    /// What is wrong.
    pub(crate) fn error(status: StatusCode, why: &str) -> Self {
        Self::json(status, &json!({ "error": why }))
    }

    /// A page for people.
    pub(crate) fn page(text: String) -> Self {
        Self::bytes(StatusCode::OK, "text/html; charset=utf-8", text.into_bytes())
    }

    /// 304.
    pub(crate) fn not_modified(sha256: &str) -> Self {
        let mut reply = Self::new(StatusCode::NOT_MODIFIED, Payload::Bytes(Bytes::new()));
        reply.set(ETAG, &etag(sha256));
        reply
    }

    /// 416.
    pub(crate) fn unsatisfiable(len: u64) -> Self {
        let why = format!("Range: the file has {len} bytes and none of those");
        let mut reply = Self::error(StatusCode::RANGE_NOT_SATISFIABLE, &why);
        reply.set(CONTENT_RANGE, &format!("bytes */{len}"));
        reply.set(ACCEPT_RANGES, "bytes");
        reply
    }

    /// 416 for a client that goes on from the end. Without `Content-Range`: curl before version 8 takes it for a new
    /// beginning, and `curl -f -C -` of a whole file would fail.
    pub(crate) fn nothing_left(len: u64) -> Self {
        Self::error(
            StatusCode::RANGE_NOT_SATISFIABLE,
            &format!("Range: the file has {len} bytes, nothing is left"),
        )
    }

    /// A file, or a part of it.
    pub(crate) fn file(
        file: File,
        len: u64,
        part: Option<RangeInclusive<u64>>,
        sha256: &str,
        kind: &'static str,
    ) -> Self {
        let (status, payload) = match part.clone() {
            Some(part) => (StatusCode::PARTIAL_CONTENT, Payload::File(file, part)),
            None if len == 0 => (StatusCode::OK, Payload::Bytes(Bytes::new())),
            None => (StatusCode::OK, Payload::File(file, 0..=len.saturating_sub(1))),
        };
        let mut reply = Self::new(status, payload);
        reply.set(CONTENT_LENGTH, &reply.len().to_string());
        reply.set(CONTENT_TYPE, kind);
        reply.set(ACCEPT_RANGES, "bytes");
        reply.set(ETAG, &etag(sha256));
        if let Some(part) = part {
            reply.set(CONTENT_RANGE, &format!("bytes {}-{}/{len}", part.start(), part.end()));
        }
        // Both speak of the whole file, whichever part is sent (RFC 9530, 3; RFC 3230).
        if let Some(digest) = in_base64(sha256) {
            reply.set(HeaderName::from_static("repr-digest"), &format!("sha-256=:{digest}:"));
            reply.set(HeaderName::from_static("digest"), &format!("SHA-256={digest}"));
        }
        reply
    }

    /// Sets a header; a value that is none is left out.
    pub(crate) fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    /// Bytes of the body.
    pub(crate) fn len(&self) -> u64 {
        match &self.payload {
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::File(_, part) => part.end().saturating_sub(*part.start()).saturating_add(1),
        }
    }
}

/// The strong tag of a content.
pub(crate) fn etag(sha256: &str) -> String {
    format!("\"{sha256}\"")
}

/// A digest in hex as the headers have it.
fn in_base64(sha256: &str) -> Option<String> {
    let digit = |at: usize| u8::from_str_radix(sha256.get(at..at.checked_add(2)?)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..sha256.len()).step_by(2).map(digit).collect();
    Some(STANDARD.encode(bytes?))
}

/// The media type of a file, by its name.
pub(crate) fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("csv") => "text/csv; charset=utf-8",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("html") => "text/html; charset=utf-8",
        Some("toml") => "application/toml",
        Some("p7s") => "application/pkcs7-signature",
        Some("pem") => "application/x-pem-file",
        _ => "application/octet-stream",
    }
}
