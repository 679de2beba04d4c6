//! `scale`: another number of agents, and no job lost.

use std::time::Duration;

use crate::context::Context;
use crate::deployment::{Mode, RegistryLocation};
use crate::error::RolloutError;
use crate::image_ref::ImageRef;
use crate::report::Reporter;
use crate::rollout::{self, Request, RolloutReport, WaitFor};

/// What to scale to.
#[derive(Debug, Clone)]
pub struct ScaleOptions {
    /// Number of agents the fleet has afterwards.
    pub agents: u32,
    /// Only plan.
    pub dry_run: bool,
    /// Kill the jobs of agents that must go, after naming them.
    pub force: bool,
    /// How long jobs of agents that must go are waited for.
    pub drain_timeout: Duration,
    /// How long new agents may take to listen.
    pub ready_timeout: Duration,
    /// Leave failed agents in place.
    pub keep_failed: bool,
    /// Another image: agents of the former one are replaced. `None`: each keeps what it has, new ones get the image of the
    /// last deployment.
    pub image: Option<ImageRef>,
    /// The registry; `None`: the one of the subscription that has the image's login server.
    pub registry: Option<RegistryLocation>,
    /// Who scales; see [`crate::DeployOptions::deployer`].
    pub deployer: String,
}

impl ScaleOptions {
    /// Options with the documented defaults.
    pub fn new(agents: u32, deployer: impl Into<String>) -> Self {
        Self {
            agents,
            dry_run: false,
            force: false,
            drain_timeout: Duration::from_secs(30 * 60),
            ready_timeout: Duration::from_secs(10 * 60),
            keep_failed: false,
            image: None,
            registry: None,
            deployer: deployer.into(),
        }
    }
}

/// Brings the fleet to `agents` agents. An agent that goes is disabled and idle first; an agent that stays is in no
/// deployment.
pub async fn scale(
    context: &Context,
    options: ScaleOptions,
    reporter: &dyn Reporter,
) -> Result<RolloutReport, RolloutError> {
    let request = Request {
        agents: options.agents,
        image: options.image,
        cpu: None,
        memory_gb: None,
        os_type: None,
        registry: options.registry,
        mode: Mode::Incremental,
        own: None,
        template_name: String::new(),
        keep_failed: options.keep_failed,
        dry_run: options.dry_run,
        force: options.force,
        drain_timeout: options.drain_timeout,
        ready_timeout: options.ready_timeout,
        wait_for: WaitFor::New,
        deployer: options.deployer,
    };
    rollout::run(context, &request, reporter).await
}
