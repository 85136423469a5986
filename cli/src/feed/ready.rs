//! Whether the adapters of the local system run, before anything is handed in.

use std::{path::Path, time::Duration};

use anyhow::{Result, bail};
use runtime::admin::PROCESS_HEADER;
use ureq::Agent;

use crate::local_system::{Adapter, process_of_adapter};

/// Longest wait for an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);
/// The largest answer that is read, bytes.
const ANSWER_LEN_MAX: u64 = 1 << 16;

/// Asks every adapter that has an admin port. One that is not ready takes files later: that is told and no more.
///
/// # Errors
/// If one does not run, with all that do not, and what to do.
pub(super) fn check(local: &Path, adapters: &[Adapter]) -> Result<()> {
    let config = Agent::config_builder()
        .timeout_global(Some(ANSWER_WAIT_MAX))
        .http_status_as_error(false)
        .proxy(None)
        .build();
    let agent: Agent = config.into();
    let mut away = Vec::new();
    for adapter in adapters {
        let Some(admin) = &adapter.admin else { continue };
        match ask(&agent, admin, process_of_adapter(local, adapter.city)) {
            Ok(None) => {}
            Ok(Some(missing)) => tracing::warn!("the adapter of {} is not ready: {missing}", adapter.city),
            Err(why) => away.push(format!("{} ({admin}: {why})", adapter.city)),
        }
    }
    if away.is_empty() {
        return Ok(());
    }
    bail!(
        "nothing was handed in, for these adapters do not run: {}; start the system in {} with `make up`, \
         then run the same command again (--inbox-of CITY=DIR feeds adapters that you started otherwise)",
        away.join(", "),
        local.display()
    )
}

/// What an adapter misses, nothing if it is ready; the error says why it is not that adapter which answers.
fn ask(agent: &Agent, admin: &str, started: Option<u32>) -> Result<Option<String>, String> {
    let answer = agent.get(format!("http://{admin}/readyz")).call();
    let mut answer = answer.map_err(|error| error.to_string())?;
    let process = answer.headers().get(PROCESS_HEADER).and_then(|value| value.to_str().ok());
    if started.is_some_and(|started| process != Some(started.to_string().as_str())) {
        return Err("another program answers there".to_owned());
    }
    let ready = answer.status().as_u16() == 200;
    let text = answer.body_mut().with_config().limit(ANSWER_LEN_MAX).read_to_string();
    let text = text.map_err(|error| error.to_string())?;
    Ok((!ready).then(|| text.trim_end().replace('\n', "; ")))
}
