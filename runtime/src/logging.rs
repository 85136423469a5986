//! Log lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::{
    EnvFilter,
    fmt::{MakeWriter, fmt},
};

/// The environment variable that filters log lines.
pub const FILTER: &str = "CITYUNION_LOG";

/// Writes log lines of level `default` and above to standard error; `CITYUNION_LOG` overrides it with the
/// filter syntax of tracing, such as `info,switch=debug`. A second call changes nothing.
pub fn init(default: &str) {
    init_to(default, std::io::stderr);
}

/// The same for a program that writes its log lines itself.
pub fn init_to(default: &str, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new(default));
    let log = fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    let set = log.with_ansi(std::io::stderr().is_terminal()).try_init();
    if set.is_err() {
        tracing::debug!("logging was set up before");
    }
}
