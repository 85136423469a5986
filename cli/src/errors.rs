//! Errors with exit codes of their own.

use std::process::ExitCode;

/// The request contradicts what has been settled, or what is going on.
#[derive(Debug, thiserror::Error)]
#[error("refused: {0}")]
pub struct Refused(pub String);

/// The command line or a configuration is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The exit code of an error.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let refused = error.chain().any(|cause| {
        cause.is::<Refused>()
            || matches!(
                cause.downcast_ref::<clearing_node::node::NodeError>(),
                Some(clearing_node::node::NodeError::Refused(_))
            )
    });
    let usage = error.chain().any(|cause| cause.is::<Usage>() || cause.is::<runtime::config::ConfigError>());
    match (refused, usage) {
        (true, _) => ExitCode::from(3),
        (_, true) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}
