//! The control: the start script that people use today, as Microsoft's documentation for agents in containers shows
//! it, in our own words. Every guarantee is also put to it, and there it must fail.

use std::time::Duration;

use anyhow::Result;
use bollard::models::{HostConfig, RestartPolicy, RestartPolicyNameEnum};
use testcontainers::core::WaitFor;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};

use crate::Stack;

/// Token from the environment into a file, `unset`, token on the command line, one user for everything.
pub const NAIVE_START: &str = r#"
set -e
cd /azp/agent
export AGENT_ALLOW_RUNASROOT=1
if [ -z "$AZP_TOKEN_FILE" ]; then AZP_TOKEN_FILE=/azp/.token; echo -n "$AZP_TOKEN" > "$AZP_TOKEN_FILE"; fi
SAVED=$AZP_TOKEN
unset AZP_TOKEN
export VSO_AGENT_IGNORE=AZP_TOKEN,AZP_TOKEN_FILE
if [ -e .agent ]; then ./config.sh remove --unattended --auth PAT --token "$(cat "$AZP_TOKEN_FILE")" || rm -f .agent .credentials .credentials_rsaparams; fi
./config.sh --unattended --agent "$AZP_AGENT_NAME" --url "$AZP_URL" --auth PAT --token "$(cat "$AZP_TOKEN_FILE")" \
  --pool "$AZP_POOL" --work /azp/work --replace --acceptTeeEula
./run.sh --once & wait $!
"#;

/// One agent started the naive way, with Docker's own restart policy.
#[derive(Debug)]
pub struct NaiveAgent {
    /// The container; removed when this is dropped.
    pub container: ContainerAsync<GenericImage>,
}

impl NaiveAgent {
    /// Starts the stack's own image with the naive script in place of the entrypoint. `extra` are variables that the
    /// platform would inject, readable by whoever looks.
    pub async fn start(stack: &Stack, name: &str, extra: &[(&str, &str)]) -> Result<Self> {
        let (repository, tag) = stack.local_image();
        let mut request = GenericImage::new(repository, tag)
            .with_entrypoint("/bin/bash")
            .with_wait_for(WaitFor::message_on_stdout("Listening for Jobs"))
            .with_cmd(["-c", NAIVE_START])
            .with_network(stack.network())
            .with_startup_timeout(Duration::from_secs(60))
            .with_label("mayfly.instance", stack.instance())
            .with_host_config_modifier(always)
            .with_env_var("AZP_URL", stack.variable("AZDO_URL"))
            .with_env_var("AZP_TOKEN", stack.variable("AZDO_TOKEN"))
            .with_env_var("AZP_POOL", stack.variable("AZDO_POOL"))
            .with_env_var("AZP_AGENT_NAME", name);
        for (name, value) in extra {
            request = request.with_env_var(*name, *value);
        }
        Ok(Self { container: request.start().await? })
    }
}

/// The stack's image as it is, under Docker's own restart policy, which keeps the layer of the first run.
pub async fn start_product(stack: &Stack, name: &str) -> Result<ContainerAsync<GenericImage>> {
    let (repository, tag) = stack.local_image();
    let request = GenericImage::new(repository, tag)
        .with_wait_for(WaitFor::message_on_stdout("\"event\":\"start\""))
        .with_network(stack.network())
        .with_startup_timeout(Duration::from_secs(60))
        .with_label("mayfly.instance", stack.instance())
        .with_host_config_modifier(always)
        .with_env_var("AZDO_URL", stack.variable("AZDO_URL"))
        .with_env_var("AZDO_TOKEN", stack.variable("AZDO_TOKEN"))
        .with_env_var("AZDO_POOL", stack.variable("AZDO_POOL"))
        .with_env_var("AZDO_AGENT_NAME", name);
    Ok(request.start().await?)
}

/// The stack's image with a script in place of the entrypoint, run once; ready when it printed `ready`.
pub async fn start_script(
    stack: &Stack,
    name: &str,
    script: &str,
    ready: &str,
) -> Result<ContainerAsync<GenericImage>> {
    let (repository, tag) = stack.local_image();
    let request = GenericImage::new(repository, tag)
        .with_entrypoint("/bin/bash")
        .with_wait_for(WaitFor::message_on_stdout(ready))
        .with_cmd(["-c", script])
        .with_network(stack.network())
        .with_startup_timeout(Duration::from_secs(60))
        .with_label("mayfly.instance", stack.instance())
        .with_env_var("AZP_URL", stack.variable("AZDO_URL"))
        .with_env_var("AZP_TOKEN", stack.variable("AZDO_TOKEN"))
        .with_env_var("AZP_POOL", stack.variable("AZDO_POOL"))
        .with_env_var("AZP_AGENT_NAME", name);
    Ok(request.start().await?)
}

fn always(host: &mut HostConfig) {
    host.restart_policy =
        Some(RestartPolicy { name: Some(RestartPolicyNameEnum::ALWAYS), maximum_retry_count: None });
}
