//! One container of the stack's image, started as plain Docker starts it: with signals, a grace and settings of our choice.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bollard::query_parameters::{KillContainerOptionsBuilder, StopContainerOptionsBuilder};
use e2e::Stack;
use serde_json::Value;
use testcontainers::core::WaitFor;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};

/// How long anything here may take that no setting limits.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Single {
    pub(crate) container: ContainerAsync<GenericImage>,
    name: String,
}

impl Single {
    /// Starts it, and waits for a text on its log.
    pub(crate) async fn start(
        stack: &Stack,
        name: &str,
        settings: &[(&str, &str)],
        until: &str,
    ) -> Result<Self> {
        let (repository, tag) = stack.local_image();
        let mut request = GenericImage::new(repository, tag)
            .with_wait_for(WaitFor::message_on_stderr(until))
            .with_network(stack.network())
            .with_startup_timeout(LIMIT)
            .with_label("mayfly.instance", stack.instance())
            .with_env_var("AZDO_URL", stack.variable("AZDO_URL"))
            .with_env_var("AZDO_TOKEN", stack.variable("AZDO_TOKEN"))
            .with_env_var("AZDO_POOL", stack.variable("AZDO_POOL"))
            .with_env_var("AZDO_AGENT_NAME", name);
        for (name, value) in settings {
            request = request.with_env_var(*name, *value);
        }
        Ok(Self { container: request.start().await?, name: name.to_owned() })
    }

    /// An agent that listens.
    pub(crate) async fn listening(stack: &Stack, name: &str, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start(stack, name, settings, "Listening for Jobs").await
    }

    pub(crate) async fn signal(&self, stack: &Stack, signal: &str) -> Result<()> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        Ok(stack.engine().0.kill_container(self.container.id(), Some(options)).await?)
    }

    /// `docker stop` with a grace in seconds; returns when the container has ended.
    pub(crate) async fn stop(&self, stack: &Stack, grace: i32) -> Result<()> {
        let options = StopContainerOptionsBuilder::default().t(grace).build();
        Ok(stack.engine().0.stop_container(self.container.id(), Some(options)).await?)
    }

    /// Waits for the end: exit code and everything that was said. The registration token is in nothing of it.
    pub(crate) async fn end(&self, stack: &Stack) -> Result<(i64, String)> {
        let code = stack
            .eventually("the container ended", LIMIT, async || {
                let found = stack.engine().0.inspect_container(self.container.id(), None).await?;
                let state = found.state.context("a container has a state")?;
                ensure!(state.running == Some(false), "it is {:?}", state.status);
                state.exit_code.context("an ended container has a code")
            })
            .await?;
        let said = stack.engine().logs(self.container.id()).await?;
        ensure!(!said.contains(stack.variable("AZDO_TOKEN")), "the token is in the log");
        Ok((code, said))
    }

    /// Waits until the container has said something.
    pub(crate) async fn says(&self, stack: &Stack, text: &str) -> Result<()> {
        stack
            .eventually(text, LIMIT, async || {
                let said = stack.engine().logs(self.container.id()).await?;
                ensure!(said.contains(text), "{said}");
                Ok(())
            })
            .await
    }

    /// What the service knows of the agent; nothing where it was never registered.
    pub(crate) async fn agent(&self, stack: &Stack) -> Result<Option<Value>> {
        let agents = stack.control("GET", "/azdo/agents", None).await?;
        let mut agents = agents.as_array().cloned().unwrap_or_default().into_iter();
        Ok(agents.find(|agent| agent["name"] == self.name.as_str()))
    }

    /// Fails where the service still holds a session of the agent.
    pub(crate) async fn left_no_session(&self, stack: &Stack) -> Result<()> {
        if let Some(agent) = self.agent(stack).await? {
            ensure!(
                agent["online"] == false && agent["sessionOwner"].is_null(),
                "a session is left: {agent}"
            );
        }
        Ok(())
    }
}

/// Fails where more time passed than was allowed.
pub(crate) fn within(begin: Instant, seconds: u64) -> Result<()> {
    let took = begin.elapsed();
    ensure!(took < Duration::from_secs(seconds), "it took {took:?}");
    Ok(())
}
