//! The targets: how an agent is started, how tools get into its container, and when the next container is there.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bollard::models::{ContainerCreateBody, HostConfig, RestartPolicy, RestartPolicyNameEnum};
use bollard::query_parameters::{RemoveContainerOptionsBuilder, UploadToContainerOptionsBuilder};

use crate::{NAIVE_START, Stack};

/// Where the hunter and its brief lie in the container.
pub(crate) const FOLDER: &str = "/leakscan";

/// What is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Mayfly's image in Container Instances, as ordinary user.
    Mayfly,
    /// Mayfly's image with `AZDO_RUN_AS=root`, each container made anew.
    MayflyRoot,
    /// The start script that people use today, each container made anew.
    Naive,
    /// The same script under Docker's own restart policy.
    Restarted,
}

impl Kind {
    /// Name for the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mayfly => "Mayfly's image, ordinary user",
            Self::MayflyRoot => "Mayfly's image, root jobs",
            Self::Naive => "naive start script (control)",
            Self::Restarted => "docker run --restart always (control)",
        }
    }

    /// All, in the order of the report.
    pub const ALL: [Self; 4] = [Self::Mayfly, Self::MayflyRoot, Self::Naive, Self::Restarted];

    /// The word by which one is chosen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mayfly => "mayfly",
            Self::MayflyRoot => "mayfly-root",
            Self::Naive => "naive",
            Self::Restarted => "restarted",
        }
    }

    /// Whether it is ours, and must not be caught.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Mayfly | Self::MayflyRoot)
    }
}

/// A running agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// The container of the present generation.
    pub(crate) container: String,
    /// When that began to run.
    started: String,
    /// What the deploying command printed.
    pub(crate) deployer: String,
}

impl Agent {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(kind: Kind, stack: &mut Stack) -> Result<Self> {
        let mut agent = Self {
            kind,
            name: if kind == Kind::Mayfly { "mayfly-0" } else { "leakscan-0" }.to_owned(),
            container: String::new(),
            started: String::new(),
            deployer: String::new(),
        };
        if kind == Kind::Mayfly {
            stack.set("MAYFLY_LOG", "debug");
            agent.deployer = stack.ok(&["deploy", "--agents", "1"]).await?.text();
            stack.set("MAYFLY_LOG", "warn");
            agent.container = agent.present(stack).await?;
        } else {
            agent.container = run(kind, stack, &agent.name).await?;
        }
        agent.listening(stack).await?;
        agent.started = started(stack, &agent.container).await?;
        Ok(agent)
    }

    async fn present(&self, stack: &Stack) -> Result<String> {
        let running = stack.engine().by_agent(stack.instance()).await?;
        running.get(&self.name).cloned().with_context(|| format!("`{}` has a running container", self.name))
    }

    /// Waits for the next generation: a container made anew, or the same one started again.
    pub(crate) async fn next(&mut self, stack: &Stack) -> Result<()> {
        let limit = Duration::from_secs(60);
        match self.kind {
            Kind::Mayfly => {
                let last = self.container.clone();
                self.container = stack
                    .eventually("a new container runs", limit, async || {
                        let now = self.present(stack).await?;
                        ensure!(now != last, "still the same");
                        Ok(now)
                    })
                    .await?;
            }
            Kind::Restarted => {
                let last = self.started.clone();
                stack
                    .eventually("the container was started again", limit, async || {
                        ensure!(started(stack, &self.container).await? != last, "still the first start");
                        Ok(())
                    })
                    .await?;
            }
            Kind::MayflyRoot | Kind::Naive => {
                stack
                    .eventually("the container has ended", limit, async || {
                        ensure!(started(stack, &self.container).await?.is_empty(), "it still runs");
                        Ok(())
                    })
                    .await?;
                remove(stack, &self.container).await?;
                self.container = run(self.kind, stack, &self.name).await?;
            }
        }
        self.started = started(stack, &self.container).await?;
        Ok(())
    }

    async fn listening(&self, stack: &Stack) -> Result<()> {
        stack
            .eventually("the agent listens", Duration::from_secs(60), async || {
                let agents = stack.azdo("GET", "/_apis/distributedtask/pools/1/agents").await?;
                let online = agents["value"].as_array().into_iter().flatten();
                let mut online = online.filter(|one| one["status"] == "online");
                ensure!(
                    online.any(|one| one["name"] == *self.name),
                    "{agents}\n{}",
                    stack.engine().logs(&self.container).await?
                );
                Ok(())
            })
            .await
    }
}

/// When a container began to run; empty where it does not.
async fn started(stack: &Stack, container: &str) -> Result<String> {
    let state = stack.engine().0.inspect_container(container, None).await?.state.context("a state")?;
    Ok(if state.running == Some(true) {
        state.started_at.map(|at| format!("{at:?}")).unwrap_or_default()
    } else {
        String::new()
    })
}

/// Removes a container, running or not.
pub(crate) async fn remove(stack: &Stack, container: &str) -> Result<()> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    Ok(stack.engine().0.remove_container(container, Some(options)).await?)
}

/// A container with the stack's image, on its network and with its label, so that its end is the stack's.
pub(crate) async fn create(stack: &Stack, mut body: ContainerCreateBody) -> Result<String> {
    let (repository, tag) = stack.local_image();
    body.image = Some(format!("{repository}:{tag}"));
    body.labels = Some(HashMap::from([("mayfly.instance".to_owned(), stack.instance().to_owned())]));
    let host = body.host_config.get_or_insert_default();
    host.network_mode = Some(stack.network());
    Ok(stack.engine().0.create_container(None, body).await?.id)
}

/// Starts the stack's image as a person would with `docker run -e …`.
async fn run(kind: Kind, stack: &Stack, name: &str) -> Result<String> {
    let family = if kind.is_ours() { "AZDO" } else { "AZP" };
    let mut variables: Vec<String> = [
        ("URL", stack.variable("AZDO_URL")),
        ("TOKEN", stack.variable("AZDO_TOKEN")),
        ("POOL", stack.variable("AZDO_POOL")),
        ("AGENT_NAME", name),
    ]
    .map(|(word, value)| format!("{family}_{word}={value}"))
    .into();
    let mut body = ContainerCreateBody::default();
    if kind.is_ours() {
        variables.push("AZDO_RUN_AS=root".into());
    } else {
        body.entrypoint = Some(vec!["/bin/bash".into()]);
        body.cmd = Some(vec!["-c".into(), NAIVE_START.into()]);
    }
    body.env = Some(variables);
    if kind == Kind::Restarted {
        let policy = RestartPolicy { name: Some(RestartPolicyNameEnum::ALWAYS), maximum_retry_count: None };
        body.host_config = Some(HostConfig { restart_policy: Some(policy), ..HostConfig::default() });
    }
    let container = create(stack, body).await?;
    stack.engine().0.start_container(&container, None).await?;
    Ok(container)
}

/// Puts files into [`FOLDER`] of a container. An attacker brings tools along; an image with them baked in would be
/// searched with its own tools in it.
pub(crate) async fn upload(stack: &Stack, container: &str, files: &[(&str, Vec<u8>)]) -> Result<()> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut folder = tar::Header::new_gnu();
    folder.set_entry_type(tar::EntryType::Directory);
    folder.set_mode(0o755);
    folder.set_size(0);
    archive.append_data(&mut folder, &FOLDER[1..], std::io::empty())?;
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, format!("{}/{name}", &FOLDER[1..]), bytes.as_slice())?;
    }
    let options = UploadToContainerOptionsBuilder::default().path("/").build();
    let body = bollard::body_full(archive.into_inner()?.into());
    stack
        .engine()
        .0
        .upload_to_container(container, Some(options), body)
        .await
        .context("put the hunter into the container")
}
