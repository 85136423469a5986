//! Talks to the admin port of a clearing node.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use ureq::Agent;

use super::Node;
use crate::{
    errors::{Refused, Usage},
    services::cycles::view::{CutOff, View},
};

/// Longest wait for an answer: a cut-off is answered when it stands on the log.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(120);
/// Longest wait for a connection.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// The largest answer that is read, bytes.
const ANSWER_LEN_MAX: u64 = 1 << 20;

/// A clearing node's admin port.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    admin: String,
}

impl Client {
    pub(super) fn new(node: &Node) -> Result<Self> {
        let admin = match &node.admin {
            Some(admin) => admin.clone(),
            None => of_configuration(&node.config)?,
        };
        let config = Agent::config_builder()
            .timeout_global(Some(ANSWER_WAIT_MAX))
            .timeout_connect(Some(CONNECT_WAIT_MAX))
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Ok(Self { agent: config.into(), admin })
    }

    /// The cycles as they are now.
    pub(super) fn cycles(&self) -> Result<View> {
        let answer = self.agent.get(format!("http://{}/cycles", self.admin)).call();
        let (status, text) = self.read(answer)?;
        if status != 200 {
            bail!("{} answers {status}: {text}; is it the admin port of a clearing node?", self.admin);
        }
        serde_json::from_str(&text)
            .with_context(|| format!("{} does not answer as a clearing node does", self.admin))
    }

    /// Asks for a cut-off; returns when it stands on the log.
    pub(super) fn cut_off(&self, asked: &CutOff) -> Result<()> {
        let request = self.agent.post(format!("http://{}/cycles/cut-off", self.admin));
        let body = serde_json::to_string(asked)?;
        let answer = request.header("Content-Type", "application/json").send(&body);
        match self.read(answer)? {
            (202, _) => Ok(()),
            (409, why) => Err(Refused(why).into()),
            (status, text) => bail!(
                "{} answers {status}: {text}; look with `cityunion cycle status`, then ask again for the same \
                 cycle: --cycle {}",
                self.admin,
                asked.cycle
            ),
        }
    }

    fn read(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, String)> {
        let mut answer = answer.with_context(|| {
            format!(
                "failed to reach the admin port at {}; is the clearing node running there? \
                 `make up` starts one, --admin names another",
                self.admin
            )
        })?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(ANSWER_LEN_MAX).read_to_string();
        let text = text.with_context(|| format!("failed to read the answer of {}", self.admin))?;
        Ok((status, text.trim_end().to_owned()))
    }
}

/// The admin port that the configuration of a clearing node names.
fn of_configuration(path: &Path) -> Result<String> {
    let hint = "name the admin port with --admin HOST:PORT, or the configuration with --config FILE";
    let text = std::fs::read_to_string(path)
        .map_err(|error| Usage(format!("read {}: {error}; {hint}", path.display())))?;
    let table: toml::Table =
        text.parse().map_err(|error| Usage(format!("use {}: {error}", path.display())))?;
    let listen = table.get("admin").and_then(|admin| admin.get("listen")).and_then(toml::Value::as_str);
    match listen {
        Some(listen) => Ok(listen.to_owned()),
        None => Err(Usage(format!("{} has no admin.listen; {hint}", path.display())).into()),
    }
}
