//! SIGINT and SIGTERM.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// A flag that the first SIGINT or SIGTERM raises.
///
/// # Errors
/// If the signals cannot be caught.
pub fn stopped(tokio: &tokio::runtime::Runtime) -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let _inside = tokio.enter();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut stream = signal(kind).context("failed to catch signals")?;
        let raise = Arc::clone(&flag);
        tokio.spawn(async move {
            if stream.recv().await.is_some() {
                raise.store(true, Ordering::Relaxed);
            }
        });
    }
    Ok(flag)
}
