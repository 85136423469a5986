//! Talks to the admin port of a clearing node.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use ureq::Agent;

use crate::{
    errors::Refused,
    services::cycles::{
        detail::Detail,
        node::NodeView,
        view::{CutOff, View},
    },
};

/// Longest wait for what was asked for: a cut-off is answered when it stands on the log.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(120);
/// Longest wait for a look: a node answers at once, unless it stands still, and then others are asked.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(3);
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
    pub(super) fn new(admin: String) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(ANSWER_WAIT_MAX))
            .timeout_connect(Some(CONNECT_WAIT_MAX))
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Self { agent: config.into(), admin }
    }

    /// `HOST:PORT`.
    pub(super) fn admin(&self) -> &str {
        &self.admin
    }

    /// The cycles as they are now.
    pub(super) fn cycles(&self) -> Result<View> {
        self.get("/cycles")?.with_context(|| self.stranger())
    }

    /// All that is known of a cycle; `None` if it is not known there.
    pub(super) fn cycle(&self, name: &str) -> Result<Option<Detail>> {
        self.get(&format!("/cycles/{name}"))
    }

    /// What the node says of itself.
    pub(super) fn node(&self) -> Result<NodeView> {
        self.get("/node")?.with_context(|| self.stranger())
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

    /// Has a partition that stands still try again.
    pub(super) fn resume(&self, partition: u32) -> Result<()> {
        self.have(partition, "resume")
    }

    /// Has a snapshot of a partition taken; returns when it is there.
    pub(super) fn snapshot(&self, partition: u32) -> Result<()> {
        self.have(partition, "snapshot")
    }

    fn have(&self, partition: u32, done: &str) -> Result<()> {
        let request = self.agent.post(format!("http://{}/partitions/{partition}/{done}", self.admin));
        match self.read(request.send_empty())? {
            (202, _) => Ok(()),
            (409, why) => Err(Refused(why).into()),
            (status, text) => bail!("{} answers {status}: {text}", self.admin),
        }
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let look = self.agent.get(format!("http://{}{path}", self.admin)).config();
        let look = look.timeout_global(Some(LOOK_WAIT_MAX)).build();
        match self.read(look.call())? {
            (200, text) => Ok(Some(serde_json::from_str(&text).with_context(|| self.stranger())?)),
            (404, _) => Ok(None),
            (status, text) => bail!("{} answers {status}: {text}", self.admin),
        }
    }

    fn stranger(&self) -> String {
        format!("{} does not answer as a clearing node does; is it the admin port of one?", self.admin)
    }

    fn read(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, String)> {
        let mut answer = answer.with_context(|| {
            format!(
                "failed to reach the admin port at {}; is the clearing node running there? \
                 `make up` starts one, --node names another",
                self.admin
            )
        })?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(ANSWER_LEN_MAX).read_to_string();
        let text = text.with_context(|| format!("failed to read the answer of {}", self.admin))?;
        Ok((status, text.trim_end().to_owned()))
    }
}
