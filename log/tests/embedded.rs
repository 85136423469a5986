//! The embedded log keeps every promise of a log, in a folder.

#![expect(clippy::unwrap_used, reason = "a test says what it expected by panicking")]

use cu_log::{conformance::Subject, embedded::EmbeddedLog};

fn subject() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path()).unwrap();
    Subject::new(log, "", folder)
}

cu_log::conformance!(subject);
