//! `deploy`: N agents of one image, listening.

use std::time::Duration;

use crate::context::Context;
use crate::deployment::{Mode, OwnTemplate, RegistryLocation};
use crate::error::RolloutError;
use crate::image_ref::ImageRef;
use crate::report::Reporter;
use crate::rollout::{self, Request, RolloutReport, WaitFor};
use crate::settings::OsType;

/// What to deploy.
#[derive(Debug, Clone)]
pub struct DeployOptions {
    /// Number of agents the fleet has afterwards; 0 is fine.
    pub agents: u32,
    /// Image of every agent. `None`: the image of the fleet's last deployment.
    pub image: Option<ImageRef>,
    /// CPU cores of each agent. `None`: as the fleet has, else 1.
    pub cpu: Option<f64>,
    /// GB of memory of each agent. `None`: as the fleet has, else 2.
    pub memory_gb: Option<f64>,
    /// Operating system of the containers. `None`: as the fleet has, else Linux.
    pub os_type: Option<OsType>,
    /// The registry; `None`: the one of the subscription that has the image's login server.
    pub registry: Option<RegistryLocation>,
    /// Deployment mode.
    pub mode: Mode,
    /// The user's own template instead of the built-in one, with its file name for error texts.
    pub template: Option<(String, OwnTemplate)>,
    /// Leave failed agents in place.
    pub keep_failed: bool,
    /// Only plan.
    pub dry_run: bool,
    /// How long jobs of agents that must go or be replaced are waited for.
    pub drain_timeout: Duration,
    /// How long new agents may take to listen.
    pub ready_timeout: Duration,
    /// Who deploys, for somebody who finds the deployment under way: for example `user@host, process 42`. Must differ between
    /// two deployers.
    pub deployer: String,
}

impl DeployOptions {
    /// Options with the documented defaults.
    pub fn new(agents: u32, image: Option<ImageRef>, deployer: impl Into<String>) -> Self {
        Self {
            agents,
            image,
            cpu: None,
            memory_gb: None,
            os_type: None,
            registry: None,
            mode: Mode::Incremental,
            template: None,
            keep_failed: false,
            dry_run: false,
            drain_timeout: Duration::from_secs(30 * 60),
            ready_timeout: Duration::from_secs(10 * 60),
            deployer: deployer.into(),
        }
    }
}

/// Brings the fleet to `agents` agents of the image and succeeds only when all of them listen in the pool. Agents that
/// are as they should be are not touched; others are replaced one at a time, drained first.
pub async fn deploy(
    context: &Context,
    options: DeployOptions,
    reporter: &dyn Reporter,
) -> Result<RolloutReport, RolloutError> {
    let (template_name, own) =
        options.template.map_or((String::new(), None), |(name, own)| (name, Some(own)));
    let request = Request {
        agents: options.agents,
        image: options.image,
        cpu: options.cpu,
        memory_gb: options.memory_gb,
        os_type: options.os_type,
        registry: options.registry,
        mode: options.mode,
        own,
        template_name,
        keep_failed: options.keep_failed,
        dry_run: options.dry_run,
        force: false,
        drain_timeout: options.drain_timeout,
        ready_timeout: options.ready_timeout,
        wait_for: WaitFor::All,
        deployer: options.deployer,
    };
    rollout::run(context, &request, reporter).await
}
