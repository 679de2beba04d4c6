//! The agent's own key, stolen while it is alive and tried again after its agent is gone.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Job, Stack, StolenKey};

/// A key that was shown to work.
#[derive(Debug)]
pub(crate) struct LiveKey {
    key: StolenKey,
    token: String,
    agent: String,
}

/// What became of it.
#[derive(Debug, Clone)]
pub(crate) struct Death {
    /// Key, token and session were all refused.
    pub(crate) refused: bool,
    /// In words.
    pub(crate) told: String,
}

impl LiveKey {
    /// Takes a token with what a job printed. That it works now is what gives the refusal later its meaning.
    pub(crate) async fn steal(job: &Job, agent: &str) -> Result<Self> {
        let key = StolenKey::read(job)?;
        let answer = key.token().await?;
        ensure!(answer.status == 200, "a living agent's key got no token: {} {}", answer.status, answer.body);
        let body: Value = serde_json::from_str(&answer.body)?;
        let token = body["access_token"].as_str().context("a token answer holds a token")?.to_owned();
        Ok(Self { key, token, agent: agent.to_owned() })
    }

    /// Tries the key, and the token that was made from it, after the agent's restart.
    pub(crate) async fn try_again(&self, stack: &Stack) -> Result<Death> {
        let key = self.key.token().await?.status;
        let agents = stack.azdo("GET", "/_apis/distributedtask/pools/1/agents").await?;
        let found = agents["value"].as_array().into_iter().flatten().find(|one| one["name"] == *self.agent);
        let agent = found.with_context(|| format!("the pool lists `{}`", self.agent))?["id"].clone();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let base = format!("{}/_apis/distributedtask/pools/1", stack.variable("AZDO_URL"));
        let session = json!({ "ownerName": "thief", "agent": { "id": agent, "name": self.agent, "version": "4.270.0" } });
        let session = client
            .post(format!("{base}/sessions?api-version=6.0-preview"))
            .bearer_auth(&self.token)
            .json(&session)
            .send()
            .await?
            .status()
            .as_u16();
        let messages = client
            .get(format!(
                "{base}/messages?sessionId=00000000-0000-0000-0000-000000000001&api-version=6.0-preview"
            ))
            .bearer_auth(&self.token)
            .send()
            .await?
            .status()
            .as_u16();
        let refused = [key, session, messages].iter().all(|status| (400..500).contains(status));
        Ok(Death {
            refused,
            told: format!("after the restart: key {key}, its token: session {session}, messages {messages}"),
        })
    }
}
